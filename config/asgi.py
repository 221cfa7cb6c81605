"""The ASGI application of both roles, web and media."""

import gc
import os

from channels.routing import ProtocolTypeRouter, URLRouter
from django.urls import re_path

from config.requests_in_a_thread import application_in_a_thread

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.local")
django_application = application_in_a_thread()  # before the consumers, whose models need the app registry

from calls.draining.registry import Heartbeat  # noqa: E402
from calls.recorder import process_outbox  # noqa: E402
from calls.recordings.taking.process import process_sounds  # noqa: E402
from calls.routing import websocket_urlpatterns  # noqa: E402
from config.nowhere import no_socket  # noqa: E402
from config.observing.traces import traces_observe  # noqa: E402

Heartbeat().start()
# Now, and not with the first call: what a process that died has left behind is to be written soon.
process_outbox()
process_sounds()
traces_observe("tandem-web")

application = ProtocolTypeRouter(
    {
        "http": django_application,
        # No Origin check and no sessions: Twilio sends neither an Origin nor cookies. Each route decides for
        # itself who may enter, by Twilio's signature or by a token.
        "websocket": URLRouter(  # the stubs know no path() with a consumer
            [*websocket_urlpatterns, re_path(r"", no_socket)]  # type: ignore[arg-type, list-item]
        ),
    }
)

# All that was imported stays: no collection of garbage has to look through it again.
gc.collect()
gc.freeze()
