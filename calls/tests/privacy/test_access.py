import uuid

import pytest
from django.contrib.auth.models import AnonymousUser, User
from django.test import Client
from django.urls import reverse

from assistants.tests.factories import make_assistant
from calls.models import CallOpened, SmokePair
from calls.privacy.access import call_opened
from calls.tests.factories import make_call
from calls.tests.smoke.factories import make_desk, make_run, make_scenario, make_vapi_call
from tools.models import ApiKey
from tools.tests.factories import make_tool_call
from transcripts.tests.factories import make_transcript

pytestmark = pytest.mark.django_db


def test_every_page_that_shows_what_was_said_or_sent_writes_down_who_opened_it(admin_client: Client) -> None:
    call = make_call()
    transcript, tool_call = make_transcript(call_id=call.pk), make_tool_call(call_id=call.pk)

    for name, pk in (
        ("calls_call", call.pk),
        ("transcripts_transcript", transcript.pk),
        ("tools_toolcall", tool_call.pk),
    ):
        assert admin_client.get(reverse(f"admin:{name}_change", args=[pk])).status_code == 200

    rows = CallOpened.objects.order_by("id")
    assert [(row.call_id, row.what, row.actor_label) for row in rows] == [
        (call.pk, "page", "admin"),
        (call.pk, "transcript", "admin"),
        (call.pk, "tool_call", "admin"),
    ]


def test_a_pair_of_a_smoke_test_shows_two_calls(admin_client: Client) -> None:
    number, assistant = make_desk()
    theirs, ours = make_vapi_call(assistant), make_call()
    make_scenario(assistant, references=[theirs])
    pair = SmokePair.objects.filter(run=make_run(number))[0]
    SmokePair.objects.filter(pk=pair.pk).update(reference=theirs, call=ours)

    admin_client.get(reverse("admin:calls_smokerun_pair", args=[pair.pk]))

    assert set(CallOpened.objects.values_list("call_id", "what")) == {
        (theirs.pk, "report"),
        (ours.pk, "report"),
    }


def test_a_program_opens_by_its_key() -> None:
    key = ApiKey.objects.create(name="booking", prefix="tk_1", key_hash="x")
    call_id = uuid.uuid4()

    call_opened(call_id=call_id, key=key, what="api")

    row = CallOpened.objects.get()
    assert (row.call_id, row.actor_label, row.key) == (call_id, "API key booking (tk_1…)", key)


def test_nobody_opens_a_call_unnamed() -> None:
    with pytest.raises(ValueError, match="a person or by a key"):
        call_opened(call_id=uuid.uuid4(), user=AnonymousUser())
    with pytest.raises(ValueError, match="nonsense"):
        call_opened(call_id=uuid.uuid4(), user=User.objects.create(username="Ana"), what="nonsense")


@pytest.mark.parametrize("query", ["", "q=admin", "q=", "what=page", "since=day"])
def test_the_list_tells_who_opened_what(admin_client: Client, query: str) -> None:
    call = make_call()
    admin_client.get(reverse("admin:calls_call_change", args=[call.pk]))

    page = admin_client.get(f"{reverse('admin:calls_callopened_changelist')}?{query}")

    assert str(call.pk) in page.content.decode()


def test_the_list_finds_a_call_by_its_id(admin_client: Client) -> None:
    call = make_call()
    admin_client.get(reverse("admin:calls_call_change", args=[call.pk]))
    row = CallOpened.objects.get()
    url = reverse("admin:calls_callopened_changelist")

    assert str(call.pk) in admin_client.get(f"{url}?q={call.pk}").content.decode()
    assert (
        reverse("admin:calls_callopened_change", args=[row.pk])
        not in admin_client.get(f"{url}?q={uuid.uuid4()}").content.decode()
    )
    assert admin_client.get(reverse("admin:calls_callopened_change", args=[row.pk])).status_code == 200


def test_an_assistants_page_offers_what_is_kept(admin_client: Client) -> None:
    assistant = make_assistant(redact=["card"], hipaa=True, retention_days=30, published=True)

    page = admin_client.get(
        reverse("admin:assistants_assistant_change", args=[assistant.pk])
    ).content.decode()
    assert assistant.live_version is not None
    version = admin_client.get(
        reverse("admin:assistants_assistantversion_change", args=[assistant.live_version.pk])
    ).content.decode()

    assert "Records and privacy" in page
    assert "Card numbers" in page
    assert "Never written down" in version
    assert "Health information (HIPAA)" in version
