"""A few calls through the real media process, by the benchmark's own instruments. No time is asserted."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.tool_path import report_write

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.long
def test_no_frame_is_lost_doubled_or_out_of_order_and_every_socket_is_closed(tmp_path: Path) -> None:
    pytest.importorskip("picows", reason="pip install -r benchmarks/requirements.txt")
    report = tmp_path / "load.json"
    command = [sys.executable, "benchmarks/load.py", "--calls", "5", "--seconds", "3", "--json", str(report)]

    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=240)

    assert done.returncode == 0, done.stderr[-3000:]
    (run,) = json.loads(report.read_text())["runs"]
    assert run["faults"] == []
    assert run["frames"] >= 5 * 3 * 40


@pytest.mark.long
def test_every_tool_call_comes_back_and_the_report_has_its_place(tmp_path: Path) -> None:
    report = tmp_path / "tools.json"
    command = [
        sys.executable,
        "benchmarks/tools.py",
        "--calls",
        "3",
        "--seconds",
        "5",
        "--rounds",
        "1",
        "--every",
        "1",
    ]

    done = subprocess.run(
        [*command, "--json", str(report)], cwd=ROOT, capture_output=True, text=True, check=False, timeout=240
    )

    assert done.returncode == 0, done.stderr[-3000:]
    tandem, direct = json.loads(report.read_text())["paths"]
    assert (tandem["lost"], direct["lost"]) == (0, 0)
    assert tandem["there_ms"]
    assert direct["there_ms"]


def test_a_report_is_put_between_its_marks(tmp_path: Path) -> None:
    document = tmp_path / "performance.md"
    document.write_text("# Title\n")

    report_write(document, "first")
    report_write(document, "second")

    text = document.read_text()
    assert "first" not in text
    assert text.count("second") == 1
    assert text.startswith("# Title\n")
