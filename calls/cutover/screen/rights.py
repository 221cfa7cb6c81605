"""Who may do what on the cutover screen. The services do not ask: every page and every POST does, here."""

from typing import Final

from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest

VIEW: Final = "calls.view_phonenumber"
ASSIGN: Final = "calls.assign_phonenumber"
CUT_OVER: Final = "calls.cut_over_phonenumber"
OVERRIDE: Final = "calls.override_gate"


def allowed(request: HttpRequest, permission: str) -> bool:
    """Whether the person may do that. Whoever may not see numbers may do nothing with them."""
    return request.user.has_perm(VIEW) and request.user.has_perm(permission)


def require(request: HttpRequest, permission: str = VIEW) -> User:
    """The person, who may do that. Raises PermissionDenied otherwise."""
    if not isinstance(request.user, User) or not allowed(request, permission):
        raise PermissionDenied
    return request.user


def rights(request: HttpRequest) -> dict[str, bool]:
    """For templates: which buttons are to be there."""
    return {
        "may_assign": allowed(request, ASSIGN),
        "may_cut_over": allowed(request, CUT_OVER),
        "may_override": allowed(request, OVERRIDE),
    }
