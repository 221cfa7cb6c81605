"""A program with a key of the API, for tests."""

import json
from typing import Any

from django.test import Client

from tools.access.keys import key_create


class Program:
    """A client with a key, as JSON."""

    def __init__(self, **key: Any) -> None:
        self.key, text = key_create(name="program", **key)
        self.http = Client(headers={"Authorization": f"Bearer {text}"})

    def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        status: int = 200,
        headers: dict[str, str] | None = None,
    ) -> Any:
        content = "" if body is None else json.dumps(body)
        response = self.http.generic(method, path, content, content_type="application/json", headers=headers)
        assert response.status_code == status, response.content
        return json.loads(response.content)
