"""How long nobody says a word, and what is done about it: a reminder or several, and at last a goodbye."""

from calls.bridge.limits import REMINDED_WITHIN_S
from calls.bridge.line import Line, Timer
from calls.bridge.plan import Plan


class Patience:
    """Counts from the end of what was heard. A reminder of ours is no sign of life: it does not put off the goodbye."""

    def __init__(self, line: Line, plan: Plan) -> None:
        self._line = line
        self._plan = plan
        self._reminders = 0
        self._reminding = False  # the last to speak was a reminder of ours
        self._gives_up_at = 0.0

    def begin(self, now: float) -> None:
        """Nobody speaks from now on."""
        if not self._line.armed(Timer.QUIET):
            at = now + self._plan.silence_timeout_s
            if self._reminding:
                # Whoever was just asked whether they are there gets the time to say so.
                at = max(min(at, self._gives_up_at), now + REMINDED_WITHIN_S)
            self._gives_up_at = at
            self._line.arm(Timer.QUIET, at)
        self.watch(now)

    def watch(self, now: float) -> None:
        """Have the caller reminded if they stay silent, unless that was done often enough."""
        plan = self._plan
        if plan.idle_messages and self._reminders < plan.idle_max_count and not self._line.armed(Timer.IDLE):
            self._line.arm(Timer.IDLE, now + plan.idle_timeout_s)

    def caller_there(self) -> None:
        """The caller gives a sign of life."""
        self._line.disarm(Timer.QUIET, Timer.IDLE)
        self._reminding = False
        if self._plan.idle_resets:
            self._reminders = 0

    def answered(self) -> None:
        """The assistant says something that is no reminder."""
        self._reminding = False

    def remind(self) -> str:
        """The next reminder; they are taken in turn."""
        messages = self._plan.idle_messages
        message = messages[self._reminders % len(messages)]
        self._reminders += 1
        self._reminding = True
        return message
