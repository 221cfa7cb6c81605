"""Search over what was said: the words of each turn in an index, and transcripts by when they began.

The words stand in the index alone. No column holds them, so a table of millions of turns is not written anew, and what
is deleted or redacted is gone from the search with its row.
"""

import re

import django.contrib.postgres.indexes
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models

import transcripts.words

# As transcripts.words had them when the index was made.
_PARTING = (
    '!"#$%&()*+,-./:;<=>?@[\\]^_`{|}~'
    "“”„«»‹›…‥–—―‐‑‒•·¡¿′″€£¥₹₪§°"
    "؟،؛۔।॥。、，．！？：；（）「」『』【】《》・"
    "\u00a0\u2002\u2003\u2009\u202f\u3000"
)
_UNSEEN = (
    "'’‘"
    + "".join(map(chr, range(0x064B, 0x0653)))
    + "\u0640\u0670\u00ad\u200b\u200c\u200d\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff"
)
# A vector holds a megabyte at most, and a turn that is longer must be kept all the same. Regular expressions, because
# translate() takes ten times as long.
_FUNCTION = f"""
CREATE OR REPLACE FUNCTION transcripts_words(said text) RETURNS tsvector
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN to_tsvector(
    'pg_catalog.simple'::regconfig,
    regexp_replace(
        regexp_replace(left(said, 100000), $class$[{re.escape(_UNSEEN)}]$class$, '', 'g'),
        $class$[{re.escape(_PARTING)}]$class$, ' ', 'g'
    )
)
"""


class Migration(migrations.Migration):
    # Indices are made while turns go on being written.
    atomic = False
    dependencies = [("transcripts", "0003_latency_index")]
    operations = [
        # Left behind, and of no use, where it was being built when that failed: then all of this is done again.
        migrations.RunSQL(_FUNCTION, "DROP FUNCTION transcripts_words(text)"),
        migrations.RunSQL("DROP INDEX CONCURRENTLY IF EXISTS utterance_words", migrations.RunSQL.noop),
        AddIndexConcurrently(
            model_name="utterance",
            index=django.contrib.postgres.indexes.GinIndex(
                transcripts.words.Words(models.F("text")), name="utterance_words"
            ),
        ),
        # How common each word is decides how it is looked for.
        migrations.RunSQL(
            "ALTER INDEX utterance_words ALTER COLUMN 1 SET STATISTICS 500", migrations.RunSQL.noop
        ),
        migrations.RunSQL("DROP INDEX CONCURRENTLY IF EXISTS transcript_newest", migrations.RunSQL.noop),
        AddIndexConcurrently(
            model_name="transcript",
            index=models.Index(fields=["-started_at", "-id"], name="transcript_newest"),
        ),
    ]
