"""Metabase's REST API, as far as it is needed to set it up. It has no versions: docker-compose.yml pins the image."""

import time
from collections.abc import Mapping
from typing import Any, Final

import requests

_TIMEOUT_S: Final = (5, 60)
_TOLD_CHARS: Final = 300
_OK: Final = range(200, 300)


class MetabaseError(Exception):
    """Metabase could not be reached, or refused something. The text is for people."""


class Metabase:
    """One Metabase. With ``dry``, nothing is written: a thing that would be made has the id 0."""

    def __init__(self, url: str, *, dry: bool = False) -> None:
        self.url = url.rstrip("/")
        self.dry = dry
        self._session = requests.Session()

    def await_health(self, *, within_s: float) -> None:
        """Return as soon as it is up. Raises MetabaseError when it is not by then."""
        until = time.monotonic() + within_s
        while True:
            try:
                if self._send("GET", "/api/health").status_code in _OK:
                    return
                trouble = "it is starting"
            except MetabaseError as exc:
                trouble = str(exc)
            if time.monotonic() >= until:
                raise MetabaseError(
                    f"Metabase at {self.url} was not ready within {within_s:g} s: {trouble}. Its first start takes a "
                    "minute or two; look at its log, and at METABASE_URL."
                )
            time.sleep(min(2.0, max(0.0, until - time.monotonic())))

    def log_in(self, user: str, password: str) -> bool:
        """Begin a session, and set Metabase up with this administrator if nobody has; whether that was done."""
        properties = self.get("/api/session/properties")
        is_fresh = not properties.get("has-user-setup", True)
        if is_fresh:
            if self.dry:
                raise MetabaseError(
                    f"Metabase at {self.url} is not set up yet. Run the command without --check."
                )
            begun = self._write("POST", "/api/setup", _setup(properties, user, password))
        else:
            response = self._send("POST", "/api/session", {"username": user, "password": password})
            if response.status_code in (400, 401, 403):
                raise MetabaseError(
                    f"Metabase at {self.url} does not know METABASE_USER with METABASE_PASSWORD. They must be those of "
                    "one of its administrators; after several attempts it refuses all of them for a minute."
                )
            begun = self._read(response)
        self._session.headers["X-Metabase-Session"] = str(begun["id"])
        return is_fresh

    def log_out(self) -> None:
        """End the session."""
        self._send("DELETE", "/api/session")
        self._session.close()

    def get(self, path: str, **query: Any) -> Any:
        """What is there."""
        return self._read(self._send("GET", path, query=query))

    def create(self, path: str, body: Mapping[str, Any]) -> Any:
        """Make something; return it."""
        return {"id": 0} if self.dry else self._write("POST", path, body)

    def update(self, path: str, body: Mapping[str, Any]) -> Any:
        """Change something; return it as it is then."""
        return {"id": 0} if self.dry else self._write("PUT", path, body)

    def ask(self, path: str) -> None:
        """Let it do something that takes time."""
        if not self.dry:
            self._write("POST", path, {})

    def _write(self, method: str, path: str, body: Mapping[str, Any]) -> Any:
        return self._read(self._send(method, path, body))

    def _send(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        query: Mapping[str, Any] | None = None,
    ) -> requests.Response:
        try:
            return self._session.request(
                method,
                self.url + path,
                json=body,
                params=query,
                timeout=_TIMEOUT_S,
                allow_redirects=False,  # it would turn a POST into a GET, and take the session elsewhere
            )
        except requests.RequestException as exc:
            raise MetabaseError(
                f"Metabase cannot be reached at {self.url} ({type(exc).__name__}). Look at METABASE_URL and whether it runs."
            ) from exc

    def _read(self, response: requests.Response) -> Any:
        what = f"{response.request.method} {response.request.path_url.partition('?')[0]}"
        if response.status_code not in _OK:
            raise MetabaseError(
                f"Metabase answered {response.status_code} to {what}: {_told(response) or 'nothing more'}"
            )
        if response.status_code == requests.codes.no_content or not response.content:
            return {}
        try:
            return response.json()
        except requests.JSONDecodeError as exc:
            raise MetabaseError(
                f"What answers at {self.url} is no Metabase: {what} gave no JSON. Look at METABASE_URL."
            ) from exc


def _setup(properties: Mapping[str, Any], user: str, password: str) -> dict[str, Any]:
    return {
        "token": properties.get("setup-token"),
        "user": {"email": user, "password": password, "first_name": "Tandem", "last_name": "Administrator"},
        "prefs": {"site_name": "Tandem", "allow_tracking": False},
    }


def _told(response: requests.Response) -> str:
    """What it says about a refusal: a text, or `errors` by field, or a message."""
    try:
        body = response.json()
    except requests.JSONDecodeError:
        return response.text[:_TOLD_CHARS]
    if isinstance(body, dict):
        errors = body.get("errors")
        if isinstance(errors, dict) and errors:
            body = "; ".join(f"{name}: {told}" for name, told in errors.items())
        else:
            body = body.get("message") or errors or ""
    return str(body)[:_TOLD_CHARS]
