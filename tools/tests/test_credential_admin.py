"""Entering credentials: each kind has its own fields, and a secret is written and never shown."""

import json
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from tools.models import Credential
from tools.tests.test_encrypted_arguments import PEM

pytestmark = pytest.mark.django_db

HMAC = {
    "kind": "hmac",
    "secret_key": "sign-me",
    "algorithm": "sha256",
    "signature_header": "x-sig",
    "signature_encoding": "hex",
    "include_timestamp": "on",
}


def make_credential(**fields: Any) -> Credential:
    return Credential.objects.create(**{"name": "Vapi's credential", "vapi_id": "c1", **fields})


def url(credential: Credential) -> str:
    return reverse("admin:tools_credential_change", args=[credential.pk])


def enter(client: Client, credential: Credential, **data: Any) -> Any:
    response = client.post(url(credential), {"name": "Booking server", **data})
    credential.refresh_from_db()
    return response


def settings_of(credential: Credential) -> dict[str, Any]:
    return dict(json.loads(credential.settings))


@pytest.mark.parametrize(
    ("data", "stored"),
    [
        (
            {"kind": "bearer", "token": "t0ken", "header_name": "X-Token"},
            {"token": "t0ken", "headerName": "X-Token", "bearerPrefixEnabled": False},
        ),
        (
            {
                "kind": "oauth2",
                "token_url": "https://auth.example.com/token",
                "client_id": "me",
                "client_secret": "s3cret",
            },
            {"url": "https://auth.example.com/token", "clientId": "me", "clientSecret": "s3cret"},
        ),
        (
            HMAC,
            {
                "secretKey": "sign-me",
                "secretIsBase64": False,
                "algorithm": "sha256",
                "signatureHeader": "x-sig",
                "signatureEncoding": "hex",
                "includeTimestamp": True,
            },
        ),
    ],
    ids=["bearer", "oauth2", "hmac"],
)
def test_each_kind_is_entered_in_vapis_words(
    admin_client: Client, data: dict[str, str], stored: dict[str, Any]
) -> None:
    credential = make_credential()

    assert enter(admin_client, credential, **data).status_code == 302

    assert (credential.kind, settings_of(credential)) == (data["kind"], stored)
    html = admin_client.get(url(credential)).content.decode()
    assert not [secret for secret in ("t0ken", "s3cret", "sign-me") if secret in html]
    assert "One is stored." in html


def test_a_secret_stays_when_nothing_is_typed_and_settings_without_a_field_do_too(
    admin_client: Client,
) -> None:
    credential = make_credential(
        kind="hmac", settings=json.dumps({"secretKey": "old", "preset": "x-vapi-signature"})
    )

    enter(admin_client, credential, **{**HMAC, "secret_key": ""})

    assert settings_of(credential)["secretKey"] == "old"
    assert settings_of(credential)["preset"] == "x-vapi-signature"


def test_another_kind_forgets_the_secret_of_the_first(admin_client: Client) -> None:
    credential = make_credential(kind="bearer", settings=json.dumps({"token": "old"}))

    response = enter(admin_client, credential, kind="hmac", secret_key="")
    assert "This kind needs it." in response.content.decode()

    enter(admin_client, credential, **HMAC)
    assert "token" not in settings_of(credential)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"kind": "bearer"}, "This kind needs it."),
        ({"kind": "bearer", "token": " t "}, "begins or ends with a space"),
        ({"kind": "oauth2", "token_url": "nope", "client_id": "x", "client_secret": "y"}, "valid URL"),
    ],
)
def test_a_mistake_is_told(admin_client: Client, data: dict[str, str], words: str) -> None:
    credential = make_credential()

    assert words in enter(admin_client, credential, **data).content.decode()
    assert credential.kind == ""


def test_what_no_key_opens_can_be_entered_again(admin_client: Client, settings: Any) -> None:
    credential = make_credential(kind="bearer", settings=json.dumps({"token": "old"}))
    settings.FIELD_ENCRYPTION_KEYS = ["Zq3Wbk7TAVb2gVn1cSdd0RXkm8OcN1WD9OGjSDuKbJg="]
    assert "cannot be read any more" in admin_client.get(url(credential)).content.decode()

    response = admin_client.post(
        url(credential), {"name": "Booking server", "kind": "bearer", "token": "new"}
    )

    assert response.status_code == 302


def test_the_list_tells_what_waits_to_be_entered(admin_client: Client) -> None:
    make_credential()
    list_url = reverse("admin:tools_credential_changelist")

    assert "Not entered yet" in admin_client.get(list_url).content.decode()
    assert admin_client.get(list_url, {"entered": "yes"}).context["cl"].result_count == 0
    assert admin_client.get(list_url, {"entered": "no"}).context["cl"].result_count == 1
    assert admin_client.get(reverse("admin:tools_credential_add")).status_code == 200


def test_a_public_key_is_entered_beside_the_credential_and_a_private_one_is_turned_away(
    admin_client: Client,
) -> None:
    credential = make_credential()
    bearer = {"kind": "bearer", "token": "t0ken"}

    wrong = enter(admin_client, credential, **bearer, encryption_key="-----BEGIN PRIVATE KEY-----\nx")
    assert "the private key" in str(wrong.context["errors"])
    wrong = enter(admin_client, credential, **bearer, encryption_key="nonsense")
    assert "no public key in PEM form" in str(wrong.context["errors"])

    enter(admin_client, credential, **bearer, encryption_key=f"\n{PEM}\n")

    assert credential.encryption_key == PEM.strip()
    assert PEM.strip() in admin_client.get(url(credential)).content.decode()
