"""The server of a number: asked for tools that have none, in calls of assistants that have none."""

from django.core.validators import MaxValueValidator, MinValueValidator, URLValidator
from django.db import models

from calls.models.number import PhoneNumber
from tools.encryption import EncryptedTextField
from tools.models import Credential
from tools.ordered_json import OrderedJSONField


class NumberServer(models.Model):
    """A table of its own: reading a number must open no secret, which is how calls are answered."""

    number = models.OneToOneField(
        PhoneNumber, primary_key=True, on_delete=models.CASCADE, related_name="server"
    )
    server_url = models.TextField(
        validators=[URLValidator(schemes=["http", "https"])],
        verbose_name="server URL",
        help_text="Asked for tools that have no server, in calls of an assistant that has none. A change is in force at once.",
    )
    server_secret = EncryptedTextField(blank=True, help_text="Sent as X-Vapi-Secret to the server URL above.")
    server_headers = EncryptedTextField(
        blank=True, help_text="A JSON object of headers that are sent to the server URL above."
    )
    credential = models.ForeignKey(
        Credential, null=True, blank=True, on_delete=models.PROTECT, related_name="number_servers"
    )
    server_backoff_plan = OrderedJSONField(
        default=dict,
        blank=True,
        verbose_name="sending again",
        help_text="Whether a failed request to the server URL above is sent again, in Vapi's form. Empty: never.",
    )
    server_encrypted_paths = OrderedJSONField(
        default=list,
        blank=True,
        verbose_name="encrypted arguments",
        help_text='Encrypted with the credential\'s public key before they are sent: ["ssn", "payment.cardNumber"].',
    )

    timeout_s = models.FloatField(
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(300)],
        verbose_name="patience, in seconds",
        help_text="How long the server's answer to a message about a call is waited for. Empty: 20 seconds. Tools have their own.",
    )

    class Meta:
        verbose_name = "server of a number"
        verbose_name_plural = "servers of numbers"

    def __str__(self) -> str:
        return "Asked for tools that have no server"  # its address may hold a secret
