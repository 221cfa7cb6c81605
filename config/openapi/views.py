"""`/openapi.json` and `/docs`. Both are for those who may use the API, or the admin: nothing but health is open to all."""

import functools
from typing import Final

from django.conf import settings
from django.contrib.auth.models import User
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.views.decorators.http import require_safe

from config.openapi.document import document
from config.openapi.page import sections
from tools.access.asking import request_address
from tools.access.errors import ApiError, error_response
from tools.access.keys import key_authenticate
from tools.access.uses import use_count
from tools.jsontext import json_text

# Nothing from elsewhere, no script but ours, and nobody's frame.
_POLICY: Final = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; font-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)


@require_safe
def openapi_json(request: HttpRequest) -> HttpResponse:
    """The document, for whoever has a key, of whatever scopes, or is logged in to the admin."""
    try:
        if not _is_staff(request):
            given = request.headers.get("Authorization", "")
            use_count(key_authenticate(given, address=request_address(request)))
        response = HttpResponse(_text(settings.PUBLIC_ORIGIN), content_type="application/json")
    except ApiError as exc:
        response = error_response(exc)
    response["Cache-Control"] = "private, no-cache"
    return response


@require_safe
def docs(request: HttpRequest) -> HttpResponse:
    """The page, for whoever is logged in to the admin; others are asked to."""
    if not _is_staff(request):
        return redirect_to_login(request.get_full_path(), login_url="admin:login")
    response = HttpResponse(_page(settings.PUBLIC_ORIGIN))
    response["Content-Security-Policy"] = _POLICY
    response["Cache-Control"] = "private, no-cache"
    return response


def _is_staff(request: HttpRequest) -> bool:
    user = request.user
    return isinstance(user, User) and user.is_active and user.is_staff


@functools.cache
def _text(origin: str) -> str:
    return json_text(document(server=origin))


@functools.cache
def _page(origin: str) -> str:
    shown = tuple(sections(document(server=origin)))
    return render_to_string("openapi/docs.html", {"sections": shown, "origin": origin})
