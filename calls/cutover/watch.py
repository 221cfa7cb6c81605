"""The watch: every minute each number is compared with what it should be. What somebody else has set is shown, and
overwritten at most once per cutover, where the number says so."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from django.utils import timezone

from calls.cutover.history import WATCH, Who
from calls.cutover.looking import is_with_us
from calls.cutover.rest import Twilio, TwilioRest
from calls.cutover.services import Outcome, cutover_apply
from calls.cutover.syncing import Round, numbers_round
from calls.models import CutoverOperation, PhoneNumber

Kind = CutoverOperation.Kind
State = PhoneNumber.State


@dataclass(frozen=True, slots=True)
class Verified:
    """What one round of the watch found, and what became of the numbers that it put back."""

    round: Round
    fought: tuple[Outcome, ...] = field(default=())


def numbers_verify(*, twilio: Twilio | None = None, pause: Callable[[float], None] = time.sleep) -> Verified:
    """Compare all numbers with what they should be, and put ours back where that is wanted and was not done before."""
    twilio = twilio or TwilioRest()
    found = numbers_round(twilio, actor=Who(WATCH), adds=None)
    changed = PhoneNumber.objects.filter(
        state=State.CHANGED, fight_once=True, fought_at__isnull=True, missing_at__isnull=True
    ).select_related("assistant", "squad", "snapshot")
    fought = [outcome for number in changed if (outcome := _fight(number, twilio, pause)) is not None]
    return Verified(found, tuple(fought))


def _fight(number: PhoneNumber, twilio: Twilio, pause: Callable[[float], None]) -> Outcome | None:
    """Put ours back, once: the database decides between two watches. None where there is nothing of ours to put back."""
    if not is_with_us(number):
        return None
    once = PhoneNumber.objects.filter(pk=number.pk, state=State.CHANGED, fought_at__isnull=True)
    if not once.update(fought_at=timezone.now()):
        return None
    canary = number.state_before_change == State.CANARY
    return cutover_apply(
        number,
        kind=Kind.CANARY if canary else Kind.CUTOVER,
        percent=number.canary_percent if canary else 100,
        reason="Somebody changed the number at Twilio. Put back once, as the number's own setting says.",
        actor_label=WATCH,
        check_gates=False,
        twilio=twilio,
        pause=pause,
    )
