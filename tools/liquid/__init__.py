"""Customers' Liquid templates: filled in as LiquidJS would, bounded, and never raising."""

from tools.liquid.problems import template_mistake, template_problems
from tools.liquid.rendering import LONGEST_TEXT, Rendered, render
from tools.liquid.uses import Use, template_variables, variable_uses

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
