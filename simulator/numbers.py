"""The telephone numbers of all accounts, their TwiML applications and trunks, and everything that was done to them.

`add`, `seed` and `change` work behind the product's back, as somebody in the console would; `update` is what
REST does, by Twilio's rules. `history` tells who changed what; `violations` counts what no product of ours should do.
"""

import copy
import secrets
from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path
from typing import Any, Final

import orjson

from simulator.accounts import CREATED, Accounts
from simulator.number_rules import Known, changes_of
from simulator.refusals import Complaints, Refusal

JSON = dict[str, Any]

_FILE: Final = Path(__file__).parent / "twilio_data" / "incoming-phone-numbers.json"
_APPLICATION: Final[JSON] = {
    "api_version": "2010-04-01",
    "friendly_name": "Voice application",
    "message_status_callback": "",
    "public_application_connect_enabled": False,
    "sms_fallback_method": "POST",
    "sms_fallback_url": "",
    "sms_method": "POST",
    "sms_status_callback": "",
    "sms_url": "",
    "status_callback": "",
    "status_callback_method": "POST",
    "voice_caller_id_lookup": False,
    "voice_fallback_method": "POST",
    "voice_fallback_url": "",
    "voice_method": "POST",
    "voice_url": "",
}
VAPI_VOICE_URL: Final = "https://api.vapi.ai/twilio/inbound_call"
VAPI_STATUS_URL: Final = "https://api.vapi.ai/twilio/status"
VAPI_SMS_URL: Final = "https://api.vapi.ai/twilio/sms"


@dataclass(frozen=True, slots=True)
class Change:
    """One change of a number: only the fields that differ, as they were and as they are."""

    sid: str
    by: str  # "rest", "console", "vapi"
    before: JSON
    after: JSON
    at: datetime


class Numbers:
    """All numbers; by sid, in the order in which they came."""

    def __init__(self, accounts: Accounts, complaints: Complaints) -> None:
        self.held: dict[str, JSON] = {}
        self.applications: dict[str, JSON] = {}
        self.trunks: dict[str, str] = {}  # the account of each
        self.history: deque[Change] = deque(maxlen=20_000)
        self.sms_parameters: deque[JSON] = deque(maxlen=1000)  # every SMS parameter that an update named
        self._accounts = accounts
        self._complaints = complaints
        self._by_number: dict[str, str] = {}
        told = orjson.loads(_FILE.read_bytes())
        self._template: JSON = told["incoming_phone_numbers"][0]
        self.reset()

    @property
    def violations(self) -> Counter[str]:
        """What clients of REST did wrong, by Twilio's code or a word; shared with `Rest`."""
        return self._complaints.violations

    @property
    def sms_changes(self) -> list[Change]:
        """The updates by REST that changed how text messages are taken; a cutover makes none."""
        return [
            change
            for change in self.history
            if change.by == "rest" and any(name.startswith("sms_") for name in change.after)
        ]

    # What a test or somebody in the console does

    def reset(self) -> None:
        """Put the three numbers of the data file back, on the main account, and forget everything else."""
        self.clear()
        for number in orjson.loads(_FILE.read_bytes())["incoming_phone_numbers"]:
            self.add(**{**number, "account_sid": self._accounts.main.sid})

    def clear(self) -> None:
        """Take all numbers, applications and trunks away, and forget what was done."""
        for held in (self.held, self.applications, self.trunks, self._by_number):
            held.clear()
        self.history.clear()
        self.sms_parameters.clear()

    def add(self, phone_number: str, **fields: Any) -> JSON:
        """A new number. What is not given is as on a number that Vapi has taken over; unheard-of fields are refused.

        A trunk or an application that it names, and that nobody has added, comes into being with it.
        """
        _check_known(fields, self._template)
        number = copy.deepcopy(self._template)
        number |= {"sid": "PN" + secrets.token_hex(16), "friendly_name": phone_number}
        number |= {"account_sid": self._accounts.main.sid, **fields, "phone_number": phone_number}
        if number["account_sid"] not in self._accounts:
            raise ValueError(f"there is no account {number['account_sid']}")
        if phone_number in self._by_number and self._by_number[phone_number] != number["sid"]:
            raise ValueError(f"{phone_number} is held already")
        _relocate(number)
        self.held[number["sid"]] = number
        self._by_number[phone_number] = number["sid"]
        if number["trunk_sid"]:
            self.trunks.setdefault(number["trunk_sid"], number["account_sid"])
        if number["voice_application_sid"] and number["voice_application_sid"] not in self.applications:
            self.add_application(number["voice_application_sid"], account_sid=number["account_sid"])
        return number

    def seed(
        self, count: int, *, first: str = "+12125550000", account_sid: str = "", **fields: Any
    ) -> list[JSON]:
        """`count` numbers in a row, as on Vapi unless the fields say otherwise."""
        account = account_sid or self._accounts.main.sid
        start = int(first)
        return [
            self.add(
                f"+{start + index}",
                sid=f"PN{start + index:032x}",
                account_sid=account,
                **{"friendly_name": f"Line {index + 1}", **fields},
            )
            for index in range(count)
        ]

    def add_application(self, sid: str = "", *, account_sid: str = "", **fields: Any) -> JSON:
        """A new TwiML application."""
        _check_known(fields, _APPLICATION)
        account = account_sid or self._accounts.main.sid
        sid = sid or "AP" + secrets.token_hex(16)
        self.applications[sid] = {
            **_APPLICATION,
            "sid": sid,
            "account_sid": account,
            "date_created": CREATED,
            "date_updated": CREATED,
            "uri": f"/2010-04-01/Accounts/{account}/Applications/{sid}.json",
            **fields,
        }
        return self.applications[sid]

    def add_trunk(self, sid: str = "", *, account_sid: str = "") -> str:
        """The sid of a new SIP trunk."""
        sid = sid or "TK" + secrets.token_hex(16)
        self.trunks[sid] = account_sid or self._accounts.main.sid
        return sid

    def find(self, number: str) -> JSON:
        """The number of that sid, or in E.164. Raises ValueError without one."""
        sid = self._by_number.get(number, number)
        if sid not in self.held:
            raise ValueError(f"there is no number {number}")
        return self.held[sid]

    def __contains__(self, number: object) -> bool:
        return number in self._by_number or number in self.held

    def change(self, number: str, by: str = "console", **fields: Any) -> JSON:
        """Change a number as somebody does who need not obey REST's rules."""
        held = self.find(number)
        _check_known(fields, self._template)
        self._apply(held, fields, by=by)
        return held

    # What REST does

    def of_account(self, account_sid: str) -> list[JSON]:
        """The numbers of an account."""
        return [number for number in self.held.values() if number["account_sid"] == account_sid]

    def update(self, number: JSON, pairs: Iterable[tuple[str, str]]) -> JSON:
        """Change a number by Twilio's rules. Raises Refusal, and then nothing has changed."""
        pairs = list(pairs)
        account_sid = number["account_sid"]
        known = Known(
            {sid for sid, held in self.applications.items() if held["account_sid"] == account_sid},
            {sid for sid, owner in self.trunks.items() if owner == account_sid},
        )
        for name, value in pairs:
            if name.startswith("Sms"):
                self.sms_parameters.append({"sid": number["sid"], "name": name, "value": value})
        changes = changes_of(pairs, number, known=known, complaints=self._complaints)
        moved_to = changes.get("account_sid", account_sid)
        if moved_to != account_sid:
            self._complaints.note("account-moved", f"{number['sid']} was moved to {moved_to}")
            if moved_to not in self._accounts:
                raise Refusal(400, 20001, f"AccountSid {moved_to} is not valid")
        if any(name.startswith("sms_") and number[name] != value for name, value in changes.items()):
            self._complaints.note("sms-changed", f"an update of {number['sid']} changes text messages")
        self._apply(number, changes, by="rest")
        return number

    def release(self, number: JSON) -> None:
        """Give a number back to Twilio, which nobody should do by mistake."""
        self._complaints.note("released", f"{number['sid']} was released")
        del self.held[number["sid"]]
        del self._by_number[number["phone_number"]]

    def _apply(self, number: JSON, fields: JSON, *, by: str) -> None:
        changed = {name: value for name, value in fields.items() if number[name] != value}
        now = datetime.now(UTC)
        before = {name: number[name] for name in changed}
        number |= changed
        number["date_updated"] = format_datetime(now)
        _relocate(number)
        self.history.append(Change(number["sid"], by, before, changed, now))


def _relocate(number: JSON) -> None:
    root = f"/2010-04-01/Accounts/{number['account_sid']}/IncomingPhoneNumbers/{number['sid']}"
    number["uri"] = f"{root}.json"
    number["subresource_uris"] = {"assigned_add_ons": f"{root}/AssignedAddOns.json"}


def _check_known(fields: Iterable[str], known: Iterable[str]) -> None:
    if unknown := sorted(set(fields) - {*known, "sid"}):
        raise ValueError(f"unknown fields {unknown}; known are {sorted(known)}")
