"""For pytest. `tests/services.py` has set DATABASE_URL and REDIS_URL before this is read."""

import os

from config.database import database_from_url

from .base import *

SECRET_KEY = "only-for-tests"
DEBUG = False
LOG_PII = False
PUBLIC_ORIGIN = "https://tandem.test"
MEDIA_ORIGIN = "wss://tandem.test"
ALLOWED_HOSTS = ["tandem.test", "testserver", "127.0.0.1", "localhost"]
FIELD_ENCRYPTION_KEYS = ["kq3Wbk7TAVb2gVn1cSdd0RXkm8OcN1WD9OGjSDuKbJg="]
OPENAI_API_KEY = "sk-test"
OPENAI_REALTIME_URL = "wss://api.openai.com/v1/realtime"
TWILIO_ACCOUNT_SID = "AC00000000000000000000000000000000"
TWILIO_AUTH_TOKEN = "test-token"
TWILIO_AUTH_TOKEN_SECONDARY = ""
TWILIO_AUTH_TOKENS = [TWILIO_AUTH_TOKEN]
TWILIO_API_URL = "https://api.twilio.com"
VAPI_API_KEY = ""
VAPI_API_URL = "https://api.vapi.ai"
API_FAILURES_PER_MINUTE = 0  # every test knocks from the same address
VOICE_FALLBACK = ""
VOICE_ANSWER_WITHIN_MS = 2500
SIMULATOR_URL = ""
REPORTING_ROLE = "metabase_of_tests"
REPORTING_PASSWORD = "reads-only"
METABASE_URL = "http://metabase.test"
METABASE_USER = "ops@example.com"
METABASE_PASSWORD = "metabase-password"
SPOOL_DIR = VAR_DIR / "test" / "spool" / str(os.getpid())  # an outbox adopts what others left in its folder
STORAGES = {**STORAGES, "recordings": {"BACKEND": "django.core.files.storage.InMemoryStorage"}}
# A pool and Channels' communicators do not go together: they never give connections back.
DATABASES = {"default": database_from_url(DATABASE_URL, pool=False)}
if TEMPLATE := os.environ.get("TEST_TEMPLATE"):
    # Migrated once, by tests/services.py, and copied for each run and worker.
    DATABASES["default"]["TEST"] = {"TEMPLATE": TEMPLATE}
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = True
