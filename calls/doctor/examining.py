"""Every check side by side, each with its own time limit: one that breaks or hangs never hides another."""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from django.db import connections

from calls.doctor.report import Finding, Line, Report, Verdict, failed

logger = logging.getLogger(__name__)

LOOK_EVERY_S = 0.05


@dataclass(frozen=True, slots=True)
class Check:
    """One thing to look at. ``look`` may block; after ``within_s`` nobody waits for it any more."""

    name: str
    title: str
    look: Callable[[], Finding]
    within_s: float = 10.0


class _Running:
    """A check in a thread of its own, which is left to itself when its time is over."""

    def __init__(self, check: Check) -> None:
        self.check = check
        self._began = time.monotonic()
        self._finding: Finding | None = None
        self._took_s = 0.0
        # A daemon: a check that hangs for ever must not keep the process.
        self._thread = threading.Thread(target=self._look, name=f"doctor-{check.name}", daemon=True)
        self._thread.start()

    def _look(self) -> None:
        try:
            finding = self.check.look()
        except Exception as exc:
            # The text may hold an address with a password; its kind is enough for the page, the log has the rest.
            logger.exception("a check of the doctor broke", extra={"check": self.check.name})
            finding = failed(
                f"The check itself broke ({type(exc).__name__}).",
                "The log of this process has the traceback. The other checks are not affected.",
            )
        finally:
            connections.close_all()
        self._took_s = time.monotonic() - self._began
        self._finding = finding  # last: whoever sees it may read the rest

    def wait(self) -> Line:
        left_s = self._began + self.check.within_s - time.monotonic()
        self._thread.join(max(0.0, left_s))
        finding, took_s = self._finding, self._took_s
        if finding is None:
            took_s = self.check.within_s
            finding = failed(
                f"No end within {self.check.within_s:g} s.",
                "Whatever this check asks does not answer. Look at its log, and at the network between it and here.",
            )
        return Line(
            name=self.check.name,
            title=self.check.title,
            verdict=Verdict(finding.verdict),
            found=finding.found,
            what_to_do=finding.what_to_do,
            took_ms=round(took_s * 1000),
            facts=finding.facts,
        )


def examine(checks: Sequence[Check]) -> Report:
    """The report on all of them, in their order, no later than the longest of their limits."""
    at = datetime.now(UTC)
    running = [_Running(check) for check in checks]
    return Report(at, tuple(one.wait() for one in running))
