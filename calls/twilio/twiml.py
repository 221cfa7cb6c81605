"""The documents that tell Twilio what to do with a call."""

import re
from typing import Final

from twilio.twiml.voice_response import Connect, Dial, VoiceResponse

from calls.transfers import Destination

# Twilio wants a region with the language; a language that is not here is spoken by its default voice.
_SAY_LANGUAGES = {
    "da": "da-DK", "de": "de-DE", "en": "en-US", "es": "es-ES", "fr": "fr-FR", "it": "it-IT", "ja": "ja-JP",
    "nl": "nl-NL", "pl": "pl-PL", "pt": "pt-BR", "sv": "sv-SE",
}  # fmt: skip


def stream_document(
    *, public_origin: str, media_origin: str, call_id: str, token: str, pause_s: int = 0
) -> str:
    """Connect the call to our media stream. The token may not stand in the address: Twilio strips a query string.

    What follows is decided by ``/twilio/after``; the hang-up behind it is for the case that it cannot be asked.
    """
    response = VoiceResponse()
    if pause_s:
        response.pause(length=pause_s)
    return _streamed(response, public_origin, media_origin, call_id, token)


def _streamed(
    response: VoiceResponse, public_origin: str, media_origin: str, call_id: str, token: str
) -> str:
    connect = Connect(action=f"{public_origin}/twilio/after", method="POST")
    stream = connect.stream(
        url=f"{media_origin}/media/{call_id}",
        status_callback=f"{public_origin}/twilio/stream-status",
        status_callback_method="POST",
    )
    stream.parameter(name="token", value=token)
    response.append(connect)
    response.hangup()
    return str(response)


def bypass_document(*, media_origin: str, call_id: str, token: str) -> str:
    """Connect a call in a flow that is not ours. When the stream has ended, Twilio goes on with what stands behind it there."""
    response = VoiceResponse()
    connect = Connect()
    connect.stream(url=f"{media_origin}/media/{call_id}/bypass").parameter(name="token", value=token)
    response.append(connect)
    return str(response)


def keys_document(keys: str, *, public_origin: str, media_origin: str, call_id: str, token: str) -> str:
    """Press keys, and connect the call to our media stream again."""
    response = VoiceResponse()
    response.play(digits=keys)
    return _streamed(response, public_origin, media_origin, call_id, token)


def apology_document(text: str, language: str) -> str:
    """Have Twilio itself say a sentence and hang up."""
    response = VoiceResponse()
    _say(response, text, language)
    response.hangup()
    return str(response)


def forward_document(number: str, *, otherwise: str, language: str) -> str:
    """Connect the caller to another number; where nobody answers there, say a sentence and hang up."""
    response = VoiceResponse()
    response.dial(number)
    _say(response, otherwise, language)
    response.hangup()
    return str(response)


def dial_document(
    destination: Destination,
    *,
    public_origin: str,
    transfer_id: str,
    caller_id: str,
    pause_s: int = 0,
    words: str = "",
    language: str = "en",
) -> str:
    """Connect the caller to somebody else, after these words. Twilio then asks us what follows, so the caller is never left
    in silence.

    Every address is absolute: the document is also sent by REST, where Twilio knows no address to begin from.
    """
    place = f"{public_origin}/twilio/transfer/{transfer_id}"
    response = VoiceResponse()
    if pause_s:
        response.pause(length=pause_s)
    if words:
        _say(response, words, language)
    dial = Dial(
        action=f"{place}/ended",
        method="POST",
        timeout=destination.rings_s,
        caller_id=caller_id or None,
        answer_on_bridge=True,
    )
    whisper = {"url": f"{place}/whisper", "method": "POST"} if destination.whispers else {}
    if destination.sip:
        dial.sip(destination.address, **whisper)
    else:
        # The operator's exchange needs a moment before it listens to keys.
        digits = {"send_digits": f"ww{destination.extension}"} if destination.extension else {}
        dial.number(destination.address, **whisper, **digits)
    response.append(dial)
    return str(response)


def whisper_document(text: str, language: str, *, waits: bool) -> str:
    """What the operator hears before the caller is connected; with ``waits`` they may say hello first."""
    response = VoiceResponse()
    if waits:
        response.pause(length=2)
    _say(response, text[:_LONGEST_SAY], language)
    return str(response)


def nothing_document() -> str:
    """Nothing: Twilio goes on with what it was about to do."""
    return str(VoiceResponse())


def ask_again_document(url: str) -> str:
    """Have Twilio ask another address of ours, with all the time that it has."""
    response = VoiceResponse()
    response.redirect(url, method="POST")
    return str(response)


def hang_up_document() -> str:
    """End the call without a word."""
    response = VoiceResponse()
    response.hangup()
    return str(response)


_LONGEST_SAY = 3000  # what the strictest of Twilio's voices takes
# No XML may hold these, however they are written: Twilio would refuse the whole document, and the call end with its own apology.
_NO_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def _say(response: VoiceResponse, text: str, language: str) -> None:
    text = _NO_XML.sub(" ", text)
    said_in = _SAY_LANGUAGES.get(language[:2].lower())
    if said_in:
        response.say(text, language=said_in)
    else:
        response.say(text)
