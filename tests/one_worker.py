"""With xdist: the tests of a folder that share something expensive go to one worker. A plugin, loaded by `-p` or a conftest.

xdist's own `--dist loadgroup` hangs the group on to the test's id, which pytest 9 does not let it change any more.
"""

import re
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]

# Each of these folders gets a running stack of its own, and waits for speech more than it works.
FOLDER = re.compile(r"tests/integration/\w+/")


class OneWorkerScheduling(LoadScopeScheduling):  # type: ignore[misc]  # its base is untyped
    """Each test for itself, apart from those of the folders above."""

    def _split_scope(self, nodeid: str) -> str:
        folder = FOLDER.match(nodeid)
        return folder[0] if folder else nodeid


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> OneWorkerScheduling | None:
    """Our scheduler, unless another one is asked for by name."""
    return OneWorkerScheduling(config, log) if config.getoption("dist") == "load" else None
