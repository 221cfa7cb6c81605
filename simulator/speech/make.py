"""Make the demo's recorded lines again: `python -m simulator.speech.make`.

Needs the programs espeak-ng and sox (on Debian: apt-get install espeak-ng sox). Each line becomes one raw
mu-law file at 8 kHz beside this module, and `index.json` lists text, voice, file and length. Silence at both
ends is cut, and silence inside is shortened to MAX_PAUSE_MS, so that a turn is not split by a comma.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from simulator import ulaw

FOLDER: Final = Path(__file__).parent
MAX_PAUSE_MS: Final = 140
_QUIET: Final = 150.0
_FRAME: Final = 80

# espeak-ng's voice and speed in words a minute.
VOICES: Final = {"caller": ("en-us+f3", 165), "assistant": ("en-us+m3", 175)}

LINES: Final[dict[str, tuple[str, ...]]] = {
    "assistant": (
        "Alder Street Bike Repair, how can I help?",
        "Let me check that ticket.",
        "Ticket 481 is waiting for parts and should be ready on Tuesday, November twenty-fourth.",
        "It will cost eighty-six dollars and fifty cents.",
        "Thank you for calling, goodbye.",
        "Sorry, I did not catch that. Could you say it again?",
        "I am still waiting for the workshop's answer.",
        "I could not reach the workshop just now. Please try again later.",
        "Sure, go ahead.",
        "Yes, I am here.",
        "Are you still there?",
        "We are open from nine to six, Monday to Saturday.",
        "I cannot look that up right now.",
    ),
    "caller": (
        "Hi, is my bike ready? The ticket is four eight one.",
        "How much will it cost?",
        "Great, thank you, goodbye.",
        "Wait, stop.",
        "Sorry, one more thing.",
        "Hello? Are you there?",
        "When do you open?",
        "Okay, thank you, goodbye.",
    ),
}


def _trimmed(audio: bytes) -> bytes:
    frames = [audio[at : at + _FRAME] for at in range(0, len(audio), _FRAME)]
    kept: list[bytes] = []
    pause = 0
    for frame in frames:
        pause = pause + 1 if ulaw.loudness(frame) < _QUIET else 0
        if pause * _FRAME / ulaw.BYTES_PER_MS <= MAX_PAUSE_MS and (kept or not pause):
            kept.append(frame)
    while kept and ulaw.loudness(kept[-1]) < _QUIET:
        kept.pop()
    return b"".join(kept)


def _speak(text: str, *, voice: str, words_per_minute: int, espeak: str, sox: str) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        wave, raw = Path(folder, "line.wav"), Path(folder, "line.ul")
        subprocess.run(  # noqa: S603 - both programs come from PATH, the texts from this file
            [espeak, "-v", voice, "-s", str(words_per_minute), "-w", str(wave), text], check=True
        )
        subprocess.run(  # noqa: S603
            [sox, str(wave), "-t", "ul", "-r", "8000", "-c", "1", str(raw), "norm", "-6"],
            check=True,
            stderr=subprocess.DEVNULL,
        )
        return _trimmed(raw.read_bytes())


def make() -> int:
    """Write every clip and the index; return the number of bytes of audio."""
    espeak, sox = shutil.which("espeak-ng"), shutil.which("sox")
    if espeak is None or sox is None:
        sys.exit("This command needs espeak-ng and sox on PATH (Debian: apt-get install espeak-ng sox).")
    index: list[dict[str, str | int]] = []
    total = 0
    for speaker, texts in LINES.items():
        voice, words_per_minute = VOICES[speaker]
        for number, text in enumerate(texts, start=1):
            audio = _speak(text, voice=voice, words_per_minute=words_per_minute, espeak=espeak, sox=sox)
            file = f"{speaker}-{number:02}.ulaw"
            (FOLDER / file).write_bytes(audio)
            index.append({"text": text, "voice": speaker, "file": file, "ms": round(ulaw.duration_ms(audio))})
            total += len(audio)
    (FOLDER / "index.json").write_text(json.dumps(index, indent=2) + "\n")
    return total


def main() -> None:
    """Regenerate the clips from the command line."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    sys.stdout.write(f"{make()} bytes of speech written to {FOLDER.name}/\n")


if __name__ == "__main__":
    main()
