"""Registering, changing and deleting numbers as programs ask. Who answers is changed here; whose calls a number gets, never.

A number goes from one provider to the other by a cutover alone, which people order in the admin.
"""

import json
import re
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any, Final

from django.db import transaction
from django.db.models import ProtectedError
from django.utils import timezone

from assistants.api import patching
from assistants.api.checking import READ_ONLY, body_problems
from assistants.api.documents import stored_headers
from assistants.api.withdrawing import document_withdraw
from assistants.api.writing import ClientWriter, run_of, writing
from assistants.models import Assistant, ClientDocument, Squad, VapiObject
from assistants.vapi.drafts import Drafts
from assistants.vapi.hiding import is_secret_header
from assistants.vapi.ledger import Ledger
from assistants.vapi.numbers import number_translate
from assistants.vapi.servers import Server, same_server, server_read
from assistants.vapi.squad_rules import NUMBER
from calls.cutover.services import assign
from calls.models import E164_PATTERN, NumberServer, PhoneNumber
from calls.numbers.api.accounts import FIELDS, account_register, given_read
from calls.numbers.api.documents import ANSWERS, Documents, label_of
from calls.numbers.api.guards import account_require, answer_require, free_require
from calls.numbers.api.selectors import KIND, Line, answerer_of, line_of, source_of
from tools.access.errors import ApiError
from tools.auth.allowing import host_refusal
from tools.destinations import number_dialled, sip_uri_dialled
from tools.models import ApiKey

_READ_ONLY: Final = READ_ONLY | {"status"}
_SERVER: Final = ("server", "serverUrl", "serverUrlSecret")
_PROVIDERS: Final = {
    "vapi": "Tandem sells no numbers. Buy one at Twilio, and register it with the provider twilio",
    "byo-phone-number": "Tandem answers numbers at Twilio: forward this one to such a number, or have it ported",
    "vonage": "Tandem answers numbers at Twilio: forward this one to such a number, or have it ported",
    "telnyx": "Tandem answers numbers at Twilio: forward this one to such a number, or have it ported",
}
_FIXED: Final = "cannot be changed: register another number instead"
_NO_WORKFLOWS: Final = "workflowId: Tandem runs no workflows. Choose an assistant or a squad"
_BY_KEY: Final = "By a program, with the API key {}…"


def number_create(body: Mapping[str, Any], *, key: ApiKey) -> str:
    """The id of a number that is here now, and nowhere else than before. Raises ApiError 400 with all that is wrong."""
    given = patching.given(body, read_only=_READ_ONLY)
    did = re.sub(r"[\s().-]", "", str(given.get("number") or ""))
    account = given_read(given)
    problems = [*_problems(given), *_provider_problems(given)]
    if not problems:
        problems = [*([] if re.fullmatch(E164_PATTERN, did) else [_no_number(given)]), *account.problems]
    _refuse(problems)
    with writing():
        number = _number_made(did)
        account_register(account)
        _answerers_require(given)
        PhoneNumber.objects.filter(pk=number.pk).update(
            account_sid=account.sid, label=label_of(given.get("name")), enabled=True
        )
        source = source_of(number)
        _store(source.key if source is not None else str(number.pk), given, key)
        ClientDocument.objects.filter(vapi_object=source).update(deleted_at=None)
        _answers_write(number, given, key)
        _server_write(number, given, key)
    return str(number.pk)


def number_change(given_id: str, body: Mapping[str, Any], *, key: ApiKey) -> None:
    """Replace these settings, in force for the next call. What is null is taken out. Raises ApiError."""
    with writing():
        line = line_of(given_id, lock=True)
        number = _ours(line)
        before = Documents([line]).settings(line)
        patch = patching.patch(body, before, read_only=_READ_ONLY)
        _refuse([*_problems(patch), *_fixed_problems(patch, before)])
        if not patching.changes(patch, before):
            return
        account = given_read(patch, sid=number.account_sid)
        if any(patch.get(name) for name in FIELDS):
            _refuse(account.problems)
            account_require(number, account.sid)
            account_register(account)
            PhoneNumber.objects.filter(pk=number.pk).update(account_sid=account.sid)
        _answerers_require(patch)
        after = patching.patched(before, patch)
        if any(patch.get(name) for name in ANSWERS):
            after = {name: value for name, value in after.items() if name not in ANSWERS or patch.get(name)}
        if any(name in patch for name in (*ANSWERS, *_SERVER)):
            assistant, squad = _answerers(after)
            answer_require(number, after, assistant=assistant, squad=squad)
        _store(line.key, after, key)
        columns = {"label": label_of(after.get("name"))} if "name" in patch else {}
        PhoneNumber.objects.filter(pk=number.pk).update(updated_at=timezone.now(), **columns)
        if any(name in patch for name in ANSWERS):
            _answers_write(number, after, key)
        if any(name in patch for name in _SERVER):
            _server_write(number, after, key)


def number_delete(given_id: str, *, key: ApiKey) -> None:
    """Take the number away. One with a history is kept, switched off, and given to no program any more.

    Raises ApiError 409 where callers would notice.
    """
    with writing():
        line = line_of(given_id, lock=True)
        if line.number is not None:
            free_require(line.number)
            _answers_write(line.number, {}, key)
        if line.number is None or line.number.calls.exists() or not _deleted(line.number):
            _hide(line, key)
            return
        if line.source is not None and "id" in line.source.raw:
            _hide(Line(None, line.source, "", ""), key)
        elif line.source is not None:
            line.source.delete()


# --- What may not be


def _refuse(problems: list[str]) -> None:
    if problems:
        raise ApiError(HTTPStatus.BAD_REQUEST, problems)


def _problems(body: Mapping[str, Any]) -> list[str]:
    found = body_problems(KIND, body)
    if body.get("assistantId") and body.get("squadId"):
        found.append("assistantId and squadId: one of them answers, not both")
    if body.get("workflowId"):
        found.append(_NO_WORKFLOWS)
    fallback = body.get("fallbackDestination")
    if fallback is not None and not isinstance(fallback, dict):
        found.append("fallbackDestination must be an object")
    elif fallback is not None and not (number_dialled(fallback) or sip_uri_dialled(fallback)):
        found.append(
            "fallbackDestination must be a destination of the type number or sip that can be dialled"
        )
    return found


def _provider_problems(body: Mapping[str, Any]) -> Iterator[str]:
    provider = body.get("provider")
    if provider == "twilio":
        return
    why = _PROVIDERS.get(provider) if isinstance(provider, str) else None
    yield f"provider {provider}: {why}" if why else "provider must be one of the following values: twilio"


def _fixed_problems(patch: Mapping[str, Any], before: Mapping[str, Any]) -> Iterator[str]:
    for name in ("provider", "number"):
        if name in patch and patch[name] != before.get(name):
            yield f"{name} {_FIXED}"


def _no_number(body: Mapping[str, Any]) -> str:
    if not body.get("number"):
        return "number should not be empty"
    return "number must be a valid phone number in the E.164 format"


def _ours(line: Line) -> PhoneNumber:
    if line.number is None:
        raise ApiError(
            HTTPStatus.BAD_REQUEST,
            f"Couldn't Update Phone Number. `id` {line.id} was imported and has no telephone number at Twilio, so Tandem cannot "
            "answer it and keeps it only as it came.",
        )
    return line.number


# --- Writing


def _number_made(did: str) -> PhoneNumber:
    """The row of a number that is new, or that a program has deleted before. Raises ApiError 400 for any other."""
    known = PhoneNumber.objects.select_for_update().filter(did=did).first()
    if known is None:
        return PhoneNumber.objects.create(did=did)
    source = source_of(known)
    written = getattr(source, "client_document", None)
    if written is None or written.deleted_at is None:
        raise ApiError(
            HTTPStatus.BAD_REQUEST,
            f"Existing Phone Number {known.vapi_id or known.pk} Has Identical `number` {did}. It is here already: change it by "
            "PATCH instead.",
        )
    return known


def _store(stored_key: str, document: Mapping[str, Any], key: ApiKey) -> None:
    """Keep the document without its secrets, and what an import would report of it."""
    draft = number_translate(document, key=stored_key, assistant=bool, squad=bool)
    drafts = Drafts(numbers=(draft,))
    writer = ClientWriter(run=run_of(key), key=key, drafts=drafts, before=Drafts())
    writer.number_keep(draft)
    writer.finish()


def _answerers_require(body: Mapping[str, Any]) -> None:
    for kind, word in (("assistant", "Assistant"), ("squad", "Squad")):
        given = body.get(f"{kind}Id")
        if given and answerer_of(kind, given) is None:
            raise ApiError(
                HTTPStatus.BAD_REQUEST, [f"Couldn't Get {word}. `{kind}Id` {given[:60]} Does Not Exist."]
            )


def _answers_write(number: PhoneNumber, document: Mapping[str, Any], key: ApiKey) -> None:
    """Assign as the document says, with an event in the number's history."""
    assistant, squad = _answerers(document)
    assign(
        number,
        assistant=assistant,
        squad=squad,
        reason=_BY_KEY.format(key.prefix),
        actor_label=f"API key {key}",
    )


def _answerers(document: Mapping[str, Any]) -> tuple[Assistant | None, Squad | None]:
    """The assistant or the squad that the document names; never both."""
    assistant: Assistant | None = _answerer("assistant", document)
    return assistant, None if assistant is not None else _answerer("squad", document)


def _answerer(kind: str, document: Mapping[str, Any]) -> Any:
    given = document.get(f"{kind}Id")
    return answerer_of(kind, given) if given else None


def _server_write(number: PhoneNumber, document: Mapping[str, Any], key: ApiKey) -> None:
    """The number's server as the document has it. What is never given back stays, for programs cannot know it, unless the
    address is another server's: what is secret goes to none but its own."""
    read = server_read(Ledger(document, NUMBER))
    if not read.url:
        NumberServer.objects.filter(pk=number.pk).delete()
        return
    writer = ClientWriter(run=run_of(key), key=key, drafts=Drafts(), before=Drafts())
    columns: dict[str, Any] = {
        "server_url": read.url,
        "server_backoff_plan": read.backoff_plan,
        "server_encrypted_paths": list(read.encrypted_paths),
        "timeout_s": read.timeout_s,
        "credential_id": writer.credential(read.credential_id),
    }
    before = NumberServer.objects.filter(pk=number.pk).values_list("server_url", "credential_id").first()
    if before is None or (before[0], str(before[1])) != (read.url, str(columns["credential_id"])):
        refused = host_refusal(columns["credential_id"], read.url)
        if refused:
            raise ApiError(HTTPStatus.BAD_REQUEST, f"server.credentialId: {refused}")
    stays = same_server(before[0] if before else "", read.url)
    if "server_secret" in read.secrets or not stays:
        columns["server_secret"] = read.secrets.get("server_secret", "")
    columns["server_headers"] = _headers(number if stays else None, read)
    # Not a save: that would read the secrets, which perhaps no key opens.
    if not NumberServer.objects.filter(pk=number.pk).update(**columns):
        NumberServer.objects.create(number_id=number.pk, **columns)


def _headers(number: PhoneNumber | None, read: Server) -> str:
    server: Any = getattr(number, "server", None)
    before = stored_headers(server) if server is not None else {}
    kept = {name: value for name, value in before.items() if is_secret_header(name)}
    whole = {**kept, **json.loads(read.secrets.get("server_headers") or "{}")}
    return json.dumps(whole, ensure_ascii=False) if whole else ""


def _deleted(number: PhoneNumber) -> bool:
    try:
        with transaction.atomic():
            number.delete()
    except ProtectedError:
        return False
    return True


def _hide(line: Line, key: ApiKey) -> None:
    if line.number is not None:
        PhoneNumber.objects.filter(pk=line.number.pk).update(enabled=False, updated_at=timezone.now())
        if line.source is None:
            _store(line.key, Documents([line]).settings(line), key)
    source = line.source or VapiObject.objects.get(kind=KIND, key=line.key)
    document_withdraw(source, key=key)
