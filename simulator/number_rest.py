"""Twilio's REST for accounts, telephone numbers and TwiML applications: who may see what, lists, pages, updates."""

import re
from typing import Any

from simulator import accounts
from simulator.accounts import Accounts, Credential
from simulator.numbers import Numbers
from simulator.pages import page_of
from simulator.refusals import Complaints, Refusal

JSON = dict[str, Any]

_NUMBER_FILTERS = {"PhoneNumber", "FriendlyName", "Beta", "Origin"}
_PAGING = {"PageSize", "Page", "PageToken"}


class NumberRest:
    """The resources below an account that a cutover needs."""

    def __init__(self, known: Accounts, numbers: Numbers, complaints: Complaints) -> None:
        self._accounts = known
        self._numbers = numbers
        self._complaints = complaints

    def list_accounts(self, credential: Credential, asked: dict[str, str], path: str) -> JSON:
        """The accounts that these credentials may see. Raises Refusal for a standard key."""
        if credential.kind == "standard":
            raise Refusal(401, 20003)
        items = [accounts.resource(account) for account in self._accounts.visible_to(credential)]
        for name, key in (("FriendlyName", "friendly_name"), ("Status", "status")):
            if name in asked:
                items = [item for item in items if item[key] == asked[name]]
        return page_of(items, asked, path=path, key="accounts")

    def fetch_account(self, credential: Credential, sid: str) -> JSON:
        """One account. Raises Refusal for a standard key."""
        if credential.kind == "standard":
            raise Refusal(401, 20003)
        return accounts.resource(self._accounts[sid])

    def list_numbers(self, account_sid: str, asked: dict[str, str], path: str) -> JSON:
        """One page of an account's numbers; `PhoneNumber` may be a part of one, with `*` for any digits."""
        for name in sorted(set(asked) - _NUMBER_FILTERS - _PAGING):
            self._complaints.note("unknown", f"a list of numbers knows no {name}")
        items = self._numbers.of_account(account_sid)
        if wanted := asked.get("PhoneNumber"):
            pattern = re.compile(".*".join(re.escape(part) for part in wanted.split("*")))
            items = [item for item in items if pattern.search(item["phone_number"])]
        if "FriendlyName" in asked:
            items = [item for item in items if item["friendly_name"] == asked["FriendlyName"]]
        return page_of(items, asked, path=path, key="incoming_phone_numbers")

    def number(self, account_sid: str, sid: str) -> JSON:
        """One number of an account. Raises Refusal without one."""
        number = self._numbers.held.get(sid)
        if number is None or number["account_sid"] != account_sid:
            path = f"/2010-04-01/Accounts/{account_sid}/IncomingPhoneNumbers/{sid}.json"
            raise Refusal(404, 20404, f"The requested resource {path} was not found")
        return number

    def one_number(
        self, method: str, account_sid: str, sid: str, pairs: list[tuple[str, str]]
    ) -> tuple[int, JSON | None]:
        """The answer to a request for one number."""
        number = self.number(account_sid, sid)
        if method == "POST":
            return 200, self._numbers.update(number, pairs)
        if method == "DELETE":
            self._numbers.release(number)
            return 204, None
        return 200, number

    def list_applications(self, account_sid: str, asked: dict[str, str], path: str) -> JSON:
        """One page of an account's applications."""
        items = [item for item in self._numbers.applications.values() if item["account_sid"] == account_sid]
        if "FriendlyName" in asked:
            items = [item for item in items if item["friendly_name"] == asked["FriendlyName"]]
        return page_of(items, asked, path=path, key="applications")

    def fetch_application(self, account_sid: str, sid: str) -> JSON:
        """One application. Raises Refusal without one."""
        application = self._numbers.applications.get(sid)
        if application is None or application["account_sid"] != account_sid:
            raise Refusal(404, 20404, f"The requested resource /Applications/{sid}.json was not found")
        return application
