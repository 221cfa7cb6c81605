"""What hinders publishing an imported assistant, told with its import and not only to whoever wants to publish."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from assistants.imports.findings import CANNOT_PUBLISH
from assistants.models import Assistant, ImportFinding, VapiObject
from assistants.services import PublishFault, publish_faults
from assistants.snapshots import Snapshot, snapshot_take, tool_links_prefetch
from assistants.vapi.drafts import ABSENT, Finding, Verdict
from tools.models import Tool
from tools.schemas import schema_problems

# Decisions of a translation that ask for the same, by our setting.
_SAME: Final[dict[str, tuple[str, ...]]] = {
    "instructions": ("no_prompt",),
    "server_url": ("no_server_url",),
}


def findings_with_faults(findings: Mapping[int, Sequence[Finding]]) -> dict[int, list[Finding]]:
    """The findings of the objects that were written, by id, with a decision for all that publishing would refuse.

    What is wrong with a tool is told once, with the tool. What the findings ask to decide is not asked again.
    """
    told = {key: list(found) for key, found in findings.items()}
    tools = VapiObject.objects.filter(pk__in=findings, tool__isnull=False).values_list("tool", "pk")
    for tool, pk in _with_tools(tools):
        problems = schema_problems(tool.parameters)
        if problems:
            told[pk] = _with_problems(told[pk], problems)
    assistants = VapiObject.objects.filter(pk__in=findings, assistant__isnull=False)
    owners = dict(assistants.values_list("assistant", "pk"))
    known = _tools_told(told)
    for assistant in _drafts(owners):
        own = told[owners[assistant.pk]]
        snapshot = snapshot_take(assistant)
        elsewhere = {tool.name for tool in snapshot.tools if tool.id in known}
        own += [_finding(fault) for fault in _new(snapshot, own, elsewhere)]
    return told


def _with_tools(pairs: Iterable[tuple[object, int]]) -> Iterable[tuple[Tool, int]]:
    by_tool = dict(pairs)
    tools = Tool.objects.filter(pk__in=list(by_tool)).only("parameters")
    return ((tool, by_tool[tool.pk]) for tool in tools)


def _with_problems(findings: Sequence[Finding], problems: Sequence[str]) -> list[Finding]:
    """The findings of a tool with the one about its parameters made a decision."""
    told = "; ".join(problem.removesuffix(".") for problem in problems)
    reason = f"No assistant that offers this tool can be published: {told}."
    result = list(findings)
    at = next((position for position, one in enumerate(result) if one.field == "parameters"), None)
    if at is None:
        missing = Finding("function.parameters", Verdict.DECISION, ABSENT, field="parameters")
        result.append(replace(missing, reason=reason, code=CANNOT_PUBLISH))
    elif result[at].verdict is Verdict.DECISION:
        # It keeps its code, which says what can be done; the place has one finding only.
        result[at] = replace(result[at], reason=f"{result[at].reason} {reason}")
    else:
        result[at] = replace(result[at], verdict=Verdict.DECISION, reason=reason, code=CANNOT_PUBLISH)
    return result


def _tools_told(findings: Mapping[int, Sequence[Finding]]) -> set[str]:
    """The ids of the tools whose own report tells that they cannot be published: of this import, or of one before."""
    now = [pk for pk, found in findings.items() if any(one.code == CANNOT_PUBLISH for one in found)]
    here = VapiObject.objects.filter(pk__in=now, tool__isnull=False).values_list("tool", flat=True)
    rows = ImportFinding.objects.filter(code=CANNOT_PUBLISH, vapi_object__tool__isnull=False)
    before = rows.exclude(vapi_object__in=list(findings)).values_list("vapi_object__tool", flat=True)
    return {str(pk) for pk in (*here, *before)}


def _drafts(ids: Iterable[object]) -> Iterable[Assistant]:
    drafts = Assistant.objects.filter(pk__in=list(ids)).select_related("model", "transcription_model")
    return drafts.defer("server_secret", "server_headers").prefetch_related(tool_links_prefetch())


def _new(snapshot: Snapshot, findings: Sequence[Finding], elsewhere: set[str]) -> list[PublishFault]:
    """What hinders publishing and is not asked yet; ``elsewhere`` are the tools whose own report asks."""
    return [
        fault
        for fault in publish_faults(snapshot)
        if not (fault.field == "parameters" and fault.tool in elsewhere) and not _asked(fault, findings)
    ]


def _asked(fault: PublishFault, findings: Sequence[Finding]) -> bool:
    """Whether a decision about the same is among the findings of the assistant; about a tool, it names that tool."""
    return any(
        one.verdict is Verdict.DECISION
        and one.code in _SAME.get(fault.field, ())
        and fault.tool in ("", one.ours)
        for one in findings
    )


def _finding(fault: PublishFault) -> Finding:
    return Finding(
        path="",
        verdict=Verdict.DECISION,
        source=ABSENT,
        field="tools" if fault.field in ("parameters", "messages") else fault.field,
        reason=f"The assistant cannot be published as it is. {fault.text}",
        code=CANNOT_PUBLISH,
    )
