"""The names of what is imported: no two assistants, and no two squads, have the same."""

from typing import Final

from django.db import models

from assistants.vapi.drafts import Finding, Verdict

_NAME_MAX: Final = 80


def name_free(row: models.Model, wished: str) -> tuple[str, list[Finding]]:
    """The wished name, or one like it that no other row has, and then a decision that says so."""
    model = type(row)
    what = model._meta.verbose_name
    wished = wished.strip()[:_NAME_MAX].strip() or f"Unnamed {what}"
    others = model._default_manager.exclude(pk=row.pk)
    if not others.filter(name=wished).exists():
        return wished, []
    start = wished[: _NAME_MAX - 12].strip()
    taken = set(others.filter(name__startswith=start).values_list("name", flat=True))
    endings = ["(Vapi)", *(f"(Vapi {number})" for number in range(2, len(taken) + 3))]
    free = next(name for name in (f"{start} {ending}" for ending in endings) if name not in taken)
    reason = (
        f"Another {what} here is called {wished} already, so this one is called {free}. "
        "If both are the same, keep one of them; else give one of them a better name."
    )
    found = Finding(
        "name", Verdict.DECISION, wished, field="name", ours=free, reason=reason, code="name_taken"
    )
    return free, [found]
