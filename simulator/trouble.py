"""The faults of one call on the Realtime side, and how often each has struck."""

from dataclasses import dataclass

from simulator.scenario import Faults


@dataclass(slots=True)
class Trouble:
    """Kept for a call, not for a connection: reconnecting does not start the faults anew."""

    faults: Faults
    _refused: int = 0
    _closed: int = 0
    _failed: int = 0
    _updates: int = 0
    _huge: bool = False
    _garbled: bool = False

    def refusal(self) -> int | None:
        """The HTTP status with which this upgrade is to be refused."""
        if self.faults.refuse_status is None or self._refused >= self.faults.refuse_times:
            return None
        self._refused += 1
        return self.faults.refuse_status

    def rejects_update(self) -> bool:
        """Whether this session.update is to fail."""
        self._updates += 1
        return self.faults.reject_update and self._updates == 1

    def failure(self, model: str) -> str | None:
        """The error code with which this response is to fail."""
        if model.startswith(("gpt-4o-realtime-preview", "gpt-4o-mini-realtime-preview")):
            return "model_not_found"  # retired: it connects, and every response fails
        if self._failed >= self.faults.fail_responses:
            return None
        self._failed += 1
        return self.faults.fail_code

    def makes_huge(self) -> bool:
        """Whether this event is the one of 3 MB."""
        struck = self.faults.huge_message and not self._huge
        self._huge |= struck
        return struck

    def garbles(self) -> bool:
        """Whether a message that is not JSON comes now."""
        struck = self.faults.invalid_json and not self._garbled
        self._garbled |= struck
        return struck

    def closes(self) -> int | None:
        """The code with which the connection is to be closed now."""
        if self.faults.close_mid_response is None or self._closed >= self.faults.close_times:
            return None
        self._closed += 1
        return self.faults.close_mid_response
