"""What a voice is to say in its clip: the assistant's first message, or a neutral sample where there is none."""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from assistants.models import Assistant
from tools.liquid import render
from tools.liquid.bag import template_bag

# A clip ends after ten seconds, about 150 letters at normal speed; more would be paid for and thrown away.
_MOST_CHARACTERS: Final = 300
_SENTENCE: Final = re.compile(
    r"\S.*?(?:[\u3002\uff01\uff1f]+|[.!?\u2026]+[\"'\u201d\u2019)]*(?=\s|$)|$)", re.DOTALL
)
_SAMPLES: Final = {
    "en": "Hello, and thank you for calling. How can I help you today? I am happy to look that up for you, one moment please.",
    "de": "Guten Tag und danke für Ihren Anruf. Wie kann ich Ihnen helfen? Ich sehe gern für Sie nach, einen Moment bitte.",
    "es": "Hola, gracias por llamar. ¿En qué puedo ayudarle hoy? Lo compruebo enseguida, un momento por favor.",
    "fr": "Bonjour et merci de votre appel. Comment puis-je vous aider ? Je vérifie cela tout de suite, un instant s'il vous plaît.",
    "it": "Buongiorno e grazie per la chiamata. Come posso aiutarla? Controllo subito, un momento per favore.",
    "nl": "Goedendag en bedankt voor uw telefoontje. Waarmee kan ik u helpen? Ik kijk het graag voor u na, een ogenblik alstublieft.",
    "pt": "Olá, obrigado por ligar. Em que posso ajudar? Vou verificar isso agora, um momento por favor.",
}


@dataclass(frozen=True, slots=True)
class ClipText:
    """What is said. ``sample_because`` tells why it is a sample; ``notes`` what its template left open."""

    text: str
    sample_because: str = ""
    notes: tuple[str, ...] = ()


def clip_text(assistant: Assistant, *, now: datetime) -> ClipText:
    """What a clip of the assistant's draft says, its variables filled in as of that moment."""
    mode = Assistant.FirstMessageMode
    match assistant.first_message_mode:
        case mode.WAITS:
            return _sample(assistant, "the assistant waits for the caller to speak first")
        case mode.SPEAKS_FIRST_GENERATED:
            return _sample(assistant, "the assistant greets in words of its own, new ones in every call")
        case _:
            pass
    if not assistant.first_message.strip():
        return _sample(assistant, "the first message is empty")
    rendered = render(assistant.first_message, _variables(assistant, now), now=now)
    text = beginning(rendered.text)
    if not text:
        return _sample(assistant, "the first message is empty once its variables are filled in")
    notes = [f"{{{{ {name} }}}} has no value here and is left out." for name in rendered.undefined]
    if rendered.error:
        notes.append(f"Its template has a mistake. {rendered.error}")
    return ClipText(text, notes=tuple(notes))


def _variables(assistant: Assistant, now: datetime) -> dict[str, Any]:
    """What a call would know before anybody has called: the moment, the assistant, and its own variables, which win."""
    known = {
        "assistant": {"id": str(assistant.pk), "name": assistant.name},
        "variableValues": assistant.variables,
    }
    return template_bag(known, now=now)


def _sample(assistant: Assistant, because: str) -> ClipText:
    return ClipText(_SAMPLES.get(assistant.language.lower()[:2], _SAMPLES["en"]), because)


def beginning(text: str) -> str:
    """The first sentences in one line; of a longer sentence its first words."""
    line = " ".join(text.split())
    if len(line) <= _MOST_CHARACTERS:
        return line
    end = 0
    for sentence in _SENTENCE.finditer(line):
        if sentence.end() > _MOST_CHARACTERS:
            break
        end = sentence.end()
    if end:
        return line[:end]
    return line[: _MOST_CHARACTERS + 1].rpartition(" ")[0] or line[:_MOST_CHARACTERS]


def same_words(asked: str, said: str) -> bool:
    """Whether the model said what it was asked to say, whatever the case and the punctuation."""
    return _words(asked) == _words(said)


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.casefold())
