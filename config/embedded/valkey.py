"""The private Redis-protocol server: started, found again and stopped."""

import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from config.embedded.errors import EmbeddedError
from config.embedded.logs import open_log, tail
from config.embedded.outliving import keep, notice_ends
from config.embedded.place import Place
from config.processes import Identity, command_of, identify, stop

START_TIMEOUT_S = 30.0
PORT_ATTEMPTS = 5  # a free port may be taken by someone else before the server binds it
DATABASES = 1024  # tests give each worker of each run its own


@dataclass(frozen=True, slots=True)
class Address:
    """Where the server listens, and the password that opens it."""

    port: int
    password: str = field(repr=False)

    @property
    def url(self) -> str:
        """REDIS_URL of the private server."""
        return f"redis://:{self.password}@127.0.0.1:{self.port}/0"


def valkey_ensure(place: Place, *, disposable: bool) -> str:
    """Start the server unless it answers already. Returns its URL. Raises EmbeddedError with the log's end."""
    address = _known_address(place)
    if address and _answers(address):
        return address.url
    running = valkey_process(place)
    if running:  # alive, but deaf
        stop(running, [(signal.SIGTERM, 5.0), (signal.SIGKILL, 5.0)])
    place.private_folder(place.data / "valkey")
    password = address.password if address else secrets.token_urlsafe(24)
    port = address.port if address and _is_free(address.port) else _free_port()
    for attempt in range(PORT_ATTEMPTS):
        fresh = Address(port, password)
        try:
            _start(place, fresh, disposable=disposable)
        except EmbeddedError as exc:
            if attempt + 1 == PORT_ATTEMPTS:
                raise
            if disposable and "Address already in use" not in str(exc):
                shutil.rmtree(place.data / "valkey")
                place.private_folder(place.data / "valkey")
            elif "Address already in use" not in str(exc):
                raise
            port = _free_port()
        else:
            return fresh.url
    raise AssertionError("unreachable")


def valkey_stop(place: Place) -> None:
    """Stop the server if it runs; what it holds is on disk."""
    running = valkey_process(place)
    if running:
        stop(running, [(signal.SIGTERM, 10.0), (signal.SIGKILL, 5.0)])
        notice_ends()


def _configuration(place: Place) -> Path:
    return place.data / "valkey" / "valkey.conf"


def _known_address(place: Place) -> Address | None:
    try:
        text = _configuration(place).read_text(encoding="utf-8")
    except OSError:
        return None
    port = re.search(r"^port (\d+)$", text, re.MULTILINE)
    password = re.search(r"^requirepass (\S+)$", text, re.MULTILINE)
    return Address(int(port[1]), password[1]) if port and password else None


def _answers(address: Address) -> bool:
    try:
        with redis.Redis(
            port=address.port,
            password=address.password,
            socket_timeout=2,
            socket_connect_timeout=2,
            retry=Retry(NoBackoff(), retries=0),
        ) as client:
            return bool(client.ping())
    except redis.RedisError:
        return False


def valkey_process(place: Place) -> Identity | None:
    """The running server of this data, by its pid file, believed only if the command line says the same."""
    try:
        pid = int((place.data / "valkey" / "valkey.pid").read_text(encoding="utf-8").strip())
    except (OSError, ValueError):
        return None
    return identify(pid) if str(_configuration(place)) in command_of(pid) else None


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _write_configuration(place: Place, address: Address, *, disposable: bool) -> None:
    # A file, because the command line of a process is there for everybody to read.
    folder = place.data / "valkey"
    quoted = str(folder).replace("\\", "\\\\").replace('"', '\\"')
    lines = [
        "bind 127.0.0.1",
        f"port {address.port}",
        f"requirepass {address.password}",
        f'dir "{quoted}"',
        f'pidfile "{quoted}/valkey.pid"',
        f"databases {DATABASES}",
        "daemonize no",
        "set-proc-title no",  # the command line is how we know the server again
        f"appendonly {'no' if disposable else 'yes'}",
        'save ""',
        "loglevel notice",
    ]
    path = _configuration(place)
    draft = path.with_suffix(".new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write("\n".join(lines) + "\n")
    if place.account:
        os.chown(draft, place.account.uid, place.account.gid)
    draft.replace(path)


def _start(place: Place, address: Address, *, disposable: bool) -> None:
    _write_configuration(place, address, disposable=disposable)
    (place.data / "valkey" / "valkey.pid").unlink(missing_ok=True)  # whatever it says, it is out of date
    log_path = place.var / "log" / "valkey.log"
    with open_log(log_path) as log:
        begin = log.tell()
        process = subprocess.Popen(  # type: ignore[call-overload]  # noqa: S603 - our own words and paths
            [str(place.valkey), str(_configuration(place))],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,  # Ctrl-C in a terminal is not meant for it
            **place.spawn_arguments(),
        )
    keep(process)
    deadline = time.monotonic() + START_TIMEOUT_S
    while not _answers(address):
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            process.wait()
            raise EmbeddedError(
                f"Valkey did not start. The end of {log_path}:\n{tail(log_path, since=begin)}"
            )
        time.sleep(0.02)
