"""Starts everything in order, watches it, and takes it down in order."""

import fcntl
import os
import subprocess
import sys
from argparse import Namespace
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NoReturn, TextIO

from config.celery import app as celery_app
from config.embedded import EmbeddedError, leave, missing, wipe
from config.embedded.logs import open_log, tail
from config.local_environment import (
    BASE_DIR,
    VAR_DIR,
    LocalEnvironmentError,
    fill,
    publish_environment,
    read_env_file,
    running_environment,
    running_supervisor,
    services_are_named,
    use_private_services,
    withdraw_environment,
)
from config.origins import host_is_private, origin_host
from config.run import roles
from config.run.children import Child, run, start, stop_all
from config.run.console import BOLD, DIM, RED, YELLOW, Console
from config.run.ports import NoPortError, next_free
from config.run.ready import http_ready, worker_ready
from config.run.stopping import Stopping, StopRequestedError

READY_TIMEOUT_S = 60.0
SERVICES_CHECK_S = 1.0
UNKNOWN_COMMAND = "Unknown command"
LOG_DIR = VAR_DIR / "log"


class RunError(Exception):
    """Something went wrong; the text says what and, where we know, what to do."""


class Supervisor:
    """One bin/run from start to end."""

    def __init__(self, options: Namespace) -> None:
        self._options = options
        self._console = Console()
        self._stopping = Stopping(self._console)
        self._children: list[Child] = []
        self._commands: list[subprocess.Popen[bytes]] = []
        self._environment: dict[str, str] = {}
        self._lock: TextIO | None = None

    def main(self) -> int:
        """Run until told to stop, or until something breaks. Returns the exit status."""
        self._stopping.listen()
        status = 0
        try:
            status = self._run()
        except StopRequestedError as request:
            # Ctrl-C and SIGTERM are how one ends it, so they are a success unless a call was to be made.
            status = request.status if self._options.once else 0
        except (RunError, EmbeddedError, LocalEnvironmentError, NoPortError, OSError) as exc:
            self._console.say()
            self._console.say(self._console.paint(str(exc), RED))
            status = 1
        finally:
            self._stop()
        return status

    def _run(self) -> int:
        options, say = self._options, self._console.say
        self._be_the_only_one()
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.local")
        fill(os.environ, read_env_file(BASE_DIR / ".env"))
        given = dict(os.environ)
        say(self._console.paint("Tandem", BOLD))
        self._start_services()
        ports = self._choose_ports()
        added = roles.environment_for(given, ports, VAR_DIR / "secrets")
        self._environment = {**given, "PYTHONUNBUFFERED": "1", **_without_proxy(given), **added}
        for name in ("DATABASE_URL", "REDIS_URL"):
            if name in os.environ:
                self._environment[name] = os.environ[name]
        os.environ.update(self._environment)
        published = {name: value for name, value in self._environment.items() if given.get(name) != value}
        publish_environment(
            VAR_DIR, published, needed=[name for name in ("DATABASE_URL", "REDIS_URL") if name in given]
        )

        self._command("Database tables", "migrate", "--noinput")
        self._command("Demo assistant and number", "seed_demo", may_be_absent=True)
        self._command("Admin account", "ensure_admin", may_be_absent=True, show=True)
        self._start_roles(given, ports)
        call_status = self._take_call(given)
        if options.once:
            return call_status
        self._say_addresses(given, ports)
        return self._watch()

    # --- Starting --------------------------------------------------------------------------------------------

    def _be_the_only_one(self) -> None:
        (VAR_DIR / "run").mkdir(parents=True, exist_ok=True)
        self._lock = (VAR_DIR / "run" / "supervisor.lock").open("a")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._lock.close()
            self._lock = None
            other = running_supervisor(VAR_DIR)
            where = running_environment(VAR_DIR, strict=False).get("WEB_ORIGIN", "") if other else ""
            raise RunError(
                "Tandem is running here already"
                + (
                    f": {where}/admin/ (process {other.pid})."
                    if other and where
                    else ", or just starting or stopping."
                )
                + " End that one first, with Ctrl-C where it runs"
                + (f" or with `kill {other.pid}`." if other else ".")
            ) from None

    def _start_services(self) -> None:
        say = self._console.say
        if services_are_named(os.environ):
            if self._options.fresh:
                raise RunError(
                    "--fresh deletes only the private services' data; DATABASE_URL and REDIS_URL are set."
                )
            say("  Using the PostgreSQL and the Redis of DATABASE_URL and REDIS_URL")
            return
        if self._options.fresh:
            self._wipe()
        with self._console.step("PostgreSQL and Valkey") as remarks:
            data = use_private_services()
            if not data.is_relative_to(VAR_DIR):
                remarks.append(
                    f"Their data is in {data}, because they do not run as root and cannot enter var/"
                )
        self._stopping.check()

    def _wipe(self) -> None:
        if sys.stdin.isatty():
            self._console.say("This deletes every call, transcript and assistant that is kept here.")
            try:
                answer = input("Delete them? Type yes: ")
            except EOFError:
                answer = ""
            self._stopping.check()
            if answer.strip().lower() not in ("y", "yes"):
                raise RunError("Nothing was deleted.")
        with self._console.step("Deleting the data of earlier runs"):
            wipe(VAR_DIR)

    def _choose_ports(self) -> roles.Ports:
        wanted = int(self._options.port)
        web = next_free(wanted)
        media = next_free(web + 1)
        simulator = next_free(media + 1)
        if web != wanted:
            note = f"Port {wanted} is taken by another program, so web takes {web}"
            self._console.say(f"  {self._console.paint(note, YELLOW)}")
        return roles.Ports(web, media, simulator)

    def _command(self, title: str, *arguments: str, may_be_absent: bool = False, show: bool = False) -> None:
        """Run a management command, silently unless `show`. Raises RunError with the end of its output."""
        log_path = LOG_DIR / f"{arguments[0]}.log"
        with self._console.step(title) as remarks:
            with open_log(log_path) as log:
                begin = log.tell()
                status = self._finish(
                    run(
                        roles.manage(*arguments),
                        cwd=BASE_DIR,
                        environment=self._environment,
                        output=log.fileno(),
                    )
                )
            output = tail(log_path, lines=200, since=begin)
            if status and may_be_absent and UNKNOWN_COMMAND in output:
                remarks.append(f"skipped: there is no command {arguments[0]}")
                return
            if status:
                lines = "\n".join(output.splitlines()[-15:])
                raise RunError(
                    f"`manage.py {arguments[0]}` failed (status {status}). The end of {_short(log_path)}:\n{lines}"
                )
            if show:
                remarks.extend(output.splitlines())
                log_path.unlink()  # it may hold a password

    def _finish(self, process: subprocess.Popen[bytes]) -> int:
        """The exit status of a short command. When we are asked to stop it is ended."""
        self._commands.append(process)
        self._stopping.wait_until(lambda: process.poll() is not None, float("inf"))
        self._commands.remove(process)
        return process.returncode

    def _start_roles(self, given: dict[str, str], ports: roles.Ports) -> None:
        node, tools_node = (f"{name}-{os.getpid()}@tandem" for name in ("worker", "tools"))
        rest = roles.worker(node, VAR_DIR / "run" / "beat", queues=roles.ALL_BUT_TOOLS)
        plan: list[tuple[str, roles.Role, Callable[[], bool]]] = [
            ("Web", roles.web(ports), http_ready(ports.web, "/readyz")),
            ("Media", roles.media(ports), http_ready(ports.media, "/readyz")),
            ("Worker", rest, worker_ready(celery_app, node)),
            (
                "Worker for tool calls",
                roles.tools_worker(tools_node, self._environment, ports),
                worker_ready(celery_app, tools_node),
            ),
        ]
        if roles.needs_simulator(given):
            plan.append(("Simulator", roles.simulator(ports), http_ready(ports.simulator, "/healthz")))
        for _, role, _ in plan:
            self._children.append(
                start(
                    role.name,
                    role.command,
                    cwd=BASE_DIR,
                    environment={**self._environment, **role.environment},
                    log_path=LOG_DIR / role.log,
                    grace_s=role.grace_s,
                    show=self._warn,
                )
            )
        for title, role, is_ready in plan:
            with self._console.step(title):
                self._wait_ready(role, is_ready)

    def _wait_ready(self, role: roles.Role, is_ready: Callable[[], bool]) -> None:
        def ready_or_broken() -> bool:
            self._raise_if_one_died()
            return is_ready()

        if not self._stopping.wait_until(ready_or_broken, READY_TIMEOUT_S):
            child = next(child for child in self._children if child.name == role.name)
            raise RunError(f"{role.name} was not ready after {READY_TIMEOUT_S:.0f} s.\n{_last_words(child)}")

    # --- Running ---------------------------------------------------------------------------------------------

    def _take_call(self, given: dict[str, str]) -> int:
        """Take a simulated call and let its output through. Returns its exit status."""
        if not self._options.call:
            return 0
        if not roles.is_all_simulated(given):
            if self._options.once:
                raise RunError(
                    "--once takes a simulated call, and with real keys a call is not simulated. Unset them."
                )
            return 0
        self._console.say()
        self._console.say(self._console.paint("A simulated call", BOLD))
        process = run(
            roles.manage("simulate_call", "--wait"), cwd=BASE_DIR, environment=self._environment, output=None
        )
        self._commands.append(process)

        def ended() -> bool:
            self._raise_if_one_died()
            return process.poll() is not None

        self._stopping.wait_until(ended, float("inf"))
        self._commands.remove(process)
        if process.returncode:
            self._console.say(self._console.paint(f"The call failed (status {process.returncode}).", RED))
        return int(process.returncode)

    def _say_addresses(self, given: dict[str, str], ports: roles.Ports) -> None:
        say, paint = self._console.say, self._console.paint
        web = f"http://127.0.0.1:{ports.web}"
        say()
        say(paint("Tandem is running", BOLD))
        say(f"  Admin      {web}/admin/")
        say(f"  Web        {web}  (webhooks and API)")
        say(f"  Media      ws://127.0.0.1:{ports.media}")
        if roles.needs_simulator(given):
            say(f"  Simulator  http://127.0.0.1:{ports.simulator}")
        say(f"  Logs       {LOG_DIR.relative_to(BASE_DIR)}/")
        if roles.has(given, "TWILIO_AUTH_TOKEN"):
            self._say_how_twilio_reaches_us(given, ports)
        say()
        say(
            f"{paint('Ctrl-C stops everything.', BOLD)} {paint('Data stays; bin/run --fresh starts over.', DIM)}"
        )

    def _say_how_twilio_reaches_us(self, given: dict[str, str], ports: roles.Ports) -> None:
        origin = given.get("PUBLIC_ORIGIN", "")
        if origin and not host_is_private(origin_host(origin)):
            self._console.say(f"  Public     {origin}")
            return
        self._console.say()
        self._console.say(
            self._console.paint("Twilio cannot reach this machine yet.", YELLOW) + " To change that:"
        )
        self._console.say(f"  1. in another terminal:  ngrok http {ports.web}")
        self._console.say("  2. stop this, and start it with the address that ngrok shows:")
        self._console.say("     PUBLIC_ORIGIN=https://….ngrok.app bin/run")

    def _watch(self) -> NoReturn:
        while True:
            self._stopping.wait_until(self._raise_if_one_died, SERVICES_CHECK_S)
            if gone := missing(VAR_DIR):
                log_path = LOG_DIR / f"{gone[0].lower().replace('postgresql', 'postgres')}.log"
                raise RunError(
                    f"{gone[0]} ended by itself.\nThe end of {_short(log_path)}:\n{tail(log_path)}"
                )

    def _raise_if_one_died(self) -> bool:
        for child in self._children:
            if child.has_ended():
                raise RunError(f"{child.name} ended by itself (status {child.status}).\n{_last_words(child)}")
        return False

    def _warn(self, text: str) -> None:
        self._console.say(f"  {self._console.paint(text, YELLOW)}")

    # --- Stopping --------------------------------------------------------------------------------------------

    def _stop(self) -> None:
        if self._lock is None:
            return
        hurry = self._stopping.in_a_hurry
        if self._children:
            self._console.say()
        for process in self._commands:
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(0 if hurry() else 3)
            if process.poll() is None:
                os.killpg(process.pid, 9)
                process.wait()
        if self._children:
            with self._console.step("Stopping"):
                by_name = {child.name: child for child in self._children}
                # Those who take work first, those who do it next, and last whoever they talk to.
                for names in (("web", "media"), ("worker", "worker-tools"), ("simulator",)):
                    stop_all([by_name[name] for name in names if name in by_name], hurry=hurry)
                self._leave_services()
        else:
            self._leave_services()
        withdraw_environment(VAR_DIR)
        self._lock.close()

    def _leave_services(self) -> None:
        try:
            leave(VAR_DIR)
        except (EmbeddedError, OSError) as exc:
            self._console.say(str(exc))


def _last_words(child: Child) -> str:
    lines = "\n".join(f"  {line}" for line in child.last_lines)
    return f"Its last words ({_short(child.log_path)}):\n{lines or '  (none)'}"


def _short(path: Path) -> str:
    return str(path.relative_to(BASE_DIR)) if path.is_relative_to(BASE_DIR) else str(path)


def _without_proxy(given: dict[str, str]) -> dict[str, str]:
    """Variables that keep calls to this machine away from a proxy."""
    listed = given.get("NO_PROXY") or given.get("no_proxy") or ""
    value = ",".join(filter(None, [listed, "127.0.0.1", "localhost"]))
    return {"NO_PROXY": value, "no_proxy": value}
