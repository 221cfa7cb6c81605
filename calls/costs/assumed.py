"""What a minute would cost by the price list alone, for a call that nobody has made yet. Pure: everything assumed is here."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from calls.costs.line_use import LineUse, line_lines
from calls.costs.pricing import PriceBook, Priced, Thing, line

# The tokens of speech, as OpenAI counts them.
CALLER_TOKENS_A_MINUTE: Final = 600
ASSISTANT_TOKENS_A_MINUTE: Final = 1200


@dataclass(frozen=True, slots=True)
class AssumedCall:
    """A call as it might be. All of it are guesses, until there are calls to measure."""

    minutes: int = 3
    turns_a_minute: int = 4
    caller_share: Decimal = Decimal("0.40")  # of the time
    assistant_share: Decimal = Decimal("0.45")
    prompt_tokens: int = 1500  # instructions and tools, read again at each answer
    text_out_a_turn: int = 25
    cached_share: Decimal = Decimal("0.90")  # of what a turn reads again
    most_tokens_read: int = 16_000  # where the session cuts its memory
    model: str = "gpt-realtime-2.1"
    transcription: str = "gpt-transcribe"

    def told(self) -> dict[str, Any]:
        """The assumptions, for a report."""
        return {name: str(value) for name, value in asdict(self).items()}


def assumed_lines(call: AssumedCall, book: PriceBook, moment: datetime) -> list[Priced]:
    """The lines of such a call: each answer reads all that was said before, most of it from the cache."""
    lines = [
        line(Thing("openai", "response", call.model, part), quantity.quantize(Decimal(1)), book, moment)
        for part, quantity in _tokens(call).items()
    ]
    heard_s = call.minutes * 60 * call.caller_share
    thing = Thing("openai", "transcription", call.transcription, "seconds")
    lines.append(line(thing, heard_s, book, moment))
    seconds = call.minutes * 60
    return lines + line_lines(
        LineUse(inbound=True, ours="+1", theirs="+1", seconds=seconds, stream_seconds=seconds), book, moment
    )


def _tokens(call: AssumedCall) -> Mapping[str, Decimal]:
    sums = dict.fromkeys(
        ("text_in", "text_cached", "audio_in", "audio_cached", "text_out", "audio_out"), Decimal(0)
    )
    for text, audio, new_audio in _turns(call):
        sums["text_cached"] += text * call.cached_share
        sums["text_in"] += text * (1 - call.cached_share)
        sums["audio_cached"] += audio * call.cached_share
        sums["audio_in"] += audio * (1 - call.cached_share) + new_audio
        sums["text_out"] += call.text_out_a_turn
        sums["audio_out"] += ASSISTANT_TOKENS_A_MINUTE * call.assistant_share / call.turns_a_minute
    return sums


def _turns(call: AssumedCall) -> Iterator[tuple[Decimal, Decimal, Decimal]]:
    """Of each answer: text and audio that it reads again, and audio that is new to it."""
    heard = CALLER_TOKENS_A_MINUTE * call.caller_share / call.turns_a_minute
    said = ASSISTANT_TOKENS_A_MINUTE * call.assistant_share / call.turns_a_minute
    for turn in range(call.minutes * call.turns_a_minute):
        text = Decimal(call.prompt_tokens + turn * call.text_out_a_turn)
        audio = min(turn * (heard + said), call.most_tokens_read - text)
        yield text, audio, heard
