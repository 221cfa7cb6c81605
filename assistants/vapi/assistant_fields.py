"""From an assistant of Vapi's to ours: every setting but its tools."""

from dataclasses import dataclass, field
from typing import Any, Final

from assistants.analysis_plan import plan_problems
from assistants.vapi import defaults
from assistants.vapi.drafts import AssistantDraft, Catalogue, Verdict
from assistants.vapi.hiding import HIDDEN
from assistants.vapi.ledger import Ledger, holds
from assistants.vapi.paths import Path
from assistants.vapi.prompts import prompt_fields, spoken_fields
from assistants.vapi.records import records_fields
from assistants.vapi.servers import secret_ask, server_read
from assistants.vapi.speech import model_fields, prompt_additions, transcription_fields, voice_fields
from assistants.vapi.tables.assistant import ASSISTANT
from assistants.vapi.turns import idle_fields, keypad_fields, limit_fields, turn_fields
from assistants.vapi.variables import variables_unknown

# Of an assistant itself; a copy of it is another one.
IDENTITY: Final = ("id", "orgId", "createdAt", "updatedAt", "latestVersion")
# Kept whole, as they came, for what Tandem does after or beside a call.
_PLANS: Final = (
    "voicemailDetection", "voicemailDetectionEnabled", "artifactPlan", "recordingEnabled",
    "compliancePlan", "hipaaEnabled", "transportConfigurations", "hooks", "messagePlan",
)  # fmt: skip
_TYPES: Final[dict[str, type | tuple[type, ...]]] = {
    "voicemailDetection": (str, dict),
    "voicemailDetectionEnabled": bool,
    "recordingEnabled": bool,
    "hipaaEnabled": bool,
    "transportConfigurations": list,
    "hooks": list,
}
# The older settings that say what a newer one would, and so leave nothing to a default.
_SAID_BY: Final[dict[tuple[str, ...], tuple[Path, ...]]] = {
    ("voicemailDetection",): (("voicemailDetectionEnabled",),),
    ("analysisPlan", "summaryPlan", "enabled"): (("analysisPlan", "summaryPrompt"),),
    ("analysisPlan", "successEvaluationPlan", "enabled"): (
        ("analysisPlan", "successEvaluationPrompt"),
        ("analysisPlan", "successEvaluationRubric"),
    ),
}


@dataclass(slots=True)
class AssistantBuild:
    """An assistant while its tools and its name are still being settled. ``tools`` are keys with where they stand."""

    key: str
    ledger: Ledger = field(repr=False)
    fields: dict[str, Any] = field(repr=False)
    tools: list[tuple[Path, str]] = field(default_factory=list)
    secrets: dict[str, str] = field(default_factory=dict, repr=False)
    credential_id: str = ""
    copy_of: str = ""
    own_server: bool = False

    @property
    def name(self) -> str:
        """The name as it stands."""
        return str(self.fields.get("name", ""))

    def draft(self) -> AssistantDraft:
        """The assistant as it is written."""
        return AssistantDraft(
            key=self.key,
            name=self.name,
            raw=self.ledger.raw,
            fields=self.fields,
            findings=self.ledger.findings(),
            tools=tuple(dict.fromkeys(key for _, key in self.tools)),
            secrets=self.secrets,
            credential_id=self.credential_id,
            copy_of=self.copy_of,
            own_server=self.own_server,
        )


def assistant_translate(raw: Any, *, key: str, catalogue: Catalogue) -> AssistantBuild:
    """The assistant without its tools and with no name yet."""
    ledger = Ledger(raw, ASSISTANT)
    server = server_read(ledger)
    secret_ask(ledger, server, page="the assistant's page")
    transcription = transcription_fields(ledger, catalogue)
    more = prompt_additions(ledger, transcription["language"])
    fields = {
        **prompt_fields(ledger, more=more),
        **spoken_fields(ledger),
        **model_fields(ledger, catalogue),
        **voice_fields(ledger, catalogue),
        **transcription,
        **turn_fields(ledger),
        **limit_fields(ledger),
        **keypad_fields(ledger),
        **idle_fields(ledger),
        "server_url": server.url,
        "server_backoff_plan": server.backoff_plan,
        "server_encrypted_paths": list(server.encrypted_paths),
        "variables": _variables(ledger),
        "metadata": ledger.mapping("metadata"),
        "analysis_plan": _analysis_plan(ledger),
        "plans": _plans(ledger),
        **records_fields(ledger),
        "monitor_plan": ledger.mapping("monitorPlan"),
        "server_messages": _server_messages(ledger),
    }
    for path, ours, reason in defaults.UNSETTLED:
        said = any(ledger.has(*other) for other in _SAID_BY.get(path, ()))
        if not said and (path != ("serverMessages",) or server.url):
            ledger.missing(path, reason, ours=ours)
    return AssistantBuild(key, ledger, fields, [], server.secrets, server.credential_id)


def is_legacy_form(ledger: Ledger) -> bool:
    """Whether the server understands Vapi's first form of webhooks only."""
    if not ledger.items("serverMessages"):
        return False
    messages = {text for _, text in ledger.texts("serverMessages")}
    return "function-call" in messages and "tool-calls" not in messages


def say_unknown_variables(
    build: AssistantBuild, *, known: set[str], tool_texts: list[tuple[str, str]]
) -> None:
    """Asks for the values of {{ names }} that nothing will give one to."""
    fields = build.fields
    texts = [
        ("the prompt", fields["instructions"]),
        *(("an earlier message", message["content"]) for message in fields["history"]),
        ("the first message", fields["first_message"]),
        ("the last message", fields["end_call_message"]),
        ("the message for answering machines", fields["voicemail_message"]),
        ("what is said to a silent caller", fields["idle_messages"]),
        *tool_texts,
    ]
    unknown = variables_unknown(texts, {*fields["variables"], *known})
    for name, places in unknown.items():
        build.ledger.decide(
            ("variableValues", name),
            f"{{{{{name}}}}} has no value: enter one under Variables. It stands in {_and(places)}, where nothing would be said for it. "
            "Where the value is given with each call, settle this.",
            field="variables",
            code="unknown_variable",
        )


def _and(words: list[str]) -> str:
    shown = [*words[:4], "other places"] if len(words) > 5 else words
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"


def _variables(ledger: Ledger) -> dict[str, Any]:
    values = ledger.mapping("variableValues")
    shown = {name: value for name, value in values.items() if not holds(value, HIDDEN)}
    secret = [name for name in values if name not in shown]
    if secret:
        ledger.say(
            ("variableValues",),
            Verdict.DECISION,
            f"By its name this looks like a secret and was not taken over: {', '.join(secret)}. Enter it under Variables if the "
            "assistant may say it.",
            field="variables",
            code="secret_value",
        )
    return shown


def _plans(ledger: Ledger) -> dict[str, Any]:
    plans = {
        name: ledger.raw[name] for name in _PLANS if isinstance(ledger.raw.get(name), _TYPES.get(name, dict))
    }
    timeout = ledger.number("server", "timeoutSeconds")
    return plans | ({"server": {"timeoutSeconds": timeout}} if timeout is not None else {})


def _server_messages(ledger: Ledger) -> list[str] | None:
    """Which events the server wants; None where that was left to Vapi."""
    if not isinstance(ledger.raw.get("serverMessages"), list):
        return None
    return [text for _, text in ledger.texts("serverMessages")]


def _analysis_plan(ledger: Ledger) -> dict[str, Any]:
    """The plan as it came; where nobody could carry it out, people are asked to correct it."""
    plan = ledger.mapping("analysisPlan")
    problems = plan_problems(plan)
    if problems:
        ledger.decide(
            ("analysisPlan",),
            f"Part of this cannot be carried out. {' '.join(problems[:3])} Correct it on the assistant's page.",
            code="analysis_plan",
            field="analysis_plan",
        )
    return plan
