from django.urls import path

from calls.consumers import MediaStreamConsumer
from calls.live.streams import listen_stream, transcript_stream
from calls.smoke.caller_socket import CallerLegConsumer
from calls.websocket_calls.consumers import BypassConsumer, SocketCallConsumer

websocket_urlpatterns = [
    path("media/caller/<uuid:leg_id>", CallerLegConsumer.as_asgi()),  # type: ignore[arg-type]  # path() knows only views
    path("media/<uuid:call_id>", MediaStreamConsumer.as_asgi()),  # type: ignore[arg-type]  # path() knows only views
    path("media/<uuid:call_id>/transport", SocketCallConsumer.as_asgi()),  # type: ignore[arg-type]  # path() knows only views
    path("media/<uuid:call_id>/bypass", BypassConsumer.as_asgi()),  # type: ignore[arg-type]  # path() knows only views
    path("call/<uuid:call_id>/transcript", transcript_stream),  # type: ignore[arg-type]  # path() knows only views
    path("call/<uuid:call_id>/listen", listen_stream),  # type: ignore[arg-type]  # path() knows only views
]
