"""What all tables share: their columns' short names, and reasons that several give."""

from typing import Final

from assistants.vapi.drafts import Verdict
from assistants.vapi.rules import Origin, Type

KEPT, CONVERTED, DECISION, DROPPED = Verdict.KEPT, Verdict.CONVERTED, Verdict.DECISION, Verdict.DROPPED
LEGACY, SEEN = Origin.LEGACY, Origin.SEEN
TEXT, NUMBER, FLAG, OBJECT, ANY = Type.TEXT, Type.NUMBER, Type.FLAG, Type.OBJECT, Type.ANY

BOOKKEEPING: Final = "Vapi's own bookkeeping, kept with the stored original. Calls do not depend on it."
NATIVE: Final = (
    "The voice model does this by itself, as people do in a conversation. There is nothing to set."
)
CUSTOM_SERVER: Final = "Your server is asked by Vapi in place of a provider. Here OpenAI's model does that part, and the server is not asked."
FALLBACK: Final = "A second choice for when a provider fails. Tandem has one provider, OpenAI; when it fails, callers hear the apology."
ENCRYPTED: Final = (
    "Tandem encrypts this argument as Vapi does (RSA-OAEP with SHA-256), and sends nothing until it can: Vapi does not give back the "
    "public key. Enter it on the credential's page."
)


def not_yet(what: str) -> str:
    """The reason for a setting that waits for a part of Tandem to be built."""
    return (
        f"Tandem does not {what} yet. The setting is stored with the assistant and is applied once it does."
    )
