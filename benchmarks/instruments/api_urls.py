"""The project's routes, and one that does nothing: what any request costs here."""

from django.http import HttpRequest, HttpResponse
from django.urls import path

from config.urls import urlpatterns as served


def bare(_: HttpRequest) -> HttpResponse:
    """Two bytes."""
    return HttpResponse("{}", content_type="application/json")


urlpatterns = [path("bare", bare), *served]
