"""What OpenAI is told when a call begins: the very first ``session.update``."""

from typing import Any

from assistants.models import Assistant
from assistants.snapshots import Snapshot, snapshot_take
from calls.bridge.plan import session_payload
from calls.plans import plan_from_snapshot


def session_update(snapshot: Snapshot) -> dict[str, Any]:
    """The event that a call on this snapshot begins with. Raises ValueError where no session can be made of it."""
    plan = plan_from_snapshot(snapshot)
    return {"type": "session.update", "session": session_payload(plan, floor_open=not plan.protects_greeting)}


def draft_session_update(assistant: Assistant) -> dict[str, Any]:
    """The event that a call would begin with if the draft were published now. Raises ValueError as above."""
    return session_update(snapshot_take(assistant))
