"""`python -m config.probe URL`: exit status 0 when the URL answers 200, for health checks of images without curl."""

import http.client
import sys
from urllib.parse import urlsplit

TIMEOUT_S = 4


def probe(url: str) -> bool:
    """Whether the URL answers 200 in time."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "127.0.0.1", parts.port, timeout=TIMEOUT_S)
    try:
        connection.request("GET", parts.path or "/")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


if __name__ == "__main__":
    sys.exit(0 if probe(sys.argv[1]) else 1)
