"""Pages of calls: what is written at once is what the documents of the calls say, and their rows are the models'."""

from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from uuid import uuid4

import pytest
from django.conf import settings
from django.db import transaction
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from assistants.tests.factories import make_assistant
from calls.api import rows
from calls.api.documents import call_document
from calls.api.encoding import calls_json
from calls.api.messages import openai_messages, transcript_text, unsaid
from calls.api.records import (
    Added,
    Analysed,
    Asked,
    AtVapi,
    Head,
    Named,
    Ordered,
    Part,
    Record,
    Spoken,
    Transferred,
    Used,
)
from calls.api.rows import records_reading
from calls.api.selectors import heads_page, records_of
from calls.api.written import written_of
from calls.models import (
    Call,
    CallAnalysis,
    CallPart,
    CallStripped,
    CallVariables,
    CostLine,
    LiveOrder,
    PhoneNumber,
    Recording,
    VapiCall,
)
from calls.tests.api.test_calls import BEGAN, talked
from calls.tests.factories import make_call
from tools.jsontext import json_text
from tools.models import ToolCall
from transcripts.models import Transcript, Utterance

texts = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12
) | st.sampled_from(['","', "\\", '\\"', "é\u2028\n\t", "שלום", "🚲", "4.0,", "e-5}", "[card]"])
numbers = st.sampled_from([4.0, -0.0, 0.00001, 0.000012, 1e300, 1e15, 1e16, 10**30, -(2**63), 0.1, 7])
values = st.recursive(
    st.none()
    | st.booleans()
    | numbers
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
objects = st.dictionaries(texts, values, max_size=3)
moments = st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - Hypothesis wants them naive
ms = st.integers(0, 4_000_000)


class Turn(NamedTuple):
    """What one side said; ``words`` are those that were heard."""

    speaker: str
    words: str
    began_ms: int
    ended_ms: int
    latency_ms: int | None
    assistant: str


said = st.lists(
    st.builds(
        lambda speaker, words, began, lasted, latency, name: Turn(
            speaker, words, began, began + lasted, latency, name
        ),
        st.sampled_from(["caller", "assistant"]), texts, ms, st.integers(0, 9000), st.none() | ms, texts | st.just(""),
    ),
    max_size=5,
).map(lambda some: sorted(some, key=lambda one: one.began_ms))  # fmt: skip
asked = st.lists(
    st.builds(
        Asked, texts, texts, objects, texts, moments, st.none() | moments, st.none() | moments, objects
    ),
    max_size=3,
)
added = st.lists(
    st.builds(Added, st.sampled_from(["system", "user", "assistant", "tool"]), texts, moments), max_size=2
)


def messages_of(said: list[Turn], zero: datetime) -> list[tuple[float, dict[str, Any]]]:
    """What was said as messages, each with its moment: what the database is to write."""
    zero_ms = zero.timestamp() * 1000
    return [
        (
            one.began_ms,
            {
                "role": "bot" if one.speaker == "assistant" else "user",
                "message": one.words,
                "time": round(zero_ms + one.began_ms),
                "endTime": round(zero_ms + one.ended_ms),
                "secondsFromStart": one.began_ms / 1000,
                "duration": one.ended_ms - one.began_ms,
                **({"assistantName": one.assistant} if one.assistant else {}),
            },
        )
        for one in said
        if one.words
    ]


def written_expected(record: Record, said: list[Turn]) -> tuple[str, str, str]:
    """The three forms of all that was said and done."""
    more = unsaid(record.tool_calls, record.added, zero=record.zero)
    messages = [one for _, one in sorted([*messages_of(said, record.zero), *more], key=lambda told: told[0])]
    return (
        json_text(messages),
        json_text(openai_messages(messages)),
        json_text(transcript_text(messages)),
    )


def stored(said: list[Turn], asked: list[Asked], added: list[Added], zero: datetime) -> Call:
    """A call with all of that."""
    call = make_call()
    transcript = Transcript.objects.create(call_id=call.pk, started_at=zero)
    Utterance.objects.bulk_create(
        Utterance(
            transcript=transcript, item_id=f"item{n}", speaker=one.speaker, began_ms=one.began_ms, ended_ms=one.ended_ms,
            latency_ms=one.latency_ms, assistant=one.assistant,
            **{"heard_text" if one.speaker == "assistant" else "text": one.words},
        )
        for n, one in enumerate(said)
    )  # fmt: skip
    ToolCall.objects.bulk_create(
        ToolCall(call_id=call.pk, **{**one._asdict(), "item_id": f"call{n}"}) for n, one in enumerate(asked)
    )
    LiveOrder.objects.bulk_create(
        LiveOrder(
            call=call, order_id=str(uuid4()), kind="add-message", by="key", asked_at=one.at, done_at=one.at, result="taken",
            role=one.role, words=one.words,
        )
        for one in added
    )  # fmt: skip
    return call


@pytest.mark.django_db
@given(st.lists(st.tuples(said, asked, added, moments), min_size=1, max_size=3))
@examples(max_examples=12)
def test_what_was_said_is_written_by_the_database_as_json_has_it(
    some: list[tuple[list[Turn], list[Asked], list[Added], datetime]],
) -> None:
    with transaction.atomic():
        calls = [stored(*one) for one in some]
    for record, (said, asked, added, zero) in zip(records_of([call.pk for call in calls]), some, strict=True):
        assert record.zero == zero
        assert (len(record.tool_calls), len(record.added)) == (len(asked), len(added))
        assert tuple(one.decode() for one in written_of(record)) == written_expected(record, said)
        assert list(record.spoken.latencies_ms) == [
            one.latency_ms for one in said if one.latency_ms is not None
        ]


def spoken_of(said: list[Turn], zero: datetime) -> Spoken:
    """The same as the database gives it."""
    messages = [one for _, one in messages_of(said, zero)]
    return Spoken(
        "\n".join(map(json_text, messages)).encode(),
        "\n".join(map(json_text, openai_messages(messages))).encode(),
        json_text(transcript_text(messages)).encode(),
        [one.began_ms for one in said if one.words],
        [one.latency_ms for one in said if one.latency_ms is not None],
    )


heads = st.builds(
    Head,
    id=st.uuids().map(str), stack=st.sampled_from(["direct", "vapi"]), direction=st.sampled_from(["inbound", "outbound"]),
    status=st.sampled_from(Call.Status.values), call_sid=texts, account_sid=texts, did=texts, caller=texts, name=texts,
    ended_reason=texts, refused_because=texts, created_at=moments, started_at=st.none() | moments, ended_at=st.none() | moments,
    updated_at=moments, barge_ins=st.integers(0, 9), line_label=texts,
)  # fmt: skip
named = st.builds(
    Named, st.none() | texts, texts, st.sampled_from(["", "assistant", "overrides"]), st.none() | objects
)
sevens = st.tuples(*[texts] * 7)
records = st.builds(
    Record,
    heads,
    version=st.none() | st.integers(1, 9),
    ran_on=st.none() | named,
    assistant=st.none() | named,
    squad=st.none() | named,
    phone_number_id=st.none() | texts,
    monitor_plan=values,
    talked_from=st.none() | moments,
    values=objects,
    vapi=st.none() | st.builds(
        lambda known, cost, breakdown, costs, analysis: AtVapi._make((*known, "", cost, breakdown, costs, analysis)),
        sevens, st.none() | st.floats(0, 99), objects, st.lists(objects, max_size=2), objects,
    ),
    analysis=st.none() | st.builds(Analysed, texts, values, st.lists(objects, max_size=1), texts),
    ordered=st.none() | st.builds(Ordered, st.none() | moments, st.none() | moments, objects, values),
    parts=st.lists(st.builds(Part, named, st.integers(1, 9)), max_size=2).map(tuple),
    transfers=st.lists(st.builds(Transferred, texts, objects, texts, texts, texts, st.booleans(), st.booleans()), max_size=2).map(tuple),
    spoken=st.builds(spoken_of, said, moments),
    tool_calls=asked.map(tuple),
    added=added.map(tuple),
    used=st.lists(
        st.builds(
            Used, st.sampled_from(["response", "transcription", "analysis", "summary", "line", "machine"]), texts,
            st.integers(0, 10**15), *[st.integers(0, 10**9)] * 3,
        ),
        max_size=5,
    ).map(tuple),
)  # fmt: skip


@given(st.lists(records, max_size=1))
@examples(max_examples=30)
def test_a_page_is_spelled_as_its_documents_whatever_stands_in_them(some: list[Record]) -> None:
    origin: dict[str, Any] = {"org_id": "org", "public_origin": "https://x.example"}
    documents = [call_document(one, **origin) for one in some]
    assert calls_json(some, **origin).decode() == json_text(documents)


@pytest.mark.parametrize("number", [4.0, 1e15, 1e16, -1e20, 1e21, 1e-7, 0.00001])
def test_a_number_of_others_is_spelled_as_everywhere_else(number: float) -> None:
    call = Head._make(["1", "direct", "inbound", "ended", *[""] * 7, BEGAN, None, None, BEGAN, 0, None])
    record = Record(call, values={"number": number})
    document = call_document(record, org_id="org", public_origin="")
    assert calls_json([record], org_id="org", public_origin="").decode() == json_text([document])


@pytest.mark.parametrize("amount", [9_999, 50_000, 990_000, 1_000_000])
def test_a_tiny_sum_of_money_is_spelled_as_everywhere_else(amount: int) -> None:
    call = Head._make(["1", "direct", "inbound", "ended", *[""] * 7, BEGAN, None, None, BEGAN, 0, None])
    record = Record(call, used=(Used("response", "m", amount, 0, 0, 0),))
    document = call_document(record, org_id="org", public_origin="")
    assert calls_json([record], org_id="org", public_origin="").decode() == json_text([document])


def test_a_document_beyond_the_depth_of_any_json_is_refused_and_not_half_written() -> None:
    deep: Any = {}
    for _ in range(120):
        deep = {"in": deep}
    call = Head._make(["1", "direct", "inbound", "ended", *[""] * 7, BEGAN, None, None, BEGAN, 0, None])
    with pytest.raises(ValueError, match="nested deeper"):
        calls_json([Record(call, values={"deep": deep})], org_id="org", public_origin="")


@pytest.mark.django_db
def test_an_assistant_that_goes_while_a_page_is_read_breaks_none(monkeypatch: pytest.MonkeyPatch) -> None:
    call, assistant = talked(), make_assistant(published=True)
    assert assistant.live_version is not None
    CallPart.objects.create(
        call=call, n=0, assistant=assistant, version=assistant.live_version, began_at=BEGAN
    )
    assert [part.version for part in records_of([call.pk])[0].parts] == [1]

    monkeypatch.setattr(rows, "_known", lambda *_: {})
    assert records_of([call.pk])[0].parts == ()


@pytest.mark.django_db
def test_who_asks_the_database_while_calls_are_read_is_told_so_and_does_not_hang() -> None:
    call, other = talked(), talked()
    with records_reading(heads_page({})) as records:
        assert next(records).call.id == str(other.pk)
        with pytest.raises(RuntimeError, match="being read"):
            Call.objects.get(pk=call.pk)
    assert Call.objects.count() == 2, "the connection is free again"


@pytest.mark.django_db
def test_rows_are_read_as_the_models_have_them() -> None:
    line = PhoneNumber.objects.create(did="+12025550199", label="Front desk")
    call = talked(phone_number=line, name="Bike 481", account_sid="AC1")
    bare = make_call(status=Call.Status.RINGING)
    CallVariables.objects.create(call=call, values={"b": 1, "a": 10**30, "f": 4.0}, secret_values="hidden")
    CallAnalysis.objects.create(
        call=call, summary="Fine.", structured_data={"n": 1e-7}, success_evaluation="8"
    )
    Recording.objects.create(call=call, state="stored", file="x", channels=2, content_type="audio/wav")
    VapiCall.objects.create(
        call=call, vapi_id="v7", source="api", cost="0.123456", costs=[{"cost": 4.0}], imported_at=BEGAN
    )
    for kind, part, quantity, amount in (
        ("response", "audio_in", "3.9", "0.0000123456"),
        ("response", "text_in", "1.9", None),
        ("response", "text_cached", "2", "0.0000001235"),
        ("response", "audio_out", "7", None),
        ("line", "minutes", None, None),
    ):
        CostLine.objects.create(
            call=call, provider="openai", kind=kind, item="m", part=part, quantity=quantity, amount_usd=amount,
            note="no price", written_at=BEGAN,
        )  # fmt: skip

    record, other = records_of([call.pk, bare.pk])

    call.refresh_from_db()
    assert record.call.id == str(call.pk)
    for name in {*Head._fields} - {"id", "updated_at", "line_label"}:
        assert getattr(record.call, name) == getattr(call, name), name
    assert record.call.duration_s == call.duration_s == 60
    assert (record.call.updated_at, record.call.line_label) == (call.created_at, "Front desk")
    assert (record.phone_number_id, record.talked_from) == (str(line.pk), BEGAN)
    assert record.values == {"b": 1, "a": 10**30, "f": 4.0}
    assert record.analysis is not None
    assert record.analysis.structured_data == {"n": 1e-7}
    assert record.recording == (2, "audio/wav")
    assert record.vapi is not None
    assert (record.vapi.cost, record.vapi.costs) == (0.123456, [{"cost": 4.0}])
    assert record.used == (("line", "m", 0, 0, 0, 0), ("response", "m", 124691, 4, 2, 7))
    assert record.spoken.transcript.decode() == r'"AI: Hello there.\nUser: Is it ready?\nAI: It is ready\n"'
    assert (record.spoken.began_ms, record.spoken.latencies_ms) == ((0, 2000, 5000), (700,))
    assert record.tool_calls[0].arguments == {"ticket": "481"}
    assert (other.call.status, other.spoken, other.vapi, other.values) == ("ringing", Spoken(), None, {})


@pytest.mark.django_db
def test_whoever_has_an_id_reads_neither_what_was_erased_nor_a_smoke_test() -> None:
    seen, erased, kept, smoke = talked(), talked(), talked(), talked(smoke_test=True)
    CallStripped.objects.create(call_id=erased.pk, why="erased", at=BEGAN)
    CallStripped.objects.create(call_id=kept.pk, why="retention", at=BEGAN)

    found = records_of([smoke.pk, kept.pk, uuid4(), erased.pk, seen.pk])

    assert [one.call.id for one in found] == [str(kept.pk), str(seen.pk)]
    assert {*heads_page({})} == {str(kept.pk), str(seen.pk)}


@pytest.mark.django_db
def test_a_number_beyond_64_bits_in_an_argument_breaks_no_page() -> None:
    call = talked()
    ToolCall.objects.filter(call_id=call.pk).update(arguments={"n": 10**30})
    (record,) = records_of(list(heads_page({})))
    page = calls_json([record], org_id="org", public_origin=settings.PUBLIC_ORIGIN)
    assert '{\\"n\\":1000000000000000000000000000000}' in page.decode()
    assert record.tool_calls[0].requested_at == BEGAN + timedelta(seconds=3)
