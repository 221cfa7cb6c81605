"""A BigQuery for tests: the part of its REST API that tables, views, streaming and DELETE need, as strict as the real one.

Rows are checked against the table's schema, all rows of a request are refused where one is, an insertId is remembered for a
minute and no longer, and rows that came in lately cannot be deleted. Views are kept, not run.
"""

import gzip
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import unquote, urlsplit

from tests.loopback import serving

PROJECT = "acme-calls"
_PATH = re.compile(
    r"/bigquery/v2/projects/(?P<project>[^/]+)/"
    r"(?P<kind>datasets|queries)(?:/(?P<dataset>[^/]+)(?:/tables(?:/(?P<table>[^/]+)(?P<insert>/insertAll)?)?)?)?"
)
_DELETE = re.compile(
    r"DELETE FROM `(?P<name>[\w.-]+)` WHERE call_id IN UNNEST\(@ids\)(?P<kept> AND erased IS NOT TRUE)?"
)
_TYPES = {"STRING", "INTEGER", "FLOAT", "BOOLEAN", "DATE", "TIMESTAMP", "BIGNUMERIC", "JSON"}
_MOST_ROWS, _MOST_BYTES = 50_000, 10_000_000


class RefusedError(Exception):
    """An answer that is no success."""

    def __init__(self, status: int, reason: str, message: str = "Refused.") -> None:
        super().__init__(reason)
        self.status, self.reason, self.message = status, reason, message


class StandIn:
    """What this BigQuery holds, and what it was asked."""

    def __init__(self) -> None:
        self.datasets: dict[str, dict[str, Any]] = {}
        self.tables: dict[str, dict[str, Any]] = {}
        self.rows: dict[str, list[dict[str, Any]]] = {}
        self.requests: list[tuple[str, str]] = []
        self.answers: list[tuple[int, str]] = []  # the next answers, in place of true ones
        self.lost = 0  # so many requests are carried out, and their answers are lost
        self.poison: dict[str, str] = {}  # a text in a row, and the reason for which such a row is refused
        self.remembers_ids = True
        self.streamed_lately = False
        self._ids: set[tuple[str, str]] = set()
        self.url = ""

    def forget_ids(self) -> None:
        """A minute passes."""
        self._ids.clear()

    def answer(self, method: str, path: str, body: Any, size: int) -> Any:
        """The answer to one request. Raises RefusedError."""
        self.requests.append((method, path))
        if self.answers:
            raise RefusedError(*self.answers.pop(0))
        found = _PATH.fullmatch(unquote(path))
        if found is None or found["project"] != PROJECT:
            raise RefusedError(404, "notFound")
        if found["kind"] == "queries":
            return self._query(body)
        if found["insert"]:
            return self._insert(f"{found['dataset']}.{found['table']}", body, size)
        if "/tables" in path:
            return self._table(method, found["dataset"], found["table"], body)
        if method == "POST":
            name = body["datasetReference"]["datasetId"]
            if name in self.datasets:
                raise RefusedError(409, "duplicate")
            self.datasets[name] = body
            return body
        raise RefusedError(404, "notFound")

    def _table(self, method: str, dataset: str, table: str | None, body: Any) -> Any:
        if dataset not in self.datasets:
            raise RefusedError(404, "notFound")
        if method == "POST":
            name = f"{dataset}.{body['tableReference']['tableId']}"
            if name in self.tables:
                raise RefusedError(409, "duplicate")
            if "view" not in body:
                self._partitioned(body)
            self.tables[name] = {**body, "etag": "1"}
            self.rows.setdefault(name, [])
            return self.tables[name]
        held = self.tables.get(f"{dataset}.{table}")
        if held is None:
            raise RefusedError(404, "notFound")
        if method == "PATCH":
            if "schema" in body:
                _grows(held["schema"]["fields"], body["schema"]["fields"])
            held.update(body)
        return held

    @staticmethod
    def _partitioned(body: dict[str, Any]) -> None:
        fields = {one["name"]: one for one in body["schema"]["fields"]}
        unknown = {one["type"] for one in fields.values()} - _TYPES
        field = body["timePartitioning"]["field"]
        if unknown or fields[field]["type"] not in ("DATE", "TIMESTAMP"):
            raise RefusedError(400, "invalid")

    def _insert(self, name: str, body: dict[str, Any], size: int) -> dict[str, Any]:
        held = self.tables.get(name)
        if held is None or "view" in held:
            raise RefusedError(404, "notFound")
        if size > _MOST_BYTES:
            raise RefusedError(413, "uploadTooLarge")
        if not body["rows"] or len(body["rows"]) > _MOST_ROWS:
            raise RefusedError(400, "invalid")
        if set(body) - {"rows", "skipInvalidRows", "ignoreUnknownValues", "templateSuffix", "kind"}:
            raise RefusedError(400, "invalid")
        fields = {one["name"]: one for one in held["schema"]["fields"]}
        errors = {n: self._wrong(row["json"], fields) for n, row in enumerate(body["rows"])}
        if any(errors.values()):
            return {"kind": "bigquery#tableDataInsertAllResponse", "insertErrors": [
                {"index": n, "errors": wrong or [{"reason": "stopped", "location": "", "message": ""}]}
                for n, wrong in errors.items()
            ]}  # fmt: skip
        for row in body["rows"]:
            key = (name, row["insertId"])
            if self.remembers_ids and key in self._ids:
                continue
            self._ids.add(key)
            self.rows[name].append(row["json"])
        return {"kind": "bigquery#tableDataInsertAllResponse"}

    def _wrong(self, row: dict[str, Any], fields: dict[str, Any]) -> list[dict[str, str]]:
        found = []
        for name, value in row.items():
            if name not in fields:
                found.append({"reason": "invalid", "location": name, "message": f"no such field: {name}."})
            elif not _fits(value, fields[name]):
                found.append({"reason": "invalid", "location": name, "message": f"Cannot convert {value}"})
            for text, reason in self.poison.items():
                if isinstance(value, str) and text in value:
                    found.append({"reason": reason, "location": name, "message": f"Bad value: {value}"})
        return found

    def _query(self, body: dict[str, Any]) -> dict[str, Any]:
        found = _DELETE.fullmatch(body["query"])
        if found is None or body.get("useLegacySql") is not False:
            raise RefusedError(400, "invalidQuery")
        (parameter,) = body["queryParameters"]
        ids = {one["value"] for one in parameter["parameterValue"]["arrayValues"]}
        project, _, name = found["name"].partition(".")
        if project != PROJECT or name not in self.tables:
            raise RefusedError(404, "notFound")
        gone = [
            row
            for row in self.rows[name]
            if row["call_id"] in ids and not (found["kept"] and row.get("erased"))
        ]
        if gone and self.streamed_lately:
            message = (
                "UPDATE or DELETE statement would affect rows in the streaming buffer, which is not supported"
            )
            raise RefusedError(400, "invalidQuery", message)
        self.rows[name] = [row for row in self.rows[name] if row not in gone]
        return {
            "kind": "bigquery#queryResponse",
            "jobComplete": True,
            "jobReference": {"projectId": PROJECT, "jobId": "job_1", "location": "US"},
            "schema": {"fields": []},
            "totalRows": "0",
            "numDmlAffectedRows": str(len(gone)),
        }


def _grows(before: list[dict[str, Any]], after: list[dict[str, Any]]) -> None:
    """A schema may only gain columns, and only such that may be empty."""
    names = {one["name"]: one for one in after}
    if any(one["name"] not in names or names[one["name"]]["type"] != one["type"] for one in before):
        raise RefusedError(400, "invalid")
    new = after[len(before) :]
    if any(one.get("mode") == "REQUIRED" for one in new):
        raise RefusedError(400, "invalid")


def _fits(value: Any, field: dict[str, Any]) -> bool:
    if field.get("mode") == "REPEATED":
        return isinstance(value, list) and all(_fits(one, {"type": field["type"]}) for one in value)
    if value is None:
        return field.get("mode") != "REQUIRED"
    check: Any = {
        "STRING": lambda: isinstance(value, str),
        "INTEGER": lambda: isinstance(value, int) and not isinstance(value, bool),
        "FLOAT": lambda: isinstance(value, int | float) and not isinstance(value, bool),
        "BOOLEAN": lambda: isinstance(value, bool),
        "DATE": lambda: date.fromisoformat(value),
        "TIMESTAMP": lambda: datetime.fromisoformat(value).tzinfo is not None,
        "BIGNUMERIC": lambda: isinstance(value, str) and Decimal(value).is_finite(),
        "JSON": lambda: isinstance(value, str) and json.loads(value) is not NotImplemented,
    }[field["type"]]
    try:
        return bool(check())
    except (ValueError, TypeError, InvalidOperation):
        return False


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    stand_in: StandIn

    def _serve(self) -> None:
        content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.headers.get("Content-Encoding") == "gzip":
            content = gzip.decompress(content)
        body = json.loads(content) if content else None
        try:
            answer = self.stand_in.answer(self.command, urlsplit(self.path).path, body, len(content))
            status = 200
        except RefusedError as exc:
            status = exc.status
            told = {"reason": exc.reason, "message": exc.message, "domain": "global"}
            answer = {"error": {"code": status, "message": exc.message, "errors": [told]}}
        if status == 200 and self.stand_in.lost:
            self.stand_in.lost -= 1
            self.close_connection = True
            return
        content = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PATCH = _serve  # noqa: N815 - http.server's names


@contextmanager
def bigquery_stand_in() -> Iterator[StandIn]:
    """One that listens on loopback."""
    stand_in = StandIn()
    with serving(type("Handler", (_Handler,), {"stand_in": stand_in})) as url:
        stand_in.url = url
        yield stand_in
