"""Whoever asks the API in these tests."""

import json
from typing import Any

from django.test import Client

from tools.access.keys import key_create

# Found by nobody.
UNKNOWN = "3c9f0e52-7f2b-4a53-8d11-000000000000"


class Program:
    """A client with a key, or without one, as JSON."""

    def __init__(self, *, with_key: bool = True, **key: Any) -> None:
        headers = {"Authorization": f"Bearer {key_create(name='program', **key)[1]}"} if with_key else {}
        self._http = Client(headers=headers)

    def answer(self, method: str, path: str, body: Any = None) -> Any:
        content = "" if body is None else json.dumps(body)
        path = path.replace("{id}", UNKNOWN)
        return self._http.generic(method, path, content, content_type="application/json")

    def ask(self, method: str, path: str, body: Any = None, *, status: int = 200) -> Any:
        response = self.answer(method, path, body)
        assert response.status_code == status, response.content
        return json.loads(response.content)
