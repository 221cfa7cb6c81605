"""All HTTP routes."""

from django.contrib import admin
from django.urls import include, path, re_path
from django.views.generic import RedirectView

from config.health import healthz, readyz
from config.nowhere import nowhere
from config.observing.exposition import metrics
from config.openapi.views import docs, openapi_json

urlpatterns = [
    path("healthz", healthz, name="healthz"),
    path("readyz", readyz, name="readyz"),
    path("metrics", metrics, name="metrics"),
    path("openapi.json", openapi_json, name="openapi-json"),
    path("docs", docs, name="api-docs"),
    path("admin/", admin.site.urls),
    path("admin", RedirectView.as_view(pattern_name="admin:index")),
    path("", include("calls.urls")),
    path("", include("calls.websocket_calls.urls")),
    path("", include("calls.placing.urls")),
    path("", include("tools.urls")),
    path("", include("assistants.api.urls")),
    path("", include("calls.numbers.api.urls")),
    path("", include("calls.analytics.urls")),
    path("", RedirectView.as_view(pattern_name="admin:index")),
    re_path(r"^(?!admin/|static/)", nowhere),
]
handler400 = "config.nowhere.unreadable"
handler500 = "config.nowhere.broken"
