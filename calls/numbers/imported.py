"""Numbers that an import from Vapi brings: created where they are new, never taken away from whoever answers them."""

import re
from collections.abc import Sequence
from typing import Any

from assistants.models import Assistant, Squad
from assistants.signals import ImportedNumber
from assistants.vapi.drafts import ABSENT, Finding, Verdict
from assistants.vapi.hiding import url_shown
from calls.models import E164_PATTERN, NumberServer, PhoneNumber
from tools.auth.allowing import url_allow


def numbers_import(
    *, numbers: Sequence[ImportedNumber], by: Any = None, **_: Any
) -> dict[str, list[Finding]]:
    """Create the numbers that are not here yet; tell by the key of each draft what became of it. ``by`` is who imports.

    A number that is here stays as it is, since changing who answers would reach callers at once.
    """
    wanted = [number for number in numbers if re.fullmatch(E164_PATTERN, number.draft.did)]
    here = {
        number.did: number
        for number in PhoneNumber.objects.select_for_update(of=("self",))
        .select_related("assistant", "squad")
        .defer("assistant__instructions", "assistant__server_secret", "assistant__server_headers")
        .filter(did__in=[number.draft.did for number in wanted])
    }
    servers = dict(
        NumberServer.objects.filter(pk__in=[number.pk for number in here.values()]).values_list(
            "pk", "server_url"
        )
    )
    _not_movable_create(numbers)
    found: dict[str, list[Finding]] = {}
    for number in wanted:
        known = here.get(number.draft.did)
        if known is None:
            made = PhoneNumber.objects.create(
                did=number.draft.did,
                label=number.draft.label[:80],
                assistant=number.assistant,
                squad=number.squad,
                vapi_id=_vapi_id(number),
            )
            here[made.did] = made
            _server_create(made, number, by)
            found[number.draft.key] = [] if number.assistant or number.squad else [_nobody(number)]
            continue
        if not known.vapi_id:
            PhoneNumber.objects.filter(pk=known.pk).update(vapi_id=_vapi_id(number))
        found[number.draft.key] = [
            *([_stays(number, known)] if _answers(known) != _answers(number) else []),
            *_server_stays(number, servers.get(known.pk, "")),
        ]
    return found


def _vapi_id(number: ImportedNumber) -> str:
    return str(number.draft.raw.get("id") or "")[:64]


def _not_movable_create(numbers: Sequence[ImportedNumber]) -> None:
    """Have the numbers in the list that are not at Twilio: they cannot be cut over, and the list says what to do."""
    for number in numbers:
        raw = number.draft.raw
        did = re.sub(r"[\s().-]", "", str(raw.get("number") or ""))
        if number.draft.did or raw.get("provider") == "twilio" or not re.fullmatch(E164_PATTERN, did):
            continue
        bought = raw.get("provider") == "vapi"
        PhoneNumber.objects.get_or_create(
            did=did,
            defaults={
                "label": number.draft.label[:80],
                "assistant": number.assistant,
                "squad": number.squad,
                "provider": PhoneNumber.Provider.VAPI if bought else PhoneNumber.Provider.OTHER,
                "vapi_id": _vapi_id(number),
            },
        )


def _server_create(made: PhoneNumber, number: ImportedNumber, by: Any) -> None:
    server = number.draft.server
    if server is None:
        return
    NumberServer.objects.create(
        number=made,
        server_url=server.url,
        server_secret=server.secrets.get("server_secret", ""),
        server_headers=server.secrets.get("server_headers", ""),
        credential_id=number.credential,
        server_backoff_plan=server.backoff_plan,
        server_encrypted_paths=list(server.encrypted_paths),
        timeout_s=server.timeout_s,
    )
    url_allow(credential_id=number.credential, url=server.url, by=by)


def _server_stays(number: ImportedNumber, ours: str) -> list[Finding]:
    """A decision where the number is here with another server than at Vapi."""
    server = number.draft.server
    if server is None or server.url == ours:
        return []
    path = "server.url" if number.draft.raw.get("server") else "serverUrl"
    stays = f"the server {url_shown(ours)}" if ours else "no server"
    return [
        Finding(
            path=path,
            verdict=Verdict.DECISION,
            source=url_shown(server.url),
            field="server",
            ours=url_shown(ours),
            reason=(
                f"The number was here before, with {stays} of its own, and that stays: a change would reach callers at once. "
                "Change it under Numbers, or settle this to leave it."
            ),
            code="number_server_otherwise",
        )
    ]


def _path(number: ImportedNumber) -> str:
    """Where the export says who answers."""
    raw = number.draft.raw
    return next((key for key in ("assistantId", "squadId", "workflowId") if raw.get(key)), "assistantId")


def _nobody(number: ImportedNumber) -> Finding:
    return Finding(
        path=_path(number),
        verdict=Verdict.DECISION,
        source=number.draft.raw.get(_path(number), ABSENT),
        field="assistant",
        ours="Nobody",
        reason="The number was added, but whoever answers it at Vapi is not here. Choose an assistant or a squad under Numbers.",
        code="number_unanswered",
    )


def _answers(number: ImportedNumber | PhoneNumber) -> Assistant | Squad | None:
    return number.squad or number.assistant


def _named(answers: Assistant | Squad | None, otherwise: str) -> str:
    if answers is None:
        return otherwise
    return f"the squad {answers.name}" if isinstance(answers, Squad) else answers.name


def _stays(number: ImportedNumber, known: PhoneNumber) -> Finding:
    ours, theirs = _answers(known), _named(_answers(number), "nobody who is here")
    return Finding(
        path=_path(number),
        verdict=Verdict.DECISION,
        source=number.draft.raw.get(_path(number), ABSENT),
        field="assistant",
        ours=ours.name if ours else "Nobody",
        reason=(
            f"At Vapi the number is answered by {theirs}, here by {_named(ours, 'nobody')}, and that stays: "
            "a change would reach callers at once. Change it under Numbers, or settle this to leave it."
        ),
        code="number_assigned_otherwise",
    )
