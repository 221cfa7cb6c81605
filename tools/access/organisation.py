"""Who we are to programs that were written for Vapi."""

import uuid

from django.conf import settings


def organisation_id() -> str:
    """The id that stands where Vapi has its customer's: the configured one, else one that this installation keeps."""
    return settings.VAPI_ORG_ID or str(uuid.uuid5(uuid.NAMESPACE_URL, settings.PUBLIC_ORIGIN))
