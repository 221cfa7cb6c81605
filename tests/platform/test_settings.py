"""The settings modules, each in a process of its own."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from cryptography.fernet import Fernet

ROOT = Path(__file__).resolve().parents[2]
PRODUCTION = {
    "SECRET_KEY": "0123456789" * 6,
    "FIELD_ENCRYPTION_KEY": Fernet.generate_key().decode(),
    "PUBLIC_ORIGIN": "https://voice.example.com",
    "DATABASE_URL": "postgresql://h/tandem",
    "REDIS_URL": "redis://h/0",
    "OPENAI_API_KEY": "sk-x",
    "TWILIO_ACCOUNT_SID": "AC" + "0" * 32,
    "TWILIO_AUTH_TOKEN": "first",
}
SHOW = """
import importlib, json, sys
settings = importlib.import_module(sys.argv[1])
print(json.dumps({name: getattr(settings, name) for name in sys.argv[2:]}, default=str))
"""


def load(module: str, environment: dict[str, str], *names: str) -> dict[str, Any]:
    done = python("-c", SHOW, f"config.settings.{module}", *names, environment=environment)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def python(*arguments: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env={"PATH": os.defpath, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_production_lists_everything_that_is_missing() -> None:
    done = python("-c", "import config.settings.production", environment={})

    assert done.returncode != 0
    for name in PRODUCTION:
        assert name in done.stderr


def test_production_is_strict_and_derives_the_rest() -> None:
    found = load(
        "production",
        {**PRODUCTION, "TWILIO_AUTH_TOKEN_SECONDARY": "second", "ALLOWED_HOSTS": "other.example.com"},
        *(
            "DEBUG",
            "MEDIA_ORIGIN",
            "ALLOWED_HOSTS",
            "CSRF_TRUSTED_ORIGINS",
            "TWILIO_AUTH_TOKENS",
            "APPEND_SLASH",
        ),
        *(
            "SESSION_COOKIE_SECURE",
            "CSRF_COOKIE_SECURE",
            "SECURE_SSL_REDIRECT",
            "SECURE_HSTS_SECONDS",
            "DATABASES",
        ),
    )

    assert found["DEBUG"] is False
    assert found["MEDIA_ORIGIN"] == "wss://voice.example.com"
    assert found["ALLOWED_HOSTS"] == ["127.0.0.1", "localhost", "other.example.com", "voice.example.com"]
    assert found["CSRF_TRUSTED_ORIGINS"] == ["https://voice.example.com"]
    assert found["TWILIO_AUTH_TOKENS"] == ["first", "second"]
    assert found["SESSION_COOKIE_SECURE"]
    assert found["CSRF_COOKIE_SECURE"]
    assert found["SECURE_HSTS_SECONDS"] > 0
    assert found["SECURE_SSL_REDIRECT"] is False  # Twilio's POST would be lost
    assert found["APPEND_SLASH"] is False
    assert found["DATABASES"]["default"]["OPTIONS"]["pool"]["max_size"] == 20


def test_production_passes_djangos_deployment_checks() -> None:
    done = python(
        *("manage.py", "check", "--deploy", "--fail-level", "WARNING"),
        environment={
            **PRODUCTION,
            "DJANGO_SETTINGS_MODULE": "config.settings.production",
            "SECURE_HSTS_INCLUDE_SUBDOMAINS": "true",
        },
    )

    assert done.returncode == 0, done.stderr


def test_local_needs_nothing_and_keys_rotate() -> None:
    found = load(
        "local",
        {"FIELD_ENCRYPTION_KEY": "new, old"},
        "DEBUG",
        "PUBLIC_ORIGIN",
        "FIELD_ENCRYPTION_KEYS",
        "SECRET_KEY",
    )

    assert found["DEBUG"] is True
    assert found["PUBLIC_ORIGIN"] == "http://127.0.0.1:8000"
    assert found["FIELD_ENCRYPTION_KEYS"] == ["new", "old"]
    assert found["SECRET_KEY"]


def test_a_level_that_is_none_is_refused_by_name() -> None:
    done = python("-c", "import config.settings.local", environment={"LOG_LEVEL": "loud"})

    assert "LOG_LEVEL is 'loud'" in done.stderr


def test_the_test_settings_have_no_pool() -> None:
    assert "pool" not in load("test", {}, "DATABASES")["DATABASES"]["default"]["OPTIONS"]
