"""Every column of every table that can hold words, numbers or sound, and what becomes of it when a call is deleted.

A test goes through all models: a column that nobody has thought about is not declared here, and fails it. ``cleared`` are
columns that hold something of a caller and get this value; ``kept`` hold nothing of any; ``by`` names what deals with columns
that no call's id leads to, or whose rows go as a whole.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from django.apps import apps
from django.contrib.postgres.fields import ArrayField
from django.db import models


@dataclass(frozen=True, slots=True)
class Table:
    """How rows of a model are found by calls, and what is done to them."""

    calls: str = ""  # the lookup that leads to the ids of calls
    cleared: Mapping[str, Any] = field(default_factory=dict)
    erased: Mapping[str, Any] = field(
        default_factory=dict
    )  # only where somebody is erased, not when time is over
    kept: str = ""
    by: Mapping[str, str] = field(default_factory=dict)

    @property
    def declared(self) -> frozenset[str]:
        """The columns that somebody has thought about."""
        return frozenset({*self.cleared, *self.erased, *self.kept.split(), *self.by})


_ROW = "rows are deleted: calls.erasing.elsewhere"
# In place of a text that may not be empty.
GONE: Final = "deleted"

TABLES: Final[dict[str, Table]] = {
    # --- Calls ----------------------------------------------------------------------------------------------
    "calls.Call": Table(
        calls="pk",
        cleared={"caller": "", "name": ""},
        erased={"call_sid": "", "stream_sid": ""},
        kept="stack direction status account_sid did ended_reason refused_because",
    ),
    "calls.CallAnalysis": Table(
        calls="call_id",
        cleared={
            "why": "",
            "summary": "",
            "structured_data": None,
            "structured_data_multi": [],
            "success_evaluation": "",
            "parts": {},
        },
        kept="state rubric model",
    ),
    "calls.CallBreak": Table(calls="call_id", cleared={"asked": {}, "history": []}, kept="kind"),
    "calls.CallCost": Table(),
    "calls.CallHandover": Table(
        calls="call_id",
        cleared={"url": "", "document": "", "status_callback": "", "forward_error": ""},
        erased={"provider_call_id": ""},
        kept="how method problem status_callback_method",
    ),
    "calls.CallMember": Table(kept="ways"),
    "calls.CallOpened": Table(kept="what actor_label"),
    "calls.CallPart": Table(kept="tool_call_id"),
    "calls.CallProblem": Table(calls="call_id", cleared={"message": ""}, kept="key source code"),
    "calls.CallRequest": Table(
        kept="by_label digest",
        by=dict.fromkeys(("errors", "idempotency_key"), "elsewhere.requests_clear"),
    ),
    "calls.Placing": Table(
        calls="call_id",
        cleared={"customer": {}, "metadata": None},
        kept="state machine answered_by error_code",
    ),
    "calls.SocketCall": Table(
        calls="call_id", cleared={"customer": {}, "metadata": None}, kept="kind encoding"
    ),
    "calls.CallStripped": Table(kept="why"),
    "calls.CallTransfer": Table(
        calls="call_id",
        cleared={
            "address": GONE,
            "caller_id": "",
            "destination": {},
            "history": [],
            "summary": "",
            "error": "",
        },
        erased={"child_sid": ""},
        kept="tool_call_id mode dial_status",
    ),
    "calls.CallUsage": Table(kept="kind session item model status usage"),
    "calls.CallVariables": Table(calls="call_id", cleared={"values": {}, "secret_values": ""}),
    "calls.CarrierCall": Table(),
    "calls.CostLine": Table(kept="provider kind item part note"),
    # Figures of whole days, reckoned anew when a call of theirs is changed.
    "calls.CallDay": Table(kept="stack did outcome ended_reason"),
    "calls.CostDay": Table(kept="stack vapi_name did provider kind item"),
    "calls.SpeedDay": Table(kept="stack"),
    "calls.DayChanged": Table(),
    "calls.DaysKept": Table(kept="definition"),
    "calls.Erasure": Table(kept="kind digest counts notes actor_label"),
    "calls.FallbackCall": Table(
        kept="kind did error_code",
        by={"call_sid": "elsewhere.fallbacks_clear", "error_url": "elsewhere.fallbacks_clear"},
    ),
    "calls.Recording": Table(
        kept="source state account_sid content_type",
        by=dict.fromkeys(("error", "sid", "file", "peaks"), "calls.recordings.services.recording_delete"),
    ),
    "calls.LiveOrder": Table(
        calls="call_id",
        cleared={"words": "", "destination": "", "why": "", "order": ""},
        kept="order_id kind role by by_label result",
    ),
    "calls.ServerMessage": Table(kept="kind key state server_from host", by={"facts": _ROW, "error": _ROW}),
    "calls.SpendingAlert": Table(kept="level"),
    "calls.UnwrittenRecord": Table(kept="digest task", by={"content": _ROW, "error": _ROW}),
    "calls.VapiCall": Table(
        calls="call_id",
        cleared={
            "name": "",
            "ended_message": "",
            "analysis": {},
            "structured_outputs": {},
            "recordings": {},
            "transfers": [],
            "notes": [],
            "ranks": {},
        },
        erased={"call_sid": ""},
        kept="vapi_id source org_id call_type assistant_id assistant_name assistant_version squad_id phone_number_id "
        "cost_breakdown costs metrics activations",
    ),
    "calls.VapiCallErased": Table(kept="digest"),
    "calls.VapiCallImport": Table(
        kept="source assistant_ids status progress cursor notes error api_key",
        by={"content": "elsewhere.imports_clear"},
    ),
    "calls.VapiRecorder": Table(kept="label token_hash secret forward_url forward_failed_why"),
    "calls.WarehouseDelivery": Table(kept="task state sent_digest error"),
    "transcripts.Transcript": Table(),
    "transcripts.Utterance": Table(
        calls="transcript__call_id", cleared={"text": "", "heard_text": ""}, kept="item_id speaker assistant"
    ),
    "tools.ToolCall": Table(
        calls="call_id",
        cleared={"arguments": {}, "outcome": "", "error": "", "answer": "", "message": None, "variables": {}},
        kept="item_id name status",
    ),
    "tools.ToolAttempt": Table(calls="tool_call__call_id", cleared={"error": "", "answer": ""}, kept="code"),
    "tools.Capture": Table(
        kept="answer_type", by=dict.fromkeys(("body", "headers", "answer", "error"), _ROW)
    ),
    # --- Smoke tests: the verdict stays, what was said and sent does not ---------------------------------------
    "calls.Scenario": Table(kept="name"),
    "calls.ScenarioVersion": Table(by={"script": "elsewhere.scenarios_delete"}),
    "calls.SmokePair": Table(
        kept="title status outcome",
        by=dict.fromkeys(
            ("script", "expected", "steps", "edits", "causes", "why", "caller_note"), "elsewhere.pairs_clear"
        ),
    ),
    "calls.SmokeLeg": Table(
        kept="stack status vapi_call_id keys",
        by=dict.fromkeys(
            (
                "from_number",
                "to_number",
                "call_sid",
                "far_sid",
                "document",
                "why",
                "ended_because",
                "said_never",
            ),
            "elsewhere.pairs_clear",
        ),
    ),
    "calls.CallerLine": Table(
        kept="key words voice mulaw"
    ),  # words of scenarios, spoken by a model or by staff
    "calls.SmokeRun": Table(
        kept="purpose did snapshot fingerprint line caller test_numbers vapi_number orders status stopped_because outcome verdict "
        "started_by_label"
    ),
    "calls.DriftRules": Table(kept="orders publish_gate"),
    "calls.PublishCheck": Table(kept="gate outcome sentence overridden_by reason"),
    # --- What staff enter, and what happens to numbers of ours ---------------------------------------------------
    "calls.BudgetRule": Table(),
    "calls.BudgetTrip": Table(kept="words figures outcome message"),
    "calls.CutoverBatch": Table(kept="kind status actor_label reason overrides progress summary error"),
    "calls.CutoverBatchItem": Table(kept="seen status message"),
    "calls.CutoverEvent": Table(
        kept="kind from_state to_state actor_label reason before after differences overrides"
    ),
    "calls.CutoverOperation": Table(
        kept="kind status from_state seen before wanted after differences actor_label reason overrides steps error"
    ),
    "calls.CutoverPreview": Table(kept="kind"),
    "calls.CutoverPreviewItem": Table(kept="seen told"),
    "calls.CutoverSchedule": Table(
        kept="name kind weekdays timezone reason overrides status stopped_because created_by_label"
    ),
    "calls.CutoverScheduleItem": Table(kept="status message"),
    "calls.DoctorRun": Table(kept="lines by_label"),
    "calls.NumberServer": Table(
        kept="server_url server_secret server_headers server_backoff_plan server_encrypted_paths"
    ),
    "calls.NumberSnapshot": Table(kept="config origin"),
    "calls.PhoneNumber": Table(
        kept="did label provider account_sid twilio_sid vapi_id config answered_by state state_before_change hand_over_by expected"
    ),
    "calls.Price": Table(kept="provider item part source"),
    "calls.SnapshotRoute": Table(kept="url method status_callback status_callback_method"),
    "calls.SpendingLimit": Table(kept="when_call closing_sentence when_day refusal_sentence forward_to"),
    "calls.TwilioAccount": Table(
        kept="sid label source parent_sid auth_token auth_token_secondary api_key_sid api_key_secret sync_error"
    ),
    "assistants.Assistant": Table(
        kept="name instructions first_message_mode first_message history variables end_call_message end_call_phrases "
        "voicemail_message idle_messages apology reasoning_effort language keywords turn_detection eagerness keypad_delimiters "
        "noise_reduction server_url server_secret server_headers server_backoff_plan server_encrypted_paths metadata redact "
        "analysis_plan monitor_plan server_messages plans"
    ),
    "assistants.AssistantTool": Table(),
    "assistants.AssistantVersion": Table(kept="snapshot note"),
    "assistants.ClientDocument": Table(kept="raw base"),
    "assistants.ImportFinding": Table(kept="path verdict code source field ours reason settled_note"),
    "assistants.RealtimeModel": Table(kept="name"),
    "assistants.Squad": Table(kept="name"),
    "assistants.SquadMember": Table(),
    "assistants.TranscriptionModel": Table(kept="name"),
    # With what was made of it: the assistants, versions and tools that came with calls.
    "assistants.Transient": Table(
        kept="kind made_by",
        by=dict.fromkeys(("document", "notes"), "calls.choosing.keeping.transients_empty"),
    ),
    "assistants.VapiImport": Table(kept="source status progress error content api_key assistant_ids summary"),
    "assistants.VapiObject": Table(kept="kind key name raw base seen seen_with"),
    "assistants.VapiWatch": Table(kept="error"),
    "assistants.Voice": Table(kept="name note"),
    "assistants.VoiceClip": Table(
        kept="label text said model content_type sound"
    ),  # the first message, no caller
    "assistants.VoiceMapping": Table(kept="provider vapi_voice why"),
    "assistants.VoiceRecording": Table(kept="status code error"),
    "tools.ApiWrite": Table(kept="method route about"),
    "tools.ApiKey": Table(kept="name kind prefix key_hash scopes"),
    "tools.CapturePoint": Table(kept="token_hash"),
    "tools.Credential": Table(kept="name kind settings encryption_key vapi_id hosts"),
    "tools.Tool": Table(
        kept="kind vapi_type name wire_name description parameters server_url server_secret server_headers backoff_plan duplicates "
        "encrypted_paths static_parameters messages variable_extraction rejection_plan settings"
    ),
    # --- Django's own ---------------------------------------------------------------------------------------------
    "admin.LogEntry": Table(
        kept="object_id", by={"object_repr": "elsewhere.log_clear", "change_message": "elsewhere.log_clear"}
    ),
    "auth.Group": Table(kept="name"),
    "auth.Permission": Table(kept="name codename"),
    "auth.User": Table(kept="password username first_name last_name email"),  # staff
    "contenttypes.ContentType": Table(kept="app_label model"),
    "sessions.Session": Table(kept="session_key session_data"),
}

_HOLDS: Final = (models.CharField, models.TextField, models.JSONField, models.FileField, models.BinaryField)


def holding_columns(model: type[models.Model]) -> frozenset[str]:
    """The columns of a model that can hold words, numbers or sound."""
    return frozenset(one.name for one in model._meta.concrete_fields if isinstance(_of_each(one), _HOLDS))


def _of_each(field: Any) -> Any:
    return field.base_field if isinstance(field, ArrayField) else field


def undeclared() -> list[str]:
    """The columns of the project that nobody has declared, and the declared ones that are not there."""
    found = []
    for model in apps.get_models():
        if model._meta.proxy or not model._meta.managed:
            continue
        table = TABLES.get(model._meta.label)
        there = holding_columns(model)
        declared = table.declared if table else frozenset()
        if table is None and not there:
            continue
        found += [f"{model._meta.label}.{name}" for name in sorted(there ^ declared)]
    return found
