"""Writing assistants: publishing a draft as an immutable version."""

import re
from collections import Counter

from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db import transaction

from assistants.models import Assistant, AssistantVersion
from assistants.snapshots import Snapshot, snapshot_take
from tools.models import TOOL_NAME_PATTERN, Tool
from tools.parameters import parameters_problems


def assistant_publish(
    *,
    assistant: Assistant,
    author: User | None = None,
    note: str = "",
    reviewed: str | None = None,
) -> AssistantVersion:
    """The new live version made from the draft. New calls run on it; running calls keep theirs.

    Raises ValidationError, with every reason at once, when OpenAI would refuse the session as a whole, or when the
    draft is no longer the one that was looked at: its fingerprint may be given as ``reviewed``.
    """
    with transaction.atomic():
        # The row lock makes two people publishing at once end in two consecutive numbers.
        locked = Assistant.objects.select_for_update().defer("server_secret").get(pk=assistant.pk)
        snapshot = snapshot_take(locked)
        if reviewed is not None and reviewed != snapshot.fingerprint():
            raise ValidationError("The draft was changed while you looked at it. Look again, then publish.")
        problems = publish_problems(snapshot)
        if problems:
            raise ValidationError(problems)
        newest = locked.versions.order_by("-number").values_list("number", flat=True).first() or 0
        version = AssistantVersion.objects.create(
            assistant=locked, number=newest + 1, snapshot=snapshot.to_json(), author=author, note=note
        )
        Assistant.objects.filter(pk=locked.pk).update(live_version=version)
    assistant.live_version = version
    return version


def publish_problems(snapshot: Snapshot) -> list[str]:
    """Why this snapshot cannot be published, in plain words; empty when it can.

    One bad tool makes OpenAI refuse the whole session, so each is checked before any caller can meet it.
    """
    problems = []
    if not snapshot.instructions.strip():
        problems.append("The prompt is empty. Write who the assistant is and what it should do.")
    counted = Counter(tool.name for tool in snapshot.tools)
    problems += [f"Two tools are called {name}. Rename one of them." for name, n in counted.items() if n > 1]
    if len(snapshot.tools) > 128:
        problems.append(f"{len(snapshot.tools)} tools are too many: OpenAI takes at most 128.")
    for tool in snapshot.tools:
        if not re.fullmatch(TOOL_NAME_PATTERN, tool.name):
            problems.append(
                f"The tool name {tool.name!r} is not allowed: letters, digits, _ and - only, at most 64."
            )
        if tool.kind == Tool.Kind.FUNCTION and not tool.server_url:
            problems.append(f"The tool {tool.name} has no server URL, and neither has the assistant.")
        problems += [f"The tool {tool.name}: {why}" for why in parameters_problems(tool.parameters)]
    return problems
