"""The documents that tell Twilio what to do with a call."""

from twilio.twiml.voice_response import Connect, VoiceResponse

# Twilio wants a region with the language; a language that is not here is spoken by its default voice.
_SAY_LANGUAGES = {
    "da": "da-DK", "de": "de-DE", "en": "en-US", "es": "es-ES", "fr": "fr-FR", "it": "it-IT", "ja": "ja-JP",
    "nl": "nl-NL", "pl": "pl-PL", "pt": "pt-BR", "sv": "sv-SE",
}  # fmt: skip


def stream_document(*, public_origin: str, media_origin: str, call_id: str, token: str) -> str:
    """Connect the call to our media stream. The token may not stand in the address: Twilio strips a query string.

    What follows is decided by ``/twilio/after``; the hang-up behind it is for the case that it cannot be asked.
    """
    response = VoiceResponse()
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


def apology_document(text: str, language: str) -> str:
    """Have Twilio itself say a sentence and hang up."""
    response = VoiceResponse()
    said_in = _SAY_LANGUAGES.get(language[:2].lower())
    if said_in:
        response.say(text, language=said_in)
    else:
        response.say(text)
    response.hangup()
    return str(response)


def hang_up_document() -> str:
    """End the call without a word."""
    response = VoiceResponse()
    response.hangup()
    return str(response)
