"""Which of our models stands in for one that an assistant of Vapi's runs on."""

import re
from typing import Final

from assistants.vapi.drafts import Catalogue

# A dash or the name's end around each, so that "gemini" is not taken for a mini.
_SMALL: Final = re.compile(
    r"(^|[-_.:/ ])(mini|nano|micro|lite|small|flash|haiku|instant|3\.5|[1-9]b|1[0-4]b)([-_.:/ ]|$)",
    re.IGNORECASE,
)
_SNAPSHOT: Final = re.compile(r"-\d{4}-\d{2}-\d{2}$")

_CHAIN: Final = (
    "At Vapi a text model ({name}) read a transcript and a synthesiser spoke its answer. Here one voice model listens, "
    "thinks and speaks: {model}, {why}. Read the prompt again with that in mind, and make test calls."
)


def model_for(name: str, catalogue: Catalogue) -> tuple[str, bool, str]:
    """The model, whether it is the very same, and why."""
    plain = name.split(":", 1)[0].strip()
    if plain in catalogue.realtime_models:
        region = "" if plain == name else " The region after the colon is Vapi's and was left out."
        return plain, plain == name, f"The same voice model as at Vapi.{region}"
    family = _SNAPSHOT.sub("", plain)
    if family in catalogue.realtime_models:
        return family, False, f"{plain} is a dated copy of {family}, which is offered here."
    model = catalogue.small_model if _SMALL.search(plain) else catalogue.default_model
    if "realtime" in plain:
        return model, False, f"OpenAI no longer offers the voice model {plain}. {model} follows it."
    why = (
        "the small one, since that model is one of the small ones"
        if model == catalogue.small_model
        else "the operator's default"
    )
    return model, False, _CHAIN.format(name=plain[:80], model=model, why=why)


def transcription_model_for(provider: str, name: str, catalogue: Catalogue) -> tuple[str, bool]:
    """The model that writes transcripts, and whether it is the very same."""
    if provider.lower() == "openai" and name in catalogue.transcription_models:
        return name, True
    return catalogue.default_transcription_model, False
