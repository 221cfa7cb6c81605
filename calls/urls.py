from django.urls import path

from calls import views
from calls.api.recordings import call_recording, recording_sound
from calls.history.views import vapi_events
from calls.recordings.sides import Side
from calls.recordings.views import recording
from calls.smoke.views import smoke_leg, smoke_leg_status, smoke_voice

urlpatterns = [
    *(
        path(
            f"call/<str:given>/{side}-recording",
            call_recording,
            {"side": side.value},
            f"api-{side}-recording",
        )
        for side in Side
    ),
    path("recording/<str:link>", recording_sound, name="api-recording"),
    path("twilio/voice", views.voice, name="twilio-voice"),
    path("twilio/voice/asked", views.voice_asked, name="twilio-voice-asked"),
    path("twilio/check", views.check, name="twilio-check"),
    path("twilio/status", views.status, name="twilio-status"),
    path("twilio/stream-status", views.stream_status, name="twilio-stream-status"),
    path("twilio/after", views.after, name="twilio-after"),
    path(
        "twilio/transfer/<uuid:transfer_id>/whisper", views.transfer_whisper, name="twilio-transfer-whisper"
    ),
    path("twilio/transfer/<uuid:transfer_id>/ended", views.transfer_ended, name="twilio-transfer-ended"),
    path("twilio/recording", recording, name="twilio-recording"),
    path("twilio/smoke/<str:marker>", smoke_voice, name="twilio-smoke"),
    path("twilio/smoke-leg/<str:marker>", smoke_leg, name="twilio-smoke-leg"),
    path("twilio/smoke-leg/<str:marker>/status", smoke_leg_status, name="twilio-smoke-leg-status"),
    path("vapi/events/<str:token>", vapi_events, name="vapi-events"),
]
