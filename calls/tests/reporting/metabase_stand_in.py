"""A Metabase for tests: the part of its REST API that sets it up, as strict as version 0.63 is.

Bodies with fields that it does not know are refused, a card of a dashboard that an update leaves out is deleted, passwords
are never given back, and queries come back in another form than they were sent in.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.loopback import serving

CARD = {
    "name",
    "type",
    "dataset_query",
    "description",
    "display",
    "visualization_settings",
    "collection_id",
    "parameters",
}
CARD_UPDATE = CARD | {"archived"}
DASHBOARD = {"name", "description", "collection_id", "parameters"}
DASHBOARD_UPDATE = DASHBOARD | {"dashcards", "tabs", "archived"}
DASHCARD = {
    "id", "size_x", "size_y", "row", "col", "card_id", "action_id", "dashboard_tab_id", "parameter_mappings",
    "visualization_settings", "inline_parameters", "series",
}  # fmt: skip
COLLECTION = {"name", "description", "parent_id"}
TRASH = 99


class RefusedError(Exception):
    """An answer that is no success."""

    def __init__(self, status: int, body: Any) -> None:
        super().__init__(status)
        self.status, self.body = status, body


class StandIn:
    """What this Metabase holds, and what it was asked."""

    def __init__(self, database_password: str) -> None:
        self.database_password = database_password
        self.users: dict[str, str] = {}
        self.sessions: set[str] = set()
        self.databases: dict[int, dict[str, Any]] = {}
        self.collections: dict[int, dict[str, Any]] = {}
        self.cards: dict[int, dict[str, Any]] = {}
        self.dashboards: dict[int, dict[str, Any]] = {}
        self.requests: list[tuple[str, str]] = []
        self.bodies: list[Any] = []
        self.unhealthy_answers = 0
        self.broken: dict[str, tuple[int, Any]] = {}
        self.url = ""
        self._last_id = 0

    @property
    def writes(self) -> list[tuple[str, str]]:
        """What was to change something, without the sessions."""
        return [one for one in self.requests if one[0] != "GET" and one[1] != "/api/session"]

    def id(self) -> int:
        """An id that nothing has yet."""
        self._last_id += 1
        return self._last_id

    def answer(self, method: str, path: str, query: Mapping[str, list[str]], body: Any, session: str) -> Any:
        """The answer to one request. Raises RefusedError."""
        self.requests.append((method, path))
        self.bodies.append(body)
        if path in self.broken:
            raise RefusedError(*self.broken[path])
        if path == "/api/health":
            if self.unhealthy_answers:
                self.unhealthy_answers -= 1
                raise RefusedError(503, {"status": "initializing", "progress": 0.3})
            return {"status": "ok"}
        open_to_all = {("GET", "/api/session/properties"), ("POST", "/api/setup"), ("POST", "/api/session")}
        if (method, path) not in open_to_all and session not in self.sessions:
            raise RefusedError(401, "Unauthenticated")
        parts = path.removeprefix("/api/").split("/")
        handler: Callable[..., Any] | None = getattr(self, f"_{method.lower()}_{parts[0]}", None)
        if handler is None:
            raise RefusedError(404, "API endpoint does not exist.")
        return handler(parts[1:], query, body)

    # --- Sessions

    def _get_session(self, parts: list[str], query: Any, body: Any) -> Any:
        return {"has-user-setup": bool(self.users), "setup-token": None if self.users else "first"}

    def _post_setup(self, parts: list[str], query: Any, body: Any) -> Any:
        if self.users:
            raise RefusedError(
                403,
                "The /api/setup route can only be used to create the first user, however a user currently exists.",
            )
        if body["token"] != "first" or not body["prefs"]["site_name"]:
            raise RefusedError(400, {"errors": {"token": "Token does not match the setup token."}})
        if len(body["user"]["password"]) < 8:
            raise RefusedError(400, {"errors": {"password": "password is too common."}})
        self.users[body["user"]["email"]] = body["user"]["password"]
        return self._begun()

    def _post_session(self, parts: list[str], query: Any, body: Any) -> Any:
        if self.users.get(body["username"]) != body["password"]:
            raise RefusedError(401, {"errors": {"password": "did not match stored password"}})
        return self._begun()

    def _delete_session(self, parts: list[str], query: Any, body: Any) -> Any:
        self.sessions.clear()
        return None

    def _begun(self) -> dict[str, str]:
        session = f"session-{self.id()}"
        self.sessions.add(session)
        return {"id": session}

    # --- Connections

    def _get_database(self, parts: list[str], query: Any, body: Any) -> Any:
        if not parts:
            return {"data": [_shown(row) for row in self.databases.values()], "total": len(self.databases)}
        row = self._one(self.databases, parts[0])
        if parts[1:] == ["healthcheck"]:
            works = row["details"]["password"] == self.database_password
            return (
                {"status": "ok"}
                if works
                else {"status": "error", "message": "password authentication failed"}
            )
        return _shown(row)

    def _post_database(self, parts: list[str], query: Any, body: Any) -> Any:
        if parts[1:] == ["sync_schema"]:
            self._one(self.databases, parts[0])
            return {"status": "ok"}
        return _shown(self._connect(self.id(), body))

    def _put_database(self, parts: list[str], query: Any, body: Any) -> Any:
        self._one(self.databases, parts[0])
        return _shown(self._connect(int(parts[0]), body))

    def _connect(self, key: int, body: Any) -> dict[str, Any]:
        if body["engine"] != "postgres" or not isinstance(body["details"]["port"], int):
            raise RefusedError(400, {"errors": {"engine": "value must be a valid database engine."}})
        if body["details"]["password"] != self.database_password:
            raise RefusedError(400, {"message": "FATAL: password authentication failed", "errors": {}})
        self.databases[key] = {**body, "id": key}
        return self.databases[key]

    # --- Collections

    def _get_collection(self, parts: list[str], query: Mapping[str, list[str]], body: Any) -> Any:
        if not parts:
            return [{"id": "root", "name": "Our analytics"}, *self.collections.values()]
        if parts == ["trash"]:
            return {"id": TRASH, "name": "Trash", "type": "trash"}
        assert parts[1] == "items"
        collection, models = int(parts[0]), query.get("models", ["card", "dashboard"])
        rows = [("card", row) for row in self.cards.values()] + [
            ("dashboard", row) for row in self.dashboards.values()
        ]
        items = [
            {"id": row["id"], "name": row["name"], "description": row.get("description"), "model": model}
            for model, row in rows
            if model in models
            and (
                row["archived"]
                if collection == TRASH
                else not row["archived"] and row["collection_id"] == collection
            )
        ]
        return {"data": items, "total": len(items), "limit": None, "offset": None, "models": models}

    def _post_collection(self, parts: list[str], query: Any, body: Any) -> Any:
        _closed(body, COLLECTION, needed={"name"})
        key = self.id()
        self.collections[key] = {**body, "id": key, "archived": False}
        return self.collections[key]

    # --- Questions

    def _post_card(self, parts: list[str], query: Any, body: Any) -> Any:
        _closed(body, CARD, needed={"name", "dataset_query", "display", "visualization_settings"})
        self._check_query(body["dataset_query"])
        key = self.id()
        self.cards[key] = {**body, "id": key, "archived": False}
        return {**self.cards[key], "dataset_query": {"lib/type": "mbql/query", "stages": []}}

    def _put_card(self, parts: list[str], query: Any, body: Any) -> Any:
        _closed(body, CARD_UPDATE)
        row = self._one(self.cards, parts[0])
        if "dataset_query" in body:
            self._check_query(body["dataset_query"])
        row.update(body)
        return {**row, "dataset_query": {"lib/type": "mbql/query", "stages": []}}

    def _check_query(self, query: Mapping[str, Any]) -> None:
        if (
            query["type"] != "native"
            or query["database"] not in self.databases
            or not query["native"]["query"].strip()
        ):
            raise RefusedError(400, {"errors": {"dataset_query": "Invalid query."}})

    # --- Dashboards

    def _get_dashboard(self, parts: list[str], query: Any, body: Any) -> Any:
        return self._shown_board(self._one(self.dashboards, parts[0]))

    def _post_dashboard(self, parts: list[str], query: Any, body: Any) -> Any:
        if parts:
            raise RefusedError(404, "API endpoint does not exist.")  # POST …/cards is gone
        _closed(body, DASHBOARD, needed={"name"})
        key = self.id()
        self.dashboards[key] = {**body, "id": key, "archived": False, "dashcards": [], "tabs": []}
        return self._shown_board(self.dashboards[key])

    def _put_dashboard(self, parts: list[str], query: Any, body: Any) -> Any:
        _closed(body, DASHBOARD_UPDATE)
        row = self._one(self.dashboards, parts[0])
        if "dashcards" in body:
            row["dashcards"] = self._dashcards(row, body["dashcards"], body.get("tabs") or [])
            row["tabs"] = body.get("tabs") or []
        row.update({name: value for name, value in body.items() if name not in ("dashcards", "tabs")})
        return self._shown_board(row)

    def _dashcards(self, row: Mapping[str, Any], wanted: list[Any], tabs: list[Any]) -> list[dict[str, Any]]:
        if len({one["id"] for one in wanted}) != len(wanted):
            raise RefusedError(
                400, {"errors": {"dashcards": "value must be seq of maps in which ids are unique"}}
            )
        there = {one["id"]: one for one in row["dashcards"]}
        done = []
        for one in wanted:
            _closed(one, DASHCARD, needed={"id", "size_x", "size_y", "row", "col"})
            if tabs and one.get("dashboard_tab_id") is None:
                raise RefusedError(400, "This dashboard has tab, makes sure every card has a tab")
            if any(set(series) != {"id"} for series in one.get("series") or []):
                raise RefusedError(400, {"errors": {"series": "disallowed key"}})
            if one.get("card_id") is not None and self._one(self.cards, one["card_id"])["archived"]:
                raise RefusedError(404, "The object has been archived.")
            if one["id"] > 0 and one["id"] not in there:
                raise RefusedError(404, "Not found.")
            fresh = one["id"] < 0
            key = self.id() if fresh else one["id"]
            done.append({"card_id": None, "series": [], **there.get(one["id"], {}), **one, "id": key})
        return done

    def _shown_board(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """With everything that a dashboard's cards come with and an update may not have; without what was thrown away."""
        cards = [
            {
                **one,
                "card": self.cards.get(one["card_id"]),
                "created_at": "2026-11-22T12:00:00Z",
                "entity_id": "x" * 21,
            }
            for one in row["dashcards"]
            if one["card_id"] is None or not self.cards[one["card_id"]]["archived"]
        ]
        return {**row, "dashcards": cards}

    def _one(self, rows: Mapping[int, dict[str, Any]], key: Any) -> dict[str, Any]:
        if int(key) not in rows:
            raise RefusedError(404, "Not found.")
        return rows[int(key)]


def _closed(body: Mapping[str, Any], allowed: set[str], *, needed: set[str] = frozenset()) -> None:  # type: ignore[assignment]
    errors = dict.fromkeys(body.keys() - allowed, "disallowed key")
    errors |= dict.fromkeys(needed - body.keys(), "missing required key")
    if errors:
        raise RefusedError(400, {"errors": errors})


def _shown(row: Mapping[str, Any]) -> dict[str, Any]:
    return {**row, "details": {**row["details"], "password": "**MetabasePass**"}}


@contextmanager
def running(stand_in: StandIn) -> Iterator[StandIn]:
    """The stand-in behind an address of this machine."""

    class Handler(BaseHTTPRequestHandler):
        def _serve(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length)) if length else None
            url = urlsplit(self.path)
            session = self.headers.get("X-Metabase-Session", "")
            try:
                status, answer = (
                    200,
                    stand_in.answer(self.command, url.path, parse_qs(url.query), body, session),
                )
            except RefusedError as exc:
                status, answer = exc.status, exc.body
            content = b"" if answer is None else json.dumps(answer).encode()
            self.send_response(204 if answer is None else status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PUT = do_DELETE = _serve  # noqa: N815  # the names that it wants

    with serving(Handler) as url:
        stand_in.url = url
        yield stand_in
