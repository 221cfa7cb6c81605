"""With xdist: tests that share something expensive go to one worker. A plugin, loaded by `-p` or a conftest.

xdist's own `--dist loadgroup` hangs the group on to the test's id, which pytest 9 does not let it change any more.
"""

from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]

# The first that fits counts. Two groups of whole calls, each with processes of its own, take half the time of one.
GROUPS = {
    "tests/integration/test_mcp.py": "telephone and tools",
    "tests/integration/test_telephone_tools.py": "telephone and tools",
    "tests/integration/test_transfers.py": "telephone and tools",
    "tests/integration/": "whole calls",
}


class OneWorkerScheduling(LoadScopeScheduling):  # type: ignore[misc]  # its base is untyped
    """Each test for itself, apart from those of the groups above."""

    def _split_scope(self, nodeid: str) -> str:
        return next((group for place, group in GROUPS.items() if nodeid.startswith(place)), nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> OneWorkerScheduling | None:
    """Our scheduler, unless another one is asked for by name."""
    return OneWorkerScheduling(config, log) if config.getoption("dist") == "load" else None
