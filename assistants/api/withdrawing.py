"""What a program has deleted and calls, or imports, still need: kept, and given to no program any more."""

from typing import Any

from django.utils import timezone

from assistants.models import ClientDocument, VapiObject
from tools.models import ApiKey


def document_withdraw(source: VapiObject, *, key: ApiKey) -> None:
    """Note that a program has deleted the object, whether or not one has ever written it."""
    gone: dict[str, Any] = {"deleted_at": timezone.now(), "written_by": key}
    ClientDocument.objects.update_or_create(
        vapi_object=source,
        defaults=gone,
        create_defaults={"raw": source.raw, "base": source.base, **gone},
    )
