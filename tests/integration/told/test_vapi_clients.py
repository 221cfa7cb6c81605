"""A script written for Vapi, unchanged but for base URL and key, against the running processes: in Python, and for Node."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from calls.models import Call
from tests.integration.outside import MEDIA_ORIGIN, PUBLIC_ORIGIN
from tests.integration.rows import GREETING, make_desk, written
from tests.integration.stack import ROOT, Stack
from tests.integration.stories import ASKS, CHECKING, READY_ON
from tools.access.keys import key_create

# Importing Vapi's library alone takes half a minute of processor time; the other one is fetched from npm.
pytestmark = pytest.mark.long

SCRIPTS = Path(__file__).parent / "scripts"
LIBRARY = "@vapi-ai/server-sdk@2.0.1"
PERSON = "+13125550177"
WITHIN_S = 600


@pytest.fixture
def node_modules() -> Path:
    """Where Vapi's library for TypeScript is; fetched once."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        if os.environ.get("CI"):
            pytest.fail("CI has no Node, so Vapi's library for TypeScript would go untested.")
        pytest.skip(
            "NODE IS MISSING: Vapi's library for TypeScript is NOT tested here. Install Node 18 or newer."
        )
    folder = ROOT / "var" / "test" / "node"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "package.json").write_text('{"private": true}')
    if not (folder / "node_modules" / "@vapi-ai" / "server-sdk" / "package.json").exists():
        command = [npm, "install", "--no-audit", "--no-fund", "--ignore-scripts", "--save-exact", LIBRARY]
        fetched = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, timeout=WITHIN_S, check=False
        )
        assert fetched.returncode == 0, fetched.stderr[-2000:]
    return folder


def ran(stack: Stack, command: list[str], *, cwd: Path) -> dict[str, Any]:
    """What the script told of itself."""
    desk = make_desk(stack)
    simulator = stack.outside.simulator
    simulator.numbers.add(desk.did)
    simulator.add_origins(
        {
            PUBLIC_ORIGIN: f"http://127.0.0.1:{stack.ports.web}",
            MEDIA_ORIGIN: f"ws://127.0.0.1:{stack.ports.media}",
        }
    )
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    environment = {
        "VAPI_BASE_URL": f"http://127.0.0.1:{stack.ports.web}",
        "VAPI_KEY": key_create(name="script")[1],
        "TOOL_URL": stack.outside.tool_url("get_repair_status"),
        "GREETING": GREETING,
        "PHONE_NUMBER_ID": str(desk.number.pk),
        "CUSTOMER": PERSON,
    }
    done = subprocess.run(
        command,
        cwd=cwd,
        env=kept | environment,
        capture_output=True,
        text=True,
        timeout=WITHIN_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return told


def assert_went_well(told: dict[str, Any]) -> None:
    """All that such a script is for."""
    assert told["listed"]
    assert told["patched"] == GREETING
    assert told["placed"] == "queued"
    assert told["deleted"] == told["assistant"]
    assert told["assistant"] not in told["left"]
    assert told["roles"][:5] == ["bot", "user", "bot", "tool_calls", "tool_call_result"]
    lines = told["transcript"].splitlines()
    assert lines[:4] == [f"AI: {GREETING}", f"User: {ASKS}", f"AI: {CHECKING}", f"AI: {READY_ON}"]
    rows = written(Call.objects.get(pk=told["call"]).call_sid)
    assert rows.call.ended_reason == told["reason"]
    assert [one.name for one in rows.tool_calls] == ["get_repair_status", "endCall"]


def test_a_script_in_python_runs_unchanged(stack: Stack) -> None:
    assert_went_well(ran(stack, [sys.executable, str(SCRIPTS / "front_desk.py")], cwd=SCRIPTS))


def test_a_script_for_node_runs_unchanged(stack: Stack, node_modules: Path) -> None:
    # Node looks for libraries beside the script.
    script = node_modules / "front_desk.mjs"
    shutil.copy(SCRIPTS / "front_desk.mjs", script)
    assert_went_well(ran(stack, ["node", str(script)], cwd=node_modules))
