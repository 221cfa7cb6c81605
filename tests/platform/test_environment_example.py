""".env.example and the code name the same variables."""

import re
from pathlib import Path

from config.local_environment import read_env_file

ROOT = Path(__file__).resolve().parents[2]
READ = re.compile(r"env_(?:str|bool|int|list|secret|choice)\(\s*\"([A-Z_]+)\"")
ONLY_COMPOSE = {"POSTGRES_PASSWORD", "METABASE_DATABASE_PASSWORD"}


def documented() -> set[str]:
    return set(re.findall(r"^([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))


def read_by_the_settings() -> set[str]:
    files = (ROOT / "config" / "settings").glob("*.py")
    return {name for file in files for name in READ.findall(file.read_text())}


def test_every_variable_that_is_read_is_documented_and_the_reverse() -> None:
    assert documented() - ONLY_COMPOSE == read_by_the_settings()


def test_a_copy_of_it_sets_nothing() -> None:
    assert read_env_file(ROOT / ".env.example") == {}
