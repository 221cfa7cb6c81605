"""What a process on one machine finds out for itself where no variable says it: .env, a running bin/run, the services."""

import json
import os
import re
import signal
import sys
from collections.abc import Mapping, MutableMapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import FrameType

from config.embedded import EmbeddedError, ensure
from config.processes import Identity, identify, is_running

BASE_DIR = Path(__file__).resolve().parents[1]
VAR_DIR = BASE_DIR / "var"
SETTINGS = ("config.settings.local", "config.settings.test")
WITHOUT_SERVICES = {"", "help", "version", "-h", "--help", "--version"}
LINE = re.compile(r"(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*)")


class LocalEnvironmentError(Exception):
    """Something a person must do first; the text says what."""


def complete_environment(arguments: list[str]) -> None:
    """Fill in what the environment lacks, for the local and the test settings; others must say everything themselves.

    Raises LocalEnvironmentError where the private services are needed and cannot be had.
    """
    if os.environ.get("DJANGO_SETTINGS_MODULE") not in SETTINGS:
        return
    fill(os.environ, read_env_file(BASE_DIR / ".env"))
    fill(os.environ, running_environment(VAR_DIR))
    if (arguments[0] if arguments else "") in WITHOUT_SERVICES or {"-h", "--help"} & set(arguments):
        return
    if not services_are_named(os.environ):
        for number in (
            signal.SIGTERM,
            signal.SIGHUP,
        ):  # an exit that runs the handlers, which stop the services
            signal.signal(number, _exit)
        use_private_services()


def use_private_services() -> Path:
    """Start or find the private services and name those that the environment does not. Returns where their data lies."""
    try:
        services = ensure(VAR_DIR)
    except EmbeddedError as exc:
        raise LocalEnvironmentError(str(exc)) from exc
    fill(os.environ, {"DATABASE_URL": services.database_url, "REDIS_URL": services.redis_url})
    return services.data


def services_are_named(environ: Mapping[str, str]) -> bool:
    """Whether both DATABASE_URL and REDIS_URL are given, as values or as files."""
    return all(environ.get(name) or environ.get(f"{name}_FILE") for name in ("DATABASE_URL", "REDIS_URL"))


def fill(environ: MutableMapping[str, str], values: Mapping[str, str]) -> None:
    """Set each variable that is not set already, neither as a value nor as a file."""
    for name, value in values.items():
        if not environ.get(name) and not environ.get(f"{name}_FILE"):
            environ[name] = value


def read_env_file(path: Path) -> dict[str, str]:
    """The variables of a file of KEY=VALUE lines; comments, blank lines, `export` and quotes around a value are fine.

    Nothing is expanded. Raises LocalEnvironmentError that names the line which is none of these.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as exc:
        raise LocalEnvironmentError(f"{path} cannot be read ({type(exc).__name__}).") from exc
    values: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            continue
        found = LINE.fullmatch(stripped)
        if not found:
            raise LocalEnvironmentError(f"{path}, line {number}: write NAME=value.")
        name, value = found.groups()
        if len(value) >= 2 and value[0] == value[-1] and value[0] in "'\"":
            value = value[1:-1]
        else:
            value = re.split(r"\s+#", value, maxsplit=1)[0].strip()
        if value:
            values[name] = value
    return values


# --- What a running bin/run has given to its children --------------------------------------------------------


def publish_environment(var: Path, values: Mapping[str, str], *, needed: list[str]) -> None:
    """Let commands started beside this process find what it uses. The file holds secrets: its owner only.

    `needed` names variables that this process was given by hand: whoever joins it must be given them too.
    """
    path = _published(var)
    path.parent.mkdir(parents=True, exist_ok=True)
    me = identify(os.getpid())
    assert me is not None
    draft = path.with_suffix(".new")
    draft.unlink(missing_ok=True)
    content = {"supervisor": asdict(me), "environment": dict(values), "needed": needed}
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump(content, file, indent=2)
    draft.replace(path)


def withdraw_environment(var: Path) -> None:
    """Take the published environment away."""
    _published(var).unlink(missing_ok=True)


def running_environment(var: Path, *, strict: bool = True) -> dict[str, str]:
    """What a running bin/run has published; empty when none runs, or when it belongs to another user.

    Raises LocalEnvironmentError, unless not strict, when bin/run was given servers that we were not told of.
    """
    published = _read_published(var)
    if published is None or not is_running(published.supervisor):
        return {}
    missing = [
        name for name in published.needed if not os.environ.get(name) and not os.environ.get(f"{name}_FILE")
    ]
    if strict and missing:
        raise LocalEnvironmentError(
            f"The running bin/run was started with {' and '.join(missing)}. Set the same here, or put it in .env for both."
        )
    return published.environment


def running_supervisor(var: Path) -> Identity | None:
    """The bin/run that runs now, or None."""
    published = _read_published(var)
    return published.supervisor if published and is_running(published.supervisor) else None


@dataclass(frozen=True, slots=True)
class _Published:
    supervisor: Identity
    environment: dict[str, str]
    needed: list[str]


def _published(var: Path) -> Path:
    return var / "run" / "environment.json"


def _read_published(var: Path) -> _Published | None:
    try:
        found = json.loads(_published(var).read_text(encoding="utf-8"))
        return _Published(
            Identity(int(found["supervisor"]["pid"]), str(found["supervisor"]["started"])),
            {str(name): str(value) for name, value in found["environment"].items()},
            [str(name) for name in found["needed"]],
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _exit(number: int, _frame: FrameType | None) -> None:
    sys.exit(128 + number)
