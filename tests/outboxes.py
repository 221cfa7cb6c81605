"""The outbox of a process that runs tests: one for each test that needs one."""

import shutil

from django.conf import settings

from calls.lasting import outbox
from calls.recorder import process_outbox


def end_of_this_process() -> None:
    """End this process's outbox, if it has one, and forget what nobody has done. No worker would ever give it receipts."""
    if not process_outbox.cache_info().currsize:
        return
    ending = process_outbox()
    process_outbox.cache_clear()
    wait_s, outbox.LAST_RECEIPTS_S = outbox.LAST_RECEIPTS_S, 0.0
    try:
        ending.close()
    finally:
        outbox.LAST_RECEIPTS_S = wait_s
    shutil.rmtree(settings.SPOOL_DIR, ignore_errors=True)
