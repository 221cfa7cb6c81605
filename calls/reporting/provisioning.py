"""Metabase as our files want it: connection, questions, dashboards. A second time changes nothing; what people added stays.

What is ours carries a mark at the end of its description: its key, and a digest of what was sent. What Metabase gives back is
never compared with what was sent, for it rewrites queries in its own way.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from calls.reporting.building import SCHEMA
from calls.reporting.metabase import Metabase, MetabaseError
from calls.reporting.questions import Dashboard, Place, Question

NAME: Final = "Tandem"
_MARK: Final = re.compile(r"\[tandem ([a-z0-9-]+) ([0-9a-f]{12})\]\s*$")
# What an update of a dashboard may say of each card; anything else is refused.
_OF_DASHCARD: Final = (
    "id", "card_id", "action_id", "row", "col", "size_x", "size_y", "dashboard_tab_id", "parameter_mappings",
    "visualization_settings", "inline_parameters",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Reach:
    """How Metabase reaches our database, as the read-only role."""

    host: str
    port: int
    dbname: str
    user: str
    password: str = field(repr=False)
    ssl: bool

    def details(self) -> dict[str, Any]:
        """The connection in Metabase's words."""
        return {
            **asdict(self),
            "schema-filters-type": "inclusion",
            "schema-filters-patterns": SCHEMA,
            "tunnel-enabled": False,
        }


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that was done: ``verb`` is created, updated, archived or left (somebody threw it away)."""

    verb: str
    what: str


@dataclass(frozen=True, slots=True)
class _Known:
    """Something of ours that is there."""

    id: int
    digest: str


def provision(metabase: Metabase, reach: Reach, boards: Sequence[Dashboard]) -> list[Change]:
    """What was changed, or would be if Metabase is asked ``dry``. Raises MetabaseError; run again, it goes on."""
    return _Provisioning(metabase, boards).run(reach)


class _Provisioning:
    def __init__(self, metabase: Metabase, boards: Sequence[Dashboard]) -> None:
        self._metabase = metabase
        self._boards = boards
        self._changes: list[Change] = []

    def run(self, reach: Reach) -> list[Change]:
        database_id = self._database(reach)
        collection_id = self._collection()
        cards, dashboards = self._found(collection_id)
        thrown_away = self._thrown_away()
        card_ids: dict[str, int] = {}
        for board in self._boards:
            for one in board.questions:
                if one.key in thrown_away and one.key not in cards:
                    self._changes.append(Change("left", f"question {one.name}, which somebody threw away"))
                    continue
                card_ids[one.key] = self._card(one, cards.get(one.key), database_id, collection_id)
        self._retire(
            "card", "question", cards, {one.key for board in self._boards for one in board.questions}
        )
        for board in self._boards:
            if board.key in thrown_away and board.key not in dashboards:
                self._changes.append(Change("left", f"dashboard {board.name}, which somebody threw away"))
                continue
            self._dashboard(board, dashboards.get(board.key), card_ids, collection_id)
        self._retire("dashboard", "dashboard", dashboards, {board.key for board in self._boards})
        return self._changes

    # --- The connection

    def _database(self, reach: Reach) -> int:
        details = reach.details()
        listed = self._metabase.get("/api/database")
        rows = listed.get("data", []) if isinstance(listed, dict) else listed
        known = next((row for row in rows if row["name"] == NAME and row["engine"] == "postgres"), None)
        body = {"name": NAME, "engine": "postgres", "details": details}
        if known is None:
            made = self._metabase.create("/api/database", {**body, "is_full_sync": True})
            self._changes.append(Change("created", f"connection to {reach.dbname} as {reach.user}"))
        elif self._stale(known, details):
            made = {"id": known["id"]}
            self._metabase.update(f"/api/database/{known['id']}", body)
            self._changes.append(Change("updated", f"connection to {reach.dbname} as {reach.user}"))
        else:
            return int(known["id"])
        self._metabase.ask(f"/api/database/{made['id']}/sync_schema")
        return int(made["id"])

    def _stale(self, known: Mapping[str, Any], details: Mapping[str, Any]) -> bool:
        """Whether the connection is another one, or does not work. Its password is never shown, so it is tried."""
        there = self._metabase.get(f"/api/database/{known['id']}").get("details") or {}
        if any(there.get(name) != value for name, value in details.items() if name != "password"):
            return True
        health = self._metabase.get(f"/api/database/{known['id']}/healthcheck")
        return bool(health.get("status") != "ok")

    # --- What is there

    def _collection(self) -> int:
        mark = _digest("collection")
        for row in self._metabase.get("/api/collection"):
            if _key(row) == "collection" and not row.get("archived"):
                return int(row["id"])
        about = f"Made by Tandem's provision_metabase. What you add here stays.\n\n[tandem collection {mark}]"
        made = self._metabase.create("/api/collection", {"name": NAME, "description": about})
        self._changes.append(Change("created", f"collection {NAME}"))
        return int(made["id"])

    def _found(self, collection_id: int) -> tuple[dict[str, _Known], dict[str, _Known]]:
        """Our questions and dashboards by their keys. What was moved elsewhere is not ours any more."""
        if not collection_id:
            return {}, {}
        items = self._metabase.get(f"/api/collection/{collection_id}/items", models=["card", "dashboard"])
        of_model: dict[str, dict[str, _Known]] = {"card": {}, "dashboard": {}}
        for item in items["data"]:
            found = _MARK.search(item.get("description") or "")
            if found and item["model"] in of_model:
                of_model[item["model"]].setdefault(found.group(1), _Known(int(item["id"]), found.group(2)))
        return of_model["card"], of_model["dashboard"]

    def _thrown_away(self) -> set[str]:
        """The keys of what somebody put into the trash; what the files no longer hold is there as well."""
        trash = self._metabase.get("/api/collection/trash")
        items = self._metabase.get(f"/api/collection/{trash['id']}/items", models=["card", "dashboard"])
        return {key for item in items["data"] if (key := _key(item))}

    # --- Questions

    def _card(self, one: Question, known: _Known | None, database_id: int, collection_id: int) -> int:
        body = {
            "name": one.name,
            "display": one.display,
            "dataset_query": {
                "type": "native",
                "database": database_id,
                "native": {"query": one.sql, "template-tags": {}},
            },
            "visualization_settings": dict(one.settings),
        }
        digest = _digest(body, one.about)
        body["description"] = _marked(one.about, one.key, digest)
        if known is None:
            made = self._metabase.create("/api/card", {**body, "collection_id": collection_id or None})
            self._changes.append(Change("created", f"question {one.name}"))
            return int(made["id"])
        if known.digest != digest:
            self._metabase.update(f"/api/card/{known.id}", body)
            self._changes.append(Change("updated", f"question {one.name}"))
        return known.id

    def _retire(self, path: str, word: str, known: Mapping[str, _Known], wanted: set[str]) -> None:
        for key in sorted(known.keys() - wanted):
            # Without its mark, so that it is not taken for one that somebody threw away, should it come back.
            about = "No longer part of Tandem's reports."
            self._metabase.update(f"/api/{path}/{known[key].id}", {"archived": True, "description": about})
            self._changes.append(Change("archived", f"{word} {key}"))

    # --- Dashboards

    def _dashboard(
        self, board: Dashboard, known: _Known | None, card_ids: Mapping[str, int], collection_id: int
    ) -> None:
        placed = [(card_ids[one.key], one.place) for one in board.questions if one.key in card_ids]
        digest = _digest(board.name, board.about, [(card_id, asdict(place)) for card_id, place in placed])
        if known is not None and known.digest == digest:
            return
        verb = "updated" if known is not None else "created"
        self._changes.append(Change(verb, f"dashboard {board.name}"))
        if self._metabase.dry:
            return
        if known is None:
            # It gets its mark with its cards: one that was begun only is filled next time.
            unfilled = _marked(board.about, board.key, "0" * 12)
            body = {"name": board.name, "description": unfilled, "collection_id": collection_id}
            known = _Known(int(self._metabase.create("/api/dashboard", body)["id"]), "")
        there = self._metabase.get(f"/api/dashboard/{known.id}")
        cards = dashcards(there.get("dashcards") or [], placed, tabs=there.get("tabs") or [])
        update: dict[str, Any] = {
            "name": board.name,
            "description": _marked(board.about, board.key, digest),
            "dashcards": cards,
        }
        if there.get("tabs"):
            update["tabs"] = [{"id": tab["id"], "name": tab["name"]} for tab in there["tabs"]]
        done = self._metabase.update(f"/api/dashboard/{known.id}", update)
        if len(done.get("dashcards") or []) != len(cards):
            raise MetabaseError(
                f"Metabase took the dashboard {board.name} but shows {len(done.get('dashcards') or [])} of its {len(cards)} "
                "cards. Its API may have changed: use the version that docker-compose.yml names."
            )


def dashcards(
    there: Iterable[Mapping[str, Any]],
    placed: Sequence[tuple[int, Place]],
    *,
    tabs: Sequence[Mapping[str, Any]] = (),
) -> list[dict[str, Any]]:
    """All cards of a dashboard as an update wants them: ours where they belong, and whatever people have put there.

    Leaving one out would delete it. People's cards that stand where one of ours is to be go below everything.
    """
    first_tab = tabs[0]["id"] if tabs else None
    ours = {card_id for card_id, _ in placed}
    mine: dict[int, Mapping[str, Any]] = {}
    others: list[dict[str, Any]] = []
    for one in there:
        if one.get("card_id") in ours and one["card_id"] not in mine:
            mine[one["card_id"]] = one
        else:
            others.append(_kept(one))
    found: list[dict[str, Any]] = []
    for n, (card_id, place) in enumerate(placed, start=1):
        kept = _kept(mine[card_id]) if card_id in mine else {"id": -n, "card_id": card_id}
        where = {"row": place.row, "col": place.column, "size_x": place.width, "size_y": place.height}
        found.append({**kept, **where, **({"dashboard_tab_id": first_tab} if tabs else {})})
    lowest = max((place.row + place.height for _, place in placed), default=0)
    for one in others:
        here = Place(one["row"], one["col"], one["size_x"], one["size_y"])
        on_our_tab = one.get("dashboard_tab_id") == first_tab
        if on_our_tab and any(here.overlaps(place) for _, place in placed):
            one["row"] = lowest
            lowest += here.height
    return [*found, *others]


def _kept(dashcard: Mapping[str, Any]) -> dict[str, Any]:
    kept = {name: dashcard[name] for name in _OF_DASHCARD if dashcard.get(name) is not None}
    if dashcard.get("series"):
        kept["series"] = [{"id": one["id"]} for one in dashcard["series"]]
    return kept


def _key(row: Mapping[str, Any]) -> str:
    found = _MARK.search(row.get("description") or "")
    return found.group(1) if found else ""


def _marked(about: str, key: str, digest: str) -> str:
    return f"{about}\n\n[tandem {key} {digest}]"


def _digest(*parts: Any) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:12]
