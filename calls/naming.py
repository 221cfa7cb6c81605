"""What a call is called where people read of it: by the numbers of its two ends, where it has any."""

from calls.models import Call


def has_number(call: Call) -> bool:
    """Whether a telephone company carried it. A program may bring a line of its own, and then nobody withholds anything."""
    return bool(call.caller or call.did or call.call_sid)


def caller_of(call: Call) -> str:
    """Who called or was called, or why that is not known."""
    return call.caller or ("Withheld" if has_number(call) else "No number")


def ends_of(call: Call) -> str:
    """Both ends of it, whoever called first."""
    if not has_number(call):
        return "Without a number"
    ours, theirs = call.did or "-", caller_of(call)
    return f"{ours} to {theirs}" if call.direction == Call.Direction.OUTBOUND else f"{theirs} to {ours}"


def call_title(call: Call) -> str:
    """The beginning of a heading about it."""
    if not has_number(call):
        return "Call without a number"
    way = "to" if call.direction == Call.Direction.OUTBOUND else "from"
    return f"Call {way} {call.caller or 'a withheld number'}"
