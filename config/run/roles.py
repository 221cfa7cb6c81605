"""The processes of one machine: their commands, and what their environment must say."""

import secrets
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from config.run.ports import HOST
from config.secrets import keep_secret


@dataclass(frozen=True, slots=True)
class Ports:
    """Where the servers listen on the loopback address. The simulator's is given even if it does not run."""

    web: int
    media: int
    simulator: int


@dataclass(frozen=True, slots=True)
class Role:
    """A process to run. `grace_s` is how long it may take to end; `environment` is what it alone is told."""

    name: str
    log: str
    command: list[str]
    grace_s: float
    environment: Mapping[str, str] = field(default_factory=dict)


def web(ports: Ports) -> Role:
    """Admin, webhooks and API, on daphne."""
    return Role(
        "web",
        "web.log",
        [
            *manage("web"),
            *("--host", HOST, "--port", str(ports.web)),
        ],
        5.0,
    )


def media(ports: Ports) -> Role:
    """The media streams, on uvicorn."""
    return Role(
        "media",
        "media.log",
        [
            *manage("media"),
            *("--host", HOST, "--port", str(ports.media)),
        ],
        15.0,
    )


TOOLS, ALL_BUT_TOOLS = "tools", "records,messages"


def worker(node: str, schedule: Path, *, queues: str = f"{TOOLS},{ALL_BUT_TOOLS}") -> Role:
    """The jobs of all queues, or of some, and beat inside."""
    command = [*_worker(node, queues), "-B", "-s", str(schedule)]
    return Role("worker", "worker.log", command, 10.0)


def tools_worker(node: str, environ: Mapping[str, str], ports: Ports) -> Role:
    """The jobs that a caller waits for, in a process whose threads nothing else takes."""
    port = environ.get("METRICS_PORT", "")
    own = _metrics_beside(int(port), ports) if port.isdecimal() and int(port) > 0 else {}
    return Role("worker-tools", "worker-tools.log", _worker(node, TOOLS), 10.0, own)


def simulator(ports: Ports) -> Role:
    """Twilio, the Realtime API, a tool server and Vapi's REST, played."""
    command = [*_python("simulator"), "--host", HOST, "--port", str(ports.simulator)]
    return Role("simulator", "simulator.log", command, 5.0)


def manage(*arguments: str) -> list[str]:
    """The command line of a management command."""
    return [sys.executable, "manage.py", *arguments]


def environment_for(given: Mapping[str, str], ports: Ports, secrets_folder: Path) -> dict[str, str]:
    """What the children need beyond the given environment.

    Whichever of Twilio and OpenAI has no key is played by the simulator. Simulated webhooks come to this machine, so
    a public origin that was given does not count then. Vapi is played only beside the other two: where anything is
    real, an import without a key must say so instead of bringing invented assistants.
    """
    web_origin, media_origin = f"http://{HOST}:{ports.web}", f"ws://{HOST}:{ports.media}"
    simulator_url = f"http://{HOST}:{ports.simulator}"
    added = {"WEB_ORIGIN": web_origin}
    if not has(given, "OPENAI_API_KEY"):
        added |= {
            "OPENAI_API_KEY": "simulator",
            "OPENAI_REALTIME_URL": f"ws://{HOST}:{ports.simulator}/v1/realtime",
        }
    if not has(given, "TWILIO_AUTH_TOKEN"):
        added |= {
            "TWILIO_ACCOUNT_SID": keep_secret(
                secrets_folder / "simulator_account_sid", lambda: f"AC{secrets.token_hex(16)}"
            ),
            "TWILIO_AUTH_TOKEN": keep_secret(
                secrets_folder / "simulator_auth_token", lambda: secrets.token_hex(16)
            ),
            "TWILIO_API_URL": simulator_url,
            "PUBLIC_ORIGIN": web_origin,
            "MEDIA_ORIGIN": media_origin,
        }
    elif not has(given, "PUBLIC_ORIGIN"):
        added |= {"PUBLIC_ORIGIN": web_origin, "MEDIA_ORIGIN": media_origin}
    if is_all_simulated(given) and not has(given, "VAPI_API_KEY") and not has(given, "VAPI_API_URL"):
        added |= {"VAPI_API_KEY": "simulator", "VAPI_API_URL": f"{simulator_url}/vapi"}
    if needs_simulator(given):
        added["SIMULATOR_URL"] = simulator_url
    return added


def needs_simulator(given: Mapping[str, str]) -> bool:
    """Whether at least one party has to be played."""
    return not (has(given, "OPENAI_API_KEY") and has(given, "TWILIO_AUTH_TOKEN"))


def is_all_simulated(given: Mapping[str, str]) -> bool:
    """Whether no party is real, so that a call costs nothing."""
    return not has(given, "OPENAI_API_KEY") and not has(given, "TWILIO_AUTH_TOKEN")


def has(environ: Mapping[str, str], name: str) -> bool:
    """Whether a variable is given, as a value or as a file."""
    return bool(environ.get(name) or environ.get(f"{name}_FILE"))


def _metrics_beside(port: int, ports: Ports) -> dict[str, str]:
    """The first port above that no server here listens on; nothing where there is none."""
    taken = (ports.web, ports.media, ports.simulator)
    free = next((one for one in range(port + 1, 65536) if one not in taken), None)
    return {} if free is None else {"METRICS_PORT": str(free)}


def _worker(node: str, queues: str) -> list[str]:
    return [
        *_python("celery"),
        *("-A", "config", "worker", "-P", "threads", "--concurrency", "16", "-Q", queues, "-n", node),
        *("--without-gossip", "--without-mingle"),
    ]


def _python(module: str) -> list[str]:
    # Not the scripts beside Python: they hold the path of the folder in which they were installed.
    return [sys.executable, "-m", module]
