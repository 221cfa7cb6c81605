"""Where a ``type`` contradicts the branches beside it, the branches are what was meant."""

from typing import Any

from tools.schemas.nodes import UNIONS, Schema, kind_of, subschemas


class Kinds:
    """Which JSON types a converted schema allows, as far as it says; None where it does not."""

    def __init__(self, defs: dict[str, Schema]) -> None:
        self._defs = defs
        self._known: dict[str, frozenset[str] | None] = {}

    def of(self, node: Schema) -> frozenset[str] | None:
        if isinstance(node, bool):
            return None
        said: list[frozenset[str] | None] = []
        if "type" in node:
            types = node["type"] if isinstance(node["type"], list) else [node["type"]]
            said.append(frozenset("number" if one == "integer" else one for one in types))
        if "enum" in node:
            said.append(frozenset(map(kind_of, node["enum"])))
        if "$ref" in node:
            said.append(self._of_def(node["$ref"].rsplit("/", 1)[1]))
        said += [self.of(part) for part in node.get("allOf", ())]
        said += [self.of_any(node[key]) for key in UNIONS if key in node]
        clear = [kinds for kinds in said if kinds is not None]
        return frozenset.intersection(*clear) if clear else None

    def of_any(self, branches: list[Schema]) -> frozenset[str] | None:
        """The types that the branches allow together."""
        kinds = [self.of(branch) for branch in branches]
        clear = [one for one in kinds if one is not None]
        return frozenset().union(*clear) if len(clear) == len(kinds) else None

    def _of_def(self, name: str) -> frozenset[str] | None:
        if name not in self._known:
            self._known[name] = None
            self._known[name] = self.of(self._defs[name])
        return self._known[name]


def branches_trusted(node: Schema, kinds: Kinds) -> None:
    """Take each ``type`` out that its branches contradict, here and below."""
    if isinstance(node, bool):
        return
    if "type" in node and _contradicted(node, kinds):
        declared = node.pop("type")
        for key in UNIONS:
            for branch in node.get(key, ()):
                if isinstance(branch, dict) and kinds.of(branch) is None:
                    branch["type"] = declared
    for part in subschemas(node):
        branches_trusted(part, kinds)


def _contradicted(node: dict[str, Any], kinds: Kinds) -> bool:
    own = kinds.of({"type": node["type"]}) or frozenset()
    for key in UNIONS:
        for branch in node.get(key, ()):
            allowed = kinds.of(branch)
            if allowed is not None and not allowed <= own:
                return True
    others = [kinds.of(part) for part in node.get("allOf", ())]
    if "$ref" in node:
        others.append(kinds.of({"$ref": node["$ref"]}))
    return any(allowed is not None and not allowed & own for allowed in others)
