"""Clips of an assistant's first message in the voices it could have."""

import difflib
import json
import uuid
from argparse import ArgumentParser
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from django.core.management.base import BaseCommand, CommandError
from django.db import connections
from django.utils import timezone
from django.utils.text import slugify

from assistants.models import Assistant, Voice, VoiceClip
from assistants.realtime import is_simulated
from assistants.voices.costs import estimated_usd
from assistants.voices.recording import ClipRefusedError
from assistants.voices.selectors import candidate_reasons
from assistants.voices.services import AT_A_TIME, voice_record
from assistants.voices.texts import ClipText, clip_text, same_words

SOME_FAILED: Final = 3


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one voice."""

    voice: str
    recorded: bool
    duration_ms: int | None = None
    said: str = ""
    words_differ: bool = False
    file: str = ""
    code: str = ""
    error: str = ""


class Command(BaseCommand):
    help = (
        "Record an assistant's first message in several Realtime voices, ten seconds each, for the page on which they "
        "are compared by ear. A voice recorded again replaces its clip. A clip costs about one to two US cents "
        "with gpt-realtime-2.1 (an estimate; printed before recording). "
        "Exit status: 0 all recorded, 1 none, 3 some. "
        'Example: manage.py voice_clips "Front desk" --voice marin cedar --out clips'
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("assistant", help="its name, in quotes, or its id")
        which = parser.add_mutually_exclusive_group()
        which.add_argument(
            "--voice",
            nargs="+",
            action="extend",
            default=[],
            metavar="NAME",
            help="record these (default: the draft's, those that stand in for its voice at Vapi, marin and cedar)",
        )
        which.add_argument("--all", action="store_true", help="record every voice of the catalogue")
        parser.add_argument("--out", type=Path, metavar="FOLDER", help="also write the clips there, as WAV")
        parser.add_argument("--json", action="store_true", help="print one JSON object instead of prose")

    def handle(self, *args: Any, **options: Any) -> None:
        assistant = _assistant(options["assistant"])
        voices = _voices(assistant, options["voice"], every=options["all"])
        folder: Path | None = options["out"]
        if folder is not None:
            _make_folder(folder)
        text = clip_text(assistant, now=timezone.now())
        quiet = bool(options["json"])
        if not quiet:
            self._announce(assistant, voices, text)
        outcomes = []
        for done in _recorded(assistant, voices, folder):
            outcomes.append(done)
            if not quiet:
                self._tell(done, len(outcomes), len(voices))
        outcomes.sort(key=lambda outcome: voices.index(outcome.voice))
        if quiet:
            self.stdout.write(json.dumps(_report(assistant, text, outcomes), ensure_ascii=False))
        self._judge(outcomes)

    def _announce(self, assistant: Assistant, voices: list[str], text: ClipText) -> None:
        self.stdout.write(f"{assistant.name}, {assistant.model_id}, speed {assistant.speed}")
        self.stdout.write(f"  “{text.text}”")
        if text.sample_because:
            self.stdout.write(f"  A sample text, because {text.sample_because}.")
        for note in text.notes:
            self.stdout.write(self.style.WARNING(f"  {note}"))
        self.stdout.write(
            f"  {len(voices)} voices, {AT_A_TIME} at a time. {_cost(assistant, text, len(voices))}"
        )

    def _tell(self, outcome: Outcome, number: int, of: int) -> None:
        head = f"  [{number}/{of}] {outcome.voice:10}"
        if not outcome.recorded:
            self.stdout.write(f"{head} {self.style.ERROR(outcome.error)}")
            return
        where = f"  {outcome.file}" if outcome.file else ""
        self.stdout.write(f"{head} {(outcome.duration_ms or 0) / 1000:.1f} s{where}")
        if outcome.words_differ:
            self.stdout.write(self.style.WARNING(f"        The voice said: “{outcome.said}”"))

    def _judge(self, outcomes: list[Outcome]) -> None:
        """Raise CommandError, and so end with a status, for every voice that was not recorded."""
        failed = [outcome for outcome in outcomes if not outcome.recorded]
        if failed:
            reasons = dict.fromkeys(outcome.error for outcome in failed)
            names = ", ".join(outcome.voice for outcome in failed)
            raise CommandError(
                f"Not recorded: {names}. {' '.join(reasons)}",
                returncode=1 if len(failed) == len(outcomes) else SOME_FAILED,
            )


def _assistant(wanted: str) -> Assistant:
    """The assistant of that name or id. Raises CommandError that proposes near names."""
    assistants = Assistant.objects.defer("server_secret", "server_headers")
    found: Assistant | None
    try:
        found = assistants.filter(pk=uuid.UUID(wanted)).first()
    except ValueError:
        named = list(assistants.filter(name__iexact=wanted.strip()))
        found = next((one for one in named if one.name == wanted), named[0] if named else None)
    if found is not None:
        return found
    names = list(Assistant.objects.values_list("name", flat=True))
    if not names:
        raise CommandError("There is no assistant yet. Import some with manage.py import_vapi, or write one.")
    lowered = {name.lower(): name for name in names}
    near = [lowered[name] for name in difflib.get_close_matches(wanted.lower(), lowered, n=3, cutoff=0.5)]
    near += [name for name in names if wanted.strip().lower() in name.lower() and name not in near][:3]
    shown = near or sorted(names)[:10]
    listed = ", ".join(f"“{name}”" for name in shown)
    hint = f"Did you mean: {listed}?" if near else f"There are: {listed}."
    raise CommandError(f"There is no assistant “{wanted}”. {hint}")


def _voices(assistant: Assistant, wanted: list[str], *, every: bool) -> list[str]:
    """The names of the voices to record, each once. Raises CommandError for one that does not exist."""
    catalogue = list(Voice.objects.values_list("pk", flat=True))
    if every:
        return catalogue
    unknown = [name for name in wanted if name not in catalogue]
    if unknown:
        raise CommandError(f"There is no voice {', '.join(unknown)}. There are: {', '.join(catalogue)}.")
    return list(dict.fromkeys(wanted)) or list(candidate_reasons(assistant))


def _cost(assistant: Assistant, text: ClipText, count: int) -> str:
    if is_simulated():
        return "A simulator plays OpenAI: this costs nothing, and every voice sounds the same."
    each = estimated_usd(text.text, model=str(assistant.model_id))
    if each is None:
        return "What this model costs is not known here."
    return f"About {each:.3f} USD each, {each * count:.3f} USD in all (an estimate)."


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise CommandError(f"The folder {folder} cannot be made: {exc.strerror}.") from exc


def _recorded(assistant: Assistant, voices: list[str], folder: Path | None) -> Iterator[Outcome]:
    """What became of each voice, in the order in which they are done."""
    pool = ThreadPoolExecutor(AT_A_TIME)
    try:
        for done in as_completed([pool.submit(_record, assistant, voice, folder) for voice in voices]):
            yield done.result()
    finally:
        pool.shutdown(cancel_futures=True)


def _record(assistant: Assistant, voice: str, folder: Path | None) -> Outcome:
    try:
        clip = voice_record(assistant_id=assistant.pk, voice=voice)
        file = _write(clip, assistant, folder) if folder is not None else ""
    except ClipRefusedError as exc:
        return Outcome(voice, recorded=False, code=exc.code, error=str(exc))
    except OSError as exc:
        why = f"The clip is stored, but its file could not be written: {exc.strerror}."
        return Outcome(voice, recorded=False, code="file", error=why)
    finally:
        connections.close_all()  # this thread's own
    differ = bool(clip.said) and not same_words(clip.text, clip.said)
    return Outcome(
        voice, recorded=True, duration_ms=clip.duration_ms, said=clip.said, words_differ=differ, file=file
    )


def _write(clip: VoiceClip, assistant: Assistant, folder: Path) -> str:
    """The path of the file that was written, whole or not at all."""
    path = folder / f"{slugify(assistant.name) or assistant.pk}-{slugify(str(clip.voice_id))}.wav"
    draft = path.with_suffix(".part")
    draft.write_bytes(clip.sound)
    draft.replace(path)
    return str(path)


def _report(assistant: Assistant, text: ClipText, outcomes: list[Outcome]) -> dict[str, Any]:
    return {
        "assistant": {"id": str(assistant.pk), "name": assistant.name},
        "model": assistant.model_id,
        "speed": float(assistant.speed),
        "text": text.text,
        "sample_because": text.sample_because,
        "notes": list(text.notes),
        "estimated_usd_each": estimated_usd(text.text, model=str(assistant.model_id)),
        "simulated": is_simulated(),
        "voices": [asdict(outcome) for outcome in outcomes],
    }
