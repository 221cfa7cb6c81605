"""The dashboards as their files describe them: questions with their SQL, and where each stands."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

FOLDER: Final = Path(__file__).resolve().parent / "dashboards"
COLUMNS: Final = 24  # of a dashboard in Metabase
DISPLAYS: Final = frozenset({"scalar", "table", "line", "bar", "row", "area"})


@dataclass(frozen=True, slots=True)
class Place:
    """Where a question stands on its dashboard."""

    row: int
    column: int
    width: int
    height: int

    def overlaps(self, other: "Place") -> bool:
        """Whether two places share a cell."""
        return (
            self.row < other.row + other.height
            and other.row < self.row + self.height
            and self.column < other.column + other.width
            and other.column < self.column + self.width
        )


@dataclass(frozen=True, slots=True)
class Question:
    """One question: its SQL and how the answer is shown. ``key`` stays when everything else changes."""

    key: str
    name: str
    about: str
    display: str
    sql: str
    place: Place
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Dashboard:
    """One dashboard with its questions."""

    key: str
    name: str
    about: str
    questions: tuple[Question, ...]


def dashboards(folder: Path = FOLDER) -> tuple[Dashboard, ...]:
    """All dashboards, in the order of their files. Raises ValueError for a file that cannot be right."""
    found = tuple(_dashboard(path) for path in sorted(folder.glob("*.toml")))
    keys = [one.key for one in found] + [one.key for board in found for one in board.questions]
    twice = {key for key in keys if keys.count(key) > 1}
    if twice:
        raise ValueError(f"Keys are used twice: {', '.join(sorted(twice))}.")
    return found


def _dashboard(path: Path) -> Dashboard:
    with path.open("rb") as file:
        raw = tomllib.load(file)
    try:
        questions = tuple(_question(one) for one in raw.pop("questions"))
        board = Dashboard(questions=questions, **raw)
    except (KeyError, TypeError, ValueError) as exc:
        raise ValueError(f"{path.name}: {exc}") from exc
    for n, one in enumerate(board.questions):
        for other in board.questions[:n]:
            if one.place.overlaps(other.place):
                raise ValueError(f"{path.name}: {one.key} stands on {other.key}.")
    return board


def _question(raw: dict[str, Any]) -> Question:
    row, column, width, height = raw.pop("at")
    if min(row, column) < 0 or min(width, height) < 1 or column + width > COLUMNS:
        raise ValueError(f"{raw['key']} stands outside its dashboard.")
    if raw["display"] not in DISPLAYS:
        raise ValueError(f"{raw['key']} has the display {raw['display']}.")
    return Question(place=Place(row, column, width, height), **{**raw, "sql": raw["sql"].strip()})
