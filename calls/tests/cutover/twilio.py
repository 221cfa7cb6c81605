"""Twilio for tests of cutovers: the simulator's numbers with Twilio's rules, without HTTP, failing where a test says."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from calls.clients import TwilioRefusedError
from calls.cutover.rest import BusyError, FoundAccount, NotThereError
from simulator.accounts import Account, Accounts
from simulator.numbers import Numbers
from simulator.refusals import Complaints, Refusal

ACCOUNT = "AC" + "0" * 32
Trouble = Literal["crash", "done_crash", "lost", "done_lost", "refused", "busy", "meddled"]
TROUBLES: tuple[Trouble, ...] = ("crash", "done_crash", "lost", "done_lost", "refused", "busy", "meddled")
PARAMETERS = {
    "voice_url": "VoiceUrl",
    "voice_method": "VoiceMethod",
    "voice_fallback_url": "VoiceFallbackUrl",
    "voice_fallback_method": "VoiceFallbackMethod",
    "status_callback": "StatusCallback",
    "status_callback_method": "StatusCallbackMethod",
    "voice_application_sid": "VoiceApplicationSid",
    "trunk_sid": "TrunkSid",
}


class Crash(BaseException):
    """The process dies here: nothing of ours catches this."""


@dataclass
class FakeTwilio:
    """The `Twilio` of `calls.cutover.rest`. ``trouble`` strikes the request of that number, counted from 0."""

    trouble: dict[int, Trouble] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    written: list[dict[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        complaints = Complaints()
        self.accounts_held = Accounts(Account(ACCOUNT, "token"))
        self.numbers = Numbers(self.accounts_held, complaints)
        self.numbers.clear()
        self.broken: dict[str, TwilioRefusedError] = {}  # accounts that cannot be read

    def fetch(self, *, account_sid: str, sid: str) -> dict[str, Any]:
        found: dict[str, Any] = self._answer("fetch", lambda: self._number(account_sid, sid))
        return found

    def application(self, *, account_sid: str, sid: str) -> dict[str, Any]:
        def look() -> dict[str, Any]:
            if sid not in self.numbers.applications:
                raise NotThereError("gone")
            return dict(self.numbers.applications[sid])

        found: dict[str, Any] = self._answer("application", look)
        return found

    def write(self, *, account_sid: str, sid: str, fields: Mapping[str, str]) -> None:
        def change() -> dict[str, Any]:
            self.written.append(dict(fields))
            pairs = [(PARAMETERS[name], value) for name, value in fields.items()]
            try:
                return self.numbers.update(self.numbers.find(sid), pairs)
            except Refusal as exc:
                raise TwilioRefusedError(f"Twilio answered 400: {exc}") from exc

        meddled = self.trouble.get(len(self.asked)) == "meddled"
        self._answer("write", change)
        if meddled:
            self.numbers.change(sid, status_callback="https://meddler.example.net/status")

    def pages(self, *, account_sid: str) -> Iterator[list[dict[str, Any]]]:
        if account_sid in self.broken:
            raise self.broken[account_sid]
        self.asked.append("page")
        rows = [dict(number) for number in self.numbers.of_account(account_sid)]
        for start in range(0, len(rows), 1000):
            yield rows[start : start + 1000]

    def accounts(self) -> list[FoundAccount]:
        self.asked.append("accounts")
        return [
            FoundAccount(one.sid, one.friendly_name, one.owner_sid, one.status, one.auth_token)
            for one in self.accounts_held
        ]

    def _number(self, account_sid: str, sid: str) -> dict[str, Any]:
        number = self.numbers.held.get(sid)
        if number is None or number["account_sid"] != account_sid:
            raise NotThereError("Twilio does not have this number in this account (404).")
        return dict(number)

    def _answer(self, name: str, work: Any) -> Any:
        trouble = self.trouble.get(len(self.asked))
        self.asked.append(name)
        if trouble == "crash":
            raise Crash
        if trouble == "lost":
            raise TwilioRefusedError("Twilio could not be reached: ReadTimeout.", unsure=True)
        if trouble == "refused":
            raise TwilioRefusedError("Twilio answered 400.")
        if trouble == "busy":
            raise BusyError("Twilio had too many requests at once (429).")
        answer = work()
        if trouble == "done_crash":
            raise Crash
        if trouble == "done_lost":
            raise TwilioRefusedError("Twilio could not be reached: ReadTimeout.", unsure=True)
        return answer
