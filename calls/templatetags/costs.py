"""Amounts of money in templates."""

from decimal import Decimal

from django import template

register = template.Library()


@register.filter
def usd(amount: Decimal | None, places: int = 4) -> str:
    """$0.0748, or a dash where it is not known."""
    if amount is None:
        return "-"
    sign = "-" if amount < 0 else ""
    return f"{sign}${abs(amount):,.{places}f}"
