"""Secrets of a local installation: made once, kept under var/secrets, readable by their owner only."""

import os
import secrets
from collections.abc import Callable
from pathlib import Path

from cryptography.fernet import Fernet


def local_secret_key(folder: Path) -> str:
    """Django's SECRET_KEY of this installation."""
    return keep_secret(folder / "secret_key", lambda: secrets.token_urlsafe(50))


def local_field_key(folder: Path) -> str:
    """The Fernet key that encrypts fields in this installation's database."""
    return keep_secret(folder / "field_encryption_key", lambda: Fernet.generate_key().decode("ascii"))


def keep_secret(path: Path, make: Callable[[], str]) -> str:
    """The content of the file; made by `make` and written with mode 0600 the first time."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not path.exists():
        draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(make() + "\n")
        try:
            path.hardlink_to(draft)  # unlike a rename, it never replaces what another process wrote first
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return path.read_text(encoding="utf-8").strip()
