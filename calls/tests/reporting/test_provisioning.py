import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from hypothesis import given
from hypothesis import strategies as st

from calls.reporting.metabase import Metabase, MetabaseError
from calls.reporting.provisioning import Change, Reach, dashcards, provision
from calls.reporting.questions import Dashboard, Place, Question, dashboards
from calls.tests.reporting.metabase_stand_in import StandIn, running

REACH = Reach("postgres", 5432, "tandem", "metabase", "reads-only", ssl=False)
USER, PASSWORD = "ops@example.com", "metabase-password"


@pytest.fixture
def stand_in() -> Iterator[StandIn]:
    with running(StandIn(database_password="reads-only")) as one:
        yield one


def run(stand_in: StandIn, boards: tuple[Dashboard, ...] | None = None, **fields: Any) -> list[Change]:
    metabase = Metabase(stand_in.url, dry=fields.pop("dry", False))
    metabase.log_in(USER, PASSWORD)
    changes = provision(metabase, replace(REACH, **fields), dashboards() if boards is None else boards)
    metabase.log_out()
    return changes


def question(key: str = "q", *, sql: str = "SELECT 1", place: Place | None = None) -> Question:
    return Question(key, f"Question {key}", "What it tells.", "table", sql, place or Place(0, 0, 12, 4))


def board(*questions: Question, key: str = "b") -> Dashboard:
    return Dashboard(key, f"Dashboard {key}", "What it shows.", questions)


def of_key(rows: dict[int, dict[str, Any]], key: str) -> dict[str, Any]:
    return next(row for row in rows.values() if f"[tandem {key} " in (row["description"] or ""))


def test_a_fresh_metabase_gets_everything(stand_in: StandIn) -> None:
    changes = run(stand_in)

    wanted = dashboards()
    assert stand_in.users == {USER: PASSWORD}
    (database,) = stand_in.databases.values()
    assert database["details"]["schema-filters-patterns"] == "reporting"
    assert database["details"]["user"] == "metabase"
    assert ("POST", f"/api/database/{database['id']}/sync_schema") in stand_in.requests
    assert len(stand_in.cards) == sum(len(one.questions) for one in wanted)
    assert [row["name"] for row in stand_in.dashboards.values()] == [one.name for one in wanted]
    for one in wanted:
        placed = of_key(stand_in.dashboards, one.key)["dashcards"]
        assert {stand_in.cards[card["card_id"]]["name"] for card in placed} == {q.name for q in one.questions}
    assert {change.verb for change in changes} == {"created"}
    assert not stand_in.sessions


def test_a_second_time_changes_nothing(stand_in: StandIn) -> None:
    run(stand_in)
    stand_in.requests.clear()

    assert run(stand_in) == []
    assert stand_in.writes == []


def test_changed_sql_is_updated_and_nothing_else(stand_in: StandIn) -> None:
    run(stand_in, (board(question("a"), question("b", place=Place(4, 0, 12, 4))),))
    stand_in.requests.clear()

    changes = run(stand_in, (board(question("a", sql="SELECT 2"), question("b", place=Place(4, 0, 12, 4))),))

    assert changes == [Change("updated", "question Question a")]
    card = of_key(stand_in.cards, "a")
    assert stand_in.writes == [("PUT", f"/api/card/{card['id']}")]
    assert card["dataset_query"]["native"]["query"] == "SELECT 2"


def test_what_people_added_stays(stand_in: StandIn) -> None:
    run(stand_in, (board(question("a")),))
    dashboard = of_key(stand_in.dashboards, "b")
    own_card = stand_in.id()
    stand_in.cards[own_card] = {
        "id": own_card, "name": "Mine", "description": None, "archived": False,
        "collection_id": dashboard["collection_id"],
    }  # fmt: skip
    own = {"id": stand_in.id(), "card_id": own_card, "row": 4, "col": 0, "size_x": 6, "size_y": 3}
    heading = {
        "id": stand_in.id(), "card_id": None, "row": 20, "col": 0, "size_x": 24, "size_y": 1,
        "visualization_settings": {"text": "Our notes"},
    }  # fmt: skip
    combined = {**own, "id": stand_in.id(), "row": 30, "series": [{"id": own_card, "name": "Mine"}]}
    dashboard["dashcards"] += [own, heading, combined]

    run(stand_in, (board(question("a", place=Place(0, 0, 24, 8)), question("c", place=Place(8, 0, 24, 4))),))

    assert stand_in.cards[own_card]["name"] == "Mine"
    after = {one["id"]: one for one in dashboard["dashcards"]}
    assert len(after) == 5
    assert after[own["id"]]["row"] == 12  # below ours, which took its place
    assert after[heading["id"]]["row"] == 20
    assert after[heading["id"]]["visualization_settings"] == {"text": "Our notes"}
    assert after[combined["id"]]["series"] == [{"id": own_card}]


def test_tabs_that_people_made_stay(stand_in: StandIn) -> None:
    run(stand_in, (board(question("a")),))
    dashboard = of_key(stand_in.dashboards, "b")
    dashboard["tabs"] = [
        {"id": 501, "name": "Ours", "position": 0},
        {"id": 502, "name": "Mine", "position": 1},
    ]
    dashboard["dashcards"][0]["dashboard_tab_id"] = 501
    mine = {"id": 700, "card_id": None, "row": 0, "col": 0, "size_x": 4, "size_y": 2, "dashboard_tab_id": 502}
    dashboard["dashcards"].append(mine)

    run(stand_in, (board(question("a", place=Place(0, 0, 24, 5)), question("c", place=Place(5, 0, 24, 5))),))

    assert [tab["name"] for tab in dashboard["tabs"]] == ["Ours", "Mine"]
    where = {one["id"]: (one["dashboard_tab_id"], one["row"]) for one in dashboard["dashcards"]}
    assert where.pop(700) == (502, 0)
    assert {tab for tab, _ in where.values()} == {501}


def test_what_the_files_no_longer_hold_is_archived_and_may_come_back(stand_in: StandIn) -> None:
    both = (board(question("a"), question("old", place=Place(4, 0, 24, 4))), board(question("z"), key="gone"))
    run(stand_in, both)
    old = of_key(stand_in.cards, "old")

    changes = run(stand_in, (board(question("a")),))

    assert Change("archived", "question old") in changes
    assert Change("archived", "dashboard gone") in changes
    assert old["archived"]
    assert len(of_key(stand_in.dashboards, "b")["dashcards"]) == 1
    assert run(stand_in, (board(question("a")),)) == []
    assert {one.verb for one in run(stand_in, both)} == {"created", "updated"}


def test_what_somebody_threw_away_stays_away(stand_in: StandIn) -> None:
    boards = (
        board(question("a"), question("c", place=Place(4, 0, 24, 4))),
        board(question("z"), key="other"),
    )
    run(stand_in, boards)
    of_key(stand_in.cards, "c")["archived"] = True
    of_key(stand_in.dashboards, "other")["archived"] = True

    first, second = run(stand_in, boards), run(stand_in, boards)

    left = [
        Change("left", "question Question c, which somebody threw away"),
        Change("left", "dashboard Dashboard other, which somebody threw away"),
    ]
    assert first == [left[0], Change("updated", "dashboard Dashboard b"), left[1]]
    assert second == left


def test_a_run_that_broke_off_is_completed(stand_in: StandIn) -> None:
    boards = (board(question("a"), question("c", place=Place(4, 0, 24, 4))),)
    stand_in.broken["/api/dashboard"] = (500, {"message": "out of memory"})
    with pytest.raises(MetabaseError, match="500 to POST /api/dashboard: out of memory"):
        run(stand_in, boards)
    stand_in.broken.clear()

    run(stand_in, boards)

    assert len(stand_in.cards) == 2
    assert len(of_key(stand_in.dashboards, "b")["dashcards"]) == 2
    assert run(stand_in, boards) == []


def test_a_dashboard_that_was_begun_only_is_filled(stand_in: StandIn) -> None:
    run(stand_in, (board(question("a")),))
    dashboard = of_key(stand_in.dashboards, "b")
    dashboard.update(dashcards=[], description=f"What it shows.\n\n[tandem b {'0' * 12}]")

    assert run(stand_in, (board(question("a")),)) == [Change("updated", "dashboard Dashboard b")]
    assert len(dashboard["dashcards"]) == 1


def test_a_new_password_reaches_the_connection(stand_in: StandIn) -> None:
    run(stand_in, ())
    stand_in.database_password = "changed"

    assert run(stand_in, (), password="changed") == [Change("updated", "connection to tandem as metabase")]
    assert run(stand_in, (), password="changed") == []


def test_a_connection_that_is_refused_is_told(stand_in: StandIn) -> None:
    with pytest.raises(
        MetabaseError, match="400 to POST /api/database: FATAL: password authentication failed"
    ):
        run(stand_in, (), password="wrong")


def test_a_check_writes_nothing(stand_in: StandIn) -> None:
    run(stand_in, (board(question("a")),))
    stand_in.requests.clear()

    changes = run(stand_in, (board(question("a", sql="SELECT 3")), board(question("n"), key="new")), dry=True)

    assert [change.verb for change in changes] == ["updated", "created", "created"]
    assert stand_in.writes == []


def test_metabase_may_take_its_time(stand_in: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("calls.reporting.metabase.time.sleep", lambda _: None)
    stand_in.unhealthy_answers = 3

    Metabase(stand_in.url).await_health(within_s=60)

    assert [path for _, path in stand_in.requests] == ["/api/health"] * 4


def test_a_metabase_that_is_not_there_is_told() -> None:
    with pytest.raises(
        MetabaseError, match="was not ready within 0 s: Metabase cannot be reached at http://127"
    ):
        Metabase("http://127.0.0.1:9/").await_health(within_s=0)


def test_a_wrong_password_is_told_and_not_quoted(stand_in: StandIn) -> None:
    stand_in.users[USER] = "another"

    with pytest.raises(MetabaseError, match="METABASE_PASSWORD") as caught:
        run(stand_in)

    assert PASSWORD not in str(caught.value)


def test_something_else_at_the_address_is_told(stand_in: StandIn) -> None:
    stand_in.broken["/api/session/properties"] = (302, {})

    with pytest.raises(MetabaseError, match="302 to GET /api/session/properties"):
        run(stand_in)


places = st.builds(Place, st.integers(0, 8), st.integers(0, 8), st.integers(1, 6), st.integers(1, 6))


@given(ours=st.lists(places, max_size=4), theirs=st.lists(places, max_size=4), known=st.booleans())
def test_no_card_of_anybody_is_lost_or_covered_by_ours(
    *, ours: list[Place], theirs: list[Place], known: bool
) -> None:
    placed = [(100 + n, place) for n, place in enumerate(ours)]
    there: list[dict[str, Any]] = [
        {"id": n, "card_id": 500 + n, "row": p.row, "col": p.column, "size_x": p.width, "size_y": p.height}
        for n, p in enumerate(theirs, start=1)
    ]
    if known:
        there += [
            {
                "id": 50 + n,
                "card_id": card_id,
                "row": 0,
                "col": 0,
                "size_x": 1,
                "size_y": 1,
                "entity_id": "no",
            }
            for n, (card_id, _) in enumerate(placed)
        ]

    cards = dashcards(there, placed)

    assert len({one["id"] for one in cards}) == len(cards) == len(ours) + len(theirs)
    assert {one["id"] for one in there} <= {one["id"] for one in cards}
    assert all("entity_id" not in one for one in cards)
    for one in cards:
        if one["card_id"] >= 500:
            here = Place(one["row"], one["col"], one["size_x"], one["size_y"])
            assert not any(here.overlaps(place) for place in ours)


# --- The command


def command(settings: Any, stand_in: StandIn, *arguments: str) -> None:
    settings.METABASE_URL = stand_in.url
    call_command("provision_metabase", "--database-host", "postgres", *arguments)


def test_the_command_tells_what_it_did(
    settings: Any, stand_in: StandIn, capsys: pytest.CaptureFixture[str]
) -> None:
    command(settings, stand_in)
    first = capsys.readouterr().out
    command(settings, stand_in)
    second = capsys.readouterr().out

    assert f"Set up, with {USER} as its administrator." in first
    assert "created: dashboard Calls today" in first
    assert "Nothing to do" in second
    assert PASSWORD not in first


def test_the_command_checks_without_writing(
    settings: Any, stand_in: StandIn, capsys: pytest.CaptureFixture[str]
) -> None:
    stand_in.users[USER] = PASSWORD

    with pytest.raises(SystemExit) as ended:
        command(settings, stand_in, "--check", "--json")

    told = json.loads(capsys.readouterr().out)
    assert ended.value.code == 1
    assert {"verb": "created", "what": "dashboard Quality"} in told["changes"]
    assert stand_in.writes == []


def test_the_command_names_what_is_missing(settings: Any, stand_in: StandIn) -> None:
    settings.METABASE_USER = settings.REPORTING_PASSWORD = ""

    with pytest.raises(CommandError, match="Set METABASE_USER, REPORTING_PASSWORD first"):
        command(settings, stand_in)


def test_a_database_on_a_socket_only_is_told(settings: Any, stand_in: StandIn) -> None:
    settings.DATABASES["default"] = {**settings.DATABASES["default"], "HOST": "/tmp/somewhere"}  # noqa: S108

    with pytest.raises(CommandError, match="Unix socket"):
        call_command("provision_metabase")
