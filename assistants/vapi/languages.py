"""Languages as Vapi names them, and as we do."""

import re
from typing import Final

_NAMES: Final = {
    "af": "Afrikaans", "ar": "Arabic", "bg": "Bulgarian", "bn": "Bengali", "bs": "Bosnian", "ca": "Catalan",
    "cs": "Czech", "cy": "Welsh", "da": "Danish", "de": "German", "el": "Greek", "en": "English", "es": "Spanish",
    "et": "Estonian", "eu": "Basque", "fa": "Persian", "fi": "Finnish", "fr": "French", "ga": "Irish", "gl": "Galician",
    "gu": "Gujarati", "he": "Hebrew", "hi": "Hindi", "hr": "Croatian", "hu": "Hungarian", "hy": "Armenian",
    "id": "Indonesian", "is": "Icelandic", "it": "Italian", "ja": "Japanese", "ka": "Georgian", "kk": "Kazakh",
    "kn": "Kannada", "ko": "Korean", "lt": "Lithuanian", "lv": "Latvian", "mi": "Maori", "mk": "Macedonian",
    "ml": "Malayalam", "mr": "Marathi", "ms": "Malay", "ne": "Nepali", "nl": "Dutch", "no": "Norwegian",
    "pa": "Punjabi", "pl": "Polish", "pt": "Portuguese", "ro": "Romanian", "ru": "Russian", "sk": "Slovak",
    "sl": "Slovenian", "sq": "Albanian", "sr": "Serbian", "sv": "Swedish", "sw": "Swahili", "ta": "Tamil",
    "te": "Telugu", "th": "Thai", "tl": "Tagalog", "tr": "Turkish", "uk": "Ukrainian", "ur": "Urdu",
    "vi": "Vietnamese", "zh": "Chinese",
}  # fmt: skip
_BY_NAME: Final = {name.lower(): code for code, name in _NAMES.items()}
_ALIASES: Final = {"nb": "no", "nn": "no", "cmn": "zh", "yue": "zh", "fil": "tl", "iw": "he"}
# What providers write for "find out yourself".
ANY_LANGUAGE: Final = frozenset({"multi", "auto", "automatic", "detect", "unknown"})


def language_code(text: str) -> str:
    """The two letters of the language behind a code such as ``pt-BR`` or a name; empty where there is no such language."""
    plain = text.strip().lower()
    base = re.split(r"[-_ (]", plain, maxsplit=1)[0]
    base = _ALIASES.get(base, base)
    return base if base in _NAMES else _BY_NAME.get(plain, "")


def language_name(code: str) -> str:
    """The English name of the language."""
    return _NAMES[code]
