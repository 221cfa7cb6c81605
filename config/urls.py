"""All HTTP routes."""

from django.contrib import admin
from django.urls import include, path, re_path
from django.views.generic import RedirectView

from config.health import healthz, readyz
from config.nowhere import nowhere
from config.observing.exposition import metrics

urlpatterns = [
    path("healthz", healthz, name="healthz"),
    path("readyz", readyz, name="readyz"),
    path("metrics", metrics, name="metrics"),
    path("admin/", admin.site.urls),
    path("admin", RedirectView.as_view(pattern_name="admin:index")),
    path("", include("calls.urls")),
    path("", include("tools.urls")),
    path("", include("assistants.api.urls")),
    path("", include("calls.api.urls")),
    path("", RedirectView.as_view(pattern_name="admin:index")),
    re_path(r"^(?!admin/|static/)", nowhere),
]
