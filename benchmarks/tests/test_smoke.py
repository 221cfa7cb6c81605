"""A few calls through the real media process, by the benchmark's own instruments. No time is asserted."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def test_no_frame_is_lost_doubled_or_out_of_order_and_every_socket_is_closed(tmp_path: Path) -> None:
    pytest.importorskip("picows", reason="pip install -r benchmarks/requirements.txt")
    report = tmp_path / "load.json"
    command = [sys.executable, "benchmarks/load.py", "--calls", "5", "--seconds", "3", "--json", str(report)]

    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=240)  # noqa: S603 - our own words

    assert done.returncode == 0, done.stderr[-3000:]
    (run,) = json.loads(report.read_text())["runs"]
    assert run["faults"] == []
    assert run["frames"] >= 5 * 3 * 40
