"""The parts of bin/run."""

import json
import os
import signal
import socket
import sys
import time
from pathlib import Path

import pytest

from config.run import roles
from config.run.children import Child, start, stop_all, worth_showing
from config.run.console import Console
from config.run.options import parse
from config.run.ports import NoPortError, is_free, next_free
from config.run.stopping import Stopping, StopRequestedError

PORTS = roles.Ports(web=8000, media=8001, simulator=8002)


def child(tmp_path: Path, code: str, shown: list[str] | None = None, *, grace_s: float = 60.0) -> Child:
    return start(
        "helper",
        [sys.executable, "-u", "-c", code],
        cwd=tmp_path,
        environment=dict(os.environ),
        log_path=tmp_path / "helper.log",
        grace_s=grace_s,
        show=shown.append if shown is not None else None,
    )


def wait_for(text: str, path: Path) -> None:
    deadline = time.monotonic() + 60
    while not (path.exists() and text in path.read_text()):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def never() -> bool:
    return False


# --- Options and ports ---------------------------------------------------------------------------------------


def test_the_options_have_defaults() -> None:
    assert vars(parse([])) == {"port": 8000, "once": False, "fresh": False, "call": True}


@pytest.mark.parametrize("arguments", [["--port", "0"], ["--port", "x"], ["--once", "--no-call"], ["--what"]])
def test_options_that_make_no_sense_are_refused(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        parse(arguments)

    assert caught.value.code == 2
    assert "bin/run" in capsys.readouterr().err


def test_help_has_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse(["--help"])

    assert "bin/run --port 9000" in capsys.readouterr().out


def test_a_taken_port_is_passed_over() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]

        assert not is_free(port)
        assert next_free(port) > port
        with pytest.raises(NoPortError, match="--port"):
            next_free(port, attempts=1)


# --- Children ------------------------------------------------------------------------------------------------


def test_output_goes_to_the_log_and_only_warnings_are_shown(tmp_path: Path) -> None:
    shown: list[str] = []
    lines = [
        json.dumps({"time": "t", "level": "INFO", "logger": "l", "message": "quiet"}),
        json.dumps({"time": "t", "level": "WARNING", "logger": "l", "message": "look", "call_sid": "CA1"}),
        "plain",
    ]

    running = child(tmp_path, f"print({chr(10).join(lines)!r})", shown)
    wait_for("plain", tmp_path / "helper.log")
    stop_all([running], hurry=never)

    assert (tmp_path / "helper.log").read_text().splitlines() == lines
    assert list(running.last_lines) == lines
    assert shown == ["helper: warning: look call_sid=CA1"]


def test_a_process_that_ends_while_it_is_asked_to_is_not_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = child(tmp_path, "print('over')", [])
    os.waitid(os.P_PID, running.process.pid, os.WEXITED | os.WNOWAIT)
    with monkeypatch.context() as patch:
        patch.setattr(type(running), "has_ended", lambda _: False)  # it had not, a moment ago
        running.terminate()

    assert running.has_ended()
    assert running.status == 0


@pytest.mark.parametrize("line", ["", "text", "[]", "1", '{"level": "INFO"}', '{"level": 5}'])
def test_other_lines_are_not_shown(line: str) -> None:
    assert worth_showing(line) == ""


def test_a_traceback_is_shown_with_its_error() -> None:
    assert worth_showing('{"level": "ERROR", "message": "m", "traceback": "T"}') == "error: m\nT"


def test_who_ends_in_time_is_not_killed(tmp_path: Path) -> None:
    code = "import signal, sys, time\nsignal.signal(15, lambda *_: sys.exit(7))\nprint('up')\ntime.sleep(600)"
    running = child(tmp_path, code)
    wait_for("up", tmp_path / "helper.log")

    stop_all([running], hurry=never)

    assert running.status == 7


@pytest.mark.parametrize("hurry", [False, True])
def test_who_does_not_end_is_killed(tmp_path: Path, *, hurry: bool) -> None:
    code = "import signal, time\nsignal.signal(15, signal.SIG_IGN)\nprint('up')\ntime.sleep(600)"
    running = child(tmp_path, code, grace_s=60.0 if hurry else 0.2)
    wait_for("up", tmp_path / "helper.log")

    stop_all([running], hurry=lambda: hurry)

    assert running.status == -signal.SIGKILL


def test_grandchildren_do_not_stay_behind(tmp_path: Path) -> None:
    code = (
        "import subprocess, sys\n"
        "other = subprocess.Popen([sys.executable, '-c', 'import signal, time; signal.signal(15, signal.SIG_IGN); "
        "print(1, flush=True); time.sleep(600)'], stdout=subprocess.PIPE)\n"
        "other.stdout.readline()\nprint('pid', other.pid, 'up')\n"
    )
    running = child(tmp_path, code)
    wait_for("up", tmp_path / "helper.log")
    pid = int((tmp_path / "helper.log").read_text().split()[1])
    deadline = time.monotonic() + 60
    while not running.has_ended() and time.monotonic() < deadline:
        time.sleep(0.01)

    assert running.status == 0
    status = Path(f"/proc/{pid}/stat")
    while status.exists() and status.read_text().rpartition(")")[2].split()[0] != "Z":
        assert time.monotonic() < deadline
        time.sleep(0.01)


# --- Roles ---------------------------------------------------------------------------------------------------


def test_without_keys_every_party_is_played(tmp_path: Path) -> None:
    added = roles.environment_for({"PUBLIC_ORIGIN": "https://voice.example.com"}, PORTS, tmp_path)

    assert added["PUBLIC_ORIGIN"] == "http://127.0.0.1:8000"
    assert added["MEDIA_ORIGIN"] == "ws://127.0.0.1:8001"
    assert added["OPENAI_REALTIME_URL"] == "ws://127.0.0.1:8002/v1/realtime"
    assert added["TWILIO_API_URL"] == added["SIMULATOR_URL"] == "http://127.0.0.1:8002"
    assert added["OPENAI_API_KEY"] == "simulator"
    assert added["VAPI_API_URL"] == "http://127.0.0.1:8002/vapi"
    assert added["VAPI_API_KEY"] == "simulator"
    assert added == roles.environment_for({}, PORTS, tmp_path)  # the same account and token each time
    assert roles.is_all_simulated({})


def test_with_both_keys_nothing_is_played(tmp_path: Path) -> None:
    given = {"OPENAI_API_KEY": "x", "TWILIO_AUTH_TOKEN_FILE": "/x"}

    assert set(roles.environment_for(given, PORTS, tmp_path)) == {
        "WEB_ORIGIN",
        "PUBLIC_ORIGIN",
        "MEDIA_ORIGIN",
    }
    assert not roles.needs_simulator(given)


def test_a_public_origin_is_kept_where_twilio_is_real(tmp_path: Path) -> None:
    given = {"OPENAI_API_KEY": "x", "TWILIO_AUTH_TOKEN": "x", "PUBLIC_ORIGIN": "https://voice.example.com"}

    assert set(roles.environment_for(given, PORTS, tmp_path)) == {"WEB_ORIGIN"}


def test_one_key_leaves_the_other_party_to_the_simulator(tmp_path: Path) -> None:
    added = roles.environment_for({"OPENAI_API_KEY": "x"}, PORTS, tmp_path)

    assert "OPENAI_REALTIME_URL" not in added
    assert added["TWILIO_API_URL"] == "http://127.0.0.1:8002"
    assert not roles.is_all_simulated({"OPENAI_API_KEY": "x"})


@pytest.mark.parametrize(
    "given",
    [
        {"OPENAI_API_KEY": "x"},
        {"TWILIO_AUTH_TOKEN_FILE": "/x"},
        {"VAPI_API_KEY": "x"},
        {"VAPI_API_KEY_FILE": "/x"},
        {"VAPI_API_URL": "https://api.eu.vapi.ai"},
    ],
    ids=lambda given: next(iter(given)),
)
def test_vapi_is_played_only_where_everything_is(given: dict[str, str], tmp_path: Path) -> None:
    added = roles.environment_for(given, PORTS, tmp_path)

    assert "VAPI_API_KEY" not in added
    assert "VAPI_API_URL" not in added


def queues_of(role: roles.Role) -> list[str]:
    return role.command[role.command.index("-Q") + 1].split(",")


def test_what_a_caller_waits_for_has_a_worker_of_its_own(tmp_path: Path) -> None:
    tools = roles.tools_worker("tools@x", {}, PORTS)
    rest = roles.worker("rest@x", tmp_path / "beat", queues=roles.ALL_BUT_TOOLS)
    both = roles.worker("both@x", tmp_path / "beat")

    assert queues_of(tools) == ["tools"]
    assert sorted(queues_of(tools) + queues_of(rest)) == sorted(queues_of(both))
    assert ("-B" in tools.command, "-B" in rest.command) == (False, True)  # one beat, or all happens twice
    assert len({tools.name, rest.name, tools.log, rest.log}) == 4


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("9100", {"METRICS_PORT": "9101"}),
        ("7999", {"METRICS_PORT": "8003"}),  # web, media and the simulator have those between
        ("8001", {"METRICS_PORT": "8003"}),
        *[("", {}), ("0", {}), ("65535", {})],
    ],
)
def test_the_worker_of_tools_serves_its_metrics_beside_the_others(given: str, told: dict[str, str]) -> None:
    assert roles.tools_worker("tools@x", {"METRICS_PORT": given}, PORTS).environment == told


# --- Being asked to stop -------------------------------------------------------------------------------------


def test_the_first_signal_stops_and_the_second_hurries() -> None:
    stopping = Stopping(Console())
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        stopping.listen()
        stopping.check()
        os.kill(os.getpid(), signal.SIGTERM)
        with pytest.raises(StopRequestedError) as caught:
            stopping.wait_until(never, 5)
        assert caught.value.status == 143
        assert not stopping.in_a_hurry()

        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.01)
        assert stopping.in_a_hurry()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def test_waiting_ends_when_it_comes_true_or_too_late() -> None:
    stopping = Stopping(Console())

    assert stopping.wait_until(lambda: True, 0)
    assert not stopping.wait_until(never, 0.01)
