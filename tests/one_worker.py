"""With xdist: the tests of a folder that share something expensive go to one worker. A plugin, loaded by `-p` or a conftest.

xdist's own `--dist loadgroup` hangs the group on to the test's id, which pytest 9 does not let it change any more.
"""

from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]

FOLDERS = ("tests/integration/",)


class OneWorkerScheduling(LoadScopeScheduling):  # type: ignore[misc]  # its base is untyped
    """Each test for itself, apart from those of the folders above."""

    def _split_scope(self, nodeid: str) -> str:
        return next((folder for folder in FOLDERS if nodeid.startswith(folder)), nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> OneWorkerScheduling | None:
    """Our scheduler, unless another one is asked for by name."""
    return OneWorkerScheduling(config, log) if config.getoption("dist") == "load" else None
