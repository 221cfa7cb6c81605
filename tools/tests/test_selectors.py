import uuid
from datetime import timedelta

import pytest
from django.utils import timezone

from tools.auth.credentials import ServerAuth
from tools.encryption import decrypt
from tools.models import Credential
from tools.selectors import tool_auths, tool_call_get, tool_calls_of, tool_id_known
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


def test_tokens_are_for_tools_with_a_server_of_their_own() -> None:
    secret, bare, borrowing, request = (
        make_tool(server_secret="s3"),
        make_tool(),
        make_tool(server_url="", server_secret="s4"),
        make_tool(kind="apiRequest", server_url=""),
    )

    auths = tool_auths(tool_ids=[str(tool.pk) for tool in (secret, bare, borrowing, request)])

    assert set(auths) == {str(secret.pk), str(bare.pk), str(request.pk)}
    assert auths[str(bare.pk)] == ServerAuth()
    assert decrypt(auths[str(secret.pk)].secret_token) == "s3"


def test_headers_and_credential_come_as_tokens_too() -> None:
    credential = Credential.objects.create(name="Booking", kind="bearer", settings='{"token": "t0ken"}')
    tool = make_tool(credential=credential, server_headers='{"X-Site": "north"}')

    (auth,) = tool_auths(tool_ids=[str(tool.pk)]).values()

    assert (auth.credential_id, auth.credential_kind) == (str(credential.pk), "bearer")
    assert decrypt(auth.credential_token) == '{"token": "t0ken"}'
    assert decrypt(auth.headers_token) == '{"X-Site": "north"}'
    assert "t0ken" not in str(auth.to_json())
