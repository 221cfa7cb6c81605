"""What OpenAI offers, as rows that people may edit: models and voices."""

from django.db import models


class RealtimeModel(models.Model):
    """A speech-to-speech model that an assistant may run on."""

    name = models.CharField(
        primary_key=True, max_length=80, help_text="OpenAI's name, for example gpt-realtime-2.1."
    )
    reasoning = models.BooleanField(
        default=True,
        help_text="It accepts a reasoning effort. A model that does not would refuse the whole session.",
    )
    retires_on = models.DateField(
        null=True, blank=True, help_text="The day OpenAI switches it off, if announced."
    )

    class Meta:
        ordering = ["-name"]

    def __str__(self) -> str:
        return self.name


class TranscriptionModel(models.Model):
    """A model that writes down what the caller says."""

    name = models.CharField(primary_key=True, max_length=80)
    takes_languages = models.BooleanField(
        default=True, help_text="It takes a list of languages; older ones take a single language."
    )
    retires_on = models.DateField(
        null=True, blank=True, help_text="The day OpenAI switches it off, if announced."
    )

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class Voice(models.Model):
    """A voice of the Realtime API. Text-to-speech voices are not valid here: they come out as noise."""

    name = models.CharField(primary_key=True, max_length=80)
    note = models.CharField(max_length=200, blank=True)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name
