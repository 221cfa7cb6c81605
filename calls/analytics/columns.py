"""What of a call may be counted, summed up and grouped by: one expression of the database for each of Vapi's names."""

from collections.abc import Callable
from typing import Any, Final

from django.db.models import (
    Case,
    CharField,
    DecimalField,
    DurationField,
    ExpressionWrapper,
    F,
    FloatField,
    Func,
    OuterRef,
    Q,
    Subquery,
    Sum,
    TextField,
    Value,
    When,
)
from django.db.models.expressions import Combinable
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Cast, Coalesce, Extract, NullIf

from assistants.models import VapiObject
from calls.models import Call, CallVariables, CostLine, SocketCall
from tools.models import ToolCall

Column = Callable[[], Combinable]

_AT_VAPI: Final = Q(stack=Call.Stack.VAPI)
_MONEY: Final = DecimalField(max_digits=40, decimal_places=20)
_NUMBER: Final = r"^-?\d{1,12}(\.\d{1,20})?$"
_MODEL: Final = ("response", "summary")
_TYPES: Final = {
    Call.Direction.INBOUND: "inboundPhoneCall",
    Call.Direction.OUTBOUND: "outboundPhoneCall",
}


def _cost() -> Combinable:
    return Case(
        When(_AT_VAPI, then=Coalesce(F("vapi_call__cost"), Value(0), output_field=_MONEY)),
        default=Coalesce(F("cost__total_usd"), Value(0), output_field=_MONEY),
    )


def _minutes() -> Combinable:
    spent = ExpressionWrapper(F("ended_at") - F("started_at"), output_field=DurationField())
    return ExpressionWrapper(Extract(spent, "epoch") / Value(60.0), output_field=FloatField())


def _broken_down(at_vapi: tuple[str, ...], lines: Q | None, amount: str = "amount_usd") -> Column:
    """A part of what calls cost: where it stands in Vapi's breakdown, and which cost lines of ours it is."""

    def made() -> Combinable:
        return Case(
            When(_AT_VAPI, then=_number(at_vapi)),
            default=_lines_sum(lines, amount) if lines is not None else Value(0),
            output_field=_MONEY,
        )

    return made


def _number(keys: tuple[str, ...]) -> Combinable:
    """A number in Vapi's breakdown; 0 for anything else that may stand there."""
    told: Any = "vapi_call__cost_breakdown"
    for key in keys:
        told = KeyTextTransform(key, told)
    place = "__".join(("vapi_call__cost_breakdown", *keys))
    return Case(
        When(**{f"{place}__regex": _NUMBER}, then=Cast(told, _MONEY)),
        default=Value(0),
        output_field=_MONEY,
    )


def _lines_sum(lines: Q, amount: str) -> Combinable:
    rows = CostLine.objects.filter(lines, call=OuterRef("pk"), superseded_at=None).order_by()
    summed = rows.values("call").annotate(n=Sum(amount)).values("n")
    return Coalesce(Subquery(summed), Value(0), output_field=_MONEY)


def _part(*endings: str) -> Q:
    found = Q(pk__in=[])
    for ending in endings:
        found |= Q(part__endswith=f"_{ending}")
    return Q(kind="response") & found


COLUMNS: Final[dict[str, Column]] = {
    "id": lambda: F("pk"),
    "cost": _cost,
    "duration": _minutes,
    "minutesUsed": _minutes,
    "costBreakdown.llm": _broken_down(("llm",), Q(kind__in=_MODEL)),
    "costBreakdown.stt": _broken_down(("stt",), Q(kind="transcription")),
    "costBreakdown.transcriber": _broken_down(("stt",), Q(kind="transcription")),
    "costBreakdown.tts": _broken_down(("tts",), None),
    "costBreakdown.vapi": _broken_down(("vapi",), None),
    "costBreakdown.transport": _broken_down(
        ("transport",), ~Q(kind__in=(*_MODEL, "transcription", "analysis", "machine"))
    ),
    "costBreakdown.analysisBreakdown.summary": _broken_down(
        ("analysisCostBreakdown", "summary"), Q(kind="analysis")
    ),
    "costBreakdown.ttsCharacters": _broken_down(("ttsCharacters",), None),
    "costBreakdown.llmPromptTokens": _broken_down(("llmPromptTokens",), _part("in", "cached"), "quantity"),
    "costBreakdown.llmCompletionTokens": _broken_down(("llmCompletionTokens",), _part("out"), "quantity"),
    "costBreakdown.llmCachedPromptTokens": _broken_down(
        ("llmCachedPromptTokens",), _part("cached"), "quantity"
    ),
}


# --- Groups


def _type() -> Combinable:
    ours = Case(
        When(socket__kind=SocketCall.Kind.WEBSOCKET, then=Value("vapi.websocketCall")),
        *(When(direction=direction, then=Value(told)) for direction, told in _TYPES.items()),
        output_field=CharField(),
    )
    return Coalesce(NullIf(F("vapi_call__call_type"), Value("")), ours, output_field=CharField())


def _assistant_id() -> Combinable:
    """The id that programs know it by, which is one for the calls of both stacks."""
    behind = VapiObject.objects.filter(assistant=OuterRef("assistant")).exclude(key__regex="[:#/]")
    return Coalesce(
        NullIf(F("vapi_call__assistant_id"), Value("")),
        Subquery(behind.order_by("pk").values("key")[:1]),
        # What came with a call has no id.
        Case(
            When(assistant__transient__isnull=True, then=Cast("assistant_id", TextField())),
            default=None,
            output_field=TextField(),
        ),
        output_field=TextField(),
    )


def _verdict() -> Combinable:
    told = Cast(KeyTextTransform("successEvaluation", "vapi_call__analysis"), TextField())
    return Coalesce(
        Case(When(_AT_VAPI, then=told), default=None, output_field=TextField()),
        NullIf(F("analysis__success_evaluation"), Value("")),
        output_field=TextField(),
    )


def _status() -> Combinable:
    return Case(
        When(status=Call.Status.REFUSED, then=Value("ended")),
        # Nobody rings: the other side is to come.
        When(status=Call.Status.RINGING, socket__isnull=False, then=Value("queued")),
        default=F("status"),
        output_field=CharField(),
    )


GROUPS: Final[dict[str, Column]] = {
    "type": _type,
    "assistantId": _assistant_id,
    "endedReason": lambda: NullIf(F("ended_reason"), Value("")),
    "analysis.successEvaluation": _verdict,
    "status": _status,
}


def variable_value(key: str) -> Combinable:
    """What a variable was in the end: the last value that a tool has set, else the one that the call was given."""
    learnt = (
        ToolCall.objects.filter(call_id=OuterRef("pk"))
        .annotate(told=_named("variables", key))
        .filter(told__isnull=False)
        .order_by("-requested_at", "-pk")
    )
    given = CallVariables.objects.filter(call=OuterRef("pk")).annotate(told=_named("values", key))
    return Coalesce(
        Subquery(learnt.values("told")[:1], output_field=TextField()),
        Subquery(given.values("told"), output_field=TextField()),
    )


def _named(column: str, key: str) -> Combinable:
    """The text of what an object has under this name. Django would take a name of digits for a place in a list."""
    return Func(F(column), Value(key), function="jsonb_extract_path_text", output_field=TextField())
