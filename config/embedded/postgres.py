"""The private PostgreSQL: made, started, found again and stopped."""

import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
from psycopg import sql

from config.embedded.errors import EmbeddedError
from config.embedded.logs import open_log, tail
from config.embedded.outliving import keep, notice_ends
from config.embedded.place import Place
from config.processes import Identity, command_of, identify, is_running, stop

DATABASE = "tandem"
PORT = 5432  # only a part of the socket's name
START_TIMEOUT_S = 60.0  # recovery after a crash included
# How long the children of a killed server may need to notice it and let go of its shared memory.
ORPHANS_TIMEOUT_S = 10.0
CONNECT_TIMEOUT_S = 5


def postgres_url(place: Place) -> str:
    """DATABASE_URL of the private server."""
    return f"postgresql://{DATABASE}@:{PORT}/{DATABASE}?host={quote(str(place.sockets), safe='/')}"


def postgres_ensure(place: Place, *, disposable: bool) -> None:
    """Start the server unless it answers already, and create the database. Raises EmbeddedError with the log's end.

    A disposable server gives up durability for speed, and starts from nothing where its data cannot be read.
    """
    if not _answers(place):
        running = postgres_process(place)
        if running:  # alive, but deaf
            stop(running, [(signal.SIGQUIT, 5.0), (signal.SIGKILL, 5.0)])
        if not (_data(place) / "PG_VERSION").exists():
            _initdb(place)
        try:
            _start(place, disposable=disposable)
        except EmbeddedError:
            if not disposable:
                raise
            shutil.rmtree(_data(place))
            _initdb(place)
            _start(place, disposable=disposable)
    _create_database(place)


def postgres_stop(place: Place) -> None:
    """Stop the server if it runs: sessions are ended, everything committed is on disk."""
    running = postgres_process(place)
    if running:
        stop(running, [(signal.SIGINT, 15.0), (signal.SIGQUIT, 5.0), (signal.SIGKILL, 5.0)])
        notice_ends()


def _data(place: Place) -> Path:
    return place.data / "postgres"


def _connect(place: Place, database: str) -> psycopg.Connection[Any]:
    return psycopg.connect(
        host=str(place.sockets),
        port=PORT,
        user=DATABASE,
        dbname=database,
        connect_timeout=CONNECT_TIMEOUT_S,
        autocommit=True,
    )


def _answers(place: Place) -> bool:
    try:
        with _connect(place, "postgres") as connection:
            row = connection.execute("SHOW data_directory").fetchone()
    except psycopg.Error:
        return False
    return row is not None and Path(row[0]) == _data(place)


def postgres_process(place: Place) -> Identity | None:
    """The running server of this data, by its pid file, believed only if the command line says the same."""
    try:
        pid = int((_data(place) / "postmaster.pid").read_text(encoding="utf-8").split()[0])
    except (OSError, ValueError, IndexError):
        return None
    return identify(pid) if str(_data(place)) in command_of(pid) else None


def _initdb(place: Place) -> None:
    # Made beside and renamed, so that an interrupted first run leaves no half of a cluster.
    draft = place.data / "postgres.new"
    shutil.rmtree(draft, ignore_errors=True)
    shutil.rmtree(_data(place), ignore_errors=True)
    done = subprocess.run(  # type: ignore[call-overload]  # noqa: S603 - our own words and paths
        [
            str(place.postgres_bin / "initdb"),
            f"--pgdata={draft}",
            f"--username={DATABASE}",
            "--auth=trust",  # who reaches the socket is in: its folder is closed to others
            "--encoding=UTF8",
            "--locale=C",
            "--locale-provider=builtin",
            "--builtin-locale=C.UTF-8",
            "--no-instructions",
            "--no-sync",
        ],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
        **place.spawn_arguments(),
    )
    if done.returncode != 0:
        raise EmbeddedError(f"PostgreSQL could not set up its data folder {draft}:\n{done.stdout[-2000:]}")
    draft.rename(_data(place))


def _start(place: Place, *, disposable: bool) -> None:
    deadline = time.monotonic() + ORPHANS_TIMEOUT_S
    while True:
        try:
            _start_once(place, disposable=disposable)
        except EmbeddedError as exc:
            if "pre-existing shared memory block" not in str(exc) or time.monotonic() > deadline:
                raise
            time.sleep(0.3)
        else:
            return


def _start_once(place: Place, *, disposable: bool) -> None:
    _clear_lock_files(place)
    log_path = place.var / "log" / "postgres.log"
    with open_log(log_path) as log:
        begin = log.tell()
        process = subprocess.Popen(  # type: ignore[call-overload]  # noqa: S603 - our own words and paths
            [
                str(place.postgres_bin / "postgres"),
                "-D",
                str(_data(place)),
                *_settings(place, disposable=disposable),
            ],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,  # Ctrl-C in a terminal is not meant for it
            **place.spawn_arguments(),
        )
    keep(process)
    deadline = time.monotonic() + START_TIMEOUT_S
    while not _answers(place):
        if process.poll() is not None:
            raise EmbeddedError(
                f"PostgreSQL did not start. The end of {log_path}:\n{tail(log_path, since=begin)}"
            )
        if time.monotonic() > deadline:
            started = identify(process.pid)
            if started and is_running(started):
                stop(started, [(signal.SIGQUIT, 5.0), (signal.SIGKILL, 5.0)])
            raise EmbeddedError(
                f"PostgreSQL did not answer within {START_TIMEOUT_S:.0f} s. The end of {log_path}:\n"
                f"{tail(log_path, since=begin)}"
            )
        time.sleep(0.02)


def _settings(place: Place, *, disposable: bool) -> list[str]:
    quoted = str(place.sockets).replace('"', '""')
    settings = {
        "listen_addresses": "",
        "port": str(PORT),
        "unix_socket_directories": f'"{quoted}"',
        "unix_socket_permissions": "0700",
        "max_connections": "200",
        "timezone": "UTC",
        "log_timezone": "UTC",
        "log_min_messages": "warning",
        "log_min_error_statement": "panic",  # a statement may hold what a caller said
        "log_checkpoints": "off",
    }
    if disposable:
        settings |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
    return [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]


def _clear_lock_files(place: Place) -> None:
    """Remove lock files that no server of ours holds. PostgreSQL itself goes only by whether the pid is in use.

    That takes a stranger for the server, and a dead server that nobody has waited for too. Call it when the server
    does not run.
    """
    notice_ends()
    files = (_data(place) / "postmaster.pid", place.sockets / f".s.PGSQL.{PORT}.lock")
    if not any(path.exists() for path in files):
        return
    deadline = time.monotonic() + ORPHANS_TIMEOUT_S
    while _orphans(place) and time.monotonic() < deadline:
        time.sleep(0.05)
    for path in files:
        path.unlink(missing_ok=True)


def _orphans(place: Place) -> bool:
    """Whether children of a killed server still work in its data folder. Known on Linux only."""
    data = str(_data(place))
    for link in Path("/proc").glob("[0-9]*/cwd"):
        try:
            if str(link.readlink()) == data:
                return True
        except OSError:  # it ended, or is not ours to look at
            continue
    return False


def _create_database(place: Place) -> None:
    with _connect(place, "postgres") as connection:
        if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone():
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE)))
