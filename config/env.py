"""Typed reading of environment variables. Nonsense fails loudly and names the variable, never its value if it is a secret."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

TRUE = {"1", "true", "yes", "on"}
FALSE = {"0", "false", "no", "off"}


def env_str(name: str, default: str = "", *, environ: Mapping[str, str] = os.environ) -> str:
    """The variable without surrounding blanks; the default where it is unset or empty."""
    return environ.get(name, "").strip() or default


def env_bool(name: str, *, default: bool, environ: Mapping[str, str] = os.environ) -> bool:
    """The variable as a boolean. Raises ImproperlyConfigured for a word that is neither yes nor no."""
    text = env_str(name, environ=environ).lower()
    if not text:
        return default
    if text in TRUE:
        return True
    if text in FALSE:
        return False
    raise ImproperlyConfigured(f"{name} is {text!r}; write true or false.")


def env_int(
    name: str, default: int, *, minimum: int | None = None, environ: Mapping[str, str] = os.environ
) -> int:
    """The variable as a whole number. Raises ImproperlyConfigured for anything else, or below the minimum."""
    text = env_str(name, environ=environ)
    if not text:
        return default
    try:
        number = int(text)
    except ValueError:
        raise ImproperlyConfigured(f"{name} is {text!r}; write a whole number.") from None
    if minimum is not None and number < minimum:
        raise ImproperlyConfigured(f"{name} is {number}; the least that makes sense is {minimum}.")
    return number


def env_choice(
    name: str, default: str, choices: Sequence[str], *, environ: Mapping[str, str] = os.environ
) -> str:
    """The variable, as it is spelled in `choices`. Raises ImproperlyConfigured for any other word."""
    text = env_str(name, default, environ=environ)
    for choice in choices:
        if text.lower() == choice.lower():
            return choice
    raise ImproperlyConfigured(f"{name} is {text!r}; write one of {', '.join(choices)}.")


def env_list(name: str, default: str = "", *, environ: Mapping[str, str] = os.environ) -> list[str]:
    """The comma separated items of the variable, without blanks and empty items."""
    return [item.strip() for item in env_str(name, default, environ=environ).split(",") if item.strip()]


def env_secret(name: str, default: str = "", *, environ: Mapping[str, str] = os.environ) -> str:
    """The secret given as NAME, or read from the file that NAME_FILE names.

    Raises ImproperlyConfigured when both are given, or when the file cannot be read or is empty.
    """
    value = env_str(name, environ=environ)
    file_name = env_str(f"{name}_FILE", environ=environ)
    if value and file_name:
        raise ImproperlyConfigured(f"{name} and {name}_FILE are both set; keep one of them.")
    if not file_name:
        return value or default
    try:
        content = Path(file_name).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as exc:
        raise ImproperlyConfigured(
            f"{name}_FILE names a file that cannot be read ({type(exc).__name__})."
        ) from exc
    if not content:
        raise ImproperlyConfigured(f"{name}_FILE names an empty file.")
    return content


def env_require(needed: Mapping[str, str], *, environ: Mapping[str, str] = os.environ) -> None:
    """Do nothing when every needed variable is set, as NAME or as NAME_FILE.

    Raises ImproperlyConfigured that lists all missing ones at once, each with what to put there.
    """
    missing = [
        name
        for name in needed
        if not env_str(name, environ=environ) and not env_str(f"{name}_FILE", environ=environ)
    ]
    if not missing:
        return
    lines = [f"  {name:<22} {needed[name]}" for name in missing]
    raise ImproperlyConfigured(
        "These environment variables are missing:\n"
        + "\n".join(lines)
        + "\nA secret may also be given as NAME_FILE, the path of a file that holds it. See .env.example."
    )
