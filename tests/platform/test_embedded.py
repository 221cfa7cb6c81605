"""The private PostgreSQL and Valkey, with real servers in a folder of their own."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import redis

from config.embedded import (
    EmbeddedError,
    Services,
    ensure,
    leave,
    missing,
    place,
    postgres,
    services,
    valkey,
    wipe,
)
from config.embedded.place import find_place
from config.processes import identify, wait_ended

ROOT = Path(__file__).resolve().parents[2]
KEEP = """
import sys
from pathlib import Path
from config.embedded import ensure
print(ensure(Path(sys.argv[1]), disposable=True).database_url, flush=True)
sys.stdin.readline()
"""


@pytest.fixture
def var(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "var"
    yield folder
    leave(folder)
    wipe(folder)


def start(var: Path) -> Services:
    return ensure(var, disposable=True)


def query(url: str, statement: str) -> Any:
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(statement)
        return cursor.fetchone() if cursor.description else None


def other_user(var: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", KEEP, str(var)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    assert process.stdout.readline().startswith("postgresql://")
    return process


def pids(var: Path) -> tuple[int, int]:
    found = postgres.postgres_process(find_place(var)), valkey.valkey_process(find_place(var))
    assert found[0]
    assert found[1]
    return found[0].pid, found[1].pid


def kill_and_wait(pid: int) -> None:
    process = identify(pid)
    assert process
    os.kill(pid, signal.SIGKILL)
    assert wait_ended(process, 60)


def test_both_servers_answer_keep_their_data_and_stop_with_the_last_user(var: Path) -> None:
    first = start(var)
    query(first.database_url, "CREATE TABLE kept (n int)")
    with redis.Redis.from_url(first.redis_url) as client:
        assert client.ping()
    postgres_pid, valkey_pid = pids(var)
    assert start(var) is first

    leave(var)
    assert identify(postgres_pid) is None
    assert identify(valkey_pid) is None

    again = start(var)
    assert query(again.database_url, "SELECT count(*) FROM kept") == (0,)
    assert query(again.database_url, "SHOW server_encoding") == ("UTF8",)


def test_valkey_wants_its_password(var: Path) -> None:
    url = start(var).redis_url

    with (
        redis.Redis.from_url("redis://" + url.rpartition("@")[2]) as client,
        pytest.raises(redis.AuthenticationError),
    ):
        client.ping()


def test_only_the_account_may_enter_the_folders(var: Path) -> None:
    start(var)
    where = find_place(var)

    for folder in (where.data, where.sockets, where.data / "postgres", where.data / "valkey"):
        assert folder.stat().st_mode & 0o077 == 0
    assert (where.data / "valkey" / "valkey.conf").stat().st_mode & 0o077 == 0


def test_nobody_pulls_the_servers_from_under_another_user(var: Path) -> None:
    with other_user(var) as other:
        url = start(var).database_url
        before = pids(var)

        leave(var)

        assert pids(var) == before
        with pytest.raises(EmbeddedError, match="using the data"):
            wipe(var)
        assert query(url, "SELECT 1") == (1,)
        other.communicate("end\n")

    assert [identify(pid) for pid in before] == [None, None]


def test_servers_of_a_killed_user_are_taken_over(var: Path) -> None:
    with other_user(var) as other:
        before = pids(var)
        other.kill()

    start(var)
    assert pids(var) == before

    leave(var)
    assert [identify(pid) for pid in before] == [None, None]


def test_killed_servers_are_noticed_and_started_again(var: Path) -> None:
    lasting = ensure(var)
    query(lasting.database_url, "CREATE TABLE kept (n int)")
    for pid in pids(var):
        kill_and_wait(pid)
    assert missing(var) == ["PostgreSQL", "Valkey"]
    leave(var)

    again = ensure(var)

    assert missing(var) == []
    assert query(again.database_url, "SELECT count(*) FROM kept") == (0,)


def test_a_pid_file_that_names_a_stranger_is_not_believed(var: Path) -> None:
    start(var)
    leave(var)
    where = find_place(var)
    for file in (where.data / "postgres" / "postmaster.pid", where.data / "valkey" / "valkey.pid"):
        file.write_text(f"{os.getpid()}\n{where.data / 'postgres'}\n")
    assert postgres.postgres_process(where) is None
    assert valkey.valkey_process(where) is None

    again = start(var)

    assert query(again.database_url, "SELECT 1") == (1,)


def test_an_interrupted_first_run_is_repaired(var: Path) -> None:
    where = find_place(var)
    (where.data / "postgres.new").mkdir()
    (where.data / "postgres").mkdir()

    assert query(start(var).database_url, "SELECT 1") == (1,)


def test_a_port_taken_in_the_meantime_is_given_up(var: Path) -> None:
    port = int(start(var).redis_url.rpartition(":")[2].partition("/")[0])
    leave(var)

    with socket.socket() as squatter:
        squatter.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        squatter.bind(("127.0.0.1", port))
        squatter.listen()
        again = start(var)

    assert f":{port}/" not in again.redis_url


def test_two_that_begin_at_once_share_one_pair(var: Path) -> None:
    commands = [[sys.executable, "-c", KEEP, str(var)] for _ in range(3)]
    running = [
        subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for command in commands
    ]

    answers = [process.communicate("end\n", timeout=240)[0] for process in running]

    assert len(set(answers)) == 1
    assert [process.returncode for process in running] == [0, 0, 0]


def test_a_path_too_long_for_a_socket_is_shortened(tmp_path: Path) -> None:
    var = tmp_path / ("a long name with blanks " * 5) / "var"
    try:
        url = start(var).database_url

        assert query(url, "SELECT 1") == (1,)
        assert len(os.fsencode(find_place(var).sockets / place.SOCKET_NAME)) <= place.SOCKET_PATH_MAX
    finally:
        leave(var)
        wipe(var)


def test_without_the_wheels_the_message_names_the_variables(
    var: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(place, "find_spec", lambda _: None)

    with pytest.raises(EmbeddedError, match=r"export DATABASE_URL=(?s:.*)export REDIS_URL="):
        start(var)
    monkeypatch.undo()


def test_a_folder_in_the_way_that_is_not_ours_is_refused(tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    theirs.symlink_to(tmp_path)

    with pytest.raises(EmbeddedError, match="belongs to somebody else"):
        place._claim(theirs)
    theirs.unlink()
    theirs.mkdir()
    theirs.chmod(0o777)
    with pytest.raises(EmbeddedError, match="belongs to somebody else"):
        place._claim(theirs)


def test_a_forked_child_does_not_stop_what_its_parent_uses(var: Path) -> None:
    start(var)
    before = pids(var)
    use = services._uses[var]
    use.pid += 1  # as it looks from a forked child

    leave(var)

    assert pids(var) == before
    os.close(use.handle)
    start(var)
