"""Previews: what a move would write, worked out once and kept, so that exactly what was shown is what is done.

Nothing of it comes back from the browser but the preview's own id: what a number was like when it was shown stands here.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from calls.cutover.batches import batch_create
from calls.cutover.gates import TITLES, Gate, gates_for
from calls.cutover.intention import TO_US
from calls.cutover.rest import Twilio, TwilioRest
from calls.cutover.selectors import Plan, cutover_plan, kind_of, numbers_listed
from calls.models import (
    CutoverBatch,
    CutoverOperation,
    CutoverPreview,
    CutoverPreviewItem,
    NumberSnapshot,
    PhoneNumber,
)
from tools.jsontext import text_clean

Kind = CutoverOperation.Kind

# So many numbers are fetched from Twilio for a preview; of more, what the watch saw within the last minute is shown.
FRESH_AT_MOST: Final = 10
# So long a preview may be acted on. A number that was changed meanwhile is refused in any case.
LASTS: Final = timedelta(hours=12)
_HEAVY: Final = ("assistant__instructions", "assistant__server_secret", "assistant__server_headers")


class PreviewError(Exception):
    """What was asked for cannot be shown, or not be begun. The text is for people."""


@dataclass(frozen=True, slots=True)
class Counts:
    """What a preview comes to: numbers that would be changed at Twilio, that need no change there, that cannot be moved."""

    total: int
    writes: int
    quiet: int
    barred: int


def preview_make(
    numbers: QuerySet[PhoneNumber],
    *,
    kind: str,
    user: User,
    percent: int = 100,
    target: NumberSnapshot | None = None,
    twilio: Twilio | None = None,
) -> CutoverPreview:
    """A preview of that move for these numbers. Raises PreviewError."""
    kind, percent = _checked(kind, percent)
    listed = list(numbers.defer(*_HEAVY))
    if not listed:
        raise PreviewError("Choose at least one number.")
    fresh = len(listed) <= FRESH_AT_MOST
    plans = _plans(listed, kind=kind, percent=percent, target=target, fresh=fresh, twilio=twilio)
    with transaction.atomic():
        CutoverPreview.objects.filter(created_at__lt=timezone.now() - LASTS).delete()
        preview = CutoverPreview.objects.create(
            user=user, kind=kind, percent=percent, target=target, fresh=fresh
        )
        _keep(preview, plans)
    return preview


def preview_turn(
    preview: CutoverPreview, *, kind: str, percent: int, twilio: Twilio | None = None
) -> CutoverPreview:
    """Another preview, of the same numbers, for another move. Raises PreviewError."""
    return preview_make(
        numbers_of(preview),
        kind=kind,
        percent=percent,
        user=preview.user,
        target=preview.target,
        twilio=twilio,
    )


def numbers_of(preview: CutoverPreview) -> QuerySet[PhoneNumber]:
    """The numbers of a preview, in the order of their digits."""
    return numbers_listed().filter(pk__in=preview.items.values("number"))


def _checked(kind: str, percent: int) -> tuple[str, int]:
    if kind not in Kind.values:
        raise PreviewError("There is no such move.")
    if kind == Kind.CANARY and not 1 <= percent <= 100:
        raise PreviewError("The share of a canary is between 1 and 100 percent.")
    return kind_of(kind, percent)


def _plans(
    numbers: Sequence[PhoneNumber],
    *,
    kind: str,
    percent: int,
    target: NumberSnapshot | None,
    fresh: bool,
    twilio: Twilio | None,
) -> list[Plan]:
    twilio = (twilio or TwilioRest()) if fresh else None
    return [
        cutover_plan(number, kind=kind, percent=percent, target=target, fresh=fresh, twilio=twilio)
        for number in numbers
    ]


def _keep(preview: CutoverPreview, plans: Iterable[Plan]) -> None:
    CutoverPreviewItem.objects.bulk_create(
        (
            CutoverPreviewItem(
                preview=preview,
                number=plan.number,
                position=position,
                seen=dict(plan.seen),
                possible=plan.possible,
                writes=plan.writes,
                told={
                    "from_state": plan.number.state,
                    "from_percent": plan.number.canary_percent,
                    "to_state": plan.to_state,
                    "changes": [change.as_json() for change in plan.changes],
                    "obstacles": list(plan.obstacles),
                    "warnings": list(plan.warnings),
                    "notes": list(plan.notes),
                },
            )
            for position, plan in enumerate(plans)
        ),
        batch_size=500,
    )


def preview_counts(preview: CutoverPreview) -> Counts:
    """How many numbers would be changed, and how many cannot be moved."""
    flags = list(preview.items.values_list("possible", "writes"))
    barred = sum(not possible for possible, _ in flags)
    writes = sum(possible and writing for possible, writing in flags)
    return Counts(len(flags), writes, len(flags) - barred - writes, barred)


def gates_of(preview: CutoverPreview, numbers: Iterable[PhoneNumber]) -> dict[Any, list[Gate]]:
    """The gates of these numbers, by their ids; none where callers are brought back, which no gate stops."""
    if preview.kind not in TO_US:
        return {}
    return {number.pk: gates_for(number) for number in numbers}


def preview_begin(
    preview: CutoverPreview, *, reason: str, overrides: Sequence[Mapping[str, str]], user: User
) -> tuple[CutoverBatch, bool]:
    """Begin what was shown, and whether this was the first time: pressed twice, it is still begun once.

    Numbers that cannot be moved stay out. Raises PreviewError.
    """
    if not reason.strip():
        raise PreviewError("Say why: the reason stands in the history of each number for good.")
    for one in overrides:
        if one.get("gate") not in TITLES:
            raise PreviewError(f"There is no gate “{one.get('gate')}”.")
        if not one.get("reason", "").strip():
            raise PreviewError(f"Say why the gate “{TITLES[one['gate']]}” is overridden.")
    with transaction.atomic():
        held = CutoverPreview.objects.select_for_update(of=("self",)).get(pk=preview.pk)
        if held.batch_id is not None:
            return CutoverBatch.objects.get(pk=held.batch_id), False
        items = list(held.items.filter(possible=True).select_related("number").order_by("position"))
        if not items:
            raise PreviewError("None of these numbers can be moved. What is in the way stands below each.")
        held.batch = batch_create(
            kind=held.kind,
            numbers=[item.number for item in items],
            seen={item.number_id: item.seen for item in items},
            reason=text_clean(reason.strip()),
            percent=held.percent,
            overrides=[
                {"gate": one["gate"], "reason": text_clean(one["reason"].strip())} for one in overrides
            ],
            target=held.target,
            actor=user,
        )
        held.save(update_fields=["batch"])
    return held.batch, True
