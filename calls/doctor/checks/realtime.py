"""A session with the Realtime API for each model that callers meet: opened, set up, closed. Nothing is said, so it costs nothing."""

import secrets
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson
import websockets
from django.conf import settings
from django.db.models import Exists, Field, OuterRef
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection

from assistants.models import Assistant, RealtimeModel
from assistants.realtime_threads import realtime_connect
from assistants.snapshots import snapshot_read
from calls.bridge.plan import Plan, session_faults, session_payload
from calls.doctor.report import Finding, failed, ok, warning, worst
from calls.models import PhoneNumber
from calls.plans import plan_from_snapshot

WITHIN_S = 8.0
# A caller hears nothing for that long.
SLOW_MS = 2000
_MOST_MODELS = 6
_KEY = {"invalid_api_key", "http_401", "account_deactivated"}
_MODEL = {"invalid_model", "missing_model", "model_not_found", "http_404", "http_403"}
_CREDIT = {"insufficient_quota", "billing_hard_limit_reached"}


@dataclass(frozen=True, slots=True)
class Setup:
    """A model that callers meet, with the session of one assistant that runs on it; no plan: OpenAI's own session."""

    model: str
    plan: Plan | None = None
    whose: str = ""


@dataclass(frozen=True, slots=True)
class Handshake:
    """How the opening of a session went, in milliseconds from the start; ``code`` says what was refused."""

    created_ms: int | None = None
    ready_ms: int | None = None
    code: str = ""
    faults: tuple[str, ...] = ()


def realtime() -> Finding:
    """Whether each model opens a session and takes what an assistant of ours wants of it, and how fast."""
    if not settings.OPENAI_API_KEY:
        return failed("There is no key to introduce ourselves with.", "Set OPENAI_API_KEY.")
    setups = setups_in_use()
    return handshakes_told({setup.model: (setup, handshake(setup)) for setup in setups})


def setups_in_use() -> list[Setup]:
    """The models of the assistants that numbers are answered by, or of all published ones, or the usual one."""
    published = (
        Assistant.objects.filter(live_version__isnull=False, enabled=True)
        .select_related("live_version")
        .only("name", "live_version__snapshot")
    )
    answers = Exists(PhoneNumber.objects.filter(assistant=OuterRef("pk")))
    found: dict[str, Setup] = {}
    for assistant in [*published.filter(answers), *published[:50]]:
        assert assistant.live_version is not None
        try:
            snapshot = snapshot_read(assistant.live_version.snapshot)
            plan = plan_from_snapshot(snapshot)
        except (TypeError, ValueError):
            continue  # a version that cannot be read says so where it is used
        found.setdefault(snapshot.model, Setup(snapshot.model, plan, assistant.name))
        if len(found) >= _MOST_MODELS:
            break
    return list(found.values()) or [Setup(_usual_model())]


def _usual_model() -> str:
    column = Assistant._meta.get_field("model")
    assert isinstance(column, Field)
    if column.has_default():
        return str(column.get_default())
    return str(RealtimeModel.objects.values_list("name", flat=True).first() or "gpt-realtime-2.1")


def handshake(setup: Setup, *, within_s: float = WITHIN_S) -> Handshake:
    """Open a session, ask for ours, and close it again."""
    began = time.monotonic()
    until = began + within_s
    try:
        with realtime_connect(setup.model, within_s=within_s) as socket:
            return _converse(socket, setup, began, until)
    except websockets.InvalidStatus as exc:
        return Handshake(code=f"http_{exc.response.status_code}")
    except TimeoutError:
        return Handshake(code="timeout")
    except ConnectionClosed as exc:
        reason = exc.rcvd.reason.rpartition(".")[2] if exc.rcvd else ""
        return Handshake(code=reason[:80] or "closed")
    except (OSError, ssl.SSLError, websockets.WebSocketException, orjson.JSONDecodeError) as exc:
        return Handshake(code=f"connect_{type(exc).__name__}")


def _converse(socket: ClientConnection, setup: Setup, began: float, until: float) -> Handshake:
    created_ms = None
    while True:
        event = _event(socket, until)
        now_ms = round((time.monotonic() - began) * 1000)
        match event.get("type"):
            case "session.created":
                created_ms = now_ms
                session = session_payload(setup.plan, floor_open=False) if setup.plan else _plain_session()
                update = {
                    "type": "session.update",
                    "event_id": f"doctor_{secrets.token_hex(4)}",
                    "session": session,
                }
                socket.send(orjson.dumps(update).decode())
            case "session.updated" if created_ms is not None:
                return Handshake(created_ms, now_ms, faults=_faults(setup, event.get("session")))
            case "error":
                error = event.get("error")
                code = error.get("code") if isinstance(error, Mapping) else None
                return Handshake(created_ms, code=str(code or "error")[:80])
            case _:
                pass


def _event(socket: ClientConnection, until: float) -> Mapping[str, Any]:
    event = orjson.loads(socket.recv(timeout=max(0.0, until - time.monotonic())))
    return event if isinstance(event, dict) else {}


def _plain_session() -> dict[str, Any]:
    return {"type": "realtime", "output_modalities": ["audio"]}


def _faults(setup: Setup, session: object) -> tuple[str, ...]:
    if setup.plan is None or not isinstance(session, Mapping):
        return ()
    return tuple(session_faults(setup.plan, session))


def handshakes_told(found: Mapping[str, tuple[Setup, Handshake]]) -> Finding:
    """What the openings of these sessions mean, as one finding."""
    findings = [_told(setup, one) for setup, one in found.values()]
    ready = {model: one.ready_ms for model, (_, one) in found.items() if one.ready_ms is not None}
    words = ", ".join(f"{model} in {took} ms" for model, took in ready.items())
    return worst([*findings, ok("", ready_ms=ready)], all_well=f"A session was ready with {words}.")


def _told(setup: Setup, one: Handshake) -> Finding:
    model = setup.model
    if one.code in _KEY:
        return failed(
            f"The Realtime API does not know our key ({one.code}).",
            "Compare OPENAI_API_KEY with the project's keys.",
        )
    if one.code in _CREDIT:
        return failed(
            f"There is no credit left ({one.code}).", "Fill up the account at OpenAI, or raise its limit."
        )
    if one.code in _MODEL:
        return failed(
            f"The model {model} is not to be had ({one.code}).",
            "It was retired, or is not open to this project. Choose another one in the assistants and publish them.",
        )
    if one.code and one.created_ms is not None:
        return failed(
            f"{model} refuses the session of {setup.whose or 'our assistants'} ({one.code}).",
            "Something in the assistant does not go with this model: its voice, its reasoning effort, its transcription model "
            "or a tool's parameters. Change it and publish.",
        )
    if one.code:
        return failed(
            f"No session with {model} ({one.code}).",
            "Look whether this machine may reach OPENAI_REALTIME_URL, and at OpenAI's status page.",
        )
    if one.faults:
        return warning(
            f"{model} runs the session of {setup.whose} differently: {', '.join(one.faults)}.",
            "Place a call to that assistant and listen. Another Realtime server may not know all settings.",
        )
    if one.ready_ms is not None and one.ready_ms > SLOW_MS:
        return warning(
            f"A session with {model} took {one.ready_ms / 1000:.1f} s.",
            "Callers wait that long for the first word. Look at the network's way to OpenAI.",
        )
    return ok("")
