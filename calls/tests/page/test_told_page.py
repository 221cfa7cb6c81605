"""What OpenAI is told, as pages."""

import uuid

import pytest
from django.test import Client
from django.urls import reverse

from assistants.tests.factories import make_assistant

pytestmark = pytest.mark.django_db


def test_the_session_of_a_draft_and_of_a_version_can_be_read(admin_client: Client) -> None:
    assistant = make_assistant(instructions="Say only Ahoy.", published=True)
    assert assistant.live_version is not None

    for url in (
        reverse("admin:calls_call_told", args=[assistant.pk]),
        reverse("admin:calls_call_told_version", args=[assistant.live_version.pk]),
    ):
        session = admin_client.get(url).context["session"]
        assert "Say only Ahoy." in session
        assert '"audio/pcmu"' in session


def test_the_session_of_an_assistant_that_does_not_exist_is_not_found(admin_client: Client) -> None:
    assert admin_client.get(reverse("admin:calls_call_told", args=[uuid.uuid4()])).status_code == 404
    assert admin_client.get(reverse("admin:calls_call_told_version", args=[404])).status_code == 404
