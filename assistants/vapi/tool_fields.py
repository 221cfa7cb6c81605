"""From a tool of Vapi's to ours: every kind, stored, inline, or one of the functions of 2023."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from assistants.vapi.drafts import ABSENT, Finding, ToolDraft, Verdict
from assistants.vapi.ledger import Ledger
from assistants.vapi.paths import Path
from assistants.vapi.rules import Rules
from assistants.vapi.servers import Server, secret_ask, server_read
from assistants.vapi.tool_destinations import Resolve, destinations_read
from assistants.vapi.tool_kinds import Kind, description_for, kind_for, name_for, parameters_for
from assistants.vapi.tool_requests import request_read
from assistants.vapi.tool_rules import FUNCTION, TOOL
from assistants.vapi.tool_settings import settings_say
from assistants.vapi.tool_uses import LATER, NEVER, asks_server, unused_say
from assistants.vapi.tool_webhooks import webhook_fields
from assistants.vapi.transfers import address_fault, transfer_say
from tools.kinds import why_not
from tools.models import empty_parameters
from tools.schemas import legal_tool_name

# From here on a description makes a tool fire wrongly or never.
LONG_DESCRIPTION: Final = 1000
PAGE: Final = "the tool's page"
WIRE_NAME_MAX: Final = 400
_SETTINGS: Final = (
    "url", "method", "headers", "body", "destinations", "defaultResult", "metadata", "knowledgeBases", "knowledgeBaseId",
    "toolMessages", "sipInfoDtmfEnabled", "beepDetectionEnabled", "code", "environmentVariables", "verb", "subType",
    "displayWidthPx", "displayHeightPx", "displayNumber",
)  # fmt: skip
_CONTAINERS: Final[dict[str, type]] = {
    "destinations": list,
    "metadata": dict,
    "knowledgeBases": list,
    "toolMessages": list,
    "environmentVariables": list,
    "headers": dict,
}

_MAY_WAIT: Final = frozenset(
    {
        "missing_secret", "missing_credential", "static_ip", "encrypted_arguments", "bad_encrypted_path", "bad_url",
        "long_description", "unknown_message_type", "rejection_not_done",
    }
)  # fmt: skip


def _nowhere(destination: dict[str, Any]) -> None:
    """Means nobody, whatever the destination."""


@dataclass(slots=True)
class ToolBuild:
    """A tool while its name may still have to change."""

    key: str
    ledger: Ledger = field(repr=False)
    fields: dict[str, Any] = field(repr=False)
    name_path: Path
    secrets: dict[str, str] = field(default_factory=dict, repr=False)
    credential_id: str = ""
    resolve: Resolve = field(
        default=_nowhere, repr=False
    )  # whom destinations mean, where this tool is offered

    @property
    def name(self) -> str:
        """What the model calls it."""
        return str(self.fields["name"])

    @property
    def kind(self) -> str:
        """Our kind."""
        return str(self.fields["kind"])

    @property
    def asks(self) -> bool:
        """Whether a server of yours is asked: by a webhook, or for the destination of a transfer that names none."""
        if self.kind == Kind.TRANSFER:
            return not why_not(self.kind) and not self.fields["settings"].get("destinations")
        return self.kind == Kind.FUNCTION

    @property
    def destinations(self) -> list[dict[str, Any]]:
        """Where it leads, as it is written; what is changed in the list is changed in the tool."""
        found: list[dict[str, Any]] = self.fields["settings"].get("destinations", [])
        return found

    def rename(self, name: str, reason: str) -> None:
        """Gives it another name, telling why; the server goes on knowing it by the old one."""
        self.fields["wire_name"] = self.fields["wire_name"] or self.fields["name"]
        self.fields["name"] = name
        if self.ledger.has(*self.name_path):
            self.ledger.say(
                self.name_path, Verdict.DECISION, reason, field="name", ours=name, code="duplicate_tool_name"
            )
        else:
            self.ledger.missing(self.name_path, reason, field="name", ours=name)

    def draft(self) -> ToolDraft:
        """The tool as it is written."""
        return ToolDraft(
            key=self.key,
            name=self.name,
            raw=self.ledger.raw,
            fields=self.fields,
            findings=self._findings(),
            secrets=self.secrets,
            credential_id=self.credential_id,
        )

    def _findings(self) -> tuple[Finding, ...]:
        """Of a tool that is not offered yet that alone is to be decided, and where it leads; the rest has time."""
        findings = self.ledger.findings()
        if not why_not(self.kind):
            return findings
        reason = NEVER if self.kind in (Kind.QUERY, Kind.OTHER) else LATER
        return tuple(
            replace(one, verdict=Verdict.KEPT, code="", reason=reason) if one.code in _MAY_WAIT else one
            for one in findings
            if one.code not in _MAY_WAIT or one.source is not ABSENT
        )


def tool_translate(
    raw: Any, *, key: str, resolve: Resolve, told_elsewhere: bool = False, rules: Rules = TOOL
) -> ToolBuild:
    """A stored or inline tool. ``told_elsewhere``: the squad's own report tells of destinations that lead nowhere."""
    ledger = Ledger(raw, rules)
    server = server_read(ledger)
    vapi_type = ledger.text("type") or ("function" if ledger.mapping("function") else "")
    kind, vapi_name = kind_for(vapi_type, has_server=bool(server.url))
    if asks_server(kind, {"destinations": ledger.items("destinations")}):
        secret_ask(ledger, server, page=PAGE)
    settings_say(ledger, kind)
    destinations = destinations_read(ledger, resolve, told_elsewhere=told_elsewhere)
    _say_kind(ledger, kind, vapi_type)
    if kind == Kind.TRANSFER and not why_not(kind):
        transfer_say(ledger)
    flat = kind == Kind.API_REQUEST or not ledger.mapping("function")
    prefix: Path = () if flat and (ledger.has("name") or ledger.has("description")) else ("function",)
    fields = {
        "kind": kind,
        "vapi_type": vapi_name,
        **_name(ledger, (*prefix, "name"), name_for(kind, vapi_type, destinations)),
        "description": _description(ledger, (*prefix, "description"), description_for(kind, destinations)),
        "parameters": _parameters(ledger, kind, destinations),
        **webhook_fields(ledger, server),
        "asynchronous": _asynchronous(ledger, kind),
        "legacy_form": False,
        "settings": _settings(ledger, destinations),
    }
    build = ToolBuild(key, ledger, fields, (*prefix, "name"), server.secrets, server.credential_id, resolve)
    if kind == Kind.API_REQUEST:
        request_read(ledger, fields, build.secrets)
    if not build.credential_id:
        build.credential_id = ledger.text("credentialId") or ""
    unused_say(ledger, kind, fields["settings"])
    return build


def function_translate(raw: Any, *, key: str, legacy_form: bool) -> ToolBuild:
    """One of ``model.functions``, as Vapi had them until 2024."""
    ledger = Ledger(raw, FUNCTION)
    server = server_read(ledger)
    secret_ask(ledger, server, page=PAGE)
    parameters = ledger.mapping("parameters")
    fields = {
        "kind": Kind.FUNCTION.value,
        "vapi_type": "",
        **_name(ledger, ("name",), "tool"),
        "description": _description(ledger, ("description",), ""),
        "parameters": parameters or empty_parameters(),
        **webhook_fields(ledger, server),
        "asynchronous": bool(ledger.flag("async")),
        "legacy_form": legacy_form,
        "settings": {},
    }
    return ToolBuild(key, ledger, fields, ("name",), server.secrets, server.credential_id)


def implicit_translate(
    raw: dict[str, Any], *, key: str, kind: str, settings: dict[str, Any], rules: Rules
) -> ToolBuild:
    """A tool that only a setting of the assistant stands for."""
    ledger = Ledger(raw, rules)
    destinations = [one for one in settings.get("destinations", []) if isinstance(one, dict)]
    fields = {
        "kind": kind,
        "vapi_type": "",
        "name": legal_tool_name(name_for(kind, kind, destinations)),
        "wire_name": "",
        "description": description_for(kind, destinations),
        "parameters": parameters_for(kind, destinations),
        **webhook_fields(ledger, Server()),
        "asynchronous": False,
        "legacy_form": False,
        "settings": settings,
    }
    for path, _ in rules.leaves(ledger.raw):
        if not why_not(kind):
            continue
        reason = f"This tool is imported but not offered to the model: {why_not(kind)}"
        ledger.say(path, Verdict.DECISION, reason, field="kind", ours=Kind(kind).label, code="kind_not_run")
        break
    if kind == Kind.TRANSFER and not why_not(kind):
        _say_forwarding(ledger, destinations)
    return ToolBuild(key, ledger, fields, ("name",))


def _say_forwarding(ledger: Ledger, destinations: Sequence[dict[str, Any]]) -> None:
    for number, destination in enumerate(destinations):
        _, fault = address_fault(destination)
        path: Path = (
            ("forwardingPhoneNumber",)
            if ledger.text("forwardingPhoneNumber")
            else ("forwardingPhoneNumbers", number)
        )
        if fault:
            ledger.say(path, Verdict.DECISION, fault, field="settings", code="bad_destination")


# --- The kind


def _say_kind(ledger: Ledger, kind: str, vapi_type: str) -> None:
    reason = why_not(kind)
    label = str(Kind(kind).label)
    if reason:
        ledger.decide(
            ("type",),
            f"This tool is imported but not offered to the model: {reason}",
            field="kind",
            ours=label,
            code="kind_not_run",
        )
    elif ledger.text("type") is None:
        ledger.missing(
            ("type",), "It has a function, so it is taken for a webhook.", field="kind", ours=label
        )
    elif kind != vapi_type:
        ledger.say(
            ("type",),
            Verdict.CONVERTED,
            "It has a server of yours, and is asked like any webhook.",
            field="kind",
            ours=label,
        )
    else:
        ledger.say(("type",), Verdict.KEPT, "The kind of the tool.", field="kind", ours=label)


# --- What the model reads


def _name(ledger: Ledger, path: Path, otherwise: str) -> dict[str, str]:
    given = ledger.text(*path) or ""
    name = legal_tool_name(given or otherwise)
    if not given:
        reason = "Nobody has named this tool at Vapi. The model is told this name."
        if ledger.has(*path):
            ledger.say(path, Verdict.CONVERTED, reason, field="name", ours=name)
        else:
            ledger.missing(path, reason, field="name", ours=name)
        return {"name": name, "wire_name": ""}
    if name == given:
        return {"name": name, "wire_name": ""}
    reason = "OpenAI takes letters, digits, _ and - only, at most 64. The model is told this name; your server goes on getting the old one."
    verdict, code = Verdict.CONVERTED, ""
    if len(given) > WIRE_NAME_MAX:
        verdict, code = Verdict.DECISION, "name_too_long"
        reason = f"This name has {len(given)} characters. The model is told a short one; your server gets the first {WIRE_NAME_MAX} characters of the old one."
    ledger.say(path, verdict, reason, field="name", ours=name, code=code)
    return {"name": name, "wire_name": given[:WIRE_NAME_MAX]}


def _description(ledger: Ledger, path: Path, otherwise: str) -> str:
    given = ledger.text(*path)
    if given and len(given) >= LONG_DESCRIPTION:
        ledger.say(
            path,
            Verdict.DECISION,
            f"This description has {len(given)} characters. From {LONG_DESCRIPTION} on models call the tool at the wrong time or "
            "never. Say in two sentences when to use it, and put the rest into the prompt.",
            field="description",
            code="long_description",
        )
    if given is None and otherwise:
        ledger.missing(
            path,
            "Nobody has described this tool at Vapi. The model is told this.",
            field="description",
            ours=otherwise,
        )
    return given if given is not None else otherwise


def _parameters(ledger: Ledger, kind: str, destinations: Sequence[dict[str, Any]]) -> dict[str, Any]:
    own = ledger.mapping("function", "parameters")
    body = ledger.mapping("body")
    if kind == Kind.API_REQUEST and body:
        if own:
            ledger.say(
                ("function", "parameters"), Verdict.DROPPED, "The body's schema counts instead, as at Vapi."
            )
        return body
    if own:
        return own
    made = parameters_for(kind, destinations)
    if made["properties"]:
        ledger.missing(
            ("function", "parameters"),
            "Vapi tells the model these arguments where nobody has set any.",
            field="parameters",
            ours=json.dumps(made, ensure_ascii=False),
        )
    return made


def _asynchronous(ledger: Ledger, kind: str) -> bool:
    asked = bool(ledger.flag("async"))
    if asked and kind != Kind.FUNCTION:
        ledger.say(
            ("async",),
            Verdict.DROPPED,
            "Only webhooks can be sent without waiting; Vapi ignores it here as well.",
        )
        return False
    return asked


# --- What only its kind has


def _settings(ledger: Ledger, destinations: list[dict[str, Any]]) -> dict[str, Any]:
    settings = {
        name: ledger.usable[name]
        for name in _SETTINGS
        if ledger.has(name) and isinstance(ledger.usable[name], _CONTAINERS.get(name, object))
    }
    if destinations or "destinations" in settings:
        settings["destinations"] = destinations
    return settings
