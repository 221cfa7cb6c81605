from django.urls import path

from calls.consumers import MediaStreamConsumer

websocket_urlpatterns = [
    path("media/<uuid:call_id>", MediaStreamConsumer.as_asgi()),  # type: ignore[arg-type]  # path() knows only views
]
