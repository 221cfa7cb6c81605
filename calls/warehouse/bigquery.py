"""BigQuery as the warehouse, by Google's own client library, which is installed from requirements-bigquery.txt.

Rows are streamed in (tabledata.insertAll) into raw tables that only ever grow; views show each call once, as it is now.
What BigQuery promises of an insertId is a best effort for about a minute, so nothing here relies on it: a view takes the
newest revision of each call whose own row has arrived, and of rows with one id and one revision only one.
"""

import json
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

from django.conf import settings

from calls.warehouse.rows import REVISION, ROW_ID, SENT_AT, Row
from calls.warehouse.tables import CALLS, Column, Table, UnknownTypeError, columns, tables
from calls.warehouse.writers import (
    AwayError,
    Outgoing,
    Result,
    StreamedLatelyError,
    WarehouseError,
)

try:
    import requests
    from google.api_core import exceptions as google_errors
    from google.api_core.retry import Retry
    from google.auth.credentials import AnonymousCredentials
    from google.auth.exceptions import GoogleAuthError
    from google.cloud import bigquery
    from google.oauth2 import service_account
except ImportError as exc:
    raise WarehouseError(
        f"WAREHOUSE is bigquery, and {exc.name or 'its library'} is not installed. Run: pip install -r requirements-bigquery.txt"
    ) from exc

T = TypeVar("T")

# The outbox does the trying again, with its own pauses.
_ONCE: Final = Retry(predicate=lambda _: False)
TIMEOUT_S: Final = 30.0
MOST_ROWS: Final = 500  # in one request, as Google recommends
MOST_BYTES: Final = 5_000_000  # the limit is 10 MB
ERASED: Final = "erased"
TIME_TRAVEL_HOURS: Final = 48  # the shortest that there is: for so long deleted rows can be brought back
_TYPES: Final = {
    "uuid": "STRING",
    "text": "STRING",
    "character varying": "STRING",
    "smallint": "INTEGER",
    "integer": "INTEGER",
    "bigint": "INTEGER",
    "numeric": "BIGNUMERIC",
    "double precision": "FLOAT",
    "real": "FLOAT",
    "boolean": "BOOLEAN",
    "date": "DATE",
    "timestamp with time zone": "TIMESTAMP",
    "jsonb": "JSON",
    "json": "JSON",
}
_OURS: Final = (
    Column(ROW_ID, "text", "Tells the rows of a call apart; the same in every revision."),
    Column(REVISION, "bigint", "Which sending of the call the row belongs to. Only the greatest counts."),
    Column(SENT_AT, "timestamp with time zone", "When it was sent."),
)
_TOMBSTONE: Final = Column(ERASED, "boolean", "The call was erased; the row holds nothing else of it.")


def bigquery_writer() -> "BigQueryWriter":
    """The dataset that the settings name. Raises WarehouseError where they do not do."""
    if not settings.BIGQUERY_PROJECT:
        raise WarehouseError(
            "WAREHOUSE is bigquery, and BIGQUERY_PROJECT is not set: the id of the Google Cloud project."
        )
    options = {"api_endpoint": settings.BIGQUERY_API_URL} if settings.BIGQUERY_API_URL else None
    try:
        client = bigquery.Client(
            project=settings.BIGQUERY_PROJECT,
            credentials=_credentials(),
            location=settings.BIGQUERY_LOCATION,
            client_options=options,
        )
    except GoogleAuthError as exc:
        raise WarehouseError(
            "There are no credentials for BigQuery. Set BIGQUERY_CREDENTIALS to the JSON key of a service account, or "
            "GOOGLE_APPLICATION_CREDENTIALS to its path, or run where Google gives them to the machine."
        ) from exc
    return BigQueryWriter(client, settings.BIGQUERY_DATASET)


def _credentials() -> Any:
    if settings.BIGQUERY_API_URL.startswith("http://"):
        return AnonymousCredentials()  # type: ignore[no-untyped-call]  # an emulator on this machine
    if not settings.BIGQUERY_CREDENTIALS:
        return None  # Google's own way of finding some
    try:
        return service_account.Credentials.from_service_account_info(
            json.loads(settings.BIGQUERY_CREDENTIALS)
        )  # type: ignore[no-untyped-call]
    except (ValueError, KeyError) as exc:
        raise WarehouseError("BIGQUERY_CREDENTIALS is not the JSON key of a service account.") from exc


@dataclass(slots=True)
class _Batch:
    """Calls being sent, and what became of those that were not taken."""

    calls: Sequence[Outgoing]
    sent_at: str
    results: dict[uuid.UUID, Result] = field(default_factory=dict)

    def rows(self, table: Table) -> Iterator[tuple[uuid.UUID, Row]]:
        """The rows of this table, of the calls that nothing has been refused of."""
        for one in self.calls:
            if one.rows.call_id in self.results:
                continue
            for row in one.rows.by_table.get(table.name, ()):
                yield one.rows.call_id, {**row, REVISION: one.revision, SENT_AT: self.sent_at}

    def refuse(self, call_ids: Sequence[uuid.UUID], result: Result) -> None:
        """Take calls out; a refusal outweighs having been held up."""
        for call_id in call_ids:
            if not self.results.get(call_id, Result()).refused:
                self.results[call_id] = result


@dataclass(slots=True)
class BigQueryWriter:
    """One dataset: raw tables that only grow, and beside each the view that people query."""

    client: "bigquery.Client"
    dataset: str

    @property
    def place(self) -> str:
        """The dataset by its full name."""
        return f"BigQuery {self.client.project}.{self.dataset}"

    @property
    def receives(self) -> bool:
        """Calls have to be sent there."""
        return True

    # --- Tables and views

    def check(self) -> list[str]:
        found = []
        for table in tables():
            held = self._table(_raw(table))
            if held is None:
                found.append(f"The table {_raw(table)} is missing: run manage.py warehouse create.")
                continue
            by_name = {one.name: one for one in held.schema}
            missing = [one.name for one in _schema(table) if one.name not in by_name]
            if missing:
                found.append(f"{_raw(table)} lacks {', '.join(missing)}: run manage.py warehouse create.")
            found += [
                f"{_raw(table)}.{one.name} is {by_name[one.name].field_type} where {one.field_type} is sent: rows will be refused."
                for one in _schema(table)
                if one.name in by_name and by_name[one.name].field_type != one.field_type
            ]
            view = self._table(table.name)
            if view is None or view.view_query != self._view_sql(table):
                found.append(
                    f"The view {table.name} is not that of this release: run manage.py warehouse create."
                )
        return found

    def create(self) -> list[str]:
        done = [*self._dataset_create()]
        for table in tables():
            done += self._table_create(table)
        for table in tables():
            done += self._view_create(table)
        return done

    def _dataset_create(self) -> Iterator[str]:
        wanted = bigquery.Dataset(f"{self.client.project}.{self.dataset}")
        wanted.location = settings.BIGQUERY_LOCATION
        wanted.description = "Finished calls, sent by Tandem."
        wanted.max_time_travel_hours = TIME_TRAVEL_HOURS
        try:
            _asked(lambda: self.client.create_dataset(wanted, timeout=TIMEOUT_S, retry=_ONCE))
        except _ThereAlreadyError:
            return
        yield f"Created the dataset {self.dataset} in {settings.BIGQUERY_LOCATION}."

    def _table_create(self, table: Table) -> Iterator[str]:
        held = self._table(_raw(table))
        if held is None:
            wanted = bigquery.Table(self._name(_raw(table)), schema=_schema(table))
            wanted.time_partitioning = bigquery.TimePartitioning(field="day")
            wanted.clustering_fields = ["call_id"]
            wanted.description = (
                f"What was sent of {table.name}, every revision. Query the view {table.name} instead."
            )
            _asked(lambda: self.client.create_table(wanted, timeout=TIMEOUT_S, retry=_ONCE))
            yield f"Created the table {_raw(table)}, partitioned by day."
            return
        have = {one.name for one in held.schema}
        more = [one for one in _schema(table) if one.name not in have]
        if more:
            # Whatever there is stays: columns that a release no longer sends are left empty.
            held.schema = [*held.schema, *more]
            _asked(lambda: self.client.update_table(held, ["schema"], timeout=TIMEOUT_S, retry=_ONCE))
            yield f"Added to {_raw(table)}: {', '.join(one.name for one in more)}."

    def _view_create(self, table: Table) -> Iterator[str]:
        sql = self._view_sql(table)
        held = self._table(table.name)
        if held is None:
            wanted = bigquery.Table(self._name(table.name))
            wanted.view_query = sql
            wanted.description = f"Each of the {table.name.replace('_', ' ')} once, as it is now."
            _asked(lambda: self.client.create_table(wanted, timeout=TIMEOUT_S, retry=_ONCE))
            yield f"Created the view {table.name}."
        elif held.view_query != sql:
            held.view_query = sql
            _asked(lambda: self.client.update_table(held, ["view_query"], timeout=TIMEOUT_S, retry=_ONCE))
            yield f"Changed the view {table.name}."

    def _table(self, name: str) -> "bigquery.Table | None":
        try:
            return _asked(lambda: self.client.get_table(self._name(name), timeout=TIMEOUT_S, retry=_ONCE))
        except _MissingError:
            return None

    def _name(self, table: str) -> str:
        return f"{self.client.project}.{self.dataset}.{table}"

    def _view_sql(self, table: Table) -> str:
        return view_sql(table, lambda name: f"`{self._name(name)}`")

    # --- Rows

    def write(self, calls: Sequence[Outgoing]) -> dict[uuid.UUID, Result]:
        batch = _Batch(calls, datetime.now(UTC).isoformat())
        for table in tables():  # the calls come last, and only of those of which all else was taken
            for chunk in _chunks(batch.rows(table), batch):
                self._insert(table, chunk, batch)
        return {one.rows.call_id: batch.results.get(one.rows.call_id, Result()) for one in calls}

    def hide(self, calls: Sequence[tuple[uuid.UUID, int]]) -> None:
        now = datetime.now(UTC)
        rows: list[tuple[uuid.UUID, Row]] = [
            (
                call_id,
                {
                    ROW_ID: str(call_id),
                    "call_id": str(call_id),
                    "day": now.date().isoformat(),
                    REVISION: revision,
                    SENT_AT: now.isoformat(),
                    ERASED: True,
                },
            )
            for call_id, revision in calls
        ]
        batch = _Batch((), now.isoformat())
        self._insert(CALLS, rows, batch)
        refused = next((one.refused for one in batch.results.values() if one.refused), "")
        if refused:
            raise AwayError(f"Calls could not be taken out of sight. {refused}")

    def delete(self, call_ids: Sequence[uuid.UUID]) -> None:
        ids = bigquery.ArrayQueryParameter("ids", "STRING", [str(one) for one in call_ids])
        job = bigquery.QueryJobConfig(query_parameters=[ids])
        for table in tables():
            kept = f" AND {ERASED} IS NOT TRUE" if table == CALLS else ""
            sql = f"DELETE FROM `{self._name(_raw(table))}` WHERE call_id IN UNNEST(@ids){kept}"  # noqa: S608 - of our own names
            _asked(lambda sql=sql: self._query(sql, job))  # type: ignore[misc]  # mypy cannot infer it

    def _query(self, sql: str, job: "bigquery.QueryJobConfig") -> None:
        self.client.query_and_wait(
            sql,
            job_config=job,
            api_timeout=TIMEOUT_S,
            wait_timeout=TIMEOUT_S * 2,
            retry=_ONCE,
            job_retry=_ONCE,
        )

    def _insert(self, table: Table, rows: Sequence[tuple[uuid.UUID, Row]], batch: _Batch) -> None:
        """Send rows of one table; calls of which any is refused are taken out of the batch."""
        if not rows:
            return
        try:
            errors = _asked(
                lambda: self.client.insert_rows_json(
                    self._name(_raw(table)),
                    [row for _, row in rows],
                    row_ids=[f"{row[ROW_ID]}/{row[REVISION]}" for _, row in rows],
                    retry=_ONCE,
                    timeout=TIMEOUT_S,
                )
            )
        except _RefusedError as exc:
            calls = list(dict.fromkeys(call_id for call_id, _ in rows))
            if len(calls) == 1:
                batch.refuse(calls, Result(refused=f"{table.name}: {exc}"))
                return
            # Which of them it is cannot be told. Alone, each tells for itself.
            for call_id in calls:
                self._insert(table, [one for one in rows if one[0] == call_id], batch)
            return
        for error in errors:
            call_id = rows[int(error["index"])][0]
            why = _row_refusal(table, error.get("errors") or [])
            batch.refuse([call_id], Result(refused=why) if why else Result(held_up=True))


# --- What is sent where --------------------------------------------------------------------------------------


def _raw(table: Table) -> str:
    return f"raw_{table.name}"


def _columns(table: Table) -> list[Column]:
    return [*_OURS, *columns(table), *([_TOMBSTONE] if table == CALLS else [])]


def _schema(table: Table) -> "list[bigquery.SchemaField]":
    """The columns of the raw table. Raises UnknownTypeError."""
    return [_field(table, one) for one in _columns(table)]


def _field(table: Table, column: Column) -> "bigquery.SchemaField":
    is_list = column.type.endswith("[]")
    type_ = _TYPES.get(column.type.removesuffix("[]"))
    if type_ is None:
        raise UnknownTypeError(
            f"{table.view}.{column.name} is of the type {column.type}, which has no place in BigQuery."
        )
    return bigquery.SchemaField(
        column.name, type_, mode="REPEATED" if is_list else "NULLABLE", description=column.about[:1024]
    )


def view_sql(table: Table, quoted: Callable[[str], str]) -> str:
    """The query of the view: each row once, of the newest revision of its call that arrived whole. Plain SQL."""
    names = ", ".join(one.name for one in [*_OURS, *columns(table)])
    kept = f" AND {ERASED} IS NOT TRUE" if table == CALLS else ""
    return (
        f"SELECT {names} FROM ("  # noqa: S608 - of our own names
        "SELECT sent.*, ROW_NUMBER() OVER (PARTITION BY sent.day, sent.row_id, sent.revision ORDER BY sent.sent_at DESC) AS copy_n "
        f"FROM {quoted(_raw(table))} AS sent "
        f"JOIN (SELECT call_id AS newest_of, MAX(revision) AS newest FROM {quoted(_raw(CALLS))} GROUP BY call_id) AS latest "
        "ON latest.newest_of = sent.call_id AND latest.newest = sent.revision"
        f") AS numbered WHERE copy_n = 1{kept}"
    )


def _chunks(rows: Iterator[tuple[uuid.UUID, Row]], batch: _Batch) -> Iterator[list[tuple[uuid.UUID, Row]]]:
    """The rows in requests of a size that is taken; a row that is too large by itself refuses its call."""
    chunk: list[tuple[uuid.UUID, Row]] = []
    size = 0
    for call_id, row in rows:
        length = len(json.dumps(row))
        if length > MOST_BYTES:
            batch.refuse([call_id], Result(refused=f"A row is larger than {MOST_BYTES // 1000} kB."))
            continue
        if chunk and (len(chunk) >= MOST_ROWS or size + length > MOST_BYTES):
            yield chunk
            chunk, size = [], 0
        chunk.append((call_id, row))
        size += length
    if chunk:
        yield chunk


# --- What went wrong -----------------------------------------------------------------------------------------


class _MissingError(AwayError):
    """404."""


class _ThereAlreadyError(AwayError):
    """409."""


class _RefusedError(WarehouseError):
    """The request as a whole was refused for what it holds."""


_BUSY: Final = frozenset({"rateLimitExceeded", "quotaExceeded", "backendError", "internalError"})


def _asked(ask: Callable[[], T]) -> T:
    """The answer. Raises one of the errors above, StreamedLatelyError or AwayError; their texts quote no row."""
    try:
        return ask()
    except google_errors.NotFound as exc:
        raise _MissingError(
            "BigQuery knows no such table, dataset or project: run manage.py warehouse create. It may take some minutes until a "
            "new table takes rows."
        ) from exc
    except google_errors.Conflict as exc:
        raise _ThereAlreadyError("It is there already.") from exc
    except google_errors.Forbidden as exc:
        raise AwayError(_forbidden(exc)) from exc
    except google_errors.Unauthorized as exc:
        raise AwayError(
            "BigQuery does not take our credentials (401). Look at BIGQUERY_CREDENTIALS."
        ) from exc
    except google_errors.GoogleAPICallError as exc:
        raise _of_call(exc) from exc
    except GoogleAuthError as exc:
        raise AwayError(
            f"Google gave us no token ({type(exc).__name__}). Look at BIGQUERY_CREDENTIALS."
        ) from exc
    except (requests.RequestException, google_errors.RetryError, TimeoutError) as exc:
        raise AwayError(f"BigQuery could not be reached ({type(exc).__name__}).") from exc


def _of_call(exc: "google_errors.GoogleAPICallError") -> Exception:
    if "streaming buffer" in str(exc).lower():
        return StreamedLatelyError(
            "The rows came in too short a while ago to be deleted. They are out of sight already."
        )
    code = int(exc.code or 0)
    if code in (400, 413):
        return _RefusedError(
            f"BigQuery refuses the request ({code} {', '.join(_reasons(exc)) or 'no reason'})."
        )
    return AwayError(
        f"BigQuery answered {code or 'an error'} ({', '.join(_reasons(exc)) or type(exc).__name__})."
    )


def _forbidden(exc: "google_errors.Forbidden") -> str:
    reasons = _reasons(exc)
    if _BUSY & set(reasons):
        return f"BigQuery takes no more for now ({', '.join(reasons)})."
    return (
        f"BigQuery does not let us ({', '.join(reasons) or '403'}). The service account needs the roles BigQuery Data Editor and "
        "BigQuery Job User, and the project must have billing: streaming is not part of the free tier."
    )


def _reasons(exc: "google_errors.GoogleAPICallError") -> list[str]:
    # Never the messages: they may quote a value.
    return [str(one.get("reason")) for one in exc.errors or [] if isinstance(one, dict) and one.get("reason")]


def _row_refusal(table: Table, errors: Sequence[Any]) -> str:
    """Why a row was refused; empty where only others in its request were."""
    told = [one for one in errors if isinstance(one, dict) and one.get("reason") != "stopped"]
    if not told:
        return ""
    places = ", ".join(
        f"{one.get('location') or 'the row'} is {one.get('reason') or 'refused'}" for one in told[:3]
    )
    return f"{table.name}: {places}"
