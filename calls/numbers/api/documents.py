"""From our rows to Vapi's phone numbers: what was imported or written comes back as it was, with our own edits laid over it."""

import copy
from collections.abc import Iterable, Mapping
from typing import Any, Final

from assistants.api.documents import IDENTITY, headers_fill, id_of
from assistants.models import Assistant, Squad, VapiObject
from assistants.vapi.hiding import hidden
from assistants.vapi.ledger import Ledger
from assistants.vapi.reverse import put, without_marks
from assistants.vapi.servers import server_read
from assistants.vapi.squad_rules import NUMBER
from calls.models import NumberServer, PhoneNumber
from calls.numbers.api.selectors import Line

ANSWERS: Final = ("assistantId", "squadId", "workflowId")
_PROVIDERS: Final = {
    PhoneNumber.Provider.TWILIO: "twilio",
    PhoneNumber.Provider.VAPI: "vapi",
    PhoneNumber.Provider.OTHER: "byo-phone-number",
}


class Documents:
    """Makes documents of some lines; what they need of other tables is looked up once for all of them."""

    def __init__(self, lines: Iterable[Line], *, org_id: str = "") -> None:
        self._org_id = org_id
        named = {
            str(raw[name]) for line in lines if (raw := raw_of(line)) for name in ANSWERS[:2] if raw.get(name)
        }
        here = VapiObject.objects.filter(key__in=named, kind__in=("assistant", "squad"))
        self._known = set(
            here.exclude(assistant__isnull=True, squad__isnull=True).values_list("key", flat=True)
            if named
            else ()
        )

    def document(self, line: Line) -> dict[str, Any]:
        """The whole object, as GET answers it."""
        identity = {
            "id": line.id,
            "orgId": raw_of(line).get("orgId") or self._org_id,
            "createdAt": line.created,
            "updatedAt": line.updated,
        }
        return {**identity, **self.settings(line)}

    def settings(self, line: Line) -> dict[str, Any]:
        """The object without its identity and without secrets."""
        raw = raw_of(line)
        document = {name: value for name, value in copy.deepcopy(raw).items() if name not in IDENTITY}
        number = line.number
        if number is not None:
            self._lay(number, document, imported="id" in raw)
        masked: dict[str, Any] = hidden(document)
        server: Any = getattr(number, "server", None)
        if server is not None:
            headers_fill(masked, server)
        shown: dict[str, Any] = without_marks(masked)
        return shown

    def _lay(self, number: PhoneNumber, document: dict[str, Any], *, imported: bool) -> None:
        if not document:
            document |= _of_nothing(number)
        if number.label != label_of(document.get("name")):
            put(document, "name", number.label or None)
        self._lay_answers(number, document)
        _lay_server(getattr(number, "server", None), document)
        if not number.enabled:
            document["status"] = "blocked"
        elif not imported:
            document["status"] = "active"

    def _lay_answers(self, number: PhoneNumber, document: dict[str, Any]) -> None:
        """Who answers now, where that is somebody else than the document says."""
        assistant_id, squad_id = (str(document.get(name) or "") for name in ANSWERS[:2])
        squad_stays = (
            number.squad is not None and squad_id in _ids(number.squad) and assistant_id not in self._known
        )
        if number.assistant is not None and assistant_id in _ids(number.assistant):
            document["assistantId"] = _id(number.assistant)
        elif number.squad is not None and squad_stays:
            document["squadId"] = _id(number.squad)
        elif number.assistant is None and number.squad is None:
            # What nobody here is known by was imported so; anybody else was taken away here.
            for name, given in (("assistantId", assistant_id), ("squadId", squad_id)):
                if given in self._known:
                    document.pop(name, None)
        else:
            for name in ANSWERS:
                document.pop(name, None)
            document |= _answering(number)


def _answering(number: PhoneNumber) -> dict[str, str]:
    if number.assistant is not None:
        return {"assistantId": _id(number.assistant)}
    return {"squadId": _id(number.squad)} if number.squad is not None else {}


def _id(row: Assistant | Squad) -> str:
    """Vapi's id of it, where it was imported with one."""
    owner: Any = row
    return id_of(owner)


def label_of(name: Any) -> str:
    """What a number is called here, of its name at Vapi."""
    return " ".join(name.split())[:80] if isinstance(name, str) else ""


def raw_of(line: Line) -> dict[str, Any]:
    """What was last written of it, by whomever; empty where nothing was."""
    if line.source is None:
        return {}
    written = getattr(line.source, "client_document", None)
    raw = written.raw if written is not None else line.source.raw
    return raw if isinstance(raw, dict) else {}


def _of_nothing(number: PhoneNumber) -> dict[str, Any]:
    """A number that only people here have told of."""
    return {
        "provider": _PROVIDERS[PhoneNumber.Provider(number.provider)],
        "number": number.did,
        **({"twilioAccountSid": number.account_sid} if number.account_sid else {}),
    }


def _ids(row: Assistant | Squad) -> set[str]:
    return {str(row.pk), *(one.key for one in row.vapi_objects.all())}


def _lay_server(server: NumberServer | None, document: dict[str, Any]) -> None:
    """The server as it is stored, where the document says something else of it."""
    now, before = _server_told(server), _server_written(document)
    shown = hidden(now)
    changed = [name for name in now if before[name] not in (now[name], shown[name])]
    if changed and server is None:
        for name in ("server", "serverUrl", "serverUrlSecret"):
            put(document, name, None)
        return
    if "url" in changed:
        put(document, "serverUrl", None)
    for name in changed:
        put(document, f"server.{name}", now[name])


def _server_told(server: NumberServer | None) -> dict[str, Any]:
    if server is None:
        return dict.fromkeys(("url", "timeoutSeconds", "credentialId", "backoffPlan", "encryptedPaths"))
    credential = server.credential
    return {
        "url": server.server_url or None,
        "timeoutSeconds": server.timeout_s,
        "credentialId": (credential.vapi_id or str(credential.pk)) if credential is not None else None,
        "backoffPlan": server.server_backoff_plan or None,
        "encryptedPaths": server.server_encrypted_paths or None,
    }


def _server_written(document: Mapping[str, Any]) -> dict[str, Any]:
    """The same of the document, as it was understood."""
    read = server_read(Ledger(document, NUMBER))
    if not read.url:
        return _server_told(None)
    return {
        "url": read.url,
        "timeoutSeconds": read.timeout_s,
        "credentialId": read.credential_id or None,
        "backoffPlan": read.backoff_plan or None,
        "encryptedPaths": list(read.encrypted_paths) or None,
    }
