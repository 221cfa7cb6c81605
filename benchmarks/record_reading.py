"""Reading records: every list of the admin with its search and filters, calls' pages, the search, the API and every question of Metabase."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

SLOW_MS = 300.0
TARGET_MS = 1000.0
# The longest statement that anything may need; beyond it PostgreSQL ends it and the row says so.
LIMIT_MS = 30_000
_FILTERS_EACH = 8


@dataclass(frozen=True, slots=True)
class Reading:
    """One thing that somebody opens: how, and what it is called."""

    group: str
    name: str
    read: Callable[[], None]


@dataclass(slots=True)
class Timed:
    """How long it took, first and afterwards, and the slowest statement with its plan where it was slow."""

    group: str
    name: str
    took_ms: list[float] = field(default_factory=list)
    statement: str = ""
    statement_ms: float = 0.0
    plan: str = ""
    failed: str = ""

    @property
    def first_ms(self) -> float:
        """The first time, with whatever was in no cache."""
        return self.took_ms[0] if self.took_ms else 0.0

    @property
    def worst_ms(self) -> float:
        """The slowest of all."""
        return max(self.took_ms, default=0.0)

    @property
    def typical_ms(self) -> float:
        """The middle of those after the first."""
        later = sorted(self.took_ms[1:] or self.took_ms)
        return later[len(later) // 2] if later else 0.0


def readings() -> list[Reading]:
    """All that is measured."""
    return [*_admin_lists(), *_pages(), *_api(), *_questions()]


def measure(wanted: Sequence[Reading], *, times: int, show: Callable[[str], None]) -> Iterator[Timed]:
    """Each of them, so many times over."""
    from django.db import connection  # noqa: PLC0415

    with connection.cursor() as cursor:
        cursor.execute(f"SET statement_timeout = {LIMIT_MS}")
    for one in wanted:
        show(f"{one.group}: {one.name}")
        yield _timed(one, times)


def _timed(one: Reading, times: int) -> Timed:
    from django.db import Error, connection  # noqa: PLC0415

    found = Timed(one.group, one.name)
    for _ in range(times):
        connection.force_debug_cursor = True
        connection.queries_log.clear()
        began = time.perf_counter()
        try:
            one.read()
        except (Error, AssertionError) as exc:
            found.failed = type(exc).__name__
        found.took_ms.append((time.perf_counter() - began) * 1000)
        _slowest_note(found)
        if found.failed or found.took_ms[-1] > 10 * TARGET_MS:
            break
    connection.force_debug_cursor = False
    if found.worst_ms > SLOW_MS:
        found.plan = _plan(found.statement)
    return found


def _slowest_note(found: Timed) -> None:
    from django.db import connection  # noqa: PLC0415

    for query in connection.queries_log:
        took_ms = float(query["time"]) * 1000
        if took_ms > found.statement_ms and str(query["sql"]).lstrip("(").upper().startswith(
            ("SELECT", "WITH")
        ):
            found.statement_ms, found.statement = took_ms, str(query["sql"])


def _plan(statement: str) -> str:
    from django.db import Error, connection  # noqa: PLC0415

    if not statement:
        return ""
    try:
        with connection.cursor() as cursor:
            cursor.execute(
                "EXPLAIN (ANALYZE, BUFFERS, COSTS OFF, SUMMARY ON) " + statement.replace("%", "%%"), []
            )
            return "\n".join(line for (line,) in cursor.fetchall())
    except Error as exc:
        return f"{type(exc).__name__}: no plan"


# The admin ------------------------------------------------------------------------------------------------------------


def _client() -> Any:
    from django.conf import settings  # noqa: PLC0415
    from django.contrib.auth import get_user_model  # noqa: PLC0415
    from django.test import Client  # noqa: PLC0415

    settings.ALLOWED_HOSTS = ["*"]
    user, _ = get_user_model().objects.get_or_create(
        username="benchmark", defaults={"is_staff": True, "is_superuser": True}
    )
    client = Client(raise_request_exception=True)
    client.force_login(user)
    return client


def _opened(client: Any, url: str) -> Callable[[], None]:
    def read() -> None:
        answer = client.get(url, secure=True)
        assert answer.status_code == 200, f"{url}: {answer.status_code}"

    return read


def _admin_lists() -> Iterator[Reading]:
    from django.contrib import admin  # noqa: PLC0415
    from django.urls import reverse  # noqa: PLC0415

    client = _client()
    ours = ("assistants", "calls", "tools", "transcripts")
    for model, model_admin in sorted(admin.site._registry.items(), key=lambda one: one[0]._meta.label):
        if model._meta.app_label not in ours:
            continue
        name = f"{model._meta.app_label}_{model._meta.model_name}"
        url = reverse(f"admin:{name}_changelist")
        label = str(model._meta.verbose_name_plural)
        yield Reading("list", label, _opened(client, url))
        if not _is_many(model):
            continue
        yield Reading("list", f"{label}, page 20", _opened(client, f"{url}?p=20"))
        for query in _searches() if model_admin.search_fields else ():
            words = urlencode({"q": query})
            yield Reading("list", f"{label}, search: {_kind(query)}", _opened(client, f"{url}?{words}"))
        for words in _filters(client, url):
            yield Reading("list", f"{label}, {words}", _opened(client, f"{url}?{words}"))
        for n, column in enumerate(_columns(client, url)):
            if not column:
                continue
            words = f"o=-{n}"
            yield Reading("list", f"{label}, ordered by {column}", _opened(client, f"{url}?{words}"))


def _columns(client: Any, url: str) -> list[str]:
    """The columns of the list in the order in which its address counts them; those by which it is not ordered are empty."""
    changelist = client.get(url, secure=True).context_data["cl"]
    return [
        one if changelist.sortable_by is None or one in changelist.sortable_by else ""
        for one in map(str, changelist.list_display)
    ]


def _is_many(model: Any) -> bool:
    from calls.reporting.seeding import SEEDED  # noqa: PLC0415

    return model in SEEDED


def _searches() -> list[str]:
    from calls.models import Call  # noqa: PLC0415

    call = Call.objects.order_by("-created_at")[1000]
    return [str(call.pk), call.call_sid, call.caller, call.caller[2:7], "bicycle", "no such thing at all"]


def _kind(query: str) -> str:
    if "-" in query:
        return "a call's id"
    if query.startswith("CA"):
        return "a call SID"
    if query.startswith("+"):
        return "a number"
    return "a part of a number" if query.isdigit() else query


def _filters(client: Any, url: str) -> list[str]:
    """Every choice of every filter that the list offers, as the words of its address."""
    answer = client.get(url, secure=True)
    changelist = answer.context_data["cl"]
    found: list[str] = []
    for spec in changelist.filter_specs:
        links = [
            str(choice["query_string"]).lstrip("?")
            for choice in spec.choices(changelist)
            if choice.get("query_string") and not choice.get("selected")
        ]
        found += [one for one in links if one][:_FILTERS_EACH]
    return list(dict.fromkeys(found))


def _pages() -> Iterator[Reading]:
    from django.urls import NoReverseMatch, reverse  # noqa: PLC0415

    from calls.models import Call  # noqa: PLC0415
    from transcripts.models import Transcript  # noqa: PLC0415

    client = _client()
    yield Reading("page", "overview", _opened(client, reverse("admin:index")))
    ours = Call.objects.filter(started_at__isnull=False, stack="direct").order_by("-created_at")
    longest = Transcript.objects.order_by("-utterances__began_ms")[:1]
    calls = [("the newest", one.pk) for one in ours[:1]]
    calls += [("the longest", one.call_id) for one in longest]
    calls += [
        ("the oldest of Vapi's", one.pk)
        for one in Call.objects.filter(stack="vapi").order_by("created_at")[:1]
    ]
    for words, pk in calls:
        yield Reading(
            "page", f"call, {words}", _opened(client, reverse("admin:calls_call_change", args=[pk]))
        )
    try:
        url = reverse("admin:calls_call_said")
    except NoReverseMatch:
        return
    for words in (
        "R4711",
        "bicycle",
        "bicycle tuesday chain",
        '"my daughter left"',
        "دراجة",
        "nothing-like-this",
    ):
        yield Reading(
            "search", f"what was said: {words}", _opened(client, f"{url}?{urlencode({'q': words})}")
        )


# The API --------------------------------------------------------------------------------------------------------------


def _api() -> Iterator[Reading]:
    from django.test import Client  # noqa: PLC0415

    from tools.access.keys import SCOPES, key_create  # noqa: PLC0415

    _, text = key_create(name="benchmark", scopes=list(SCOPES), expires_at=None)
    client = Client(headers={"authorization": f"Bearer {text}"})
    for path in ("/assistant?limit=100", "/tool?limit=100", *_call_paths()):
        yield Reading("api", f"GET {path}", _opened(client, path))


def _call_paths() -> list[str]:
    from django.urls import Resolver404, resolve  # noqa: PLC0415

    try:
        resolve("/call")
    except Resolver404:
        return []
    return ["/call?limit=100", "/call?limit=100&createdAtLt=2026-06-01T00:00:00Z"]


# Metabase -------------------------------------------------------------------------------------------------------------


def _questions() -> Iterator[Reading]:
    from calls.reporting.questions import dashboards  # noqa: PLC0415

    for board in dashboards():
        for one in board.questions:
            yield Reading("question", f"{board.name}: {one.name}", _asked(one.sql))


def _asked(sql: str) -> Callable[[], None]:
    def read() -> None:
        from django.db import connection  # noqa: PLC0415

        from calls.reporting.role import SETTINGS  # noqa: PLC0415

        planning = [one for one in SETTINGS if one[0] in ("work_mem", "jit", "random_page_cost")]
        with connection.cursor() as cursor:
            for name, value in planning:
                cursor.execute(f"SET {name} = '{value}'")
            cursor.execute(sql)
            cursor.fetchall()
            for name, _ in planning:
                cursor.execute(f"RESET {name}")

    return read
