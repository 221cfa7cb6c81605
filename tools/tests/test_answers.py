import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tools.answers import NO_RESULT, Result, answer_read
from tools.outcomes import OUTPUT_MAX_CHARS
from tools.tests.test_jsontext import ANY_JSON

CALL = "call_bK2zT7"
JSON = "application/json"


def read(body: bytes | str | object, *, content_type: str = JSON, http_status: int = 200) -> Result:
    if not isinstance(body, bytes | str):
        body = json.dumps(body)
    content = body.encode() if isinstance(body, str) else body
    return answer_read(body=content, content_type=content_type, http_status=http_status, tool_call_id=CALL)


def results(**fields: object) -> dict[str, object]:
    return {"results": [{"toolCallId": CALL, **fields}]}


@pytest.mark.parametrize(
    ("body", "output"),
    [
        pytest.param(results(result="Booked."), "Booked.", id="text"),
        pytest.param(results(result="Booked.\r\nAt 9:30.\n\n"), "Booked. At 9:30.", id="line breaks"),
        pytest.param(results(result={"slots": ["9:30", "14:00"]}), '{"slots":["9:30","14:00"]}', id="object"),
        pytest.param(results(result=[1, 2.0]), "[1,2]", id="array"),
        pytest.param(results(result=42), "42", id="number"),
        pytest.param(results(result=0), "0", id="zero"),
        pytest.param(results(result=False), "false", id="boolean"),
        pytest.param(results(result=None), NO_RESULT, id="null"),
        pytest.param(results(result=""), NO_RESULT, id="blank"),
        pytest.param(results(), NO_RESULT, id="id without result"),
        pytest.param(results(message={"content": "You are booked."}), "You are booked.", id="message alone"),
        pytest.param(results(result="Booked.", error="no"), "Booked.", id="result beats error"),
        pytest.param(results(result="Booked.", extra=1, name="x"), "Booked.", id="extra keys"),
        pytest.param({"results": [{"toolCallId": f" {CALL}", "result": "a"}]}, "a", id="id with a blank"),
        pytest.param({"results": {"toolCallId": CALL, "result": "a"}}, "a", id="results is one object"),
        pytest.param([{"toolCallId": CALL, "result": "a"}], "a", id="bare array"),
        pytest.param({"toolCallId": CALL, "result": "a"}, "a", id="bare object with id"),
        pytest.param({"result": "a"}, "a", id="bare result"),
        pytest.param({"results": None, "result": "a"}, "a", id="bare result beside null"),
        pytest.param({"result": {"ok": True}}, '{"ok":true}', id="bare object result"),
        pytest.param('"Booked."', "Booked.", id="JSON string"),
        pytest.param("42", "42", id="JSON number"),
        pytest.param("null", NO_RESULT, id="JSON null"),
        pytest.param("{}", NO_RESULT, id="empty object"),
        pytest.param("[]", NO_RESULT, id="empty array"),
        pytest.param("", NO_RESULT, id="empty body"),
        pytest.param(" \n", NO_RESULT, id="blank body"),
        pytest.param(results(result=float("nan")), NO_RESULT, id="NaN"),
        pytest.param(results(result=[float("nan")]), "[null]", id="NaN inside"),
        pytest.param("\ufeff" + json.dumps(results(result="a")), "a", id="byte order mark"),
        pytest.param("Booked.", "Booked.", id="text that calls itself JSON"),
    ],
)
def test_an_answer_becomes_the_models_text(body: object, output: str) -> None:
    result = read(body)

    assert (result.status, result.output_text, result.error) == ("answered", output, "")


@pytest.mark.parametrize(
    ("body", "content_type", "output"),
    [
        ("Booked.\nThursday.", "text/plain", "Booked. Thursday."),
        ("Booked.", "", "Booked."),
        ("Booked.", "text/html; charset=utf-8", "Booked."),  # how Express sends a string
        ("<3 booked", "text/plain", "<3 booked"),
        ("[urgent] call back", "text/plain", "[urgent] call back"),
        (json.dumps(results(result="a")), "text/plain", "a"),
        ("Gebucht für Müller".encode("latin-1"), "text/plain; charset=ISO-8859-1", "Gebucht für Müller"),
        ("für".encode(), "text/plain; charset=nonsense", "für"),
        ("für".encode(), "text/plain; charset=unicode_escape", "für"),
    ],
)
def test_plain_text_is_the_result(body: bytes | str, content_type: str, output: str) -> None:
    result = read(body, content_type=content_type)

    assert (result.status, result.output_text) == ("answered", output)


@pytest.mark.parametrize("http_status", [200, 201, 204])
def test_an_accepted_answer_without_a_body_is_no_failure(http_status: int) -> None:
    assert read(b"", http_status=http_status) == Result("answered", NO_RESULT)


@pytest.mark.parametrize(
    ("body", "content_type", "code"),
    [
        pytest.param(
            {"results": [{"toolCallId": "other", "result": "a"}]}, JSON, "no_result", id="unmatched id"
        ),
        pytest.param({"results": [{"result": "a"}]}, JSON, "no_result", id="entry without id"),
        pytest.param({"results": [None, 1, "x"]}, JSON, "no_result", id="entries of other kinds"),
        pytest.param({"results": []}, JSON, "no_result", id="no entries"),
        pytest.param({"toolCallId": "other", "result": "a"}, JSON, "no_result", id="bare with another id"),
        pytest.param({"status": "ok"}, JSON, "no_result", id="foreign object"),
        pytest.param([1, 2], JSON, "no_result", id="foreign array"),
        pytest.param('{"results": [{"toolCallId": "call_', JSON, "no_result", id="half a body"),
        pytest.param('{"results": [', "text/plain", "no_result", id="half a body as text"),
        pytest.param('"Booked', JSON, "no_result", id="half a string"),
        pytest.param("[" * 100_000, JSON, "no_result", id="too deep"),
        pytest.param("<!DOCTYPE html><p>Hi", "text/plain", "no_result", id="page as text"),
        pytest.param("<html><p>Hi</html>", "text/html", "no_result", id="page"),
        pytest.param("<p>Hi</p>", "text/html", "no_result", id="fragment of a page"),
        pytest.param("<a/>", "application/xml", "no_result", id="XML"),
        pytest.param(b"\x89PNG", "image/png", "no_result", id="picture"),
        pytest.param(results(error="Read only."), JSON, "tool_error", id="error"),
        pytest.param(results(result=None, error={"code": 7}), JSON, "tool_error", id="error object"),
        pytest.param({"error": "Read only."}, JSON, "tool_error", id="error for the whole"),
    ],
)
def test_what_is_no_result_fails_and_says_why(body: object, content_type: str, code: str) -> None:
    result = read(body, content_type=content_type)

    assert result.status == "failed"
    assert result.error
    assert json.loads(result.output_text)["error"] == code


def test_a_missing_result_is_told_in_the_words_prompts_know() -> None:
    told = json.loads(read({"status": "ok"}).output_text)["message"]

    assert told.startswith("No result returned.")
    assert "may or may not" in told


def test_the_servers_error_reaches_the_model_in_one_line() -> None:
    result = read(results(error="Store is\nread only."))

    assert json.loads(result.output_text)["message"] == "The tool reported an error: Store is read only."
    assert result.error == "The server reported an error: Store is read only."


@pytest.mark.parametrize("http_status", [400, 404, 500, 503])
def test_results_count_even_on_an_error_status(http_status: int) -> None:
    assert read(results(result="Booked."), http_status=http_status).output_text == "Booked."


@pytest.mark.parametrize(
    ("body", "http_status", "says"),
    [
        ("", 500, "may or may not"),
        ("<html>", 502, "HTTP status 502"),
        ("Not here", 404, "Most likely nothing was done"),
        ({"result": "a"}, 500, "may or may not"),
        ({"error": "slot\ntaken"}, 409, 'says "slot taken"'),
        ({"results": [{"toolCallId": "other", "result": "a"}]}, 500, "HTTP status 500"),
    ],
)
def test_an_error_status_is_a_failure(body: object, http_status: int, says: str) -> None:
    result = read(body, http_status=http_status)

    assert result.status == "failed"
    assert result.error == f"The server answered with HTTP status {http_status}."
    assert says in json.loads(result.output_text)["message"]


def test_the_captured_answer_is_read_for_each_of_its_calls() -> None:
    body = (Path(__file__).parent / "fixtures" / "tool-calls-response.json").read_bytes()

    booked = answer_read(body=body, content_type=JSON, http_status=200, tool_call_id="call_bK2zT7")
    complained = answer_read(body=body, content_type=JSON, http_status=200, tool_call_id="call_lC3pX4")

    assert booked.output_text == "Booked. Confirmation RB-4471, Thursday June 11 at 9:30."
    assert booked.message is not None
    assert complained.error == "The server reported an error: Complaint store is read only."


def test_ids_that_are_numbers_match_as_text() -> None:
    body = json.dumps({"results": [{"toolCallId": 7, "result": "a"}]}).encode()

    assert answer_read(body=body, content_type=JSON, http_status=200, tool_call_id="7").output_text == "a"


def test_a_message_to_be_spoken_is_kept() -> None:
    message = {"type": "request-complete", "content": "You are booked."}

    assert read(results(result="a", message=message)).message == message
    assert read(results(result="a", message="spoken")).message is None


def test_a_huge_result_is_cut_and_says_so() -> None:
    output = read(results(result="x" * 100_000)).output_text

    assert len(output) < OUTPUT_MAX_CHARS + 100
    assert "100000 characters" in output


def test_another_calls_entry_is_passed_over() -> None:
    body = {"results": [{"toolCallId": "other", "result": "b"}, {"toolCallId": CALL, "result": "a"}]}

    assert read(body).output_text == "a"


def check_honest(result: Result) -> None:
    assert result.output_text
    assert result.output_text.encode()
    assert "\n" not in result.output_text
    assert (result.status == "answered") == (result.error == "")
    if result.status == "failed":
        assert set(json.loads(result.output_text)) == {"error", "message"}


CONTENT_TYPES = (
    st.sampled_from([JSON, "text/plain", "text/html", "", "image/png", "a/b; charset=utf-16"]) | st.text()
)
STATUSES = st.sampled_from([200, 201, 204, 400, 500, 999]) | st.integers(100, 999)


@given(st.binary(), CONTENT_TYPES, STATUSES)
def test_any_bytes_have_an_honest_reading(body: bytes, content_type: str, http_status: int) -> None:
    check_honest(read(body, content_type=content_type, http_status=http_status))


@given(ANY_JSON, STATUSES)
def test_any_json_has_an_honest_reading(value: object, http_status: int) -> None:
    check_honest(read(value if not isinstance(value, str) else json.dumps(value), http_status=http_status))


KEYS = st.sampled_from(["results", "result", "error", "toolCallId", "message"])
NEAR_ANSWERS = st.recursive(
    st.sampled_from([CALL, "other", None, "", 0, "Booked."]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)


@given(NEAR_ANSWERS, STATUSES)
def test_anything_like_an_answer_has_an_honest_reading(value: object, http_status: int) -> None:
    check_honest(read(json.dumps(value), http_status=http_status))


@given(ANY_JSON)
def test_a_matched_result_is_never_lost(value: object) -> None:
    result = read(json.dumps(results(result=value)))

    assert result.status == "answered"
