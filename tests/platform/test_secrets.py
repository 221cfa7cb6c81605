"""Secrets of a local installation."""

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from cryptography.fernet import Fernet

from config.secrets import keep_secret, local_field_key, local_secret_key


def test_secrets_are_made_once_and_closed_to_others(tmp_path: Path) -> None:
    folder = tmp_path / "secrets"

    key = local_field_key(folder)

    assert local_field_key(folder) == key
    Fernet(key)
    assert len(local_secret_key(folder)) >= 50
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}


def test_whoever_comes_first_decides(tmp_path: Path) -> None:
    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(lambda n: keep_secret(tmp_path / "s", lambda: str(n)), range(64)))

    assert len(set(found)) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["s"]
