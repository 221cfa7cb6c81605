import json
from typing import Any

import pytest

from assistants.models import Assistant
from assistants.tests.factories import make_assistant
from tools.captures.store import HandedBack, capture_write, received_now
from tools.models import CapturePoint
from tools.redaction.redact import KINDS
from tools.tests.factories import make_tool

pytestmark = pytest.mark.django_db
BODY = json.dumps({"arguments": {"card": 4111111111111111}}).encode()


@pytest.mark.parametrize(
    ("fields", "kept"),
    [({}, {"arguments": {"card": 4111111111111111}}), ({"redact": ["card"]}, {"arguments": {"card": "[card]"}}), ({"hipaa": True}, {})],
)  # fmt: skip
def test_a_captured_webhook_is_kept_as_its_assistants_want_it(fields: dict[str, Any], kept: object) -> None:
    tool = make_tool()
    make_assistant(tools=[tool], **fields)
    make_assistant(tools=[tool])
    point = CapturePoint.objects.create(tool=tool, token_hash="x")

    row = capture_write(point, received_now(BODY, []), HandedBack(200, b"not JSON", {}))

    assert json.loads(row.body) == kept
    assert row.answer == ("[not kept]" if fields.get("hipaa") else "not JSON")


def test_an_assistant_can_be_asked_for_every_kind_and_no_other() -> None:
    assert tuple(Assistant.Redacted.values) == KINDS
