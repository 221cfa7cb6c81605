"""bin/setup.py, which runs before anything is installed, and the scripts around it."""

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def setup(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    spec = importlib.util.spec_from_file_location("tandem_setup", ROOT / "bin" / "setup.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "ROOT", tmp_path)
    for name, path in {
        "VENV": ".venv",
        "PYTHON": ".venv/bin/python",
        "MARKER": ".venv/installed.json",
        "LOG": "var/log/pip.log",
    }.items():
        monkeypatch.setattr(module, name, tmp_path / path)
    (tmp_path / "var" / "log").mkdir(parents=True)
    (tmp_path / "a.txt").write_text("# nothing\n")
    (tmp_path / "b.txt").write_text("-r a.txt\n")
    return module


def test_included_files_count(setup: ModuleType) -> None:
    assert setup.digests(["b.txt"]) == {
        "a.txt": hashlib.sha256(b"# nothing\n").hexdigest(),
        "b.txt": hashlib.sha256(b"-r a.txt\n").hexdigest(),
    }


def test_packages_are_installed_only_when_a_file_changed(
    setup: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed: list[list[str]] = []
    monkeypatch.setattr(setup, "_pip", installed.append)
    monkeypatch.setattr(setup, "_works", lambda *_: True)
    setup.PYTHON.parent.mkdir(parents=True)
    setup.PYTHON.touch()

    setup.install(["b.txt"])
    setup.install(["b.txt"])
    setup.install(["a.txt"])
    assert installed == [["b.txt"]]

    (setup.ROOT / "a.txt").write_text("# something\n")
    setup.install(["a.txt"])
    assert installed == [["b.txt"], ["a.txt"]]


def test_a_python_that_makes_no_environments_gets_the_line_that_helps(
    setup: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(setup, "_works", lambda *_: False)

    assert setup.main(["b.txt"]) == 1

    version = f"python{sys.version_info.major}.{sys.version_info.minor}-venv"
    assert f"apt-get install -y {version}" in capsys.readouterr().err


def test_a_failed_install_shows_the_end_of_its_log(
    setup: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(setup, "_works", lambda *_: True)
    setup.PYTHON.parent.mkdir(parents=True)
    setup.PYTHON.write_text("#!/bin/sh\necho no such package; exit 1\n")
    setup.PYTHON.chmod(0o755)

    assert setup.main(["b.txt"]) == 1

    assert "no such package" in capsys.readouterr().err
    assert not setup.MARKER.exists()


@pytest.mark.parametrize("script", ["run", "test"])
def test_without_a_python_the_scripts_say_what_to_install(tmp_path: Path, script: str) -> None:
    for name in ("bash", "dirname", "readlink", "uname", "id", "env"):
        found = shutil.which(name)
        assert found
        (tmp_path / name).symlink_to(found)

    done = subprocess.run(
        [str(tmp_path / "bash"), str(ROOT / "bin" / script)],
        env={"PATH": str(tmp_path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 1
    assert "Python 3.11" in done.stderr
    assert "python3-venv" in done.stderr


@pytest.mark.parametrize("script", ["bin/run", "bin/test", ".ci/run"])
def test_scripts_can_be_run_and_parsed(script: str) -> None:
    path = ROOT / script

    assert os.access(path, os.X_OK)
    assert path.read_text().startswith("#!/usr/bin/env bash\n")
    subprocess.run(["bash", "-n", str(path)], check=True)  # noqa: S607
