"""A deployment: everything that has no safe default must be set."""

from config.env import env_bool, env_int, env_require

from .base import *

NEEDED = {
    "SECRET_KEY": "python -c 'import secrets; print(secrets.token_urlsafe(50))'",
    "FIELD_ENCRYPTION_KEY": (
        "python -c 'from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())'; keep it safe"
    ),
    "PUBLIC_ORIGIN": "how Twilio and API clients reach us, as https://voice.example.com",
    "DATABASE_URL": "postgresql://user:password@host:5432/tandem",
    "REDIS_URL": "redis://host:6379/0, or rediss:// with TLS",
    "OPENAI_API_KEY": "the key of the OpenAI project that pays for the calls",
    "TWILIO_ACCOUNT_SID": "AC…, from the Twilio console",
    "TWILIO_AUTH_TOKEN": "from the Twilio console; webhook signatures are checked with it",
}
env_require(NEEDED)

MEDIA_DRAIN_S = env_int("MEDIA_DRAIN_S", 1140, minimum=0)  # within the 20 minutes of docker-compose.yml

STORAGES = {
    **STORAGES,
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}

# --- Behind a proxy that ends TLS ----------------------------------------------------------------------------

SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
# The proxy redirects people to https. If we did, a webhook that the proxy passes on without the header would be
# answered with a redirect, and its POST fields would be lost.
SECURE_SSL_REDIRECT = False
SECURE_HSTS_SECONDS = env_int("SECURE_HSTS_SECONDS", 31_536_000, minimum=0)
SECURE_HSTS_INCLUDE_SUBDOMAINS = env_bool("SECURE_HSTS_INCLUDE_SUBDOMAINS", default=False)
SECURE_REFERRER_POLICY = "same-origin"
SESSION_COOKIE_SECURE = True
SESSION_COOKIE_HTTPONLY = True
CSRF_COOKIE_SECURE = True
CSRF_TRUSTED_ORIGINS = [PUBLIC_ORIGIN]
SILENCED_SYSTEM_CHECKS = [
    "security.W008",  # SECURE_SSL_REDIRECT, see above
    "security.W021",  # whether browsers ship with the domain on their list is for the domain's owner to decide
]
