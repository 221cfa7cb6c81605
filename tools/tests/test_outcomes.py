import json

import pytest

from tools import outcomes
from tools.outcomes import ANSWER_KEPT_CHARS, Outcome


@pytest.mark.parametrize(
    ("outcome", "status"),
    [
        (outcomes.refused(code="expired", why="it was late"), "refused"),
        (outcomes.not_reached(code="tls_failed", why="its certificate was not accepted"), "failed"),
        (outcomes.unknown(code="timeout", why="no answer came"), "timed_out"),
        (outcomes.spoiled(code="redirected", why="it was redirected", http_status=302), "failed"),
    ],
)
def test_the_model_is_told_whether_it_may_have_happened(outcome: Outcome, status: str) -> None:
    told = json.loads(outcome.output)

    assert outcome.status == status
    assert set(told) == {"error", "message"}
    assert ("may or may not have taken effect" in told["message"]) == outcome.sent
    assert ("Nothing was done" in told["message"]) == (not outcome.sent)
    assert outcome.error


def test_an_outcome_survives_json() -> None:
    outcome = outcomes.spoiled(code="redirected", why="it was redirected", http_status=302)

    assert Outcome.from_json(json.loads(json.dumps(outcome.to_json()))) == outcome


def test_a_kept_answer_is_clipped_and_can_be_stored() -> None:
    kept = outcomes.answer_clip(b"\x00\xff" + "ü".encode() * 50_000)

    assert len(kept) == ANSWER_KEPT_CHARS
    assert "\x00" not in kept
