import uuid
from datetime import timedelta

import pytest
from django.utils import timezone

from tools.encryption import decrypt
from tools.selectors import tool_call_get, tool_calls_of, tool_id_known, tool_secret_tokens
from tools.tests.factories import make_tool, make_tool_call

pytestmark = pytest.mark.django_db


def test_a_tool_call_is_found_by_its_natural_key() -> None:
    row = make_tool_call()

    assert tool_call_get(call_id=row.call_id, item_id=row.item_id) == row
    assert tool_call_get(call_id=uuid.uuid4(), item_id=row.item_id) is None


def test_the_calls_of_a_call_come_in_the_order_of_asking() -> None:
    call_id = uuid.uuid4()
    second = make_tool_call(call_id=call_id)
    first = make_tool_call(call_id=call_id, requested_at=timezone.now() - timedelta(seconds=9))
    make_tool_call()

    assert list(tool_calls_of(call_id=call_id)) == [first, second]


@pytest.mark.parametrize("text", ["", "no-id", "11111111-aaaa-4aaa-8aaa-00000000dead"])
def test_an_unknown_tool_has_no_id(text: str) -> None:
    assert tool_id_known(tool_id=text) is None


def test_tokens_are_for_tools_with_a_url_of_their_own() -> None:
    secret, bare, borrowing = (
        make_tool(server_secret="s3"),
        make_tool(),
        make_tool(server_url="", server_secret="s4"),
    )

    tokens = tool_secret_tokens(tool_ids=[str(tool.pk) for tool in (secret, bare, borrowing)])

    assert set(tokens) == {str(secret.pk), str(bare.pk)}
    assert tokens[str(bare.pk)] == ""
    assert decrypt(tokens[str(secret.pk)]) == "s3"
