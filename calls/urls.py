from django.urls import path

from calls import views
from calls.history.views import vapi_events
from calls.smoke.views import smoke_voice

urlpatterns = [
    path("twilio/voice", views.voice, name="twilio-voice"),
    path("twilio/check", views.check, name="twilio-check"),
    path("twilio/status", views.status, name="twilio-status"),
    path("twilio/stream-status", views.stream_status, name="twilio-stream-status"),
    path("twilio/after", views.after, name="twilio-after"),
    path(
        "twilio/transfer/<uuid:transfer_id>/whisper", views.transfer_whisper, name="twilio-transfer-whisper"
    ),
    path("twilio/transfer/<uuid:transfer_id>/ended", views.transfer_ended, name="twilio-transfer-ended"),
    path("twilio/smoke/<str:marker>", smoke_voice, name="twilio-smoke"),
    path("vapi/events/<str:token>", vapi_events, name="vapi-events"),
]
