"""The page of a tool's test request: arguments in; request, answer, times and the model's text out."""

import re
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from django import forms
from django.contrib.admin import AdminSite
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.views.decorators.http import require_http_methods
from redis.exceptions import RedisError
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextareaWidget, UnfoldBooleanWidget

from tools import kinds
from tools.adminkit import Tone, badge, json_pretty
from tools.examples import arguments_example
from tools.forms import PARTS, JsonEditorField
from tools.jsontext import json_read
from tools.models import Tool, ToolCall
from tools.outcomes import ANSWER_KEPT_CHARS, Outcome, answer_clip
from tools.sending import Attempt, NotSendableError, prepared
from tools.shared_state import key, store
from tools.trials import (
    KINDS,
    TRIAL_MAX_S,
    Exchange,
    Trial,
    has_own_server,
    trial_order,
    trial_run,
    trial_server,
)

_TONES: dict[str, Tone] = {"answered": "good", "refused": "warn"}
_SECRET_NAME = re.compile(r"auth|cookie|key|pass|secret|sig|token", re.IGNORECASE)
_SECRET_IN_URL = re.compile(r"([?&][^=&#]*(?:auth|key|pass|secret|sig|token)[^=&#]*=)[^&#]+", re.IGNORECASE)
_HIDDEN = "hidden"
_SENT_ONCE_S = 3600
# Shorter values stand in texts by chance.
_SECRET_MIN_CHARS = 6


class TrialForm(forms.Form):
    """What a test request is sent with. The assistant is asked for only where its server is the one."""

    assistant = forms.ChoiceField(
        label="As which assistant",
        help_text="The tool has no URL of its own, so the request goes where this assistant's go.",
        widget=UnfoldAdminSelectWidget(),
    )
    arguments = JsonEditorField(
        required=False,
        label="Arguments",
        help_text="What the model would give, as JSON. Prefilled with an example made from the tool's schema.",
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 12, "class": "t-code", "spellcheck": "false"}),
    )
    agreed = forms.BooleanField(
        label="Yes, send it. I know that it may book, change or cost something there.",
        error_messages={"required": "Tick this first: the request is a real one."},
        widget=UnfoldBooleanWidget(),
    )
    mark = forms.RegexField(r"^[0-9a-f]{16}$", widget=forms.HiddenInput)

    def __init__(self, data: Any = None, *, tool: Any, typed: Mapping[str, Any] | None = None) -> None:
        """``typed`` is what was sent last: the form for the next request begins with it, but for the tick."""
        kept = {"assistant": typed.get("assistant", ""), "arguments": typed["arguments"]} if typed else {}
        initial = kept or {"arguments": arguments_example(tool.parameters)}
        super().__init__(data, initial={**initial, "mark": uuid.uuid4().hex[:16]})
        users = (
            []
            if has_own_server(tool)
            else tool.assistants.order_by("name").values_list("pk", "name", "server_url")
        )
        if users:
            self.fields["assistant"].choices = [  # type: ignore[attr-defined]  # a ChoiceField's
                (str(pk), f"{name} ({host_shown(url) or 'no server URL of its own'})")
                for pk, name, url in users
            ]
        else:
            del self.fields["assistant"]

    def clean_arguments(self) -> dict[str, Any]:
        arguments = self.cleaned_data["arguments"]
        if arguments is None:
            return {}
        if not isinstance(arguments, dict):
            raise ValidationError(
                'Write a JSON object, such as {"ticket": "44712"}. The model gives nothing else.'
            )
        return arguments


@dataclass(frozen=True, slots=True)
class Shown:
    """One request and its answer as the page shows them."""

    left: bool
    method: str
    url: str
    headers: list[tuple[str, str]]
    body: str
    http_status: int | None
    answer_headers: list[tuple[str, str]]
    answer: str
    clipped: bool


@dataclass(frozen=True, slots=True)
class Report:
    """A test request as the page shows it. ``told`` is the exact text for the model."""

    status: Any
    error: str
    told: str
    attempts: tuple[Attempt, ...]
    shown: list[Shown]
    outcome: Outcome
    arguments: dict[str, Any]
    extracted: str = ""
    echoed: bool = field(default=False)


@require_http_methods(["GET", "HEAD", "POST"])
def trial_page(
    request: HttpRequest, *, tool: Any, site: AdminSite, noted: Callable[[str], object]
) -> HttpResponse:
    """The form, and after a POST what became of the request. ``noted`` writes a sentence into the tool's history."""
    form = TrialForm(request.POST if request.method == "POST" else None, tool=tool)
    report, notice = None, ""
    if form.is_valid():
        report, notice = _send(tool, form.cleaned_data)
        if report is not None:
            noted(_in_short(report.outcome))
        form = TrialForm(tool=tool, typed=form.cleaned_data)
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
            "notice": notice,
            **_circumstances(tool, form),
        },
    )


def host_shown(url: str) -> str:
    """The host and port of a URL, for people; empty where there is none."""
    try:
        return urlsplit(url).netloc.rpartition("@")[2]
    except ValueError:
        return ""


def url_shown(url: str) -> str:
    """The URL without its password, and without values in its query whose names speak of a secret."""
    try:
        parts = urlsplit(url)
        if parts.password:
            host = parts.netloc.rpartition("@")[2]
            url = urlunsplit(parts._replace(netloc=f"{parts.username}:{_HIDDEN}@{host}"))
    except ValueError:
        pass
    return _SECRET_IN_URL.sub(rf"\1{_HIDDEN}", url)


def _circumstances(tool: Any, form: TrialForm) -> dict[str, Any]:
    """What the page says before anything is sent."""
    why_not = _why_not(tool, form)
    return {
        "why_not": why_not,
        "host": "" if why_not else host_shown(trial_server(tool).url),
        "any_assistant": "assistant" in form.fields,
        "plain": tool.kind == Tool.Kind.API_REQUEST,
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
    if tool.kind == Tool.Kind.MCP:
        return "An MCP server is asked in a protocol of its own, for which there is no test request. A test call asks it."
    if tool.kind not in KINDS:
        if tool.kind in kinds.RUNS:
            return (
                f"“{tool.get_kind_display()}” is carried out by Tandem itself and asks no server of yours. There is nothing "
                "to send; a test call shows what it does."
            )
        return f"There is nothing to send. {kinds.why_not(tool.kind)}"
    if not trial_server(tool).url and "assistant" not in form.fields:
        return (
            "The tool has no server URL, and no assistant that could lend its own offers it. Enter a server URL, or give "
            "the tool to an assistant that has one."
        )
    return ""


def _send(tool: Any, typed: Mapping[str, Any]) -> tuple[Report | None, str]:
    """What became of the request, or why none went out."""
    if tool.kind not in KINDS or _misshapen(tool):
        return None, "Nothing was sent."
    server = trial_server(tool, assistant_id=typed.get("assistant", ""))
    if not server.url:
        return None, "Nothing was sent: there is no server URL, here or at the assistant."
    if not _first_time(typed["mark"]):
        return (
            None,
            "This request was sent already, and was not sent a second time. To send another, press the button.",
        )
    order = trial_order(server, arguments=typed["arguments"], mark=typed["mark"], now=timezone.now())
    return _report(trial_run(order)), ""


def _first_time(mark: str) -> bool:
    """Whether this press of the button is new: a page that is loaded again must not send again."""
    try:
        return bool(store().set(key("trial", mark), "1", nx=True, ex=_SENT_ONCE_S))
    except RedisError:
        return True


def _in_short(outcome: Outcome) -> str:
    status = f", HTTP status {outcome.http_status}" if outcome.http_status else ""
    return f"Sent a test request: {ToolCall.Status(outcome.status).label.lower()}{status}."


def _report(trial: Trial) -> Report:
    outcome = trial.sent.outcome
    secrets = _secrets(trial)
    told = _without(outcome.output, secrets)
    # Whatever fails before there is a request is not tried again, so these are the first attempts and all in line.
    shown = [
        _shown(one, trial, secrets, left=attempt.sent)
        for one, attempt in zip(trial.exchanges, trial.sent.attempts, strict=False)
    ]
    return Report(
        status=badge(ToolCall.Status(outcome.status).label, _TONES.get(outcome.status, "bad")),
        error=outcome.error,
        told=told,
        attempts=trial.sent.attempts,
        shown=shown,
        outcome=outcome,
        arguments=trial.order.arguments,
        extracted=_without(json_pretty(outcome.variables), secrets) if outcome.variables else "",
        echoed=told != outcome.output
        or any(_answer_text(one) != s.answer for one, s in zip(trial.exchanges, shown, strict=True)),
    )


def _shown(exchange: Exchange, trial: Trial, secrets: Iterable[str], *, left: bool) -> Shown:
    request, answer = exchange.request, exchange.answer
    plain = _plain_headers(trial)
    url = url_shown(request.url)
    body = (request.body or b"").decode(errors="replace").replace(request.url, url)
    headers = {} if answer is None else answer.headers
    return Shown(
        left=left,
        method=request.method,
        url=url,
        headers=[(name, _header_text(name, value, plain)) for name, value in request.headers.items()],
        body=_without(_pretty(body), secrets),
        http_status=None if answer is None else answer.http_status,
        answer_headers=[
            (name, _HIDDEN if _SECRET_NAME.search(name) else _without(value, secrets))
            for name, value in headers.items()
        ],
        answer=_without(_answer_text(exchange), secrets),
        clipped=answer is not None and len(answer.body) > ANSWER_KEPT_CHARS,
    )


def _answer_text(exchange: Exchange) -> str:
    return answer_clip(exchange.answer.body) if exchange.answer is not None else ""


def _pretty(text: str) -> str:
    value = json_read(text)
    return text if value is None else json_pretty(value)


def _plain_headers(trial: Trial) -> Mapping[str, bytes]:
    """The headers of the request before anything that convinces its server."""
    try:
        return prepared(trial.order, now=trial.order.requested_at).headers
    except NotSendableError:
        return {}


def _header_text(name: str, value: bytes, plain: Mapping[str, bytes]) -> str:
    if plain.get(name) == value and not _SECRET_NAME.search(name.replace("Idempotency-Key", "")):
        return value.decode(errors="replace")
    return _HIDDEN


def _secrets(trial: Trial) -> list[str]:
    """The hidden values that went out, to hide them too where a server sends them back."""
    plain = _plain_headers(trial)
    found = set()
    for exchange in trial.exchanges:
        for name, value in exchange.request.headers.items():
            if _header_text(name, value, plain) == _HIDDEN:
                text = value.decode(errors="replace")
                found |= {text, text.removeprefix("Bearer ")}
    return sorted((one for one in found if len(one) >= _SECRET_MIN_CHARS), key=len, reverse=True)


def _without(text: str, secrets: Iterable[str]) -> str:
    for secret in secrets:
        text = text.replace(secret, f"[{_HIDDEN}]")
    return text
