"""One machine, for development and for trying out: works with no variable set."""

from config.env import env_bool
from config.secrets import local_field_key, local_secret_key

from .base import *

DEBUG = env_bool("DEBUG", default=True)
SECRET_KEY = SECRET_KEY or local_secret_key(VAR_DIR / "secrets")
FIELD_ENCRYPTION_KEYS = FIELD_ENCRYPTION_KEYS or [local_field_key(VAR_DIR / "secrets")]
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = DEBUG
