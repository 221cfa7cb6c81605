"""Vapi's calls: the history that `GET /call` tells, and calls that are made with Vapi's telephony bypassed.

The history is made on first sight (`vapi_call_maker.py`): `DEFAULT_CALLS` calls that end at `NEWEST`. `keep_days` lets
older ones be gone, as on plans that keep 14 days. `GET /call/{id}/mono-recording` and its like answer 302.
"""

import time
import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from xml.sax.saxutils import quoteattr

import orjson

from simulator.vapi_call_maker import make_calls
from simulator.vapi_rules import ORG, Refused, listed, moment_of, now_text, object_of

JSON = dict[str, Any]

DEFAULT_CALLS: Final = 300
NEWEST: Final = datetime(2026, 6, 30, 17, 45, 12, 345_000, tzinfo=UTC)
UNUSED: Final = "phone-call-provider-bypass-enabled-but-no-call-received"
_FILTERS: Final = ("id", "assistantId", "phoneNumberId")
_RECORDINGS: Final = {
    "mono-recording": ("mono", "combinedUrl"),
    "customer-recording": ("mono", "customerUrl"),
    "assistant-recording": ("mono", "assistantUrl"),
    "stereo-recording": ("stereoUrl",),
}
_MAX_NAME: Final = 40


class CallHistory:
    """All calls by id. `objects` are Vapi's assistants and numbers, which a new call must name."""

    def __init__(self, objects: Mapping[str, Mapping[str, JSON]]) -> None:
        self.keep_days: int | None = None
        self.unused_after_s = 60.0  # a bypassed call that nobody connects has ended by then
        self._objects = objects
        self._held: dict[str, JSON] | None = None
        self._bypassed: dict[str, float] = {}  # when each was made, while nobody has connected it

    @property
    def held(self) -> dict[str, JSON]:
        """All calls, those that are too old included."""
        if self._held is None:
            self._held = {}
            self.generate(DEFAULT_CALLS, newest=NEWEST)
        self._expire()
        return self._held

    def reset(self) -> None:
        """Put the history back as it is at the start."""
        self._held, self.keep_days, self.unused_after_s = None, None, 60.0
        self._bypassed.clear()

    def clear(self) -> None:
        """Take all calls away."""
        self._held = {}
        self._bypassed.clear()

    def generate(
        self, count: int, *, newest: datetime, seed: int = 1, kinds: Sequence[str] = ()
    ) -> list[JSON]:
        """Add calls of these kinds in turn, or of all; newest first. Another seed gives others."""
        calls = make_calls(count, newest=newest, seed=seed, kinds=kinds)
        held = self._held if self._held is not None else {}
        held |= {call["id"]: call for call in reversed(calls)}
        self._held = held
        return calls

    def add(self, **fields: Any) -> JSON:
        """Add one call; what is not given is as in the barest of calls."""
        made = {
            "id": str(uuid.uuid4()),
            "orgId": ORG,
            "createdAt": now_text(),
            "updatedAt": now_text(),
            "type": "inboundPhoneCall",
            "status": "ended",
            **fields,
        }
        self.held[made["id"]] = made
        return made

    # What Vapi serves

    def answer(self, method: str, rest: list[str], asked: dict[str, str], body: bytes) -> tuple[int, Any]:
        """The status and body of a request below /call. Raises Refused."""
        match method, rest:
            case "GET", []:
                return 200, listed(self._kept().values(), asked, also=_FILTERS)
            case "POST", []:
                return 201, self._create(object_of(body))
            case "GET", [call_id]:
                return 200, self._one(call_id)
            case "PATCH", [call_id]:
                return 200, self._rename(self._one(call_id), object_of(body))
            case "DELETE", [call_id]:
                self._one(call_id)
                return 200, self.held.pop(call_id)
            case "GET", [call_id, recording] if recording in _RECORDINGS:
                return 302, self._recording(self._one(call_id), _RECORDINGS[recording])
            case _:
                raise Refused(404, f"Cannot {method} /{'/'.join(['call', *rest])}")

    def connected(self, call_id: str, call_sid: str) -> bool:
        """Take the stream of a bypassed call; False if there is no such call, or it has ended."""
        self._expire()
        if call_id not in self._bypassed:
            return False
        del self._bypassed[call_id]
        self.held[call_id] |= {
            "status": "in-progress",
            "startedAt": now_text(),
            "phoneCallProviderId": call_sid,
        }
        return True

    def _kept(self) -> dict[str, JSON]:
        if self.keep_days is None:
            return self.held
        oldest = datetime.now(UTC) - timedelta(days=self.keep_days)
        return {
            key: call
            for key, call in self.held.items()
            if moment_of(call["createdAt"], "createdAt", []) >= oldest
        }

    def _one(self, call_id: str) -> JSON:
        kept = self._kept()
        if call_id not in kept:
            raise Refused(404, f"Couldn't Get Call. `callId` {call_id} Does Not Exist.")
        return kept[call_id]

    def _rename(self, call: JSON, body: JSON) -> JSON:
        problems = [f"property {name} should not exist" for name in body if name != "name"]
        if len(str(body.get("name") or "")) > _MAX_NAME:
            problems.append(f"name must be shorter than or equal to {_MAX_NAME} characters")
        if problems:
            raise Refused(400, problems)
        call |= {**body, "updatedAt": now_text()}
        return call

    def _recording(self, call: JSON, path: tuple[str, ...]) -> str:
        found: Any = call.get("artifact", {}).get("recording")
        for name in path:
            found = found.get(name) if isinstance(found, dict) else None
        if not isinstance(found, str):
            raise Refused(404, "Recording Not Found.")
        return found

    def _create(self, body: JSON) -> JSON:
        """Make a call with the telephony bypassed; Vapi's own dialling is not played."""
        assistant_id, line_id = body.get("assistantId"), body.get("phoneNumberId")
        if body.get("phoneCallProviderBypassEnabled") is not True:
            raise Refused(400, "Only calls with phoneCallProviderBypassEnabled are simulated.")
        if not line_id:
            raise Refused(400, "Couldn't Get Phone Number. Need Either `phoneNumberId` Or `phoneNumber`.")
        if line_id not in self._objects["phone-number"]:
            raise Refused(400, f"Couldn't Get Phone Number. `phoneNumberId` {line_id} Does Not Exist.")
        if assistant_id not in self._objects["assistant"]:
            raise Refused(400, f"Couldn't Get Assistant. `assistantId` {assistant_id} Does Not Exist.")
        if not isinstance(body.get("customer"), dict) or not body["customer"].get("number"):
            raise Refused(400, ["customer.number must be a string"])
        call_id = str(uuid.uuid4())
        url = quoteattr(f"wss://api.vapi.ai/{call_id}/transport")
        made = self.add(
            id=call_id,
            type="inboundPhoneCall",
            status="queued",
            assistantId=assistant_id,
            phoneNumberId=line_id,
            customer=body["customer"],
            phoneCallProvider="twilio",
            phoneCallTransport="pstn",
            phoneCallProviderDetails={
                "twiml": f"<Response><Connect><Stream url={url}/></Connect></Response>"
            },
            cost=0,
        )
        if "assistantOverrides" in body:
            made["assistantOverrides"] = body["assistantOverrides"]
        self._bypassed[call_id] = time.monotonic()
        return made

    def _expire(self) -> None:
        for call_id, made_at in list(self._bypassed.items()):
            if time.monotonic() - made_at >= self.unused_after_s:
                del self._bypassed[call_id]
                assert self._held is not None
                self._held[call_id] |= {"status": "ended", "endedReason": UNUSED, "endedAt": now_text()}

    # Control

    def take_orders(self, told: Any) -> JSON:
        """Add the calls that a control request brings, or has made. Raises ValueError."""
        if isinstance(told, list):
            for call in told:
                self.add(**call)
        elif isinstance(told, dict):
            if unknown := sorted(set(told) - {"generate", "newest", "seed", "kinds", "keep_days", "clear"}):
                raise ValueError(f"unknown keys {unknown}")
            if told.get("clear"):
                self.clear()
            self.keep_days = told.get("keep_days", self.keep_days)
            newest = datetime.fromisoformat(told["newest"]) if "newest" in told else NEWEST
            self.generate(
                int(told.get("generate", 0)),
                newest=newest,
                seed=int(told.get("seed", 1)),
                kinds=told.get("kinds", ()),
            )
        else:
            raise ValueError("a list of calls or an object is due")  # noqa: TRY004 - of the request, not of ours
        return {"calls": len(self.held)}

    def control(self, method: str, call_id: str, body: bytes) -> JSON:
        """Store, edit or remove a call as it is. Raises ValueError."""
        if method == "PUT":
            return self.add(**{**orjson.loads(body), "id": call_id})
        if call_id not in self.held:
            raise ValueError(f"there is no call {call_id}")
        if method == "PATCH":
            self.held[call_id] |= orjson.loads(body)
            return self.held[call_id]
        if method == "DELETE":
            return self.held.pop(call_id)
        raise ValueError(f"PUT, PATCH or DELETE, not {method}")
