"""A program that comes while the database gives no connection is told so, and that nothing was done."""

import pytest
from django.db import OperationalError
from django.test import Client

from tools.access import views


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_request_that_could_not_be_let_in_may_be_sent_again(
    method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object, **__: object) -> None:
        raise OperationalError("couldn't get a connection after 5.00 sec")

    monkeypatch.setattr(views, "key_authenticate", away)
    program = Client(headers={"Authorization": "Bearer tandem_any"})

    answer = program.generic(method, "/assistant", "{}", content_type="application/json")

    assert answer.status_code == 503
    assert int(answer["Retry-After"]) > 0
    assert answer.json()["message"].endswith("Nothing was done; try again.")
    assert "connection after" not in answer.content.decode()
