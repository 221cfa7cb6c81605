"""Processes by pid and start time."""

import os
import signal
import subprocess
import sys
import time

from config.processes import Identity, command_of, identify, is_running, stop


def sleeper(code: str = "") -> subprocess.Popen[bytes]:
    program = f"import signal, sys, time\n{code}\nprint('up', flush=True)\ntime.sleep(600)"
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
    assert process.stdout
    process.stdout.readline()
    return process


def test_this_process_is_known_by_pid_and_start() -> None:
    me = identify(os.getpid())

    assert me
    assert is_running(me)
    assert "pytest" in command_of(me.pid) or "python" in command_of(me.pid)


def test_a_reused_pid_is_another_process() -> None:
    assert not is_running(Identity(os.getpid(), "another time"))


def test_a_stranger_with_the_same_pid_is_not_signalled() -> None:
    with sleeper() as process:
        assert stop(Identity(process.pid, "another time"), [(signal.SIGKILL, 1.0)])
        assert process.poll() is None
        process.kill()


def test_a_process_that_ended_but_was_not_waited_for_does_not_run() -> None:
    with sleeper() as process:
        me = identify(process.pid)
        assert me
        process.kill()
        deadline = time.monotonic() + 60
        while is_running(me) and time.monotonic() < deadline:
            time.sleep(0.01)

        assert identify(process.pid) is None


def test_the_next_signal_is_for_those_who_ignore_the_first() -> None:
    with sleeper("signal.signal(signal.SIGTERM, signal.SIG_IGN)") as process:
        me = identify(process.pid)
        assert me

        assert stop(me, [(signal.SIGTERM, 0.2), (signal.SIGKILL, 60.0)])
        assert process.wait() == -signal.SIGKILL
