"""What is counted, for Prometheus. Every label has few values that are known beforehand: no names of tools, numbers, ids.

Counting costs about a microsecond and happens per event, never per frame.
"""

import re
from collections.abc import Mapping
from types import MappingProxyType

from prometheus_client import Counter, Gauge, Histogram, Summary

# Half a second feels like a person, a second and a half like a machine.
VOICE_BUCKETS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 1.0, 1.2, 1.5, 2.0, 3.0, 5.0, 10.0)
REQUEST_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
TOOL_BUCKETS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 3.0, 5.0, 7.5, 10.0, 20.0, 30.0, 60.0, 300.0)
LAG_BUCKETS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)
OTHER = "other"

# Calls ---------------------------------------------------------------------------------------------------------

CALLS_LIVE = Gauge("tandem_calls_live", "Media streams that this process carries now.")
DRAINING = Gauge("tandem_draining", "1 while this process takes no new calls.")
VOICE_WEBHOOKS = Counter(
    "tandem_voice_webhooks_total", "Twilio's questions what to do with a call, by our answer.", ["decision"]
)
STREAMS_REFUSED = Counter("tandem_streams_refused_total", "Media streams that were turned away.", ["why"])
CALLS_STARTED = Counter("tandem_calls_started_total", "Conversations that began.", ["kind"])
CALLS_ENDED = Counter("tandem_calls_ended_total", "Conversations that ended, by why.", ["kind", "reason"])
CALL_SECONDS = Histogram(
    "tandem_call_seconds", "How long conversations lasted.", buckets=(5, 15, 30, 60, 120, 300, 600, 1800)
)
TURN_LATENCY = Histogram(
    "tandem_turn_latency_seconds",
    "From the end of the caller's speech to the first sound of the answer, the wait for silence included.",
    buckets=VOICE_BUCKETS,
)
FIRST_SOUND = Histogram(
    "tandem_first_sound_seconds",
    "From the start of the stream to the first sound of the assistant.",
    buckets=VOICE_BUCKETS,
)
BARGE_INS = Counter("tandem_barge_ins_total", "Times that a caller cut the assistant off.")
FRAMES = Counter("tandem_frames_total", "Audio frames from callers, counted when a stream ends.", ["fate"])
PROBLEMS = Counter(
    "tandem_problems_total", "Problems of calls, by where they came from.", ["source", "code", "benign"]
)

# The Realtime API ------------------------------------------------------------------------------------------------

REALTIME_CONNECTS = Counter(
    "tandem_realtime_connects_total", "Attempts to open a socket to the model, by result.", ["result"]
)
REALTIME_CONNECT_SECONDS = Histogram(
    "tandem_realtime_connect_seconds",
    "How long opening a socket to the model took.",
    buckets=REQUEST_BUCKETS,
)
REALTIME_LOST = Counter(
    "tandem_realtime_lost_total", "Sockets to the model that ended under a call.", ["code"]
)

# Tools -----------------------------------------------------------------------------------------------------------

TOOL_CALLS = Counter("tandem_tool_calls_total", "Tool calls that ended, by outcome.", ["kind", "outcome"])
TOOL_SECONDS = Histogram(
    "tandem_tool_seconds",
    "From the model's request to the outcome of its tool call.",
    ["outcome"],
    buckets=TOOL_BUCKETS,
)
TOOL_WAIT = Histogram(
    "tandem_tool_wait_seconds", "How long tool calls waited for a worker.", buckets=REQUEST_BUCKETS
)
TOOL_REQUESTS = Counter(
    "tandem_tool_requests_total", "Requests to tools' servers, by HTTP status class or failure.", ["result"]
)

SERVER_MESSAGES = Counter(
    "tandem_server_messages_total",
    "Attempts to tell customers' servers of calls, by kind and by what became of the message.",
    ["kind", "state"],
)

# Programs --------------------------------------------------------------------------------------------------------

API_REFUSED = Counter(
    "tandem_api_refused_total",
    "Requests of programs without a key that opens anything, by what was wrong with it and by our answer.",
    ["why", "status"],
)

# The process -----------------------------------------------------------------------------------------------------

LOOP_LAG = Histogram(
    "tandem_event_loop_lag_seconds",
    "By how much the event loop was late, looked at twice a second.",
    buckets=LAG_BUCKETS,
)
HTTP_REQUESTS = Counter(
    "tandem_http_requests_total", "Requests that were answered.", ["method", "route", "status"]
)
HTTP_SECONDS = Histogram(
    "tandem_http_request_seconds", "How long answers took.", ["route"], buckets=REQUEST_BUCKETS
)
TASKS = Counter("tandem_tasks_total", "Tasks that were run.", ["task", "result"])
TASK_SECONDS = Summary("tandem_task_seconds", "How long tasks took.", ["task"])
LOG_RECORDS = Counter("tandem_log_records_total", "Log lines that were written.", ["level"])
SPANS = Counter("tandem_trace_spans_total", "Spans of traces, by what became of them.", ["result"])

# Reasons and codes come from other parties and from many places here, so each is put into one of a few classes.
_REASONS: Mapping[str, str] = MappingProxyType(
    {
        "customer-ended-call": "caller",
        "phone-call-provider-closed-websocket": "caller",
        "twilio-connection-closed": "caller",
        "assistant-ended-call": "assistant",
        "assistant-ended-call-after-message-spoken": "assistant",
        "assistant-said-end-call-phrase": "assistant",
        "assistant-forwarded-call": "transferred",
        "keys-pressed": "keys",
        "silence-timed-out": "silence",
        "exceeded-max-duration": "too_long",
        "voicemail": "voicemail",
        "worker-shutdown": "shutdown",
        "call.in-progress.error-providerfault-openai-llm-failed": "model_failed",
        "call.in-progress.error-assistant-did-not-receive-customer-audio": "line_dead",
        "call.in-progress.error-vapifault-worker-died": "lost",
    }
)
_CODES = (
    (re.compile(r"http_4\d\d"), "http_4xx"),
    (re.compile(r"http_5\d\d"), "http_5xx"),
    (re.compile(r"http_\d+"), "http_other"),
    (re.compile(r"connect_.*"), "connect"),
    (re.compile(r"closed_\d+|connection_closed"), "closed"),
    (re.compile(r"transcription_.*"), "transcription"),
)
KNOWN_CODES = frozenset(
    {
        "conversation_already_has_active_response",
        "end_not_reported",
        "hang_up_failed",
        "insufficient_quota",
        "invalid_api_key",
        "keys_not_pressed",
        "line_dead",
        "malformed_message",
        "model_not_found",
        "no_answer",
        "rate_limit_exceeded",
        "rejection_plan_slow",
        "response_failed",
        "response_not_created",
        "second_start",
        "server_error",
        "session_differs",
        "session_expired",
        "session_timed_out",
        "stream_error",
        "stream_lost",
        "template_error",
        "tool_timed_out",
        "transfer_failed",
        "transfer_refused",
        "undefined_variables",
    }
)
KNOWN_FAILURES = frozenset(
    {
        "answer_incomplete",
        "answer_too_large",
        "breaker_open",
        "connect_timeout",
        "connection_failed",
        "connection_lost",
        "credential_failed",
        "expired",
        "redirected",
        "timeout",
        "tls_failed",
    }
)


def reason_class(reason: str) -> str:
    """Why a call ended, as one of a few words."""
    if reason.startswith("call-start-error"):
        return "not_started"
    known = _REASONS.get(reason)
    if known is not None:
        return known
    return "error" if "error" in reason or "fault" in reason else OTHER


def code_class(code: str) -> str:
    """The code of a problem, as one of those that are known, or of their kind."""
    if code in KNOWN_CODES:
        return code
    return next((name for pattern, name in _CODES if pattern.fullmatch(code)), OTHER)


def attempt_class(code: str) -> str:
    """Why a request to a tool's server failed, as one of those codes that are known."""
    return code if code in KNOWN_FAILURES else OTHER


def status_class(http_status: int) -> str:
    """An HTTP status as ``2xx`` and its like."""
    return f"{http_status // 100}xx" if 100 <= http_status < 600 else OTHER
