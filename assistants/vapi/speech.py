"""Which model answers, in which voice, and how the caller's words are written down."""

from collections.abc import Iterator
from typing import Any, Final

from assistants.models import Assistant
from assistants.vapi import defaults
from assistants.vapi.drafts import Catalogue, Verdict
from assistants.vapi.languages import ANY_LANGUAGE, language_code, language_name
from assistants.vapi.ledger import Ledger
from assistants.vapi.models_map import model_for, transcription_model_for
from assistants.vapi.paths import Path
from assistants.vapi.prompts import lines
from assistants.vapi.voices import VoiceChoice, voice_for

Effort = Assistant.Effort
_EFFORTS: Final = {"none": Effort.MINIMAL, "xhigh": Effort.HIGH}
_SPEEDS: Final[tuple[Path, ...]] = (
    ("voice", "speed"),
    ("voice", "generationConfig", "speed"),
    ("voice", "speakingRate"),
)
# A token of text is about six of speech.
_SPOKEN_TOKENS: Final = 6
_TOKENS_MIN: Final = 1024
_TOKENS_MAX: Final = 4096


def model_fields(ledger: Ledger, catalogue: Catalogue) -> dict[str, Any]:
    """The model and how it answers."""
    name = ledger.text("model", "model") or ""
    model, same, why = model_for(name, catalogue) if name.strip() else (catalogue.default_model, False, "")
    if why:
        ledger.say(
            ("model", "model"), Verdict.KEPT if same else Verdict.CONVERTED, why, field="model", ours=model
        )
    else:
        ledger.missing(
            ("model", "model"), "No model is set; the operator's default answers.", field="model", ours=model
        )
    _say_provider(ledger)
    return {
        "model": model,
        "max_output_tokens": _tokens(ledger),
        "reasoning_effort": _effort(ledger),
    }


def _say_provider(ledger: Ledger) -> None:
    provider = ledger.text("model", "provider")
    path = ("model", "provider")
    if provider == "openai":
        ledger.say(path, Verdict.KEPT, "OpenAI's models answer here too.")
    elif provider == "custom-llm":
        ledger.say(
            path,
            Verdict.DECISION,
            "At Vapi your own server wrote every answer. Here OpenAI's voice model answers by the prompt, and your server is "
            "not asked. Whatever it knew or decided must go into the prompt and into tools.",
            code="custom_llm",
        )


def _tokens(ledger: Ledger) -> int:
    given = ledger.number("model", "maxTokens")
    tokens = round(min(max((given or defaults.MAX_TOKENS) * _SPOKEN_TOKENS, _TOKENS_MIN), _TOKENS_MAX))
    reason = (
        "Vapi counts tokens of text. A voice model counts tokens of speech, about six times as many for the same words, and "
        "the same figure would cut answers off in the middle of a word."
    )
    path = ("model", "maxTokens")
    if given is None:
        ledger.missing(
            path, f"Vapi allows {defaults.MAX_TOKENS}. {reason}", field="max_output_tokens", ours=tokens
        )
    else:
        ledger.say(path, Verdict.CONVERTED, reason, field="max_output_tokens", ours=tokens)
    return tokens


def _effort(ledger: Ledger) -> str:
    given = ledger.text("model", "reasoningEffort")
    path = ("model", "reasoningEffort")
    if given is None:
        return str(Effort.LOW.value)
    if given in Effort.values:
        return given
    if given in _EFFORTS:
        ours = _EFFORTS[given]
        reason = (
            "The nearest effort that voice models take, where the chosen one thinks before it answers at all."
        )
        ledger.say(path, Verdict.CONVERTED, reason, field="reasoning_effort", ours=ours.label)
        return str(ours.value)
    reason = (
        "There is no such effort. The model thinks little before it answers: choose another if that is wrong."
    )
    ledger.say(
        path, Verdict.DECISION, reason, field="reasoning_effort", ours=Effort.LOW.label, code="unknown_value"
    )
    return str(Effort.LOW.value)


def voice_fields(ledger: Ledger, catalogue: Catalogue) -> dict[str, Any]:
    """The voice and its speed."""
    provider, wanted = ledger.text("voice", "provider"), ledger.text("voice", "voiceId")
    if wanted is None and provider is None:
        choice = VoiceChoice(catalogue.default_voice, "")
        ledger.missing(
            ("voice", "voiceId"),
            "No voice is set. Vapi would use one of its own; here the operator's default voice speaks.",
            field="voice",
            ours=choice.voice,
        )
    else:
        choice = voice_for(provider or "", wanted or "", catalogue)
        _say_voice(ledger, choice)
    return {"voice": choice.voice, "speed": _speed(ledger)}


def _say_voice(ledger: Ledger, choice: VoiceChoice) -> None:
    verdict = Verdict.KEPT if choice.same else Verdict.CONVERTED if choice.mapped else Verdict.DECISION
    path = ("voice", "voiceId")
    if ledger.text(*path) is None:
        if verdict is Verdict.DECISION:
            ledger.decide(path, choice.why, field="voice", ours=choice.voice, code="unmapped_voice")
        else:
            ledger.missing(path, choice.why, field="voice", ours=choice.voice)
    else:
        code = "unmapped_voice" if verdict is Verdict.DECISION else ""
        ledger.say(path, verdict, choice.why, field="voice", ours=choice.voice, code=code)
    if choice.same:
        ledger.say(("voice", "provider"), Verdict.KEPT, "OpenAI's voices speak here too.", field="voice")


def _speed(ledger: Ledger) -> float:
    speed = None
    for path in _SPEEDS:
        given = ledger.number(*path)
        if given is None:
            continue
        if speed is not None:
            ledger.say(
                path, Verdict.DROPPED, "The speed is set in another place as well, and that one counts."
            )
            continue
        speed = round(float(min(max(given, 0.25), 1.5)), 2)
        if speed != given:
            reason = "OpenAI speaks at 0.25 to 1.5 times the usual speed, in steps of a hundredth."
            ledger.say(path, Verdict.CONVERTED, reason, field="speed", ours=speed)
    return 1.0 if speed is None else speed


def prompt_additions(ledger: Ledger, language: str) -> list[str]:
    """Paragraphs for the end of the prompt: how the voice should sound, and which language is spoken."""
    more = []
    style = ledger.text("voice", "instructions")
    if style and style.strip():
        more.append(style.strip())
    if language != "en":
        more.append(f"Answer in {language_name(language)} unless the caller asks for another language.")
    return more


def transcription_fields(ledger: Ledger, catalogue: Catalogue) -> dict[str, Any]:
    """How the caller's words are written down."""
    provider, name = ledger.text("transcriber", "provider") or "", ledger.text("transcriber", "model") or ""
    model, same = transcription_model_for(provider, name, catalogue)
    for path in (("transcriber", "model"), ("transcriber", "provider")):
        if ledger.text(*path) is not None:
            reason = (
                "The same model writes the transcript here."
                if same
                else "The voice model hears the caller itself. What was said is written down beside it, by OpenAI."
            )
            verdict = Verdict.KEPT if same else Verdict.CONVERTED
            ledger.say(path, verdict, reason, field="transcription_model", ours=model)
    return {
        "transcription_model": model,
        "language": _language(ledger),
        "keywords": _keywords(ledger),
    }


def _language(ledger: Ledger) -> str:
    path = ("transcriber", "language")
    listed = [
        (name, number, code)
        for name in ("languages", "languageCodes")
        for number, text in ledger.texts("transcriber", name)
        if (code := language_code(text))
    ]
    given = ledger.text(*path)
    if given is None or not given.strip():
        return _language_listed(ledger, listed)
    if given.strip().lower() in ANY_LANGUAGE:
        code = listed[0][2] if listed else defaults.LANGUAGE
        ledger.say(
            path,
            Verdict.DECISION,
            f"At Vapi the transcriber found out the language itself. The voice model understands callers of any language here "
            f"too, but the written transcript is made for one: {language_name(code)}. Choose the language that most callers speak.",
            field="language",
            ours=code,
            code="any_language",
        )
        return code
    code = language_code(given)
    if not code:
        reason = "Tandem does not know this language. The transcript is made for English: choose another if that is wrong."
        ledger.say(
            path, Verdict.DECISION, reason, field="language", ours=defaults.LANGUAGE, code="unknown_language"
        )
        return defaults.LANGUAGE
    parts = [] if code == given.strip() else ["OpenAI takes the language alone, without a region."]
    if code != "en":
        parts.append(f"A line was added to the prompt: answer in {language_name(code)}.")
    verdict = Verdict.CONVERTED if parts else Verdict.KEPT
    ledger.say(
        path, verdict, " ".join(["The language of the transcript.", *parts]), field="language", ours=code
    )
    return code


def _language_listed(ledger: Ledger, listed: list[tuple[str, int, str]]) -> str:
    if not listed:
        ledger.missing(
            ("transcriber", "language"),
            "Vapi's transcribers listen for English unless told otherwise.",
            field="language",
            ours=defaults.LANGUAGE,
        )
        return defaults.LANGUAGE
    name, number, code = listed[0]
    ledger.say(
        ("transcriber", name, number),
        Verdict.CONVERTED,
        "The first of the languages. The voice model understands the others too; the written transcript is made for this one.",
        field="language",
        ours=code,
    )
    return code


def _keywords(ledger: Ledger) -> str:
    words = [_keyword(ledger, place) for place in _keyword_places(ledger)]
    return lines(list(dict.fromkeys(word for word in words if word)))


def _keyword_places(ledger: Ledger) -> Iterator[Path]:
    for name in ("keywords", "keyterm", "wordBoost", "keytermsPrompt", "customVocabulary"):
        yield from (("transcriber", name, number) for number, _ in ledger.texts("transcriber", name))
    yield from (("keywords", number) for number, _ in ledger.texts("keywords"))
    listed: Path = ("transcriber", "customVocabularyConfig", "vocabulary")
    yield from ((*listed, number) for number, _ in ledger.texts(*listed))
    for base, key in ((("transcriber", "customVocabulary"), "content"), (listed, "value")):
        yield from ((*base, number, key) for number, _ in enumerate(ledger.items(*base)))


def _keyword(ledger: Ledger, place: Path) -> str:
    """The word alone: without a weight such as ``:3``, and without signs that OpenAI refuses."""
    text = ledger.text(*place) or ""
    word, _, weight = text.rpartition(":")
    if "keywords" in place and word and weight.strip().lstrip("-").replace(".", "", 1).isdigit():
        text = word
    ours = " ".join(text.replace("<", " ").replace(">", " ").split())
    reason = "A word that the transcript should spell right."
    ledger.say(place, Verdict.CONVERTED, reason, field="keywords", ours=ours)
    return ours
