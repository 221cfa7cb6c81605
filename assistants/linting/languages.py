"""Rules on languages: which one the setting says, which one the prompt demands, and which one the texts are in."""

import re
from collections.abc import Iterator

from assistants.linting.subject import (
    FIRST_MESSAGE,
    PROMPT,
    LintFinding,
    LintSubject,
    Severity,
    conditional,
    finding,
    negated,
    prose,
    sentences,
    words,
)

# Each language as English and its own speakers name it, and as its neighbours do in a prompt.
_NAMES = {
    "ar": "Arabic العربية", "da": "Danish dansk", "de": "German Deutsch", "en": "English Englisch inglés anglais inglese",
    "es": "Spanish español Spanisch espagnol castellano", "fi": "Finnish suomi", "fr": "French français Französisch francés",
    "hi": "Hindi", "it": "Italian italiano Italienisch", "ja": "Japanese", "ko": "Korean", "nl": "Dutch Nederlands",
    "no": "Norwegian norsk", "pl": "Polish polski", "pt": "Portuguese português", "ru": "Russian", "sv": "Swedish svenska",
    "tr": "Turkish", "uk": "Ukrainian", "vi": "Vietnamese", "zh": "Chinese Mandarin",
}  # fmt: skip
_CODES = {name.lower(): code for code, names in _NAMES.items() for name in names.split()}
_ANY_NAME = "|".join(sorted(map(re.escape, _CODES), key=len, reverse=True))
_DEMAND = re.compile(
    r"\b(?:speak|answer|respond|reply|talk|converse|communicate|conversation (?:is|must be|should be)|say everything|"
    r"sprich|antworte|rede|habla|responde|contesta|parle|réponds?|répondez|parla|rispondi|fale|responda|spreek|antwoord)\b"
    rf"[^.\n]{{0,40}}?\b({_ANY_NAME})\b",
    re.IGNORECASE,
)  # fmt: skip
_CHOICE = re.compile(
    r"\b(?:or|may|can|could|also|either|caller['\u2019]?s? (?:own )?language|customer['\u2019]?s? language|same language|both|switch|bilingual)\b",
    re.IGNORECASE,
)  # fmt: skip
_COMMON = {
    "en": words(
        "the and you are your with for that this have please what not they will would should can our about from"
    ),
    "de": words(
        "der die das und ist nicht sie ein eine mit für auf wir ich den dem wenn bitte haben sind wie oder kann"
    ),
    "es": words(
        "el los las una que por para con está usted gracias del como pero más su cuando hola puede también y"
    ),
    "fr": words(
        "le les des une est vous pour que dans avec votre pas sur nous je bonjour merci sont du et quand"
    ),
    "it": words(
        "il gli che per una sono con non della come lei grazie buongiorno posso questo anche di più quando"
    ),
    "pt": words(
        "os uma que para com não você obrigado por como mais está seu sua quando olá posso também são"
    ),
    "nl": words(
        "het een van voor met niet dat zijn wij uw goedemorgen bedankt kan ook naar als wordt hebben"
    ),
}
_MANY_HITS = 12
_FEW_HITS = 3
_CLEARLY = 2.5


def demanded_languages(subject: LintSubject) -> Iterator[LintFinding]:
    """A prompt that demands another language than the setting, or two."""
    demands = list(_demands(subject))
    if not demands:
        return
    line, code, sentence = demands[0]
    others = [demand for demand in demands if demand[1] != code]
    if others:
        yield finding(
            PROMPT, others[0][0], "two_languages", Severity.MUST,
            f"The prompt demands {name_of(others[0][1])} here and {name_of(code)} in line {line}.", others[0][2],
            "Say which one to begin with, and when to change.",
        )  # fmt: skip
    elif subject.language and code != subject.language:
        yield finding(
            PROMPT, line, "language_conflict", Severity.MUST,
            f"The prompt demands {name_of(code)}; the assistant's language is set to {name_of(subject.language)}.", sentence,
            "Make both the same. The setting decides how the caller's words are written down.",
        )  # fmt: skip


def _demands(subject: LintSubject) -> Iterator[tuple[int, str, str]]:
    """Each language that the prompt demands without a condition: line, code, sentence."""
    for line, sentence in sentences(subject.instructions):
        for match in _DEMAND.finditer(sentence):
            code = _CODES.get(match[1].casefold())
            if code and not (
                conditional(sentence) or _CHOICE.search(sentence) or negated(sentence, match.start())
            ):
                yield line, code, sentence


def written_languages(subject: LintSubject) -> Iterator[LintFinding]:
    """Texts that are written in another language than the setting."""
    if subject.language not in _COMMON:
        return
    said = [(label, text, _language(text, _FEW_HITS)) for label, text in subject.said]
    for label, text, code in said:
        if code and code != subject.language:
            yield finding(
                label, 1, "language_conflict", Severity.SHOULD,
                f"This is {name_of(code)}; the assistant's language is set to {name_of(subject.language)}.", text,
                "Make both the same. The setting decides how the caller's words are written down.",
            )  # fmt: skip
    code = _language(subject.instructions, _MANY_HITS)
    told = any(_DEMAND.search(sentence) for _, sentence in sentences(subject.instructions))
    greeted = any(label == FIRST_MESSAGE and spoken == subject.language for label, _, spoken in said)
    if code and code != subject.language and not told and not greeted:
        yield finding(
            PROMPT, 1, "language_unsaid", Severity.CONSIDER,
            f"The prompt is in {name_of(code)}, callers speak {name_of(subject.language)}, and nothing says which to speak.",
            "", f"Add: “Speak {name_of(subject.language)} unless the caller uses another language.”",
        )  # fmt: skip


def name_of(code: str) -> str:
    """The English name of a language, or its code."""
    return _NAMES[code].split()[0] if code in _NAMES else code


def _language(text: str, least: int) -> str:
    """The language that a text is clearly in, or empty."""
    found = re.findall(r"[^\W\d_]+", prose(text).lower())
    hits = sorted(
        ((sum(word in common for word in found), code) for code, common in _COMMON.items()), reverse=True
    )
    (best, code), (second, _) = hits[0], hits[1]
    return code if best >= least and best >= _CLEARLY * second else ""
