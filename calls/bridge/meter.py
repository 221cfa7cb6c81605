"""What a call has used, as the model's server reports it: once for each response and for each transcription.

A response that began and of which no report came is told too: what it cost is unknown then, and not nothing.
"""

from calls.bridge import realtime
from calls.bridge.commands import Used, UsedFor
from calls.bridge.line import Line
from calls.bridge.plan import Plan

UNFINISHED = "unfinished"


class Meter:
    """Passes on what is reported, with the session and the model that it is of."""

    def __init__(self, line: Line, plan: Plan) -> None:
        self._line = line
        self._plans = {0: plan}  # of those who had a session last, by its number
        self._open: dict[int, list[str]] = {}  # responses that have begun and are not done

    def session_runs(self, session: int, plan: Plan) -> None:
        """From here on a session is run by this plan."""
        self._plans[session] = plan

    def owes(self, session: int) -> bool:
        """Whether a response of this session has begun and is not done."""
        return bool(self._open.get(session))

    def note(self, event: realtime.Event, session: int, now: float) -> None:
        """Take what an event of this session tells of usage, if anything."""
        plan = self._plans.get(session) or self._plans[0]
        match event:
            case realtime.ResponseCreated(response_id=response_id):
                self._open.setdefault(session, []).append(response_id)
            case realtime.ResponseDone(response_id=response_id, status=status, usage=usage):
                self._open[session] = [one for one in self._open.get(session, ()) if one != response_id]
                used = Used(session, UsedFor.RESPONSE, response_id, plan.model, status, usage, self._ms(now))
                self._line.put(used)
            case realtime.CallerText(item_id=item_id, usage=usage):
                model = str(plan.transcription.get("model") or "")
                kind = UsedFor.TRANSCRIPTION
                self._line.put(Used(session, kind, item_id, model, "completed", usage, self._ms(now)))
            case _:
                pass  # nothing is charged for it

    def close(self, now: float) -> None:
        """The conversation is over: what is not reported by now never will be."""
        opened, self._open = self._open, {}
        for session, response_ids in opened.items():
            model, kind = (self._plans.get(session) or self._plans[0]).model, UsedFor.RESPONSE
            self._line.put(
                *(Used(session, kind, one, model, UNFINISHED, None, self._ms(now)) for one in response_ids)
            )

    def _ms(self, now: float) -> int:
        return self._line.elapsed_ms(now)
