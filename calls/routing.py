from django.urls import path

from calls.consumers import MediaStreamConsumer
from calls.recorder import process_outbox

# Now, and not with the first call: what a process that died has left behind is to be written soon.
process_outbox()

websocket_urlpatterns = [
    path("media/<uuid:call_id>", MediaStreamConsumer.as_asgi()),  # type: ignore[arg-type]  # path() knows only views
]
