"""Who has ordered something of a call, as it travels with the order. Pure."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from calls.models import LiveOrder

_LONGEST: Final = 150


def order_id_new() -> str:
    """The id of a new order."""
    return f"order_{uuid.uuid4().hex[:20]}"


@dataclass(frozen=True, slots=True)
class By:
    """A user or a key by its id, or nobody who could be named."""

    kind: LiveOrder.By
    label: str
    user_id: int | None = None
    key_id: str = ""

    def to_json(self) -> dict[str, Any]:
        """As JSON-ready values."""
        return {
            "kind": self.kind.value,
            "label": self.label,
            "user_id": self.user_id,
            "key_id": self.key_id,
        }

    @classmethod
    def from_json(cls, stored: object) -> "By":
        """Whoever stands in a message; Tandem itself where nobody does."""
        if not isinstance(stored, Mapping) or stored.get("kind") not in LiveOrder.By.values:
            return TANDEM
        user_id = stored.get("user_id")
        return cls(
            LiveOrder.By(stored["kind"]),
            str(stored.get("label") or "")[:_LONGEST],
            user_id if isinstance(user_id, int) else None,
            str(stored.get("key_id") or ""),
        )


TANDEM: Final = By(LiveOrder.By.TANDEM, "Tandem")
CLIENT: Final = By(LiveOrder.By.ADDRESS, "The call's own client")
ADDRESS: Final = By(LiveOrder.By.ADDRESS, "The call's own address")
