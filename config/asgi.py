"""The ASGI application of both roles, web and media."""

import os

from channels.routing import ProtocolTypeRouter, URLRouter
from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.local")
django_application = get_asgi_application()  # before the consumers, whose models need the app registry

from calls.draining.registry import Heartbeat  # noqa: E402
from calls.routing import websocket_urlpatterns  # noqa: E402
from config.observing.traces import traces_observe  # noqa: E402

Heartbeat().start()
traces_observe("tandem-web")

application = ProtocolTypeRouter(
    {
        "http": django_application,
        # No Origin check and no sessions: Twilio sends neither an Origin nor cookies. Each route decides for
        # itself who may enter, by Twilio's signature or by a token.
        "websocket": URLRouter(websocket_urlpatterns),  # type: ignore[arg-type] # the stubs know no path() with a consumer
    }
)
