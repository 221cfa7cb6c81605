"""What there is to hear of an assistant: candidate voices, their clips, and what became of recordings."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from django.db.models import Q, QuerySet
from django.db.models.functions import Length

from assistants.models import Assistant, VapiObject, Voice, VoiceClip, VoiceMapping, VoiceRecording
from assistants.voices.texts import ClipText, clip_text, same_words

RECOMMENDED: Final = ("marin", "cedar")
# Longer than two whole tries of a recording can take.
INTERRUPTED_AFTER: Final = timedelta(seconds=180)
# A worker that is there begins at once.
UNTOUCHED_AFTER: Final = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class VapiVoice:
    """The voice that an imported assistant has at Vapi."""

    provider: str
    name: str

    def __str__(self) -> str:
        return " ".join(filter(None, (self.provider, self.name)))

    @property
    def realtime_name(self) -> str:
        """Its name among the Realtime voices, if it is one of OpenAI's own; else empty."""
        return self.name.lower() if self.provider.lower() == "openai" else ""


@dataclass(frozen=True, slots=True)
class VoiceRow:
    """One of our voices as the page shows it."""

    voice: Voice
    reasons: tuple[str, ...]
    clip: VoiceClip | None
    stale: tuple[str, ...]
    recording: VoiceRecording | None
    trouble: str
    is_pending: bool
    is_chosen: bool

    @property
    def remarks(self) -> list[str]:
        """Why it is a candidate and what its note says, nothing twice."""
        return list(dict.fromkeys(text.rstrip(".") for text in (*self.reasons, self.voice.note) if text))

    @property
    def is_missing(self) -> bool:
        """Whether there is no clip that is true to the draft, and none on its way."""
        return not self.is_pending and (self.clip is None or bool(self.stale))

    @property
    def words_differ(self) -> bool:
        """Whether the model said something else than it was to say."""
        clip = self.clip
        return clip is not None and bool(clip.said) and not same_words(clip.text, clip.said)

    @property
    def key(self) -> str:
        """A text that differs when anything that the row shows does."""
        clip = (self.clip.pk, self.clip.created_at) if self.clip else ()
        recording = (self.recording.status, self.recording.changed_at) if self.recording else ()
        shown = (*clip, *recording, self.trouble, self.stale, self.reasons, self.is_chosen)
        return "|".join(map(str, shown))


def vapi_voice(assistant: Assistant) -> VapiVoice | None:
    """The voice at Vapi, from the newest import; None for an assistant that was not imported."""
    found = VapiObject.objects.filter(assistant=assistant, kind=VapiObject.Kind.ASSISTANT)
    raw: Any = found.order_by("-imported_at").values_list("raw", flat=True).first()
    voice = raw.get("voice") if isinstance(raw, dict) else None
    if not isinstance(voice, dict) or not isinstance(voice.get("provider"), str):
        return None
    name = voice.get("voiceId")
    return VapiVoice(voice["provider"][:40], name[:120] if isinstance(name, str) else "")


def mapped_voices(theirs: VapiVoice) -> list[str]:
    """Our voices that stand in for that one of Vapi's, the closest first: itself, the one for just this voice, any."""
    same = [theirs.realtime_name] if theirs.realtime_name else []
    rows = VoiceMapping.objects.filter(
        Q(vapi_voice__iexact=theirs.name) | Q(vapi_voice=""), provider__iexact=theirs.provider
    )
    mapped = [str(row.voice_id) for row in rows.order_by(Length("vapi_voice").desc())]
    return list(dict.fromkeys(same + mapped))


def candidate_reasons(assistant: Assistant) -> dict[str, tuple[str, ...]]:
    """The names of the voices worth comparing, best first, each with why."""
    theirs = vapi_voice(assistant)
    found: dict[str, list[str]] = {str(assistant.voice_id): ["The draft's voice"]}
    for name in mapped_voices(theirs) if theirs is not None else ():
        same = theirs is not None and name == theirs.realtime_name
        found.setdefault(name, []).append("The same as at Vapi" if same else f"Stands in for {theirs}")
    for name in RECOMMENDED:
        found.setdefault(name, []).append("Recommended by OpenAI")
    offered = set(Voice.objects.filter(pk__in=found).values_list("pk", flat=True))
    return {name: tuple(reasons) for name, reasons in found.items() if name in offered}


def clips_without_sound(assistant: Assistant) -> QuerySet[VoiceClip]:
    """The assistant's clips; their sound is not loaded with them."""
    return VoiceClip.objects.filter(assistant=assistant).defer("sound").select_related("voice", "made_by")


def uploads(assistant: Assistant) -> QuerySet[VoiceClip]:
    """What people uploaded, the newest first."""
    return clips_without_sound(assistant).filter(voice=None).order_by("-created_at")


def voice_rows(assistant: Assistant, *, now: datetime) -> list[VoiceRow]:
    """Every voice of the catalogue, candidates first."""
    reasons = candidate_reasons(assistant)
    clips = {clip.voice_id: clip for clip in clips_without_sound(assistant).exclude(voice=None)}
    recordings = {row.voice_id: row for row in VoiceRecording.objects.filter(assistant=assistant)}
    order = {name: place for place, name in enumerate(reasons)}
    voices = sorted(Voice.objects.all(), key=lambda voice: (order.get(voice.pk, len(order)), voice.pk))
    rows = []
    for voice in voices:
        clip, recording = clips.get(voice.pk), recordings.get(voice.pk)
        rows.append(
            VoiceRow(
                voice=voice,
                reasons=reasons.get(voice.pk, ()),
                clip=clip,
                stale=stale_reasons(clip, assistant) if clip is not None else (),
                recording=recording,
                trouble=recording_trouble(recording, now=now) if recording is not None else "",
                is_pending=recording is not None and is_pending(recording, now=now),
                is_chosen=voice.pk == assistant.voice_id,
            )
        )
    return rows


def stale_reasons(clip: VoiceClip, assistant: Assistant) -> tuple[str, ...]:
    """What of the draft is no longer as it was when the clip was recorded; an upload is never stale."""
    if clip.voice_id is None:
        return ()
    # As of the moment of the recording: a message that holds the date would be stale the next day.
    would_be: ClipText = clip_text(assistant, now=clip.created_at)
    compared = (
        (would_be.text != clip.text, "the first message"),
        (clip.speed != Decimal(assistant.speed), "the speed"),
        (clip.model != assistant.model_id, "the model"),
    )
    return tuple(what for differs, what in compared if differs)


def is_pending(recording: VoiceRecording, *, now: datetime) -> bool:
    """Whether a clip may still come of it without anybody asking again."""
    if recording.status == VoiceRecording.Status.RUNNING:
        return now - recording.changed_at < INTERRUPTED_AFTER
    return recording.status == VoiceRecording.Status.WAITING


def recording_trouble(recording: VoiceRecording, *, now: datetime) -> str:
    """Why there is no clip, or may never be one, in words; empty while all goes well."""
    waited = now - recording.changed_at
    match recording.status:
        case VoiceRecording.Status.FAILED:
            return recording.error
        case VoiceRecording.Status.RUNNING if waited >= INTERRUPTED_AFTER:
            return "The recording was interrupted. Record it again."
        case VoiceRecording.Status.WAITING if waited >= UNTOUCHED_AFTER:
            return "No worker has taken it yet. Is one running?"
        case _:
            return ""
