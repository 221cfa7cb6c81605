"""Tools as they are frozen when their assistant is published."""

from typing import Any

import pytest

from tools.models import Tool
from tools.snapshots import tool_snapshot_take


@pytest.mark.parametrize("stored", [None, 7, "text", [], {}, [1, None, "x"], {"a": 1}])
def test_columns_of_any_json_freeze_into_what_a_call_can_read(stored: Any) -> None:
    tool = Tool(
        name="find",
        backoff_plan=stored,
        static_parameters=stored,
        messages=stored,
        variable_extraction=stored,
        rejection_plan=stored,
        settings=stored,
    )

    frozen = tool_snapshot_take(tool, server_url="", backoff_plan={})

    assert all(isinstance(entry, dict) for entry in frozen.static_parameters + frozen.messages)
    plans = (frozen.backoff_plan, frozen.variable_extraction, frozen.rejection_plan, frozen.settings)
    assert all(isinstance(plan, dict) for plan in plans)
