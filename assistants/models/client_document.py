"""Objects as programs left them through our API."""

from django.db import models

from assistants.models.vapi import VapiObject
from tools.models import ApiKey
from tools.ordered_json import OrderedJSONField


class ClientDocument(models.Model):
    """An object in Vapi's shape as a program last wrote it, beside what was imported.

    The import's own ``raw`` and ``base`` stay: Vapi's side is compared with them. ``base`` is the translation of ``raw`` here;
    what differs from it in our own row was edited since.
    """

    vapi_object = models.OneToOneField(
        VapiObject, primary_key=True, on_delete=models.CASCADE, related_name="client_document"
    )
    raw = OrderedJSONField(default=dict)
    base = OrderedJSONField(default=dict)
    written_by = models.ForeignKey(ApiKey, null=True, on_delete=models.SET_NULL, related_name="+")
    written_at = models.DateTimeField(auto_now=True)
    deleted_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text="Since when the API gives it no more, though its history here remains.",
    )

    class Meta:
        verbose_name = "object as a program left it"

    def __str__(self) -> str:
        return str(self.vapi_object)
