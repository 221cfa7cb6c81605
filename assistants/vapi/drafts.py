"""What a translation from Vapi gives: values for our models, and what became of every leaf of the export. Pure."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final


class Verdict(StrEnum):
    """What became of a leaf; ``models.ImportFinding.Verdict`` has the same values."""

    KEPT = "kept"
    CONVERTED = "converted"
    DEFAULT = "default"
    DECISION = "decision"
    DROPPED = "dropped"


class Absent:
    """The value of a leaf that the export does not have."""

    def __repr__(self) -> str:
        return "ABSENT"


ABSENT: Final = Absent()


@dataclass(frozen=True, slots=True)
class Finding:
    """What became of one leaf. ``path`` is like ``model.messages[0].content``; ``source`` is its JSON value, or ABSENT.

    ``field`` names our setting and ``ours`` its value as people read it, both empty where there is none. ``code`` is stable and
    tells findings of one kind apart, ``reason`` is a sentence for ops staff. A secret's ``source`` is never given here.
    """

    path: str
    verdict: Verdict
    source: Any = field(repr=False)
    field: str = ""
    ours: str = ""
    reason: str = ""
    code: str = ""


@dataclass(frozen=True, slots=True)
class ToolDraft:
    """A tool to be written. ``fields`` are columns of ``tools.models.Tool`` as JSON-ready values, without secrets.

    ``key`` is Vapi's id, or for an inline tool ``{assistant key}/model.tools[name]``. ``secrets`` are the columns
    ``server_secret`` and ``server_headers`` (JSON text) where the export held them. ``credential_id`` is Vapi's.
    """

    key: str
    name: str
    raw: dict[str, Any] = field(repr=False)
    fields: dict[str, Any] = field(repr=False)
    findings: tuple[Finding, ...] = field(repr=False)
    secrets: dict[str, str] = field(default_factory=dict, repr=False)
    credential_id: str = ""


@dataclass(frozen=True, slots=True)
class AssistantDraft:
    """An assistant to be written. ``tools`` are keys in the order in which the model reads them, inline ones included.

    ``copy_of`` is the key of the assistant that a squad or a destination of a tool wants a changed copy of; ``own_server``
    whether what changes it says anything of its server.
    """

    key: str
    name: str
    raw: dict[str, Any] = field(repr=False)
    fields: dict[str, Any] = field(repr=False)
    findings: tuple[Finding, ...] = field(repr=False)
    tools: tuple[str, ...] = ()
    secrets: dict[str, str] = field(default_factory=dict, repr=False)
    credential_id: str = ""
    copy_of: str = ""
    own_server: bool = False


@dataclass(frozen=True, slots=True)
class SquadDraft:
    """A squad to be written. ``members`` are keys of assistants; the first one takes the call."""

    key: str
    name: str
    raw: dict[str, Any] = field(repr=False)
    findings: tuple[Finding, ...] = field(repr=False)
    members: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class NumberServerDraft:
    """The server of a number. ``secrets`` are as in ToolDraft."""

    url: str
    backoff_plan: dict[str, Any] = field(default_factory=dict)
    encrypted_paths: tuple[str, ...] = ()
    secrets: dict[str, str] = field(default_factory=dict, repr=False)
    credential_id: str = ""
    timeout_s: float | None = None


@dataclass(frozen=True, slots=True)
class NumberDraft:
    """A phone number. ``did`` is empty where Tandem cannot take it; ``answers`` is the key of its assistant or squad, if known."""

    key: str
    name: str
    raw: dict[str, Any] = field(repr=False)
    findings: tuple[Finding, ...] = field(repr=False)
    did: str = ""
    label: str = ""
    answers: str = ""
    server: NumberServerDraft | None = None


@dataclass(frozen=True, slots=True)
class Drafts:
    """Everything of one export, translated; the order is the order to write in."""

    tools: tuple[ToolDraft, ...] = ()
    assistants: tuple[AssistantDraft, ...] = ()
    squads: tuple[SquadDraft, ...] = ()
    numbers: tuple[NumberDraft, ...] = ()


@dataclass(frozen=True, slots=True)
class Catalogue:
    """What a translation may choose from: rows of the catalogue and of the voice table, read beforehand.

    ``voices`` maps (provider, Vapi's voice), both lower case, the voice "" standing for any, to (our voice, why).
    """

    realtime_models: tuple[str, ...]
    default_model: str
    small_model: str
    transcription_models: tuple[str, ...]
    default_transcription_model: str
    realtime_voices: tuple[str, ...]
    default_voice: str
    voices: dict[tuple[str, str], tuple[str, str]]
