"""Names that are unique here though they are not at Vapi."""

from collections.abc import Collection, Mapping
from typing import Final

from assistants.vapi.assistant_fields import AssistantBuild
from assistants.vapi.drafts import Verdict

NAME_MAX: Final = 80


def name_free(base: str, taken: Collection[str], *, wanted: str = "") -> str:
    """The name, cut to what we take, with a number where it is taken. ``wanted`` is preferred if it is of that sort."""
    base = " ".join(base.split())
    if wanted and wanted not in taken and is_of(wanted, base):
        return wanted
    free, number = base[:NAME_MAX].rstrip(), 1
    while free in taken:
        number += 1
        ending = f" ({number})"
        free = base[: NAME_MAX - len(ending)].rstrip() + ending
    return free


def is_of(name: str, base: str) -> bool:
    """Whether the name is the base, cut or with a number, as an earlier import may have given it."""
    base = " ".join(base.split())
    return name == base[:NAME_MAX].rstrip() or name.startswith(f"{base[: NAME_MAX - 6].rstrip()} (")


class Names:
    """The names of assistants: those of earlier imports by Vapi's id, and those given now."""

    def __init__(
        self, known: Mapping[str, str], *, taken: Collection[str], present: Mapping[str, str]
    ) -> None:
        self._known = known
        self._taken = set(taken)
        # Whoever is renamed at Vapi by this export gives up the name that an earlier import gave.
        self._held = {
            key: name for key, name in known.items() if key not in present or is_of(name, present[key])
        }

    def give(self, build: AssistantBuild, *, copy_of: str = "", holder: str = "squad") -> None:
        """Gives the assistant its name and tells where it differs from the one at Vapi.

        ``copy_of``: the name of the squad, or of another ``holder``, whose own copy of an assistant it is.
        """
        given = build.ledger.text("name") or ""
        plain = " ".join(given.split())
        base = plain or f"Vapi assistant {build.key[:8]}"
        if copy_of:
            ending = f" ({' '.join(copy_of.split())[:40].rstrip()})"
            base = base[: NAME_MAX - len(ending)].rstrip() + ending
        held = {name for key, name in self._held.items() if key != build.key}
        name = name_free(base, self._taken | held, wanted=self._known.get(build.key, ""))
        self._taken.add(name)
        build.fields = {"name": name, **build.fields}
        self._say(build, given, plain, base, name, holder if copy_of else "")

    def _say(self, build: AssistantBuild, given: str, plain: str, base: str, name: str, holder: str) -> None:
        path = ("name",)
        if name != " ".join(base.split())[:NAME_MAX].rstrip():
            cut = f" Names have {NAME_MAX} characters at most here." if len(base) > NAME_MAX else ""
            build.ledger.decide(
                path,
                f"Another assistant is called {base[:NAME_MAX].rstrip()} already.{cut} This one was named {name}: give them names by "
                "which your team can tell them apart.",
                field="name",
                ours=name,
                code="duplicate_name",
            )
        elif not plain:
            reason = "It has no name at Vapi. Tandem needs one."
            build.ledger.missing(path, reason, field="name", ours=name)
            if given or build.ledger.has("name"):
                build.ledger.say(path, Verdict.CONVERTED, reason, field="name", ours=name)
        elif len(base) > NAME_MAX:
            reason = (
                f"Names have {NAME_MAX} characters at most here; the rest was cut off. Callers never hear it."
            )
            build.ledger.say(path, Verdict.CONVERTED, reason, field="name", ours=name, code="name_cut")
        elif holder:
            reason = f"This is the {holder}'s own copy of the assistant, which has the {holder}'s name added."
            build.ledger.say(path, Verdict.CONVERTED, reason, field="name", ours=name)
        elif name != given:
            build.ledger.say(
                path, Verdict.CONVERTED, "The name, without surplus blanks.", field="name", ours=name
            )
