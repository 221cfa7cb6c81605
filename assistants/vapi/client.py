"""What an organisation has at Vapi, read from Vapi's REST into the same structure that files give."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from assistants.vapi.documents import ExportError, json_word
from assistants.vapi.exports import Export, Item, Missing, export_join, item_make
from assistants.vapi.references import references_in
from assistants.vapi.rest import TooLargeError, VapiClient, VapiError
from assistants.vapi.shapes import Kind

__all__ = [
    "Progress",
    "TooLargeError",
    "VapiClient",
    "VapiError",
    "calls_page",
    "export_fetch",
    "item_fetch",
]

PAGE: Final = 100
MAX_PAGE: Final = 1000
# Up to here tools are asked for one by one; beyond, the whole list costs fewer requests.
FEW: Final = 20
_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,100}")
_TITLES: Final[dict[Kind, str]] = {
    "assistant": "Assistants",
    "tool": "Tools",
    "squad": "Squads",
    "phone-number": "Phone numbers",
}


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a fetch is: `done` of `total` objects of one sort (None: not known yet), and a sentence for people."""

    done: int
    total: int | None
    text: str


Tell = Callable[[Progress], None]


def export_fetch(
    client: VapiClient, *, assistant_ids: Sequence[str] | None, progress: Tell = lambda _: None
) -> Export:
    """All assistants of the key's organisation, or those of the ids, with the tools, squads and numbers around them.

    By ids, a squad comes along when all its assistants do, and a number when it leads to what comes along. Ids that
    Vapi does not know stand in `unresolved`. Raises VapiError, or ExportError for an answer that makes no sense.
    """
    reader = _Reader(client, progress)
    unknown: tuple[str, ...] = ()
    if assistant_ids is None:
        assistants = reader.all_of("assistant")
        squads = reader.all_of("squad")
        numbers = reader.all_of("phone-number")
    else:
        assistants, unknown = reader.by_ids("assistant", assistant_ids)
        squads, left_out = _squads_among(reader.all_of("squad"), assistants)
        reader.notes += left_out
        numbers = _numbers_among(reader.all_of("phone-number"), [*assistants, *squads])
    tools, unknown_tools = reader.tools_behind([*assistants, *squads, *numbers])
    read = Export(
        assistants=tuple(assistants),
        tools=tuple(tools),
        squads=tuple(squads),
        phone_numbers=tuple(numbers),
        notes=tuple(reader.notes),
        unresolved=Missing(tools=unknown_tools, assistants=unknown),
    )
    return export_join([read])


def item_fetch(
    client: VapiClient, *, kind: Kind, vapi_id: str, tell: Callable[[str], None] = lambda _: None
) -> Item | None:
    """One object as it stands at Vapi now, None where Vapi does not know the id. Raises VapiError and ExportError."""
    return _Reader(client, lambda _: None).one(kind, vapi_id, tell)


def calls_page(
    client: VapiClient, params: Mapping[str, str | int], *, tell: Callable[[str], None]
) -> list[dict[str, Any]]:
    """One page of calls as Vapi answers it, newest first. Raises VapiError; TooLargeError where fewer may fit."""
    answer = client.get("/call", params, tell=tell)
    if answer is None:
        raise VapiError(
            "GET /call: there is nothing there (404). Check VAPI_API_URL; Vapi's own is https://api.vapi.ai.",
            permanent=True,
            http_status=404,
        )
    if not isinstance(answer.value, list) or not all(isinstance(one, dict) for one in answer.value):
        raise VapiError(
            f"GET /call: {json_word(answer.value)} came where an array of calls is due, so this is not Vapi's API. "
            "Check VAPI_API_URL.",
            permanent=True,
        )
    return answer.value


class _Reader:
    """Reads objects of an organisation, tells how far it is, and collects notes."""

    def __init__(self, client: VapiClient, progress: Tell) -> None:
        self.notes: list[str] = []
        self._client = client
        self._progress = progress

    def one(self, kind: Kind, vapi_id: str, tell: Callable[[str], None]) -> Item | None:
        """The object of an id, None where there is none."""
        if not _ID.fullmatch(vapi_id):
            return None  # whatever it is, Vapi cannot know it, and it would be another path
        path = f"/{kind}/{vapi_id}"
        answer = self._client.get(path, tell=tell)
        if answer is None:
            return None
        self.notes += answer.notes
        return _item(answer.value, kind=kind, where=f"GET {path}")

    def by_ids(self, kind: Kind, ids: Iterable[str]) -> tuple[list[Item], tuple[str, ...]]:
        """The objects of these ids, each once, and the ids that Vapi does not know."""
        wanted = list(dict.fromkeys(one.strip() for one in ids if one.strip()))
        found: list[Item] = []
        unknown: list[str] = []
        for done, one in enumerate(wanted):
            tell = self._teller(done, len(wanted))
            tell(f"{_TITLES[kind]}: {done} of {len(wanted)}")
            item = self.one(kind, one, tell)
            if item is None:
                unknown.append(one)
            else:
                found.append(item)
        if wanted:
            self._teller(len(wanted), len(wanted))(f"{_TITLES[kind]}: {len(found)} read")
        return found, tuple(unknown)

    def all_of(self, kind: Kind) -> list[Item]:
        """All objects of one kind, newest first, each once.

        A page ends where it ends, perhaps between objects of the same moment, and the moments that Vapi shows are cut
        to the millisecond. So the next page begins with the last moment again, and what is known already is left out.
        """
        found: dict[str, Item] = {}
        params: dict[str, str | int] = {"limit": PAGE}
        while True:
            tell = self._teller(len(found), None)
            tell(f"{_TITLES[kind]}: {len(found)} read")
            page = self._page(kind, params, tell)
            new = [item for item in page if item.id not in found]
            found.update((str(item.id), item) for item in new)
            if len(page) < int(params["limit"]):
                self._teller(len(found), len(found))(f"{_TITLES[kind]}: {len(found)} read")
                return list(found.values())
            if not new and params["limit"] == MAX_PAGE:
                raise VapiError(
                    f"GET /{kind} answers the same {MAX_PAGE} objects again and again, so the list cannot be read to its "
                    "end. Import by assistant ids instead.",
                    permanent=True,
                )
            params = {"limit": PAGE if new else MAX_PAGE, "createdAtLt": _just_after(page[-1])}

    def tools_behind(self, sources: Sequence[Item]) -> tuple[list[Item], tuple[str, ...]]:
        """The stored tools that the objects mention, those that these mention in turn, and the ids that are unknown."""
        tools: dict[str, Item] = {}
        unknown: dict[str, None] = {}
        everything: dict[str, Item] | None = None
        while wanted := _new_tool_ids(sources, known=tools.keys() | unknown.keys()):
            if len(wanted) > FEW and everything is None:
                everything = {str(item.id): item for item in self.all_of("tool")}
            listed = {one: everything[one] for one in wanted if everything and one in everything}
            # Asked for one by one even then: a list may leave out what an id still finds.
            fetched, missing = self.by_ids("tool", (one for one in wanted if one not in listed))
            sources = [*listed.values(), *fetched]
            tools.update((str(item.id), item) for item in sources)
            unknown.update(dict.fromkeys(missing))
        return list(tools.values()), tuple(unknown)

    def _page(self, kind: Kind, params: dict[str, str | int], tell: Callable[[str], None]) -> list[Item]:
        answer = self._client.get(f"/{kind}", params, tell=tell)
        if answer is None:
            raise VapiError(
                f"GET /{kind}: there is nothing there (404). Check VAPI_API_URL; Vapi's own is https://api.vapi.ai.",
                permanent=True,
                http_status=404,
            )
        self.notes += answer.notes
        if not isinstance(answer.value, list):
            raise VapiError(
                f"GET /{kind}: {json_word(answer.value)} came where an array is due, so this is not Vapi's API. "
                "Check VAPI_API_URL.",
                permanent=True,
            )
        return [
            _item(raw, kind=kind, where=f"GET /{kind}, item {number}")
            for number, raw in enumerate(answer.value, start=1)
        ]

    def _teller(self, done: int, total: int | None) -> Callable[[str], None]:
        return lambda text: self._progress(Progress(done, total, text))


def _item(raw: Any, *, kind: Kind, where: str) -> Item:
    item = item_make(raw, name=where, kind=kind)
    if item.id is None:
        raise ExportError(f"{where}: the object has no id, so this is not Vapi's API. Check VAPI_API_URL.")
    return replace(item, where=f"GET /{kind}/{item.id}")


def _just_after(item: Item) -> str:
    """A millisecond after an object was made: "less than" this still includes it."""
    text = item.raw.get("createdAt")
    try:
        moment = datetime.fromisoformat(text if isinstance(text, str) else "")
        after = moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC) + timedelta(milliseconds=1)
    except (ValueError, OverflowError):
        raise ExportError(
            f"{item.where}, createdAt: no moment, so the list cannot be read on from there. Import by assistant ids instead."
        ) from None
    return after.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _new_tool_ids(sources: Iterable[Item], *, known: Iterable[str]) -> list[str]:
    mentioned = dict.fromkeys(one for item in sources for one in references_in(item.raw).tools)
    return [one for one in mentioned if one not in set(known)]


def _squads_among(squads: list[Item], assistants: Iterable[Item]) -> tuple[list[Item], tuple[str, ...]]:
    """The squads whose stored members are all among the assistants; a note about each that has only some there."""
    held = {str(item.id) for item in assistants}
    kept: list[Item] = []
    notes: list[str] = []
    for squad in squads:
        members = _member_ids(squad)
        if members and members <= held:
            kept.append(squad)
        elif members & held:
            others = ", ".join(sorted(members - held))
            notes.append(f"{squad.where}: left out, because it needs more assistants: {others}.")
    return kept, tuple(notes)


def _member_ids(squad: Item) -> set[str]:
    members = squad.raw.get("members") or []
    return {member["assistantId"] for member in members if member and member.get("assistantId")}


def _numbers_among(numbers: list[Item], targets: Iterable[Item]) -> list[Item]:
    held = {item.id for item in targets}
    return [item for item in numbers if {item.raw.get("assistantId"), item.raw.get("squadId")} & held]
