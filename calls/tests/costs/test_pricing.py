"""Lines: what they sum up to, which price they take, and what they say where there is none."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calls.costs.line_use import LineUse, line_item, line_lines, minutes
from calls.costs.pricing import PriceBook, Priced, PriceRow, Used, amount, total, usage_lines
from calls.costs.usage import response_read, transcription_read
from calls.tests.costs.test_usage import EXAMPLE

MODEL = "gpt-realtime-2.1"
BEGAN = datetime(2026, 7, 6, tzinfo=UTC)
NOW = datetime(2026, 11, 22, tzinfo=UTC)
PARTS = {
    "text_in": "4",
    "text_cached": "0.40",
    "text_out": "24",
    "audio_in": "32",
    "audio_cached": "0.40",
    "audio_out": "64",
}
_ids = count(1)


def row(usd: str, *, since: datetime = BEGAN, per: int = 1_000_000) -> PriceRow:
    return PriceRow(next(_ids), Decimal(usd), per, since)


def book(*more: tuple[tuple[str, str, str], PriceRow]) -> PriceBook:
    usual = [(("openai", MODEL, part), row(usd)) for part, usd in PARTS.items()]
    usual += [
        (("openai", "gpt-transcribe", "seconds"), row("0.0045", per=60)),
        (("twilio", "inbound local, US", "minutes"), row("0.0085", per=1)),
        (("twilio", "media streams", "minutes"), row("0.004", per=1)),
    ]
    return PriceBook([*usual, *more])


def response(usage: dict[str, Any], *, model: str = MODEL) -> Used:
    return Used("response", model, response_read(usage))


def lines_of(*used: Used, moment: datetime = NOW, prices: PriceBook | None = None) -> list[Priced]:
    return usage_lines(used, prices or book(), moment, provider="openai")


def test_the_example_of_the_reference_costs_what_it_says() -> None:
    lines = lines_of(response(EXAMPLE))

    assert total(lines) == Decimal("0.0074848")
    assert {line.thing.part for line in lines} == set(PARTS)


def test_a_transcription_is_charged_at_its_own_models_price() -> None:
    read = transcription_read({"type": "duration", "seconds": 4.7})

    assert total(lines_of(Used("transcription", "gpt-transcribe", read))) == Decimal("0.0003525")


def test_a_model_without_a_price_is_a_line_that_says_so() -> None:
    lines = lines_of(response(EXAMPLE, model="gpt-realtime-9"))

    assert {line.usd for line in lines} == {None}
    assert lines[0].note == "No price known for gpt-realtime-9 (audio cached)."
    assert sum(line.quantity or 0 for line in lines) == 725


def test_a_response_of_which_nothing_was_told_is_not_free() -> None:
    (line,) = lines_of(response({}), response({}))

    assert line.usd is None
    assert line.quantity == 2
    assert "did not say what 2 of these used" in line.note


def test_a_new_price_is_for_calls_from_its_moment_on() -> None:
    change = datetime(2026, 9, 1, tzinfo=UTC)
    prices = book((("openai", MODEL, "text_in"), row("8", since=change)))
    usage = response({"input_tokens": 1_000_000, "input_token_details": {"text_tokens": 1_000_000}})

    assert total(lines_of(usage, moment=change - timedelta(microseconds=1), prices=prices)) == 4
    assert total(lines_of(usage, moment=change, prices=prices)) == 8


def test_of_two_that_begin_together_the_one_entered_last_is_in_force() -> None:
    first, second = row("1"), row("2")
    key = ("openai", "m", "text_in")

    for rows in ([first, second], [second, first]):
        found = PriceBook([(key, one) for one in rows]).at(NOW, provider="openai", item="m", part="text_in")
        assert found == second


def test_before_the_first_price_there_is_none() -> None:
    (line, *_) = lines_of(response(EXAMPLE), moment=BEGAN - timedelta(days=1))

    assert line.usd is None


_counts = st.integers(0, 30_000)
_told = st.builds(
    lambda text, audio, cached_text, cached_audio, text_out, audio_out: {
        "input_tokens": text + audio,
        "output_tokens": text_out + audio_out,
        "input_token_details": {
            "text_tokens": text,
            "audio_tokens": audio,
            "cached_tokens": cached_text + cached_audio,
            "cached_tokens_details": {"text_tokens": cached_text, "audio_tokens": cached_audio},
        },
        "output_token_details": {"text_tokens": text_out, "audio_tokens": audio_out},
    },
    _counts,
    _counts,
    _counts,
    _counts,
    _counts,
    _counts,
)


@settings(max_examples=40)
@given(st.lists(_told, max_size=8), st.randoms())
def test_lines_sum_up_to_what_each_report_costs_alone_in_whatever_order(
    usages: list[dict[str, Any]], chance: Any
) -> None:
    mixed = list(usages)
    chance.shuffle(mixed)
    prices = book()
    together = lines_of(*map(response, mixed), prices=prices)

    # Prices of the list are whole in ten places for a token, so nothing is lost by rounding once for each line.
    assert total(together) == sum((total(lines_of(response(one))) for one in usages), Decimal(0))
    assert together == lines_of(*map(response, usages), prices=prices)
    assert all(line.usd is not None and line.usd >= 0 for line in together)


def test_a_line_is_rounded_once_half_to_even() -> None:
    odd = PriceRow(1, Decimal("0.000001"), 20_000, BEGAN)

    assert amount(Decimal(1), odd) == Decimal("0E-10")
    assert amount(Decimal(3), odd) == Decimal("2E-10")


# --- The telephone


def use(**fields: Any) -> LineUse:
    usual: dict[str, Any] = {
        "inbound": True,
        "ours": "+14155550100",
        "theirs": "+13125550177",
        "seconds": 61,
        "stream_seconds": 60,
    }
    return LineUse(**{**usual, **fields})


def line_costs(one: LineUse) -> dict[str, tuple[Decimal | None, Decimal | None]]:
    return {line.thing.item: (line.quantity, line.usd) for line in line_lines(one, book(), NOW)}


def test_every_started_minute_counts_for_each_thing() -> None:
    assert line_costs(use()) == {
        "inbound local, US": (Decimal(2), Decimal("0.017")),
        "media streams": (Decimal(1), Decimal("0.004")),
    }


def test_what_twilio_charged_takes_the_place_of_the_list() -> None:
    (line, _) = line_lines(use(charged_usd=Decimal("0.0136")), book(), NOW)

    assert (line.usd, line.price, line.note) == (Decimal("0.0136"), None, "As Twilio charged it.")


def test_transfers_recordings_and_messages_are_lines_too() -> None:
    costs = line_costs(
        use(
            transfers=(("+13125550142", 61), ("sip:desk@example.com", 5), ("+13125550143", 0)),
            recordings=(59, 61),
            messages=("+13125550177",),
        )
    )

    assert costs["outbound, US"] == (Decimal(2), None)
    assert costs["SIP interface"] == (Decimal(1), None)
    assert costs["recording"] == (Decimal(3), None)
    assert costs["text message, US"] == (Decimal(1), None)


@pytest.mark.parametrize(
    ("inbound", "ours", "theirs", "item"),
    [
        (True, "+14155550100", "+442079460000", "inbound local, US"),
        (True, "+18005550100", "", "inbound toll-free, US"),
        (True, "+442079460000", "+13125550177", "inbound local, not US or Canada"),
        (False, "+14155550100", "+442079460000", "outbound, not US or Canada"),
        (False, "+442079460000", "+13125550177", "outbound, US"),
        (True, "", "", "inbound local, not US or Canada"),
    ],
)
def test_the_line_has_the_name_that_the_list_has(
    inbound: bool,
    ours: str,
    theirs: str,
    item: str,
) -> None:
    assert line_item(inbound=inbound, ours=ours, theirs=theirs) == item


@pytest.mark.parametrize(("seconds", "counted"), [(0, 1), (1, 1), (60, 1), (61, 2), (3600, 60)])
def test_an_answered_call_is_a_minute_at_the_least(seconds: int, counted: int) -> None:
    assert minutes(seconds) == counted
