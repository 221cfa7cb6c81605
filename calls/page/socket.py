"""How a call came that has no number of ours, as its page tells it."""

from collections.abc import Sequence

from calls.models import Call, SocketCall


def socket_facts(call: Call) -> Sequence[tuple[str, object]]:
    """The line of the page for it; none for a telephone call on a number of ours."""
    row = SocketCall.objects.select_related("key").filter(pk=call.pk).first()
    if row is None:
        return []
    form = f", {row.encoding} at {row.sample_rate} Hz" if row.encoding else ""
    asked = f"; asked for by API key {row.key}" if row.key is not None else ""
    return [("Came by", f"{row.get_kind_display()}{form}{asked}")]
