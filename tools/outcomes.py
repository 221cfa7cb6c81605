"""How a tool call can end, and what the model is told then: one honest sentence about what is known.

The line that every text keeps: a request that never left was certainly not carried out; one that left and was
not answered may or may not have been.
"""

from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

from tools.jsontext import json_text, text_clean
from tools.redaction.keeping import Keeping

FinalStatus = Literal["answered", "failed", "timed_out", "refused"]

ANSWER_KEPT_CHARS = 10_000
# A guess: some 5,000 tokens, which the model reads again in every later turn.
OUTPUT_MAX_CHARS = 20_000

UNSURE = (
    "The action may or may not have taken effect. Do not say that it succeeded or that it failed, and do not request it "
    "again; tell the caller that it could not be confirmed."
)
NEVER_TAKEN = "Not sent: the model was told the outcome before a worker took the request up."
_NOT_DONE = "Nothing was done. Tell the caller that this is not possible right now."


@dataclass(frozen=True, slots=True)
class Outcome:
    """The end of one tool call.

    ``output`` is the text for the model, ``error`` the reason for ops staff (empty when answered), ``answer`` what
    the server sent, clipped. ``sent`` is False only where the request certainly never left. ``elapsed_ms`` is the
    time to the complete answer, None where there was none. ``message`` is what the server wants spoken instead of
    the model's own words, in Vapi's form; ``variables`` is what the call has learnt from the answer.
    """

    status: FinalStatus
    output: str
    error: str = ""
    http_status: int | None = None
    answer: str = ""
    sent: bool = True
    elapsed_ms: int | None = None
    message: dict[str, Any] | None = field(default=None, repr=False)
    variables: dict[str, Any] = field(default_factory=dict, repr=False)

    def to_json(self) -> dict[str, Any]:
        """The outcome as JSON-ready values."""
        return asdict(self)

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> "Outcome":
        """The outcome behind its JSON. Raises TypeError for a shape that no release ever wrote."""
        return cls(**stored)


def outcome_kept(outcome: Outcome, keeping: Keeping) -> Outcome:
    """The outcome as it may be written down. What the model is told is the whole one."""
    if keeping.everything:
        return outcome
    return replace(
        outcome,
        output=keeping.words(outcome.output),
        error=keeping.note(outcome.error),
        answer=keeping.words(outcome.answer),
        message=keeping.values(outcome.message) or None,
        variables=keeping.values(outcome.variables),
    )


def not_kept_output() -> str:
    """The model's text for an answer that came, that nobody has kept, and that it may have been told before."""
    message = (
        "This request was answered before, and the answer was not kept. If you know it, go on with it; if not, tell the caller "
        "that it could not be confirmed, and do not request it again."
    )
    return error_output(code="not_kept", message=message)


def error_output(*, code: str, message: str) -> str:
    """The model's text for anything but a result: compact JSON with ``error`` and ``message``."""
    return json_text({"error": code, "message": message})


def output_clip(text: str) -> str:
    """The text, cut to OUTPUT_MAX_CHARS with a note that says so."""
    text = text_clean(text)
    if len(text) <= OUTPUT_MAX_CHARS:
        return text
    return f"{text[:OUTPUT_MAX_CHARS]} [cut here: the tool's answer had {len(text)} characters]"


def answer_clip(body: bytes) -> str:
    """What the server sent, as text for the ledger; at most ANSWER_KEPT_CHARS characters."""
    # Four bytes are the longest character; decoding a whole mebibyte would serve nothing.
    text = body[: ANSWER_KEPT_CHARS * 4].decode(errors="replace")
    return text_clean(text)[:ANSWER_KEPT_CHARS]


def refused(*, code: str, why: str) -> Outcome:
    """Not sent, by our own decision."""
    message = f"The request was not sent: {why}. {_NOT_DONE}"
    return Outcome("refused", error_output(code=code, message=message), error=f"Not sent: {why}.", sent=False)


def arguments_refused(why: str) -> Outcome:
    """Not sent, because the arguments do not fit the tool. ``why``: sentences for the model that quote none of them."""
    message = (
        f"The request was not sent, because its arguments do not fit: {why} Nothing was done. Correct them and request it "
        "again; ask the caller for what you do not know."
    )
    output = error_output(code="invalid_arguments", message=message)
    return Outcome("refused", output, error=f"Not sent, since the arguments do not fit: {why}", sent=False)


def rejected() -> Outcome:
    """Not sent, because the tool's own rejection plan says so in this moment of the call."""
    message = (
        "The request was not sent: a rule of this tool does not allow it at this point of the conversation. Nothing was "
        "done. Do not say that it was; go on with the conversation, and request it again only once something has changed."
    )
    output = error_output(code="rejected", message=message)
    return Outcome("refused", output, error="Not sent: the tool's rejection plan refused it.", sent=False)


def not_reached(*, code: str, why: str) -> Outcome:
    """Not sent, because the server could not be reached: certainly not carried out."""
    message = f"The tool's server could not be reached: {why}. {_NOT_DONE}"
    return Outcome("failed", error_output(code=code, message=message), error=f"Not sent: {why}.", sent=False)


def unknown(*, code: str, why: str, http_status: int | None = None) -> Outcome:
    """Sent, and no answer came: nobody here knows whether it was carried out."""
    message = f"The request was sent, but {why}. {UNSURE}"
    error = f"Sent, but {why}; outcome unknown."
    return Outcome(
        "timed_out", error_output(code=code, message=message), error=error, http_status=http_status
    )


def spoiled(*, code: str, why: str, http_status: int) -> Outcome:
    """Sent, and something came that is no usable answer, such as half a body or a redirect."""
    message = f"The request was sent, but {why}. {UNSURE}"
    return Outcome(
        "failed",
        error_output(code=code, message=message),
        error=f"{why[:1].upper()}{why[1:]}.",
        http_status=http_status,
    )


def http_error_output(http_status: int, *, said: str = "") -> str:
    """The model's text for an error status; ``said`` is the error text of the server, when it gave one."""
    reason = f' and says "{said}"' if said else ""
    if http_status < 500:
        message = f"The tool's server rejected the request with HTTP status {http_status}{reason}. Most likely nothing was done; do not say that it succeeded."
    else:
        message = f"The tool's server failed with HTTP status {http_status}{reason}. {UNSURE}"
    return error_output(code="http_error", message=message)


def no_result_output(why: str) -> str:
    """The model's text for an answer without a result for this call; begins as Vapi's does, since prompts quote it."""
    return error_output(code="no_result", message=f"No result returned. {why}. {UNSURE}")
