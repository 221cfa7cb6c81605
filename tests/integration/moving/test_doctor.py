"""The doctor beside a running stack, as an operator starts it."""

import subprocess
import sys

import orjson

from tests.integration.stack import ROOT, Stack

LOOKED_AT = (
    "database", "broker", "queue_tools", "queue_records", "queue_messages", "storage", "recordings", "twilio", "realtime", "clock",
    "encryption",
)  # fmt: skip


def test_the_doctor_finds_a_running_stack_well(stack: Stack) -> None:
    only = [word for name in LOOKED_AT for word in ("--only", name)]
    done = subprocess.run(
        [sys.executable, "manage.py", "doctor", "--json", *only],
        cwd=ROOT,
        env=stack._environment(),
        capture_output=True,
        timeout=120,
        check=False,
    )

    assert done.returncode == 0, (done.stdout + done.stderr).decode()
    told = orjson.loads(done.stdout)
    assert [line["name"] for line in told["checks"]] == list(LOOKED_AT)
    assert told["healthy"]
    assert not told["kept"]  # only a whole examination is
    (shake,) = [line for line in told["checks"] if line["name"] == "realtime"]
    assert shake["facts"]["ready_ms"]
