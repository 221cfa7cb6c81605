"""Who answers a number, as a cell of a list: a link, and what keeps them from it."""

from django.utils.html import format_html
from django.utils.safestring import SafeString

from calls.models import PhoneNumber
from tools.adminkit import badge, clipped, object_link


def answerer_shown(number: PhoneNumber, *, nobody: str, longest: int = 80) -> SafeString | str:
    """The assistant or the squad that is to answer, its name clipped, with a badge where it cannot. Reads the squad's members."""
    squad, assistant = number.squad, number.assistant
    if squad is not None:
        link = object_link("assistants_squad", squad.pk, f"{clipped(squad.name, longest)} (squad)")
        first = next(iter(squad.squadmember_set.all()), None)
        if first is None:
            return format_html("{} {}", link, badge("No members", "warn"))
        assistant = first.assistant
    elif assistant is None:
        return badge(nobody, "warn")
    else:
        link = object_link("assistants_assistant", assistant.pk, clipped(assistant.name, longest))
    if assistant.live_version_id is None:
        return format_html("{} {}", link, badge("Never published", "warn"))
    return link if assistant.enabled else format_html("{} {}", link, badge("Switched off", "warn"))
