"""Ports on this machine."""

import socket

HOST = "127.0.0.1"


class NoPortError(Exception):
    """No free port was found near the one that was asked for."""


def is_free(port: int) -> bool:
    """Whether a server could listen on this port of the loopback address now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
            probe.listen(1)
        except OSError:
            return False
    return True


def next_free(first: int, *, attempts: int = 200) -> int:
    """The first free port from this one on. Raises NoPortError after so many attempts."""
    for port in range(first, min(first + attempts, 65536)):
        if is_free(port):
            return port
    raise NoPortError(
        f"None of the ports {first} to {first + attempts - 1} is free. Choose another one with --port."
    )
