"""What OpenAI will be told, for pages of apps that know nothing of calls."""

import json

from django import template

from assistants.models import Assistant
from calls.told import draft_session_update

register = template.Library()


@register.simple_tag
def session_told(assistant: Assistant) -> str:
    """The session of the draft as indented JSON, or why there is none."""
    try:
        return json.dumps(draft_session_update(assistant), indent=2, ensure_ascii=False)
    except ValueError as exc:
        return f"No session can be made of it: {exc}."
