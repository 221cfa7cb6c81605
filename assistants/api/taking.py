"""What copies take of what is secret: that of the row they are copies of, as it is now, for the same server.

What somebody entered at the copy stays, and so does what a program gave it. To tell that from what has only become old, the
object behind a copy remembers by digests what was taken.
"""

import json
from collections.abc import Callable, Mapping, Set
from functools import cached_property
from typing import Any, Final, cast

from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.utils.crypto import salted_hmac

from assistants.imports.summary import Written
from assistants.models import Assistant, VapiObject
from assistants.vapi.drafts import AssistantDraft, ToolDraft
from assistants.vapi.hiding import is_secret_header
from tools.auth.allowing import asked_url
from tools.encryption import SecretUnreadableError
from tools.models import Tool

Row = Assistant | Tool
# Where the base of an object says what its row has taken: a digest by the name of each, None for what is the copy's own.
_TAKEN: Final = "taken"
_PLACE: Final = "place"
_SECRET: Final = "server_secret"  # noqa: S105  # a column
_HEADERS: Final = "server_headers"
_CREDENTIAL: Final = "credential"


def secrets_take(row: Row, twin: Row | None, draft: AssistantDraft | ToolDraft, written: Written) -> None:
    """Have a row that was just written take what is secret of its ``twin``; of a twin for another server, or of none, it takes
    nothing."""
    new = written.action in ("created", "recreated")
    before = {} if new else dict(written.row.base.get(_TAKEN, {}))
    taking = _Taking(
        row, twin if twin is not None and same_place(row, twin) else None, draft, written, before
    )
    changed = [name for name in (taking.secret(), taking.headers(), taking.credential()) if name]
    if changed:
        row.save(update_fields=[*changed, "updated_at"])
    if taking.taken != written.row.base.get(_TAKEN):
        base = {**written.row.base, _TAKEN: taking.taken}
        VapiObject.objects.filter(pk=written.row.pk).update(base=base)


def same_place(row: Row, twin: Row) -> bool:
    """Whether both send what is secret to the very same address, if to any, and by the same name."""
    return any(_addresses(row)) and place(row) == place(twin)


def place(row: Row) -> tuple[str, ...]:
    """What a tool is called, and where what is secret of a row is sent."""
    # A tool of another kind with the same server may send what is secret elsewhere.
    return (row.name if isinstance(row, Tool) else "", *_addresses(row))


def _addresses(row: Row) -> tuple[str, str]:
    return row.server_url, asked_url(row)


class _Taking:
    """One row that takes. ``taken`` is what its object is to remember."""

    def __init__(
        self,
        row: Row,
        twin: Row | None,
        draft: AssistantDraft | ToolDraft,
        written: Written,
        before: Mapping[str, str | None],
    ) -> None:
        self._row, self._twin, self._draft, self._written = row, twin, draft, written
        self._before = before
        self.taken = dict(before)
        # The writer has emptied what was for another server.
        self._moved = False
        if twin is not None:
            self.taken[_PLACE] = _digest(json.dumps(place(row)))
            self._moved = before.get(_PLACE) != self.taken[_PLACE]

    def secret(self) -> str:
        """Take the secret: the name of the column if that is another now."""
        mine, theirs = (_opened(one, _SECRET) for one in (self._row, self._twin))
        given = self._draft.secrets.get(_SECRET, "")
        taken = self._values(
            _SECRET,
            {_SECRET: mine} if mine is not None else None,
            {_SECRET: theirs} if theirs is not None else None,
            own={_SECRET} if given and self._is_own(given, theirs or "") else set(),
        )
        if taken is None:
            return ""
        self._row.server_secret = taken.get(_SECRET, "")
        return _SECRET

    def headers(self) -> str:
        """The same of the headers, each by itself, in whatever case."""
        names: dict[str, str] = {}

        def by_key(text: str | None) -> dict[str, str] | None:
            found = _headers(text) if text is not None else None
            names.update({f"header {name.lower()}": name for name in found or ()})
            return {f"header {name.lower()}": found[name] for name in found} if found is not None else None

        theirs, mine = (by_key(_opened(one, _HEADERS)) for one in (self._twin, self._row))
        given = by_key(self._draft.secrets.get(_HEADERS, "")) or {}
        own = {
            key
            for key, value in given.items()
            if self._is_own(value, (theirs or {}).get(key, ""), secret=is_secret_header(names[key]))
        }
        if theirs is not None:
            # Open ones are merged as a program reads and sends them, unless it cannot even read them.
            filled = not given and not mine
            theirs = {
                key: value
                for key, value in theirs.items()
                if filled
                or key in given
                or is_secret_header(names[key])
                or (key in self._before and not given)
            }
        taken = self._values(_HEADERS, mine, theirs, own=own)
        if taken is None:
            return ""
        whole = {names[key]: value for key, value in taken.items()}
        self._row.server_headers = json.dumps(whole, ensure_ascii=False) if whole else ""
        return _HEADERS

    def credential(self) -> str:
        """The same of the credential."""
        mine = str(self._row.credential_id or "")
        theirs = str(self._twin.credential_id or "") if self._twin is not None else ""
        if self._draft.credential_id and self._is_own(mine, theirs):
            self.taken[_CREDENTIAL] = None
        elif self._twin is not None and self._takes(
            _CREDENTIAL,
            mine,
            theirs,
            emptied=self._moved,
            edited=lambda: self._was_given(_CREDENTIAL) or self._edited,
        ):
            self._row.credential_id = self._twin.credential_id
            return _CREDENTIAL if mine != theirs else ""
        return ""

    def _values(
        self,
        column: str,
        mine: Mapping[str, str] | None,
        theirs: Mapping[str, str] | None,
        *,
        own: Set[str],
    ) -> dict[str, str] | None:
        """The values that a column is to have, by name; None where it stays. ``own`` is what a program gave just now."""
        others, now = theirs or {}, mine or {}
        self.taken |= dict.fromkeys(own)
        if theirs is None:
            return None
        values = dict(now)
        for name in dict.fromkeys([*now, *others]):
            if name not in own and self._takes(
                name,
                now.get(name, ""),
                others.get(name, ""),
                emptied=self._moved or mine is None,
                edited=lambda: self._was_given(column) or self._edited,
            ):
                values[name] = others.get(name, "")
        values = {name: value for name, value in values.items() if value}
        return values if values != {name: value for name, value in now.items() if value} else None

    def _takes(self, name: str, mine: str, theirs: str, *, emptied: bool, edited: Callable[[], bool]) -> bool:
        """Whether one value is to be the twin's, which is remembered then.

        ``emptied``: nobody has made it empty, if it is. ``edited`` is asked of what nobody remembers of this address.
        """
        if not mine and (emptied or name not in self._before):
            takes = True
        elif name in self._before and self._before[name] is None:
            takes = not self._may_have_own
        elif mine == theirs or _digest(mine) == self._before.get(name):
            takes = True
        else:
            takes = (name not in self._before or self._moved) and bool(theirs) and not edited()
        if takes:
            self.taken[name] = _digest(theirs)
        return takes

    # --- What is the copy's own

    @property
    def _may_have_own(self) -> bool:
        """Whether a program can have given it any: a tool of its own always, and a copy where what changes it has a server."""
        return not isinstance(self._draft, AssistantDraft) or self._draft.own_server

    def _is_own(self, given: str, theirs: str, *, secret: bool = True) -> bool:
        """Whether what a program gave just now is the copy's own, and not what its assistant was given in the same moment."""
        if isinstance(self._draft, AssistantDraft) and secret:
            return self._draft.own_server
        return given != theirs

    def _was_given(self, column: str) -> bool:
        """Whether a program gave it once, of what was written before anybody remembered that."""
        if isinstance(self._draft, AssistantDraft):
            return self._draft.own_server
        return column in self._written.row.base.get("secrets", {})

    @cached_property
    def _edited(self) -> bool:
        """Whether somebody has saved the row in the admin, ever."""
        kind = ContentType.objects.get_for_model(self._row)
        return LogEntry.objects.filter(content_type=kind, object_id=str(self._row.pk)).exists()


def _opened(row: Row | None, column: str) -> str | None:
    """A secret as it is stored; None where no configured key opens it."""
    try:
        return str(getattr(row, column)) if row is not None else None
    except SecretUnreadableError:
        return None


def _headers(text: str) -> dict[str, str]:
    found: Any = json.loads(text or "{}")
    return cast(dict[str, str], found) if isinstance(found, dict) else {}


def _digest(secret: str) -> str:
    return salted_hmac("assistants.api.taking", secret, algorithm="sha256").hexdigest()[:32] if secret else ""
