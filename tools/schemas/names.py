"""Names that OpenAI takes, made from names that it does not."""

import re
import unicodedata
from collections.abc import Collection, Iterable

NAME_MAX = 64
_LEGAL = re.compile(r"[a-zA-Z0-9_-]{1,64}")


def is_legal_name(name: str) -> bool:
    """Whether a tool or a property may be called so."""
    return _LEGAL.fullmatch(name) is not None


def legal_tool_name(name: str, taken: Collection[str] = ()) -> str:
    """The name itself where it is legal and free, else the most alike that is. ``taken`` are the names in use."""
    return _free_name(name, taken, fallback="tool")


def property_names(names: Iterable[str]) -> dict[str, str]:
    """For each property the name that the model sees. A legal name is kept, and no other takes it."""
    names = list(names)
    shown = {name: name for name in names if is_legal_name(name)}
    taken = set(shown)
    for name in names:
        if name not in shown:
            shown[name] = _free_name(name, taken, fallback="field")
            taken.add(shown[name])
    return {name: shown[name] for name in names}


def _free_name(name: str, taken: Collection[str], *, fallback: str) -> str:
    base = name if is_legal_name(name) else _cleaned(name) or fallback
    free, number = base, 1
    while free in taken:
        number += 1
        ending = f"_{number}"
        free = base[: NAME_MAX - len(ending)] + ending
    return free


def _cleaned(name: str) -> str:
    spelled = name.replace("ß", "ss")  # has no decomposition
    ascii_only = unicodedata.normalize("NFKD", spelled).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-zA-Z0-9-]+", "_", ascii_only)[:NAME_MAX].strip("_")
