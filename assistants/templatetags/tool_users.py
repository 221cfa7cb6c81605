"""Whom a change of a tool reaches, for pages of the app below that knows no assistants."""

from django import template

from assistants import tool_users as users
from assistants.tool_users import ToolUser
from tools.models import Tool

register = template.Library()


@register.simple_tag
def tool_users(tool: Tool) -> list[ToolUser]:
    """The assistants that offer the tool, in their drafts or to callers."""
    return users.tool_users(tool)
