"""Twilio's accounts: a main one, its subaccounts, their tokens and API keys, and who may act on whom."""

import base64
import binascii
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from simulator.asgi import Scope, header

JSON = dict[str, Any]
Kind = Literal["token", "main", "standard"]

CREATED: Final = "Mon, 03 Mar 2025 10:11:12 +0000"


@dataclass(frozen=True, slots=True)
class Key:
    """An API key. A standard one may do all but manage accounts and keys."""

    secret: str
    kind: Literal["main", "standard"] = "standard"


@dataclass(frozen=True, slots=True)
class Account:
    """One account; `owner_sid` is empty for a main one. `secondary_token` opens REST, but signs nothing."""

    sid: str
    auth_token: str
    friendly_name: str = ""
    owner_sid: str = ""
    status: str = "active"  # or "suspended", "closed"
    secondary_token: str = ""
    keys: Mapping[str, Key] = field(default_factory=dict)  # by SK...


@dataclass(frozen=True, slots=True)
class Credential:
    """What a request proved: whose secret it has, and of which kind."""

    account: Account
    kind: Kind


class Accounts:
    """All accounts, in the order in which they were added."""

    def __init__(self, main: Account) -> None:
        self.main = main
        self.keys_reach_subaccounts = False  # an API key is valid for its own account only
        self._held: dict[str, Account] = {main.sid: main}

    def __getitem__(self, sid: str) -> Account:
        return self._held[sid]

    def __contains__(self, sid: object) -> bool:
        return sid in self._held

    def __iter__(self) -> Iterator[Account]:
        return iter(self._held.values())

    def add(self, account: Account) -> Account:
        """Add an account, or change it in all that it is, as when its token is rotated."""
        self._held[account.sid] = account
        if account.sid == self.main.sid:
            self.main = account
        return account

    def add_subaccount(self, name: str, *, auth_token: str = "", sid: str = "") -> Account:
        """A new subaccount of the main account, with a token of its own."""
        return self.add(
            Account(
                sid or "AC" + secrets.token_hex(16),
                auth_token or secrets.token_hex(16),
                friendly_name=name,
                owner_sid=self.main.sid,
            )
        )

    def add_key(self, sid: str, key: Key, *, account_sid: str = "") -> None:
        """Give an account one more API key."""
        account = self._held[account_sid or self.main.sid]
        self.add(_with_keys(account, {**account.keys, sid: key}))

    def reset(self) -> None:
        """Forget all but the main account."""
        self._held = {self.main.sid: self.main}

    def authenticate(self, scope: Scope) -> Credential | None:
        """Whose credentials the request carries, None without valid ones."""
        kind, _, encoded = (header(scope, "authorization") or "").partition(" ")
        if kind.lower() != "basic":
            return None
        try:
            user, _, password = base64.b64decode(encoded, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return None
        if user in self._held and password:
            account = self._held[user]
            if password in {account.auth_token, account.secondary_token} - {""}:
                return Credential(account, "token")
            return None
        for account in self:
            key = account.keys.get(user)
            if key is not None and password == key.secret:
                return Credential(account, key.kind)
        return None

    def may_act(self, credential: Credential, account_sid: str) -> bool:
        """Whether these credentials may act on that account: its own, or a token of its owner."""
        if account_sid not in self._held:
            return False
        if credential.account.sid == account_sid:
            return True
        owned = self._held[account_sid].owner_sid == credential.account.sid
        return owned and (credential.kind == "token" or self.keys_reach_subaccounts)

    def visible_to(self, credential: Credential) -> list[Account]:
        """The accounts that a list of accounts shows."""
        own = credential.account
        return [account for account in self if own.sid in {account.sid, account.owner_sid}]


def _with_keys(account: Account, keys: Mapping[str, Key]) -> Account:
    return Account(
        account.sid,
        account.auth_token,
        account.friendly_name,
        account.owner_sid,
        account.status,
        account.secondary_token,
        keys,
    )


def resource(account: Account) -> JSON:
    """The account as Twilio shows it; with its token, so whoever may list accounts holds them all."""
    root = f"/2010-04-01/Accounts/{account.sid}"
    return {
        "sid": account.sid,
        "owner_account_sid": account.owner_sid or account.sid,
        "friendly_name": account.friendly_name or "Simulated account",
        "status": account.status,
        "type": "Full",
        "auth_token": account.auth_token,
        "date_created": CREATED,
        "date_updated": CREATED,
        "uri": f"{root}.json",
        "subresource_uris": {
            "calls": f"{root}/Calls.json",
            "incoming_phone_numbers": f"{root}/IncomingPhoneNumbers.json",
            "applications": f"{root}/Applications.json",
            "messages": f"{root}/Messages.json",
        },
    }
