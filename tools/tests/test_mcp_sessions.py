from redis import Redis

from tools.mcp.sessions import Session, session_forget, session_keep, session_kept

MINE = Session("2025-11-25", "s3cret-session")


def test_a_session_is_kept_encrypted_and_not_for_ever(redis_client: "Redis") -> None:
    session_keep("call:server", MINE)

    (key,) = redis_client.keys("*mcp-session*")
    assert session_kept("call:server") == MINE
    assert "s3cret" not in str(redis_client.get(key))
    assert 0 < redis_client.ttl(key) <= 3600


def test_the_first_of_two_sessions_that_were_opened_at_once_is_kept(redis_client: "Redis") -> None:
    session_keep("call:server", MINE)
    session_keep("call:server", Session("2025-11-25", "other"))

    assert session_kept("call:server") == MINE


def test_only_the_session_that_is_kept_is_forgotten(redis_client: "Redis") -> None:
    session_keep("call:server", MINE)

    session_forget("call:server", Session("2025-11-25", "other"))
    assert session_kept("call:server") == MINE
    session_forget("call:server", MINE)
    assert session_kept("call:server") is None


def test_nothing_is_kept_at_no_place(redis_client: "Redis") -> None:
    session_keep("", MINE)

    assert session_kept("") is None
    assert redis_client.keys("*mcp-session*") == []


def test_what_no_key_opens_is_none(redis_client: "Redis") -> None:
    session_keep("call:server", MINE)
    (key,) = redis_client.keys("*mcp-session*")
    redis_client.set(key, "nonsense")

    assert session_kept("call:server") is None
