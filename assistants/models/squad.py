"""Several assistants that share one call."""

import uuid
from typing import ClassVar

from django.db import models

from assistants.models.assistant import Assistant, AssistantVersion
from assistants.models.transient import ListedManager, Transient

# What nobody needs in order to know who is meant, and secrets, which need not be opened for it.
_HEAVY = ("assistant__instructions", "assistant__server_secret", "assistant__server_headers")


class Squad(models.Model):
    """Assistants that hand a call over to each other. The first member takes it."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(max_length=80, unique=True)
    members = models.ManyToManyField(Assistant, through="SquadMember", related_name="squads")
    transient = models.OneToOneField(
        Transient,
        null=True,
        blank=True,
        editable=False,
        on_delete=models.PROTECT,
        related_name="squad",
        help_text="What it was made of, where it exists for the calls of a program alone.",
    )
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    objects: ClassVar[models.Manager["Squad"]] = ListedManager()
    every: ClassVar[models.Manager["Squad"]] = models.Manager()

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    @property
    def first_assistant(self) -> Assistant | None:
        """The member that takes the calls; None while there is none."""
        first = self.squadmember_set.select_related("assistant", "version").defer(*_HEAVY).first()
        return first.as_pinned() if first is not None else None

    def assistants(self) -> list[Assistant]:
        """The members with the versions that they run on, the one that takes the calls first; without secrets."""
        links = self.squadmember_set.select_related("assistant__live_version", "version").defer(*_HEAVY)
        return [one.as_pinned() for one in links]


class SquadMember(models.Model):
    """An assistant's place in a squad."""

    squad = models.ForeignKey(Squad, on_delete=models.CASCADE)
    assistant = models.ForeignKey(Assistant, on_delete=models.PROTECT)
    version = models.ForeignKey(
        AssistantVersion,
        null=True,
        blank=True,
        editable=False,
        on_delete=models.PROTECT,
        related_name="+",
        help_text="The one that it runs on in this squad, where that is not the one in force.",
    )
    position = models.PositiveSmallIntegerField(default=0)

    class Meta:
        ordering = ["position", "id"]
        constraints = [
            models.UniqueConstraint(name="assistant_once_per_squad", fields=["squad", "assistant"])
        ]

    def __str__(self) -> str:
        return self.assistant.name

    @property
    def pinned(self) -> AssistantVersion | None:
        """The version that it is pinned to; None where that is of whoever had this place before."""
        found = self.version
        return found if found is not None and found.assistant_id == self.assistant_id else None

    def as_pinned(self) -> Assistant:
        """The assistant as this squad has it: with the version that it is pinned to in place of the one in force."""
        if self.pinned is not None:
            self.assistant.live_version = self.pinned
        return self.assistant
