"""What Twilio is told about the caller's end of a smoke test's call. Pure."""

from twilio.twiml.voice_response import Connect, VoiceResponse


def caller_document(
    *, public_origin: str, media_origin: str, leg_id: str, marker: str, token: str, keys: str = ""
) -> str:
    """Connect the played caller, after ``keys`` were pressed for them. Twilio asks again when their stream has ended."""
    response = VoiceResponse()
    if keys:
        response.play(digits=keys)
    connect = Connect(action=f"{public_origin}/twilio/smoke-leg/{marker}", method="POST")
    stream = connect.stream(url=f"{media_origin}/media/caller/{leg_id}")
    stream.parameter(name="token", value=token)
    response.append(connect)
    response.hangup()
    return str(response)
