"""How well it finds what it is to find, by a table of utterances: `python -m tools.redaction.figures TABLE`. Pure."""

import re
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tools.redaction.redact import KINDS, redactor

_MARK: Final = re.compile(rf"\[({'|'.join(KINDS)})\]")


@dataclass(frozen=True, slots=True)
class Case:
    """One utterance with the kinds that are in it, in their order."""

    line: int
    kinds: tuple[str, ...]
    text: str

    def found(self, kept: str) -> tuple[str, ...]:
        """The kinds that were replaced."""
        return tuple(_MARK.findall(kept))


@dataclass(frozen=True, slots=True)
class Figures:
    """How many utterances there were, and how much of what was found was there, and of what was there was found."""

    utterances: int
    right: int
    wrong: int
    missed: int

    @property
    def precision(self) -> float:
        """The share of what was replaced that was to be."""
        return self.right / (self.right + self.wrong) if self.right + self.wrong else 1.0

    @property
    def recall(self) -> float:
        """The share of what was to be replaced that was."""
        return self.right / (self.right + self.missed) if self.right + self.missed else 1.0


def cases_read(path: Path) -> list[Case]:
    """The utterances of a table: kinds or a dash, a tab, the words."""
    found = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if line and not line.startswith("#"):
            kinds, _, text = line.partition("\t")
            found.append(Case(number, () if kinds == "-" else tuple(kinds.split()), text))
    return found


def measured(path: Path) -> Figures:
    """The figures of a table."""
    redact = redactor(KINDS)
    cases = cases_read(path)
    right = wrong = missed = 0
    for case in cases:
        due, found = Counter(case.kinds), Counter(case.found(redact(_MARK.sub("", case.text))))
        right += (due & found).total()
        wrong += (found - due).total()
        missed += (due - found).total()
    return Figures(len(cases), right, wrong, missed)


if __name__ == "__main__":
    for name in sys.argv[1:]:
        figures = measured(Path(name))
        sys.stdout.write(
            f"{figures.utterances} utterances: precision {figures.precision:.3f}, recall {figures.recall:.3f} "
            f"({figures.right} right, {figures.wrong} wrong, {figures.missed} missed)\n"
        )
