"""Where a benchmark runs: its own private services under var/bench, a database of its own, and the calls in it."""

import contextlib
import os
import secrets
import shutil
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import psycopg
import redis
from psycopg import sql

from benchmarks.instruments.caller import Stream
from config.embedded import ensure, leave

ROOT = Path(__file__).resolve().parents[1]
VAR = ROOT / "var" / "bench"
DID = "+12025550100"
ACCOUNT_SID = f"AC{'b' * 32}"
AUTH_TOKEN = "benchmark"  # noqa: S105 - signs between two processes of ours, on this machine
REDIS_DATABASES = 1000
PROMPT = """\
You answer the phone for Alder Street Bike Repair. Be friendly and brief: at most two sentences at a time.
Before you say anything about a repair, call get_repair_status with the ticket number. Never invent a status.
When the caller is done, say goodbye and call end_call.
"""


@dataclass(frozen=True, slots=True)
class Place:
    """A migrated database with one published assistant, and the variables of a process that uses it."""

    environment: dict[str, str]

    def environment_for(self, *, port: int, realtime_url: str) -> dict[str, str]:
        """The environment of a media process on this port."""
        return {
            **self.environment,
            "MEDIA_ORIGIN": f"ws://127.0.0.1:{port}",
            "OPENAI_REALTIME_URL": realtime_url,
        }


@contextlib.contextmanager
def place() -> Iterator[Place]:
    """A place that is gone afterwards. Sets up Django in this process. Raises EmbeddedError where there are no services."""
    services = ensure(VAR, disposable=True)
    name = f"bench_{os.getpid()}"
    redis_url = f"{services.redis_url.rpartition('/')[0]}/{1 + os.getpid() % REDIS_DATABASES}"
    spool = VAR / f"spool-{os.getpid()}"
    added = {
        "DJANGO_SETTINGS_MODULE": "config.settings.local",
        "DEBUG": "0",
        "SECRET_KEY": secrets.token_urlsafe(50),
        "FIELD_ENCRYPTION_KEY": "kq3Wbk7TAVb2gVn1cSdd0RXkm8OcN1WD9OGjSDuKbJg=",
        "DATABASE_URL": services.database_url.replace("/tandem?", f"/{quote(name)}?"),
        "REDIS_URL": redis_url,
        "REDIS_KEY_PREFIX": name,
        "SPOOL_DIR": str(spool),
        "LOG_LEVEL": "WARNING",
        "PUBLIC_ORIGIN": "http://127.0.0.1:1",
        "OPENAI_API_KEY": "benchmark",
        "TWILIO_ACCOUNT_SID": ACCOUNT_SID,
        "TWILIO_AUTH_TOKEN": AUTH_TOKEN,
        "TWILIO_API_URL": "http://127.0.0.1:1",  # nobody is there; nothing should be asked
        "PYTHONPATH": str(ROOT),
        "PYTHONUNBUFFERED": "1",
    }
    os.environ.update(added)
    try:
        with redis.Redis.from_url(redis_url) as client:
            client.flushdb()
            with _database(services.database_url, name):
                _set_up()
                yield Place(dict(os.environ))
            client.flushdb()
    finally:
        shutil.rmtree(spool, ignore_errors=True)
        leave(VAR)


@contextlib.contextmanager
def _database(url: str, name: str) -> Iterator[None]:
    with psycopg.connect(url, autocommit=True) as admin:
        admin.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))
        admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        try:
            yield
        finally:
            admin.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


def _set_up() -> None:
    import django  # noqa: PLC0415 - its settings are read from the environment made above
    from django.core.management import call_command  # noqa: PLC0415

    django.setup()
    call_command("migrate", verbosity=0)
    from assistants.models import Assistant, AssistantTool  # noqa: PLC0415
    from assistants.services import assistant_publish  # noqa: PLC0415
    from calls.models import PhoneNumber  # noqa: PLC0415
    from tools.models import Tool  # noqa: PLC0415

    assistant = Assistant.objects.create(
        name="Benchmark", instructions=PROMPT, first_message_mode=Assistant.FirstMessageMode.WAITS
    )
    repair = Tool.objects.create(
        name="get_repair_status",
        description="Look up a repair by its ticket number.",
        parameters={"type": "object", "properties": {"ticket": {"type": "string"}}, "required": ["ticket"]},
        server_url="http://127.0.0.1:1/tools",
    )
    end_call = Tool.objects.create(kind=Tool.Kind.END_CALL, name="end_call", description="End the call.")
    for position, tool in enumerate((repair, end_call)):
        AssistantTool.objects.create(assistant=assistant, tool=tool, position=position)
    assistant_publish(assistant=assistant)
    PhoneNumber.objects.create(did=DID, assistant=assistant)


def real_streams(count: int, port: int) -> list[Stream]:
    """So many answered calls, as the voice webhook would have made them. Their tokens are good for a minute."""
    from twilio.request_validator import RequestValidator  # noqa: PLC0415

    from calls.services import Answered, call_start  # noqa: PLC0415

    validator = RequestValidator(AUTH_TOKEN)
    streams = []
    for _ in range(count):
        sid = f"CA{uuid.uuid4().hex}"
        answer = call_start(call_sid=sid, account_sid=ACCOUNT_SID, did=DID, caller="+12025550147")
        if not isinstance(answer, Answered):
            raise TypeError(f"The call was refused: {answer.call.refused_because}")
        url = f"ws://127.0.0.1:{port}/media/{answer.call.id}"
        streams.append(Stream(url, validator.compute_signature(url, {}), sid, ACCOUNT_SID, answer.token))
    return streams


def plain_streams(count: int, url: str) -> list[Stream]:
    """So many streams for whoever asks for neither signature nor token."""
    return [Stream(url, "", f"CA{number:032x}", ACCOUNT_SID, "") for number in range(count)]
