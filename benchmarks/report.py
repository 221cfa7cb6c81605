"""From runs to medians, tables and JSON."""

import platform
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

import orjson

from benchmarks.measure import Run, added


def spread(values: Iterable[float], digits: int = 2) -> str:
    """The median, and the range where there is one."""
    ranked = sorted(values)
    if not ranked:
        return "-"
    text = f"{median(ranked):.{digits}f}"
    return text if len(ranked) == 1 else f"{text} ({ranked[0]:.{digits}f}-{ranked[-1]:.{digits}f})"


def ratios(runs: Sequence[Run], reference: Sequence[Run]) -> list[float]:
    """CPU against the reference's of the same round."""
    return [run.cpu_ms / other.cpu_ms for run, other in zip(runs, reference, strict=True) if other.cpu_ms]


def summary(by_bridge: dict[str, list[Run]], floors: list[list[float]], against: str) -> list[dict[str, Any]]:
    """A row for each bridge: medians over its rounds, and the ratio to the one named, round by round."""
    reference = by_bridge.get(against, [])
    rows: list[dict[str, Any]] = []
    for name, runs in by_bridge.items():
        extra = [added(run.trip_ms, ground) for run, ground in zip(runs, floors, strict=False) if run.trip_ms]
        found = ratios(runs, reference) if reference and name != against else []
        rows.append(
            {
                "bridge": name,
                "cpu_ms": [run.cpu_ms for run in runs],
                "calls_per_core": 1000 / max(0.001, median(run.cpu_ms for run in runs)),
                "ratio": found,
                "ratio_median": median(found) if found else None,
                "added_p50_ms": [one[0] for one in extra],
                "added_p95_ms": [one[1] for one in extra],
                "added_p99_ms": [one[2] for one in extra],
                "kib_per_call": [run.kib_per_call for run in runs],
                "frames": sum(run.frames for run in runs),
                "lost": sum(run.lost for run in runs),
                "doubled": sum(run.doubled for run in runs),
                "reordered": sum(run.reordered for run in runs),
                "load": [run.load for run in runs],
            }
        )
    return rows


def table(rows: Sequence[dict[str, Any]], against: str) -> str:
    """The rows as a Markdown table: median, and range in brackets."""
    heads = [
        "bridge",
        "CPU ms per call-second",
        "calls per core",
        f"CPU / {against}",
        "added p50 ms",
        "p95",
        "p99",
        "KiB a call",
        "lost / doubled / out of order",
        "load",
    ]
    lines = [heads, ["---"] * len(heads)]
    for row in rows:
        counts = f"{row['lost']} / {row['doubled']} / {row['reordered']} of {row['frames']}"
        lines.append(
            [
                row["bridge"],
                spread(row["cpu_ms"]),
                f"{row['calls_per_core']:.0f}",
                spread(row["ratio"]) if row["ratio"] else "1" if row["bridge"] == against else "-",
                spread(row["added_p50_ms"]),
                spread(row["added_p95_ms"]),
                spread(row["added_p99_ms"]),
                spread(row["kib_per_call"], 0),
                counts,
                spread(row["load"], 1),
            ]
        )
    widths = [max(len(line[column]) for line in lines) for column in range(len(heads))]
    return "\n".join(
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |"
        for line in lines
    )


def machine() -> dict[str, Any]:
    """Where and when: figures of different machines, or of different days, do not compare."""
    cpu = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "cpu": cpu,
        "cores": len([p for p in Path("/sys/devices/system/cpu").glob("cpu[0-9]*") if p.is_dir()]),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "node": _node_version(),
    }


def _node_version() -> str:
    node = shutil.which("node")
    if not node:
        return ""
    return subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout.strip()  # noqa: S603


def write_json(path: str, content: dict[str, Any], runs: Iterable[Run]) -> None:
    """Everything, for a script; `-` is standard output."""
    whole = {"machine": machine(), **content, "runs": [{**asdict(run), "faults": run.faults} for run in runs]}
    text = orjson.dumps(whole, option=orjson.OPT_INDENT_2).decode()
    if path == "-":
        print(text)
    else:
        Path(path).write_text(text + "\n", encoding="utf-8")
