"""Customers' Liquid templates: filled in as LiquidJS would, bounded, and never raising."""

from tools.liquid.rendering import (
    LONGEST_TEXT,
    Rendered,
    Use,
    render,
    template_mistake,
    template_problems,
    template_variables,
    variable_uses,
)

__all__ = [
    "LONGEST_TEXT",
    "Rendered",
    "Use",
    "render",
    "template_mistake",
    "template_problems",
    "template_variables",
    "variable_uses",
]
