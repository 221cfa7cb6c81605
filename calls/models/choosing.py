"""What a program gave along with a call."""

from django.db import models

from calls.models.call import Call
from tools.encryption import EncryptedTextField


class CallVariables(models.Model):
    """The values of ``variableValues`` that a call was given: those whose names tell of a secret are in ``secret_values``."""

    call = models.OneToOneField(Call, primary_key=True, on_delete=models.CASCADE, related_name="given")
    values = models.JSONField(default=dict)
    secret_values = EncryptedTextField(blank=True)

    class Meta:
        verbose_name = "values of a call"
        verbose_name_plural = "values of calls"

    def __str__(self) -> str:
        return f"Values of call {self.pk}"
