"""Credentials that are to go where they may not: those requests are not sent."""

from calls.doctor.report import Finding, ok, warning
from tools.auth.allowing import refused_uses
from tools.auth.hosts import host_told
from tools.models import Credential

_NAMED = 3


def credential_hosts() -> Finding:
    """Whether every credential may go to all hosts where it is used."""
    refused = list(refused_uses())
    if not refused:
        return ok(
            "Every credential may go to where it is used."
            if Credential.objects.exists()
            else "There are no credentials."
        )
    places = list(dict.fromkeys(f"{credential.name} to {host_told(use.url)}" for credential, use in refused))
    more = f", and {len(places) - _NAMED} more" if len(places) > _NAMED else ""
    return warning(
        f"Not sent, since the host is not allowed: {'; '.join(places[:_NAMED])}{more}.",
        "Open the credential in the admin, Who has it sent where, and allow the host if it is yours.",
        uses=len(refused),
    )
