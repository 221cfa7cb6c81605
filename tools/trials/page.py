"""The page of a tool's test request: arguments in; request, answer, times and the model's text out."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib.admin import AdminSite
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.safestring import SafeString
from django.views.decorators.http import require_http_methods
from redis.exceptions import RedisError
from unfold.widgets import UnfoldAdminSelectWidget

from tools import kinds
from tools.forms import PARTS
from tools.models import Tool, ToolCall
from tools.outcomes import Outcome
from tools.shared_state import key, store
from tools.sms import SmsError, sender_set, sms_parts, sms_text
from tools.snapshots import ToolSnapshot, tool_snapshot_take
from tools.trials.forms import TrialForm
from tools.trials.reports import Report, host_shown, report_of
from tools.trials.running import TRIAL_MAX_S, mcp_offered, testable, trial_order, trial_run, trial_server

_SENT_ONCE_S = 3600


@require_http_methods(["GET", "HEAD", "POST"])
def trial_page(
    request: HttpRequest, *, tool: Any, site: AdminSite, noted: Callable[[str], object]
) -> HttpResponse:
    """The form, and after a POST what became of the request. ``noted`` writes a sentence into the tool's history."""
    data = request.POST if request.method == "POST" else None
    offered = mcp_offered(tool)
    chosen = _chosen(offered, (data or request.GET).get("of", ""))
    form = TrialForm(data, tool=tool, chosen=chosen)
    report, preview, notice = None, None, ""
    if form.is_valid() and form.only_shown:
        preview, notice = _preview(tool, form.cleaned_data)
        form = TrialForm(tool=tool, typed=form.cleaned_data, chosen=chosen)
    elif form.is_valid() and _why_not(tool, form):
        notice = "Nothing was sent."
    elif form.is_valid():
        report, notice = _send(tool, {**form.cleaned_data, "of": chosen.name if chosen else ""})
        if report is not None:
            noted(_in_short(report.outcome))
        form = TrialForm(tool=tool, typed=form.cleaned_data, chosen=chosen)
    return TemplateResponse(
        request,
        "admin/tools/tool/test.html",
        {
            **site.each_context(request),
            "opts": Tool._meta,
            "tool": tool,
            "title": f"Test request of {tool.name}",
            "form": form,
            "report": report,
            "preview": preview,
            "notice": notice,
            "offered": offered,
            "of_choice": _of_choice(offered, chosen),
            "chosen": chosen,
            **_circumstances(tool, form),
        },
    )


def _chosen(offered: Sequence[ToolSnapshot], name: str) -> ToolSnapshot | None:
    """The tool of an MCP server that is to be called: the one of that name, else the first."""
    return next((one for one in offered if one.name == name), offered[0] if offered else None)


def _of_choice(offered: Sequence[ToolSnapshot], chosen: ToolSnapshot | None) -> SafeString:
    choices = [(one.name, one.name_on_the_wire) for one in offered]
    widget = UnfoldAdminSelectWidget(choices=choices)
    return SafeString(widget.render("of", chosen.name if chosen else "", {"id": "of"}))


@dataclass(frozen=True, slots=True)
class MessageShown:
    """A text message before anybody has sent it."""

    sender: str
    to: str
    text: str
    parts: int


def _preview(tool: Any, typed: Mapping[str, Any]) -> tuple[MessageShown | None, str]:
    """The message that these arguments make, or why they make none."""
    try:
        text = sms_text(typed["arguments"])
    except SmsError as exc:
        return None, str(exc)
    sender = sender_set(tool_snapshot_take(tool, server_url="", backoff_plan={})) or typed.get("sender", "")
    to = typed.get("to", "") or "The caller"
    return MessageShown(sender or "The number that was called", to, text, sms_parts(text)), ""


def _circumstances(tool: Any, form: TrialForm) -> dict[str, Any]:
    """What the page says before anything is sent."""
    why_not = _why_not(tool, form)
    return {
        "why_not": why_not,
        "host": "" if why_not else host_shown(trial_server(tool, of=form.initial["of"]).url),
        "any_assistant": "assistant" in form.fields,
        "plain": tool.kind in (Tool.Kind.API_REQUEST, Tool.Kind.MCP),
        "sms": tool.kind == Tool.Kind.SMS,
        "waits_s": min(tool.timeout_s, TRIAL_MAX_S),
        "capped": tool.timeout_s > TRIAL_MAX_S,
        "most_s": TRIAL_MAX_S,
    }


def _misshapen(tool: Tool) -> bool:
    """Whether a part is stored that is not even a list or an object where it must be one."""
    wrong = [name for name, empty in PARTS.items() if not isinstance(getattr(tool, name), type(empty()))]
    return bool(wrong) or not all(isinstance(one, dict) for one in tool.static_parameters)


def _why_not(tool: Tool, form: TrialForm) -> str:
    """Why no test request can be sent, or nothing."""
    if _misshapen(tool):
        return "What is stored of this tool does not have the form that it needs. Correct it on the tool's page first."
    if tool.kind == Tool.Kind.MCP and not form.initial["of"]:
        return (
            "The server has told of no tool that could be called. Fetch its list of tools first, on its page."
        )
    if tool.kind == Tool.Kind.SMS and not trial_server(tool).url:
        return "Text messages are sent by Twilio, and TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN are not set."
    if not testable(tool):
        if tool.kind in kinds.RUNS:
            return (
                f"“{tool.get_kind_display()}” is carried out by Tandem itself and asks no server of yours. There is nothing "
                "to send; a test call shows what it does."
            )
        return f"There is nothing to send. {kinds.why_not(tool.kind)}"
    if not trial_server(tool, of=form.initial["of"]).url and "assistant" not in form.fields:
        return (
            "The tool has no server URL, and no assistant that could lend its own offers it. Enter a server URL, or give "
            "the tool to an assistant that has one."
        )
    return ""


def _send(tool: Any, typed: Mapping[str, Any]) -> tuple[Report | None, str]:
    """What became of the request, or why none went out."""
    server = trial_server(tool, assistant_id=typed.get("assistant", ""), of=typed["of"])
    if not server.url:
        return None, "Nothing was sent: there is no server URL, here or at the assistant."
    if not _first_time(typed["mark"]):
        return (
            None,
            "This request was sent already, and was not sent a second time. To send another, press the button.",
        )
    numbers = {
        name: typed[field] for name, field in (("caller", "to"), ("line", "sender")) if typed.get(field)
    }
    order = trial_order(
        server, arguments=typed["arguments"], mark=typed["mark"], now=timezone.now(), **numbers
    )
    return report_of(trial_run(order)), ""


def _first_time(mark: str) -> bool:
    """Whether this press of the button is new: a page that is loaded again must not send again."""
    try:
        return bool(store().set(key("trial", mark), "1", nx=True, ex=_SENT_ONCE_S))
    except RedisError:
        return True


def _in_short(outcome: Outcome) -> str:
    status = f", HTTP status {outcome.http_status}" if outcome.http_status else ""
    return f"Sent a test request: {ToolCall.Status(outcome.status).label.lower()}{status}."
