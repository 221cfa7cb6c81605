"""DATABASE_URL."""

import pytest
from django.core.exceptions import ImproperlyConfigured

from config.database import database_from_url


def test_every_part_of_the_url_is_used() -> None:
    entry = database_from_url(
        "postgresql://us%40er:p%2Fw@db.example:6432/tan%20dem?sslmode=require", pool=True
    )

    assert entry["USER"] == "us@er"
    assert entry["PASSWORD"] == "p/w"
    assert (entry["HOST"], entry["PORT"], entry["NAME"]) == ("db.example", "6432", "tan dem")
    assert entry["OPTIONS"] == {"sslmode": "require", "pool": {"min_size": 2, "max_size": 20, "timeout": 5}}
    assert entry["CONN_MAX_AGE"] == 0


def test_a_socket_folder_stands_in_for_the_host() -> None:
    entry = database_from_url("postgres://tandem@:5432/tandem?host=/var/run/a%20b", pool=False)

    assert (entry["HOST"], entry["PORT"], entry["OPTIONS"]) == ("/var/run/a b", "5432", {})


@pytest.mark.parametrize(
    "url",
    [
        "",
        "tandem",
        "sqlite:///x",
        "mysql://h/x",
        "postgresql://h",
        "postgresql://h/",
        "postgresql://h:port/x",
        "postgresql://[h/x",
    ],
)
def test_anything_else_is_refused_with_an_example(url: str) -> None:
    with pytest.raises(ImproperlyConfigured, match="postgresql://user:password@host:5432/tandem"):
        database_from_url(url, pool=False)


def test_a_refusal_does_not_show_the_password() -> None:
    with pytest.raises(ImproperlyConfigured) as caught:
        database_from_url("mysql://u:hush@h:1/x", pool=False)

    assert "hush" not in str(caught.value)
