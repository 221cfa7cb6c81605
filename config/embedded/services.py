"""Both services together: one call to have them, one to leave them."""

import atexit
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from config.embedded.errors import EmbeddedError
from config.embedded.place import Place, find_place
from config.embedded.postgres import postgres_ensure, postgres_process, postgres_stop, postgres_url
from config.embedded.users import changing, enter, is_last
from config.embedded.valkey import valkey_ensure, valkey_process, valkey_stop


@dataclass(frozen=True, slots=True)
class Services:
    """Where the services are. `data` is said to the user where it lies outside var/."""

    database_url: str
    redis_url: str
    data: Path


@dataclass(slots=True)
class _Use:
    place: Place
    services: Services
    handle: int
    pid: int


_uses: dict[Path, _Use] = {}


def ensure(var: Path, *, disposable: bool = False) -> Services:
    """Running services of the project whose var folder this is, until this process ends or calls `leave`.

    Raises EmbeddedError, with what to do, where they cannot be had.
    """
    use = _uses.get(var)
    if use and use.pid == os.getpid():
        return use.services
    try:
        with changing(var):
            place = find_place(var)
            handle = enter(var)
            try:
                postgres_ensure(place, disposable=disposable)
                redis_url = valkey_ensure(place, disposable=disposable)
            except BaseException:
                if is_last(handle):
                    _stop(place)
                os.close(handle)
                raise
    except OSError as exc:
        raise EmbeddedError(f"The private services cannot be started: {exc}.") from exc
    services = Services(postgres_url(place), redis_url, place.data)
    _uses[var] = _Use(place, services, handle, os.getpid())
    atexit.register(leave, var)
    return services


def leave(var: Path) -> None:
    """Stop using the services; whoever leaves last stops them. Safe to call twice, and in a forked child."""
    use = _uses.pop(var, None)
    if use is None or use.pid != os.getpid():
        return
    with changing(var):
        if is_last(use.handle):
            _stop(use.place)
        os.close(use.handle)


def missing(var: Path) -> list[str]:
    """The services that this process uses and that have ended by themselves, by name."""
    use = _uses.get(var)
    if use is None:
        return []
    running = {"PostgreSQL": postgres_process(use.place), "Valkey": valkey_process(use.place)}
    return [name for name, process in running.items() if process is None]


def wipe(var: Path) -> None:
    """Delete all data of the services. Raises EmbeddedError while another process uses them."""
    with changing(var):
        place = find_place(var)
        handle = enter(var)
        try:
            if not is_last(handle):
                raise EmbeddedError("Other commands are using the data right now; end them first.")
            _stop(place)
            for folder in (place.data, place.sockets, place.short):
                shutil.rmtree(folder, ignore_errors=True)
        finally:
            os.close(handle)


def _stop(place: Place) -> None:
    valkey_stop(place)
    postgres_stop(place)
