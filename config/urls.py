"""All HTTP routes."""

from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

from config.health import healthz, readyz

urlpatterns = [
    path("healthz", healthz, name="healthz"),
    path("readyz", readyz, name="readyz"),
    path("admin/", admin.site.urls),
    path("admin", RedirectView.as_view(pattern_name="admin:index")),
    path("", include("calls.urls")),
    path("", include("tools.urls")),
    path("", include("assistants.api.urls")),
    path("", RedirectView.as_view(pattern_name="admin:index")),
]
