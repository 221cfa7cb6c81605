from collections.abc import Iterator

import pytest

from calls.lasting import outbox, waiting


@pytest.fixture(scope="module")
def no_pauses() -> Iterator[None]:
    """Outboxes that try again at once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(outbox, "FIRST_PAUSE_S", 0.001)
        patch.setattr(outbox, "LONGEST_PAUSE_S", 0.002)
        patch.setattr(outbox, "ADOPT_EVERY_S", 0.05)
        patch.setattr(waiting, "GATHER_S", 0.001)
        patch.setattr(outbox, "RECEIPTS_EVERY_S", 0.002)
        patch.setattr(outbox, "LAST_RECEIPTS_S", 0.2)
        yield
