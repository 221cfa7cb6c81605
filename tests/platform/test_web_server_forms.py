"""The web server hands bodies on as they came: what takes a form apart is behind it, and not on the loop that carries calls."""

import pytest

from tests.platform.test_web_server import head, send

BODY = b"--x\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n--x--\r\n"


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("multipart/form-data", BODY),  # which names no boundary, so that nobody could take it apart
        ("multipart/form-data; boundary=x", b"no part of anything"),
        ("multipart/form-data; boundary=x", BODY),
        ("application/x-www-form-urlencoded", b"a=%zz&&=&b"),
    ],
)
def test_a_form_gets_through_as_it_came(kind: str, body: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    taken_apart: list[bytes] = []

    def take_apart(content: bytes, *_: object) -> dict[bytes, list[bytes]]:
        taken_apart.append(content)
        return {}

    monkeypatch.setattr("twisted.web.http._getMultiPartArgs", take_apart)
    monkeypatch.setattr("twisted.web.http.parse_qs", take_apart)
    header = f"Content-Type: {kind}\r\nContent-Length: {len(body)}".encode()

    answer, reached, _ = send(head(b"/assistant", header) + body)

    assert (answer, reached) == (b"", [f"/assistant {len(body)}"])
    assert taken_apart == []
