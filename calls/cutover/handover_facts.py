"""What the page of a call says of its way to the old provider."""

from collections.abc import Sequence
from urllib.parse import urlsplit

from calls.models import Call, CallHandover
from tools.adminkit import moment


def handover_facts(call: Call) -> Sequence[tuple[str, object]]:
    """How the call was handed over and what became of the word of its end; nothing for a call that was not."""
    handover = CallHandover.objects.filter(pk=call.pk).first()
    if handover is None:
        return []
    host = urlsplit(handover.url).hostname or "-"
    facts: list[tuple[str, object]] = [("Handed over", f"{handover.get_how_display()} ({host})")]
    if handover.problem:
        facts.append(("Trouble on the way", handover.problem))
    if handover.status_callback:
        facts.append(("Its end was passed on", _passed_on(handover)))
    return facts


def _passed_on(handover: CallHandover) -> object:
    if handover.forward_error:
        return f"Not taken: {handover.forward_error}"
    return moment(handover.forwarded_at) if handover.forwarded_at else "Not yet"
