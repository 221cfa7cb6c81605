"""What is measured: the media process of Tandem, and the two reference bridges."""

import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from benchmarks.instruments.caller import Stream
from benchmarks.place import ROOT, VAR, Place, plain_streams, real_streams
from config.run import roles
from config.run.children import Child, start
from config.run.ready import http_ready

Mode = Literal["echo", "talk"]
REFERENCE = ROOT / "benchmarks" / "reference"
NODE = VAR / "node"


class Unavailable(Exception):  # noqa: N818 - a state, and a printed line
    """This bridge cannot run here; the text says why."""


class Bridge(Protocol):
    """Something between a caller and a model."""

    name: str

    def start(self, *, port: int, realtime_url: str, mode: Mode, warn: Callable[[str], None]) -> Child:
        """The running process."""

    def ready(self, port: int) -> bool:
        """Whether it takes connections."""

    def streams(self, count: int, port: int) -> list[Stream]:
        """So many calls for it."""


@dataclass(slots=True)
class Tandem:
    """The real media process: uvicorn, the real application, real rows."""

    place: Place
    watch_loop: bool = False
    name: str = "Tandem"

    def start(self, *, port: int, realtime_url: str, mode: Mode, warn: Callable[[str], None]) -> Child:
        """The command of bin/run's media role. With `watch_loop` its application is wrapped at the edge."""
        role = roles.media(roles.Ports(web=0, media=port, simulator=0))
        command = list(role.command)
        if self.watch_loop:
            command += ["--application", "benchmarks.instruments.gaps:application"]
        environment = self.place.environment_for(port=port, realtime_url=realtime_url)
        return _start("tandem", command, cwd=ROOT, environment=environment, warn=warn)

    def ready(self, port: int) -> bool:
        """Its own word."""
        return http_ready(port, "/readyz")()

    def streams(self, count: int, port: int) -> list[Stream]:
        """Rows, signatures and tokens."""
        return real_streams(count, port)


@dataclass(slots=True)
class Reference:
    """A small bridge of ours that has nothing but the two sockets."""

    place: Place
    name: str
    command: list[str]
    folder: Path

    def start(self, *, port: int, realtime_url: str, mode: Mode, warn: Callable[[str], None]) -> Child:
        """It marks deltas where Tandem has about as many marks to send."""
        environment = {**self.place.environment, "MARKS": "1" if mode == "talk" else "0"}
        return _start(
            self.name.split()[0].lower(),
            [*self.command, str(port), realtime_url],
            cwd=self.folder,
            environment=environment,
            warn=warn,
        )

    def ready(self, port: int) -> bool:
        """Somebody listens."""
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=2):
                return True
        except OSError:
            return False

    def streams(self, count: int, port: int) -> list[Stream]:
        """It asks for nothing."""
        return plain_streams(count, f"ws://127.0.0.1:{port}/media")


def python_reference(place: Place) -> Reference:
    """asyncio, websockets, json."""
    command = [sys.executable, str(REFERENCE / "python_bridge.py")]
    return Reference(place, "Python websockets", command, REFERENCE)


def node_reference(place: Place) -> Reference:
    """Node with `ws`, installed once under var/bench. Raises Unavailable without Node or npm."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if not node or not npm:
        raise Unavailable("Node or npm is not installed, so the Node bridge is left out.")
    NODE.mkdir(parents=True, exist_ok=True)
    names = ("package.json", "package-lock.json")
    current = all((NODE / name).exists() and _same(NODE / name, REFERENCE / name) for name in names)
    if not current or not (NODE / "node_modules" / "ws").is_dir():
        for name in names:
            shutil.copy2(REFERENCE / name, NODE / name)
        command = [npm, "ci", "--no-audit", "--no-fund", "--ignore-scripts"]
        done = subprocess.run(command, cwd=NODE, capture_output=True, text=True, check=False, timeout=180)  # noqa: S603 - our own words and paths
        if done.returncode:
            raise Unavailable(
                f"npm could not install ws, so the Node bridge is left out: {done.stderr.strip()[-300:]}"
            )
    shutil.copy2(REFERENCE / "node_bridge.mjs", NODE / "node_bridge.mjs")
    return Reference(place, "Node ws", [node, "node_bridge.mjs"], NODE)


def _same(one: Path, other: Path) -> bool:
    return one.read_bytes() == other.read_bytes()


def _start(
    name: str, command: list[str], *, cwd: Path, environment: dict[str, str], warn: Callable[[str], None]
) -> Child:
    return start(
        name,
        command,
        cwd=cwd,
        environment=environment,
        log_path=VAR / "log" / f"{name}.log",
        grace_s=15.0,
        show=warn,
    )
