"""Twilio's webhook of recordings."""

from django.http import HttpRequest, HttpResponse

from calls.recorder import process_outbox
from calls.twilio.webhooks import twilio_webhook


@twilio_webhook
def recording(request: HttpRequest) -> HttpResponse:
    """Twilio's word on a recording. A worker takes it in: the database may be away just now, and Twilio asks only once."""
    form = request.POST
    process_outbox().put(
        "calls.recordings.tasks.recording_told",
        {
            "call_sid": form.get("CallSid", "")[:64],
            "sid": form.get("RecordingSid", "")[:64],
            "status": form.get("RecordingStatus", "")[:20],
            "started": form.get("RecordingStartTime", "")[:60],
            "error_code": form.get("ErrorCode", "")[:10],
        },
    )
    return HttpResponse(status=204)
