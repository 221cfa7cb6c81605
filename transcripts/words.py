"""What of a text is looked for: its words, as the search index has them."""

# ruff: noqa: RUF001 - marks of many scripts, each meant

from typing import Any, Final

from django.contrib.postgres.search import SearchVectorField
from django.db.models import BooleanField, F, Func, TextField, Value
from django.db.models.functions import Cast

# Parts words. PostgreSQL's own parser takes "and/or" for a path, "done.Next" for a host and "-0100" for a number below
# zero; and with the locale C it takes every mark beyond ASCII for a letter.
PARTING: Final = (
    '!"#$%&()*+,-./:;<=>?@[\\]^_`{|}~'
    "“”„«»‹›…‥–—―‐‑‒•·¡¿′″€£¥₹₪§°"
    "؟،؛۔।॥。、，．！？：；（）「」『』【】《》・"
    "\u00a0\u2002\u2003\u2009\u202f\u3000"
)
# Stands inside of words and is not typed by whoever looks for them: apostrophes, the vowel signs of Arabic and its
# stretched line, and what only steers how a text is set.
UNSEEN: Final = (
    "'’‘"
    + "".join(map(chr, range(0x064B, 0x0653)))
    + "\u0640\u0670\u00ad\u200b\u200c\u200d\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff"
)
_TABLE: Final = str.maketrans(PARTING, " " * len(PARTING), UNSEEN)


def plain(text: str) -> str:
    """The text with nothing but spaces between its words: what the database's function does before it looks at them."""
    return text.translate(_TABLE)


class Words(Func):
    """The words of a text as the index has them; the function is made by a migration."""

    function = "transcripts_words"
    output_field: Any = SearchVectorField()


class _TsQueryField(TextField):  # type: ignore[type-arg]  # never a column
    def db_type(self, connection: Any) -> str:
        return "tsquery"


class Said(Func):
    """Whether a turn's text has what a query of PostgreSQL's asks for."""

    arg_joiner = " @@ "
    template = "(%(expressions)s)"
    output_field: Any = BooleanField()

    def __init__(self, query: str, **extra: Any) -> None:
        super().__init__(Words(F("text")), Cast(Value(query), _TsQueryField()), **extra)
