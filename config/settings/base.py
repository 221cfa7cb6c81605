"""What every environment shares. The names of the settings are the names of their variables."""

from pathlib import Path
from typing import Any

import django_stubs_ext
from django.templatetags.static import static
from django.urls import reverse_lazy
from django.utils.functional import Promise

from config.database import database_from_url
from config.env import env_bool, env_choice, env_int, env_list, env_secret, env_str
from config.logging import logging_config
from config.networks import networks
from config.origins import host_header_for, media_origin_for
from config.storage import FILES, recordings_in_bucket, recordings_in_folder

django_stubs_ext.monkeypatch()

BASE_DIR = Path(__file__).resolve().parents[2]
VAR_DIR = BASE_DIR / "var"

SECRET_KEY = env_secret("SECRET_KEY")
DEBUG = env_bool("DEBUG", default=False)
LOG_LEVEL = env_choice("LOG_LEVEL", "INFO", ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"))
LOG_PII = env_bool("LOG_PII", default=False)
LOG_FORMAT = env_choice("LOG_FORMAT", "json", ("json", "console"))
LOGGING = logging_config(level=LOG_LEVEL, reveal_pii=LOG_PII, form=LOG_FORMAT)

# --- Addresses -----------------------------------------------------------------------------------------------

PUBLIC_ORIGIN = env_str("PUBLIC_ORIGIN", "http://127.0.0.1:8000")
MEDIA_ORIGIN = env_str("MEDIA_ORIGIN", media_origin_for(PUBLIC_ORIGIN))
# Loopback stays allowed everywhere: health checks of containers ask there.
ALLOWED_HOSTS = sorted(
    {*env_list("ALLOWED_HOSTS"), *host_header_for(PUBLIC_ORIGIN), "127.0.0.1", "localhost"}
)

# --- Other parties -------------------------------------------------------------------------------------------

OPENAI_API_KEY = env_secret("OPENAI_API_KEY")
OPENAI_REALTIME_URL = env_str("OPENAI_REALTIME_URL", "wss://api.openai.com/v1/realtime")
TWILIO_ACCOUNT_SID = env_str("TWILIO_ACCOUNT_SID")
TWILIO_AUTH_TOKEN = env_secret("TWILIO_AUTH_TOKEN")
TWILIO_AUTH_TOKEN_SECONDARY = env_secret("TWILIO_AUTH_TOKEN_SECONDARY")
# While a token is rotated Twilio may sign with either; requests of ours use the first.
TWILIO_AUTH_TOKENS = [token for token in (TWILIO_AUTH_TOKEN, TWILIO_AUTH_TOKEN_SECONDARY) if token]
TWILIO_API_URL = env_str("TWILIO_API_URL", "https://api.twilio.com")
# Whether Twilio is asked, half an hour after each call, what it charged for the line: one request for each.
TWILIO_PRICES = env_bool("TWILIO_PRICES", default=True)
VAPI_API_KEY = env_secret("VAPI_API_KEY")
VAPI_API_URL = env_str("VAPI_API_URL", "https://api.vapi.ai")
# How often we look whether somebody has edited at Vapi what was imported. Only where a key is set.
VAPI_WATCH_MINUTES = env_int("VAPI_WATCH_MINUTES", 10, minimum=1)
# Where callers are taken when we do not answer a number that was cut over: a URL or a telephone number for all of them;
# by default each number's old provider. Twilio waits for our answer no longer than this, where there is such a place.
VOICE_FALLBACK = env_str("VOICE_FALLBACK")
VOICE_ANSWER_WITHIN_MS = env_int("VOICE_ANSWER_WITHIN_MS", 2500, minimum=500)
SIMULATOR_URL = env_str("SIMULATOR_URL")
# The numbers of our Twilio account from which smoke tests dial. Whoever calls from one of them reaches no assistant otherwise.
SMOKE_TEST_NUMBERS = env_list("SMOKE_TEST_NUMBERS")
FIELD_ENCRYPTION_KEYS = [key.strip() for key in env_secret("FIELD_ENCRYPTION_KEY").split(",") if key.strip()]
OTEL_EXPORTER_OTLP_ENDPOINT = env_str("OTEL_EXPORTER_OTLP_ENDPOINT")
# Tools' servers are told which trace a request is part of, by a header more. Vapi sends none.
WEBHOOK_TRACEPARENT = env_bool("WEBHOOK_TRACEPARENT", default=False)
# Whoever reads /metrics sends this as a bearer token. Workers and beat serve it on a port of their own, where one is given.
METRICS_TOKEN = env_secret("METRICS_TOKEN")
METRICS_HOST = env_str("METRICS_HOST", "127.0.0.1")
METRICS_PORT = env_int("METRICS_PORT", 0, minimum=0)
# What this process is called for `manage.py drain`; by default its host and its number there. How long the media server
# lets calls go on when it is told to stop.
INSTANCE_NAME = env_str("INSTANCE_NAME")
MEDIA_DRAIN_S = env_int("MEDIA_DRAIN_S", 0, minimum=0)
# Tool webhooks may not reach private addresses; this opens 127.0.0.1 alone, for a simulator on the same machine.
WEBHOOK_ALLOW_LOOPBACK = env_bool("WEBHOOK_ALLOW_LOOPBACK", default=DEBUG)

# Further networks that tool webhooks may reach, as CIDRs; all private ones are closed otherwise.
TOOL_ALLOWED_NETWORKS = networks("TOOL_ALLOWED_NETWORKS", env_list("TOOL_ALLOWED_NETWORKS"))
# Where tools go that have no server, and whose assistant has none: Vapi's organisation-wide server URL.
ORGANISATION_SERVER_URL = env_str("ORGANISATION_SERVER_URL")
ORGANISATION_SERVER_SECRET = env_secret("ORGANISATION_SERVER_SECRET")
# For so many days the outbox shows what was told to customers' servers, or could not be.
SERVER_MESSAGES_DAYS = env_int("SERVER_MESSAGES_DAYS", 30, minimum=1)
# To how many of them a worker speaks at once; fewer than it has threads, where it works on other queues too.
SERVER_MESSAGES_AT_ONCE = env_int("SERVER_MESSAGES_AT_ONCE", 8, minimum=1)
# Stands in webhooks as orgId; without it an id that is made from PUBLIC_ORIGIN.
VAPI_ORG_ID = env_str("VAPI_ORG_ID")
# How many requests a key of our API may make in a minute.
API_REQUESTS_PER_MINUTE = env_int("API_REQUESTS_PER_MINUTE", 600, minimum=1)
# How many requests with a wrong key an address may make in a minute before it is told to wait; 0: as many as it likes. And the
# proxies before us, as CIDRs, whose word is taken for whose address that is.
API_FAILURES_PER_MINUTE = env_int("API_FAILURES_PER_MINUTE", 30, minimum=0)
TRUSTED_PROXIES = networks("TRUSTED_PROXIES", env_list("TRUSTED_PROXIES"))
# Calls that we place: how many at a time, together and from one number (0: as many as together), and for how long one waits
# for its turn. What keeps a stolen key from costing a fortune: what numbers begin with that may be called (by default the
# country of the number that calls; * for all), and how many calls a key may have in a minute, and all of them in 24 hours.
OUTBOUND_CONCURRENCY = env_int("OUTBOUND_CONCURRENCY", 10, minimum=1)
OUTBOUND_CONCURRENCY_PER_NUMBER = env_int("OUTBOUND_CONCURRENCY_PER_NUMBER", 0, minimum=0)
OUTBOUND_WAIT_MINUTES = env_int("OUTBOUND_WAIT_MINUTES", 60, minimum=1)
OUTBOUND_PREFIXES = env_list("OUTBOUND_PREFIXES")
OUTBOUND_CALLS_PER_MINUTE = env_int("OUTBOUND_CALLS_PER_MINUTE", 600, minimum=0)
OUTBOUND_CALLS_PER_DAY = env_int("OUTBOUND_CALLS_PER_DAY", 2000, minimum=0)

# --- Stores --------------------------------------------------------------------------------------------------

DATABASE_URL = env_secret("DATABASE_URL", "postgresql://127.0.0.1:5432/tandem")
REDIS_URL = env_secret("REDIS_URL", "redis://127.0.0.1:6379/0")
REDIS_KEY_PREFIX = env_str("REDIS_KEY_PREFIX", "tandem")
SPOOL_DIR = Path(env_str("SPOOL_DIR", str(VAR_DIR / "spool")))
SPOOL_LIMIT_MB = env_int("SPOOL_LIMIT_MB", 512, minimum=1)
# For so many days what was said and recorded is kept, where an assistant says nothing else; 0: for good.
RETENTION_DAYS = env_int("RETENTION_DAYS", 0, minimum=0)
DATABASES = {"default": database_from_url(DATABASE_URL, pool=True)}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
# Kept in a folder that web and workers share, or in a bucket where one is named.
RECORDINGS_DIR = Path(env_str("RECORDINGS_DIR", str(VAR_DIR / "recordings")))
RECORDINGS_S3_BUCKET = env_str("RECORDINGS_S3_BUCKET")
RECORDINGS_S3_PREFIX = env_str("RECORDINGS_S3_PREFIX", "recordings")
RECORDINGS_S3_ENDPOINT = env_str("RECORDINGS_S3_ENDPOINT")
RECORDINGS_S3_REGION = env_str("RECORDINGS_S3_REGION")
# A recording that is larger is not fetched: an hour with two channels has 110 MiB.
RECORDING_MAX_MIB = env_int("RECORDING_MAX_MIB", 512, minimum=1)
# Once it is kept here, Twilio's copy is deleted.
RECORDING_DELETE_AT_TWILIO = env_bool("RECORDING_DELETE_AT_TWILIO", default=True)
STORAGES: dict[str, Any] = {
    "default": {"BACKEND": FILES},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
    "recordings": recordings_in_bucket(
        bucket=RECORDINGS_S3_BUCKET,
        prefix=RECORDINGS_S3_PREFIX,
        endpoint=RECORDINGS_S3_ENDPOINT,
        region=RECORDINGS_S3_REGION,
    )
    if RECORDINGS_S3_BUCKET
    else recordings_in_folder(RECORDINGS_DIR),
}
CHANNEL_LAYERS: dict[str, dict[str, Any]] = {
    "default": {
        "BACKEND": "channels_redis.core.RedisChannelLayer",
        "CONFIG": {
            # The client's own limit of 5 s is as long as the layer's blocking read: an idle call would lose its channel.
            "hosts": [{"address": REDIS_URL, "socket_timeout": None}],
            "prefix": f"{REDIS_KEY_PREFIX}:asgi",
            "capacity": 1000,  # beyond it messages are dropped with no error to the sender; the default is 100
            "expiry": 120,  # seconds; longer than any tool may take to answer
        },
    },
}

# --- Reports -------------------------------------------------------------------------------------------------

# The role that Metabase connects as; `manage.py reporting_role` creates it.
REPORTING_ROLE = env_str("REPORTING_ROLE", "metabase")
REPORTING_PASSWORD = env_secret("REPORTING_PASSWORD")
METABASE_URL = env_str("METABASE_URL", "http://127.0.0.1:3000")
METABASE_USER = env_str("METABASE_USER")
METABASE_PASSWORD = env_secret("METABASE_PASSWORD")

# --- Warehouse -----------------------------------------------------------------------------------------------

# Where finished calls are kept for analysts: our own PostgreSQL, or BigQuery as well.
WAREHOUSE = env_choice("WAREHOUSE", "postgres", ("postgres", "bigquery"))
BIGQUERY_PROJECT = env_str("BIGQUERY_PROJECT")
BIGQUERY_DATASET = env_str("BIGQUERY_DATASET", "tandem")
BIGQUERY_LOCATION = env_str("BIGQUERY_LOCATION", "US")
BIGQUERY_CREDENTIALS = env_secret("BIGQUERY_CREDENTIALS")
# Only for something else that speaks BigQuery's REST; over http without credentials.
BIGQUERY_API_URL = env_str("BIGQUERY_API_URL")

# --- Analysis after a call -----------------------------------------------------------------------------------

# The text model that sums up and judges finished calls, where an assistant has that switched on.
ANALYSIS_MODEL = env_str("ANALYSIS_MODEL", "gpt-5.4-mini")
# By default beside OPENAI_REALTIME_URL.
OPENAI_RESPONSES_URL = env_str("OPENAI_RESPONSES_URL")

# --- Jobs ----------------------------------------------------------------------------------------------------

CELERY_BROKER_URL = REDIS_URL
CELERY_TIMEZONE = "UTC"
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = False
CELERY_TASK_DEFAULT_QUEUE = "records"
CELERY_TASK_CREATE_MISSING_QUEUES = True
CELERY_TASK_ROUTES = {
    "tools.tasks.tool_call_forward": {"queue": "tools"},
    "calls.tasks.transfer_summarise": {"queue": "tools"},
    "calls.messages.tasks.lane_send": {"queue": "messages"},
    "calls.messages.tasks.passing_begin": {"queue": "messages"},
}
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_TRANSPORT_OPTIONS = {
    # Must exceed the longest task and the longest countdown, or a task runs twice.
    "visibility_timeout": env_int("CELERY_VISIBILITY_TIMEOUT", 900, minimum=60),
    # With the defaults a task of a killed worker comes back a hundred seconds after the timeout.
    "unacked_restore_interval": 5,
    "unacked_restore_throttle": 1,
    "socket_timeout": 30,
    "socket_connect_timeout": 5,
    "socket_keepalive": True,
    "health_check_interval": 25,
}
CELERY_REDIS_SOCKET_TIMEOUT = 30.0
CELERY_REDIS_SOCKET_CONNECT_TIMEOUT = 5.0
CELERY_REDIS_SOCKET_KEEPALIVE = True
CELERY_REDIS_BACKEND_HEALTH_CHECK_INTERVAL = 25

# --- Django --------------------------------------------------------------------------------------------------

INSTALLED_APPS = [
    "unfold",  # before django.contrib.admin, whose templates it replaces
    "unfold.contrib.filters",
    "unfold.contrib.forms",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "channels",
    "config.apps.PlatformConfig",
    "tools.apps.ToolsConfig",
    "assistants.apps.AssistantsConfig",
    "transcripts.apps.TranscriptsConfig",
    "calls.apps.CallsConfig",
]
MIDDLEWARE = [
    "config.observing.requests.request_observed",  # first, so that it sees every answer
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
ROOT_URLCONF = "config.urls"
ASGI_APPLICATION = "config.asgi.application"
APPEND_SLASH = False  # a redirect would lose the fields of a webhook's POST
LOGIN_URL = "admin:login"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.debug",
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
LANGUAGE_CODE = "en-us"
TIME_ZONE = "UTC"
USE_I18N = True
USE_TZ = True
STATIC_URL = "/static/"
STATIC_ROOT = BASE_DIR / "staticfiles"

# --- Admin ---------------------------------------------------------------------------------------------------


def _entry(title: str, icon: str, url_name: str) -> dict[str, str | Promise]:
    return {"title": title, "icon": icon, "link": reverse_lazy(f"admin:{url_name}_changelist")}


UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "Tandem",
    "SITE_HEADER": "Tandem",
    "SITE_SYMBOL": "graphic_eq",
    "SITE_FAVICONS": [
        {"rel": "icon", "type": "image/svg+xml", "href": lambda _: static("tandem/favicon.svg")}
    ],
    "SHOW_HISTORY": True,
    "DASHBOARD_CALLBACK": "calls.dashboard.dashboard",
    "SIDEBAR": {
        "show_search": True,
        "navigation": [
            {
                "title": "Assistants",
                "separator": False,
                "items": [
                    _entry("Assistants", "support_agent", "assistants_assistant"),
                    _entry("Published versions", "history", "assistants_assistantversion"),
                    _entry("Tools", "build", "tools_tool"),
                    _entry("Squads", "groups", "assistants_squad"),
                    _entry("Credentials", "key", "tools_credential"),
                ],
            },
            {
                "title": "From Vapi",
                "separator": True,
                "items": [
                    _entry("Imports from Vapi", "move_to_inbox", "assistants_vapiimport"),
                    _entry("Imported objects", "fact_check", "assistants_vapiobject"),
                    _entry("Voice table", "record_voice_over", "assistants_voicemapping"),
                    _entry("Imports of calls", "history_toggle_off", "calls_vapicallimport"),
                    _entry("Calls from Vapi", "receipt_long", "calls_vapicall"),
                    _entry("Recorders", "voicemail", "calls_vapirecorder"),
                    _entry("Capture points", "radar", "tools_capturepoint"),
                ],
            },
            {
                "title": "Telephone",
                "separator": True,
                "items": [
                    _entry("Numbers", "dialpad", "calls_phonenumber"),
                    _entry("Cutover", "swap_calls", "calls_cutovernumber"),
                    _entry("Cutover schedules", "event_repeat", "calls_cutoverschedule"),
                    _entry("Cutovers done", "checklist", "calls_cutoverbatch"),
                    _entry("Twilio accounts", "account_balance", "calls_twilioaccount"),
                    _entry("Live calls", "headset_mic", "calls_livecall"),
                    _entry("Orders to live calls", "campaign", "calls_liveorder"),
                    _entry("Outbound calls", "call_made", "calls_placing"),
                    {
                        **_entry("Calls", "call", "calls_call"),
                        "active": "calls.page.search_page.calls_active",
                    },
                    {
                        "title": "What was said",
                        "icon": "manage_search",
                        "link": reverse_lazy("admin:calls_call_said"),
                    },
                    _entry("Recordings", "mic", "calls_recording"),
                    _entry("Problems", "report", "calls_callproblem"),
                    _entry("Records not written", "save_as", "calls_unwrittenrecord"),
                    _entry("Smoke tests", "compare_arrows", "calls_smokerun"),
                    _entry("Scenarios", "theater_comedy", "calls_scenario"),
                    _entry("Recorded lines", "record_voice_over", "calls_callerline"),
                    _entry("Error budgets", "battery_alert", "calls_budgetrule"),
                    _entry("Burnt budgets", "local_fire_department", "calls_budgettrip"),
                    _entry("Calls that took the way back", "u_turn_left", "calls_fallbackcall"),
                    _entry("Doctor", "stethoscope", "calls_doctorrun"),
                ],
            },
            {
                "title": "Money",
                "separator": True,
                "items": [
                    {
                        "title": "Costs by day",
                        "icon": "payments",
                        "link": reverse_lazy("admin:calls_callcost_by_day"),
                    },
                    _entry("Costs of calls", "receipt", "calls_callcost"),
                    _entry("Price list", "sell", "calls_price"),
                    _entry("Spending limits", "price_change", "calls_spendinglimit"),
                    _entry("Spending alerts", "notifications", "calls_spendingalert"),
                ],
            },
            {
                "title": "Records",
                "separator": True,
                "items": [
                    _entry("Transcripts", "forum", "transcripts_transcript"),
                    _entry("Tool calls", "webhook", "tools_toolcall"),
                    _entry("Analyses", "psychology", "calls_callanalysis"),
                    _entry("Server messages", "outgoing_mail", "calls_servermessage"),
                    _entry("Warehouse", "warehouse", "calls_warehousedelivery"),
                    {
                        "title": "Tool servers in trouble",
                        "icon": "electrical_services",
                        "link": reverse_lazy("admin:tools_breakers"),
                    },
                ],
            },
            {
                "title": "Access",
                "separator": True,
                "items": [
                    _entry("Users", "person", "auth_user"),
                    _entry("Groups", "group", "auth_group"),
                    _entry("API keys", "vpn_key", "tools_apikey"),
                    _entry("Changes by programs", "edit_note", "tools_apiwrite"),
                    {"title": "API documentation", "icon": "api", "link": reverse_lazy("api-docs")},
                    _entry("Opened calls", "visibility", "calls_callopened"),
                    _entry("Erasing a caller", "person_remove", "calls_erasure"),
                ],
            },
        ],
    },
}
