"""From a phone number of Vapi's to ours."""

import re
from collections.abc import Callable
from typing import Any, Final

from assistants.vapi.drafts import NumberDraft, NumberServerDraft, Verdict
from assistants.vapi.ledger import Ledger
from assistants.vapi.servers import SECRET_FLAG, Server, secret_ask, server_read
from assistants.vapi.squad_rules import NUMBER

_E164: Final = re.compile(r"\+[1-9]\d{6,14}")
_NOT_MOVABLE: Final = {
    "vapi": "Vapi bought this number itself, and it cannot be pointed elsewhere. Have it ported to your Twilio account, or replace it.",
    "byo-phone-number": "This number comes over a SIP trunk of yours. Tandem answers numbers at Twilio: forward it to one, or have it ported.",
    "vonage": "This number belongs to Vonage. Tandem answers numbers at Twilio: forward it to one, or have it ported.",
    "telnyx": "This number belongs to Telnyx. Tandem answers numbers at Twilio: forward it to one, or have it ported.",
}
_UNKNOWN: Final = "Tandem does not know this provider. It answers numbers at Twilio: forward this one there, or have it ported."


def number_translate(
    raw: Any, *, key: str, assistant: Callable[[str], bool], squad: Callable[[str], bool]
) -> NumberDraft:
    """The number, and whose key answers it. The functions tell whether an assistant or a squad of that id is known."""
    ledger = Ledger(raw, NUMBER)
    provider = ledger.text("provider")
    did = _did(ledger, provider)
    answers = _answers(ledger, assistant, squad)
    server = server_read(ledger)
    if ledger.flag(*SECRET_FLAG):
        secret_ask(ledger, server, page="the number's page under Numbers")
    _say_server(ledger, answers)
    if not did:
        for name in ("server", "serverUrl", "serverUrlSecret"):
            ledger.say((name,), Verdict.DROPPED, "It belongs to a number that Tandem cannot take.")
    label = " ".join((ledger.text("name") or "").split())
    address = did or ledger.text("number") or ledger.text("sipUri") or ""
    named = f"{label} ({address})" if label and address and label != address else label or address
    return NumberDraft(
        key=key,
        name=named or "number without a name",
        raw=ledger.raw,
        findings=ledger.findings(),
        did=did,
        label=label,
        answers=answers,
        server=_server(server) if did else None,
    )


def _server(server: Server) -> NumberServerDraft | None:
    if not server.url:
        return None
    return NumberServerDraft(
        server.url,
        server.backoff_plan,
        server.encrypted_paths,
        server.secrets,
        server.credential_id,
        server.timeout_s,
    )


def _did(ledger: Ledger, provider: str | None) -> str:
    if provider != "twilio":
        reason = _NOT_MOVABLE.get(provider or "", _UNKNOWN)
        ledger.decide(("provider",), reason, code="not_movable")
        if ledger.text("number"):
            ledger.say(
                ("number",), Verdict.DROPPED, "Tandem cannot take this number; see the provider.", field="did"
            )
        return ""
    given = ledger.text("number") or ""
    did = re.sub(r"[\s().-]", "", given)
    if not _E164.fullmatch(did):
        reason = "This is no full telephone number with + and country code, so no call can be matched to it. Enter the number by hand."
        ledger.decide(("number",), reason, code="bad_number", field="did")
        return ""
    if did != given:
        ledger.say(("number",), Verdict.CONVERTED, "The number that callers dial.", field="did", ours=did)
    return did


def _answers(ledger: Ledger, assistant: Callable[[str], bool], squad: Callable[[str], bool]) -> str:
    answers = ""
    for name, word, known in (("assistantId", "assistant", assistant), ("squadId", "squad", squad)):
        id_ = ledger.text(name)
        if not id_:
            continue
        if not known(id_):
            reason = f"There is no {word} {id_[:80]} in this export, and none was imported before. Choose who answers this number."
            ledger.say((name,), Verdict.DECISION, reason, field="assistant", code=f"unresolved_{word}")
        elif answers:
            reason = "An assistant is set as well, and that one answers the number."
            ledger.say((name,), Verdict.DROPPED, reason, field="assistant")
        else:
            answers = id_
    return answers


def _say_server(ledger: Ledger, answers: str) -> None:
    """Without an assistant, Vapi asks the server who answers, or sends the caller on."""
    assigned = answers or any(ledger.text(name) for name in ("assistantId", "squadId", "workflowId"))
    if assigned:
        return
    for path in (("server", "url"), ("serverUrl",)):
        if ledger.text(*path):
            ledger.say(
                path,
                Verdict.DECISION,
                "At Vapi nobody is set to answer this number, and your server is asked at every call which assistant does. Tandem "
                "does not ask it: choose an assistant for the number.",
                code="assistant_request",
            )
            return
    ledger.decide(
        ("assistantId",),
        "At Vapi nobody is set to answer this number. Choose an assistant before its calls come here.",
        field="assistant",
        code="nobody_answers",
    )
