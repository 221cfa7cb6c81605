"""The pages of tool calls, captures and tool servers in trouble."""

import re
from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings
from redis import Redis

from tools import breaker, breaker_pages
from tools.breaker import Permit
from tools.captures import store as capture
from tools.models import CapturePoint, ToolAttempt, ToolCall
from tools.tests.factories import make_capture, make_capture_point, make_tool, make_tool_call

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis_client")]

HOST = "hooks.example:443"


def page(client: Client, row: ToolCall) -> str:
    html = client.get(reverse("admin:tools_toolcall_change", args=[row.pk])).content.decode()
    return re.sub(r"\s+", " ", html)


def attempt(row: ToolCall, n: int, **fields: object) -> None:
    now = timezone.now()
    ToolAttempt.objects.create(
        **{"tool_call": row, "n": n, "started_at": now, "finished_at": now, "sent": True, **fields}
    )


def viewer(*permissions: str) -> Client:
    """A client whose user may do just this."""
    user = User.objects.create_user("ops", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client = Client()
    client.force_login(user)
    return client


def test_a_tool_call_shows_its_steps_and_attempts(admin_client: Client) -> None:
    now = timezone.now()
    row = make_tool_call(
        status="answered",
        requested_at=now,
        sent_at=now + timedelta(milliseconds=12),
        answered_at=now + timedelta(milliseconds=312),
        told_at=now + timedelta(milliseconds=320),
        attempts_begun=2,
        message={"content": "spoken words"},
        variables={"slot": "learnt value"},
    )
    attempt(row, 1, code="connection_lost", error="Lost.", resolve_ms=0.5, connect_ms=7.25, whole_ms=9)
    attempt(row, 2, http_status=200, first_byte_ms=291.5, whole_ms=300)

    html = page(admin_client, row)

    for shown in (
        "12 ms",
        "300 ms",
        "8 ms",
        "320 ms",
        "Lost.",
        "7.2",
        "291.5",
        "kept",
        "spoken words",
        "learnt value",
    ):
        assert shown in html
    assert "no end is known" not in html


def test_an_attempt_without_an_end_is_told(admin_client: Client) -> None:
    row = make_tool_call(status="timed_out", sent_at=timezone.now(), attempts_begun=1)

    assert "no end is known" in page(admin_client, row)


def test_a_late_answer_is_told(admin_client: Client) -> None:
    now = timezone.now()
    row = make_tool_call(
        status="answered", sent_at=now, told_at=now, answered_at=now + timedelta(seconds=5), requested_at=now
    )

    assert "after the model had been told" in page(admin_client, row)


def test_an_unreadable_secret_of_the_tool_breaks_no_page(admin_client: Client, settings: Settings) -> None:
    row = make_tool_call(tool=make_tool(server_secret="s3", server_headers='{"X-A": "b"}'))
    settings.FIELD_ENCRYPTION_KEYS = ["xQm1JzzyqCZlYyqYm9CkZ6R3d3kS2t8cJ9nWm8yq7wA="]

    assert "book_appointment" in page(admin_client, row)


# --- Tool servers in trouble


@pytest.fixture
def closed_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """The moment for which a host is left alone is longer than any page takes."""
    monkeypatch.setattr(breaker, "OPEN_S", 600.0)


def fail(times: int) -> None:
    for n in range(times):
        breaker.failed(Permit(HOST, n), code="timeout")


@pytest.mark.usefixtures("closed_for_long")
def test_a_host_that_is_left_alone_is_shown_and_can_be_asked_again(admin_client: Client) -> None:
    fail(breaker.FAILURES_TO_OPEN)

    shown = admin_client.get(reverse("admin:tools_breakers")).content.decode()
    assert breaker.permit(HOST) is None
    answer = admin_client.post(reverse("admin:tools_breakers"), {"host": HOST}, follow=True)

    assert HOST in shown
    assert "Left alone" in shown
    assert "no answer in time" in shown
    assert "is asked again from now on" in answer.content.decode()
    assert breaker.permit(HOST) == Permit(HOST)


def test_without_trouble_the_page_says_so(admin_client: Client) -> None:
    assert "have answered" in admin_client.get(reverse("admin:tools_breakers")).content.decode()


def test_the_page_opens_without_redis(admin_client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    nowhere = Redis.from_url("redis://127.0.0.1:1/0")
    monkeypatch.setattr(breaker, "store", lambda: nowhere)

    shown = admin_client.get(reverse("admin:tools_breakers"))
    asked = admin_client.post(reverse("admin:tools_breakers"), {"host": HOST}, follow=True)

    assert "Redis could not be reached" in shown.content.decode()
    assert "Redis could not be reached" in asked.content.decode()


@pytest.mark.usefixtures("closed_for_long")
def test_who_may_only_look_cannot_have_a_host_asked_again() -> None:
    fail(breaker.FAILURES_TO_OPEN)
    client = viewer("view_toolcall")

    shown = client.get(reverse("admin:tools_breakers"))
    refused = client.post(reverse("admin:tools_breakers"), {"host": HOST})

    assert HOST in shown.content.decode()
    assert "Ask again" not in shown.content.decode()
    assert refused.status_code == 403
    assert breaker.permit(HOST) is None


def test_who_may_not_see_tool_calls_sees_no_hosts() -> None:
    assert viewer("view_tool").get(reverse("admin:tools_breakers")).status_code == 403


def test_every_way_of_failing_has_words() -> None:
    assert set(breaker_pages._WORDS) == {*breaker._CODES, "http_error"}


# --- Captures


def test_a_capture_point_is_made_and_its_address_shown_once(admin_client: Client, settings: Settings) -> None:
    tool = make_tool()
    form = {"tool": str(tool.pk), "enabled": "on", "keep_count": 10, "keep_days": 3}

    html = admin_client.post(reverse("admin:tools_capturepoint_add"), form, follow=True).content.decode()

    found = re.search(rf"{re.escape(settings.PUBLIC_ORIGIN)}/capture/([\w-]+)", html)
    assert found is not None
    point = capture.point_of(found[1])
    assert point is not None
    assert (point.tool, point.keep_count) == (tool, 10)
    again = admin_client.get(reverse("admin:tools_capturepoint_change", args=[point.pk])).content.decode()
    assert found[1] not in again


def test_saving_a_point_again_keeps_its_address(admin_client: Client) -> None:
    point = make_capture_point()
    form = {"enabled": "on", "keep_count": 10, "keep_days": 3}

    admin_client.post(reverse("admin:tools_capturepoint_change", args=[point.pk]), form)

    point.refresh_from_db()
    assert (point.keep_count, point.token_hash) == (10, capture.token_hash("t0ken"))


def test_a_new_address_ends_the_old_one(admin_client: Client) -> None:
    point = make_capture_point()
    chosen = {"action": "renew", "_selected_action": [str(point.pk)]}

    html = admin_client.post(
        reverse("admin:tools_capturepoint_changelist"), chosen, follow=True
    ).content.decode()

    assert "/capture/" in html
    assert capture.point_of("t0ken") is None
    assert CapturePoint.objects.get().pk == point.pk


def test_a_captured_request_is_shown_with_its_headers_and_answer(admin_client: Client) -> None:
    row = make_capture(
        body='{"message":{"type":"tool-calls"}}', headers=[["x-call-id", "c-1"]], answer="plain answer"
    )

    html = admin_client.get(reverse("admin:tools_capture_change", args=[row.pk])).content.decode()
    listed = admin_client.get(reverse("admin:tools_capture_changelist")).content.decode()

    assert "tool-calls" in html
    assert "x-call-id" in html
    assert "plain answer" in html
    assert "book_appointment" in listed


def test_a_capture_under_a_lost_key_is_told_in_words(admin_client: Client, settings: Settings) -> None:
    row = make_capture(body="words")
    settings.FIELD_ENCRYPTION_KEYS = ["xQm1JzzyqCZlYyqYm9CkZ6R3d3kS2t8cJ9nWm8yq7wA="]

    assert admin_client.get(reverse("admin:tools_capture_changelist")).status_code == 200
    html = admin_client.get(
        reverse("admin:tools_capture_change", args=[row.pk]), follow=True
    ).content.decode()

    assert "FIELD_ENCRYPTION_KEY" in html
