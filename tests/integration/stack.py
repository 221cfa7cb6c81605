"""The whole of Tandem as it runs on one machine, for tests: its processes, services of its own, the outside played.

PostgreSQL and Redis are private to the stack and not those of the other tests: they may be stopped in the middle of a
call, and no test that flushes its tables does so under a live one. The ORM of the test process is pointed at them
while `Stack.database` is in force.
"""

import os
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import redis
from celery import Celery
from celery.exceptions import OperationalError as BrokerError
from cryptography.fernet import Fernet
from django.conf import settings
from django.core.management import call_command
from django.db import connections
from redis.exceptions import RedisError

from config.database import database_from_url
from config.embedded import ensure, leave, wipe
from config.embedded.place import find_place
from config.embedded.postgres import postgres_ensure, postgres_stop
from config.embedded.valkey import valkey_ensure, valkey_stop
from config.run import children, ready, roles
from config.run.children import Child
from config.run.ports import next_free
from config.run.roles import Ports, Role
from simulator.harness import Scenario
from tests.integration.outside import (
    ACCOUNT_SID,
    AUTH_TOKEN,
    MEDIA_ORIGIN,
    PUBLIC_ORIGIN,
    TESTER,
    LiveCall,
    Outside,
)

T = TypeVar("T")

ROOT = Path(__file__).resolve().parents[2]
NODE = "integration@localhost"
READY_WITHIN_S = 240.0
_WHERE = ("NAME", "USER", "PASSWORD", "HOST", "PORT")


def eventually(look: Callable[[], T], what: str, *, within_s: float = 180.0) -> T:
    """What `look` returns as soon as it is true. Fails when it stays false."""
    until = time.monotonic() + within_s
    while True:
        found = look()
        if found:
            return found
        assert time.monotonic() < until, f"not within {within_s:.0f} s: {what}; the last look: {found!r}"
        time.sleep(0.05)


def becomes(look: Callable[[], T], wanted: T, what: str, *, within_s: float = 180.0) -> None:
    """Wait until a look gives what is wanted. Fails with what it gives instead."""
    until = time.monotonic() + within_s
    while (found := look()) != wanted:
        assert time.monotonic() < until, f"not within {within_s:.0f} s: {what}; but {found!r}"
        time.sleep(0.05)


@dataclass(frozen=True, slots=True)
class LogMark:
    """How long each log was at some moment."""

    lengths: dict[Path, int]


class Stack:
    """Web, media and worker, with what they need around them."""

    def __init__(self, folder: Path, outside: Outside) -> None:
        self.outside = outside
        self.spool = folder / "spool"
        self._folder = folder
        self._var = folder / "services"
        self._children: dict[str, Child] = {}
        self._secrets = {
            "SECRET_KEY": "only-for-integration-tests",
            "FIELD_ENCRYPTION_KEY": settings.FIELD_ENCRYPTION_KEYS[0] or Fernet.generate_key().decode(),
        }

    @contextmanager
    def running(self) -> Iterator["Stack"]:
        """The stack, started and stopped again with nothing left behind."""
        with ExitStack() as ending:
            services = ensure(self._var)
            ending.callback(wipe, self._var)
            ending.callback(leave, self._var)
            self.database_url, self.redis_url = services.database_url, services.redis_url
            # Far from the next process's, whose stack may begin at the same moment, and below what the system gives to connections.
            first = next_free(20000 + os.getpid() * 8 % 12000)
            self.ports = Ports(web=first, media=next_free(first + 1), simulator=0)
            ending.callback(self._stop_all)
            for name in self._roles():
                self.start(name, wait=False)
            self._make_tables()
            for name in self._roles():
                self.wait_ready(name)
            for name, port in (("web", self.ports.web), ("media", self.ports.media)):
                ending.enter_context(self.outside.slowness.watching(name, port))
            yield self

    def _make_tables(self) -> None:
        """All tables, as a copy of those that the other tests begin with, where there are such: migrating takes ten times as long."""
        template = os.environ.get("TEST_TEMPLATE")
        if template is None:
            with self.database():
                call_command("migrate", verbosity=0)
            return
        binaries = find_place(self._var).postgres_bin
        theirs = re.sub(r"/tandem_\d+\?", f"/{template}?", os.environ["DATABASE_URL"])
        dump = self._folder / "tables.sql"
        subprocess.run([binaries / "pg_dump", "--no-owner", "--file", dump, theirs], check=True)
        subprocess.run(
            [binaries / "psql", "--quiet", "--set=ON_ERROR_STOP=1", "--file", dump, self.database_url],
            check=True,
            stdout=subprocess.DEVNULL,
        )

    # Processes ------------------------------------------------------------------------------------------------

    def _roles(self) -> dict[str, Role]:
        every = (
            roles.web(self.ports),
            roles.media(self.ports),
            roles.worker(NODE, self._folder / "beat"),
        )
        return {role.name: role for role in every}

    def start(self, name: str, *, wait: bool = True) -> Child:
        """Start a process: `web`, `media` or `worker`."""
        role = self._roles()[name]
        self._children[name] = children.start(
            name,
            role.command,
            cwd=ROOT,
            environment=self._environment(),
            log_path=self._folder / role.log,
            grace_s=role.grace_s,
            show=None,
        )
        if wait:
            self.wait_ready(name)
        return self._children[name]

    def wait_ready(self, name: str, *, restarts: int = 0) -> None:
        """Wait until a process does its work; when it has ended, start it again so many times."""
        look = {
            "web": ready.http_ready(self.ports.web, "/readyz"),
            "media": ready.http_ready(self.ports.media, "/readyz"),
            "worker": self._worker_answers,
        }[name]

        left = restarts

        def is_ready() -> bool:
            nonlocal left
            if self._children[name].has_ended():
                assert left, f"{name} has ended:\n{self.log(name)[-3000:]}"
                left -= 1
                self.start(name, wait=False)
            return look()

        eventually(is_ready, f"{name} is ready", within_s=READY_WITHIN_S)

    def revive(self) -> None:
        """Start again whoever has ended by itself, as a process manager does, and wait until all do their work."""
        for name in list(self._children):
            self.wait_ready(name, restarts=1)

    def _worker_answers(self) -> bool:
        with Celery("looking-on", broker=self.redis_url, set_as_current=False) as app:
            try:
                return ready.worker_ready(app, NODE)()
            except (RedisError, BrokerError):
                return False  # a connection from before Redis was away; there are few of them

    def kill(self, name: str) -> None:
        """End a process as a crash does, with no time for anything."""
        self._children[name].kill()

    def stop(self, name: str) -> None:
        """End a process as a deployment does, and wait until it has ended."""
        children.stop_all([self._children[name]], hurry=lambda: False)

    def _stop_all(self) -> None:
        children.stop_all(list(self._children.values()), hurry=lambda: False)

    def _environment(self) -> dict[str, str]:
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
        return kept | self._secrets | {
            "DJANGO_SETTINGS_MODULE": "config.settings.local",
            "DATABASE_URL": self.database_url,
            "REDIS_URL": self.redis_url,
            "SPOOL_DIR": str(self.spool),
            "RECORDINGS_DIR": str(self.spool.parent / "recordings"),
            "PUBLIC_ORIGIN": PUBLIC_ORIGIN,
            "MEDIA_ORIGIN": MEDIA_ORIGIN,
            "TWILIO_ACCOUNT_SID": ACCOUNT_SID,
            "TWILIO_AUTH_TOKEN": AUTH_TOKEN,
            "TWILIO_API_URL": self.outside.http_url,
            "SMOKE_TEST_NUMBERS": TESTER,
            "VOICE_ANSWER_WITHIN_MS": "12000",
            "VAPI_API_KEY": "simulated",
            "VAPI_API_URL": self.outside.simulator.vapi_url,
            "OPENAI_API_KEY": "sk-simulated",
            "OPENAI_REALTIME_URL": self.outside.realtime_url,
            "PYTHONUNBUFFERED": "1",
        }  # fmt: skip

    def call(self, story: str | Scenario, to: str) -> LiveCall:
        """Have somebody call a number; returns at once."""
        return self.outside.dial(story, to=to, web_port=self.ports.web, media_port=self.ports.media)

    # Services -------------------------------------------------------------------------------------------------

    @contextmanager
    def database(self) -> Iterator[None]:
        """The ORM of this process works on the stack's database meanwhile."""
        place = connections.settings["default"]
        before = {name: place[name] for name in _WHERE}
        there = database_from_url(self.database_url, pool=False)
        connections.close_all()
        place.update({name: there[name] for name in _WHERE})
        try:
            yield
        finally:
            connections.close_all()
            place.update(before)

    def postgres_stop(self) -> None:
        """Stop PostgreSQL: open sessions are broken off, new ones refused."""
        connections.close_all()
        postgres_stop(find_place(self._var))

    def postgres_start(self) -> None:
        """Start PostgreSQL again."""
        postgres_ensure(find_place(self._var), disposable=False)

    def redis_stop(self) -> None:
        """Stop Redis: connections are broken off, new ones refused. What it holds is on disk."""
        valkey_stop(find_place(self._var))

    def redis_start(self) -> None:
        """Start Redis again, where it was."""
        url = valkey_ensure(find_place(self._var), disposable=False)
        assert url == self.redis_url

    def on_its_way(self) -> str:
        """What stands in the queues, with the workers and in the spool: who has it that does not go on with it."""
        spool = [f"{path.name}: {path.stat().st_size} bytes" for path in sorted(self.spool.glob("*.jsonl"))]
        try:
            with redis.Redis.from_url(self.redis_url, socket_timeout=2) as store:
                queues = [f"{name}: {store.llen(name)}" for name in ("tools", "records", "messages")]
                queues.append(f"with workers: {store.hlen('unacked')}")
        except RedisError as exc:
            queues = [f"Redis: {exc}"]
        return "\n".join([*queues, *spool]) + "\n"

    # Logs -----------------------------------------------------------------------------------------------------

    def log(self, name: str, since: LogMark | None = None) -> str:
        """What a process has written, or wrote since then."""
        path = self._folder / f"{name}.log"
        start = since.lengths.get(path, 0) if since else 0
        try:
            with path.open("rb") as file:
                file.seek(start)
                return file.read().decode(errors="replace")
        except FileNotFoundError:
            return ""

    def log_mark(self) -> LogMark:
        """The present ends of all logs."""
        return LogMark({path: path.stat().st_size for path in self._folder.glob("*.log")})

    def names(self) -> list[str]:
        """The processes, by name."""
        return list(self._children)
