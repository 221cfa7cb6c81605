"""The form of a credential: what each kind needs, with secrets that are written and never shown."""

import json
from typing import Any, Final

from django import forms
from django.core.exceptions import ValidationError
from django.core.validators import MaxLengthValidator, URLValidator
from unfold.widgets import (
    UnfoldAdminPasswordWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanWidget,
)

from tools.auth.hosts import EntryError, entries_read, entries_text, place_of
from tools.encrypted_arguments import key_problem
from tools.encryption import SecretUnreadableError
from tools.models import Credential

Kind = Credential.Kind
# Our field, Vapi's word in the stored settings.
FIELDS: Final[dict[str, dict[str, str]]] = {
    Kind.BEARER: {
        "token": "token",
        "header_name": "headerName",
        "bearer_prefix": "bearerPrefixEnabled",
    },
    Kind.OAUTH2: {
        "token_url": "url",
        "client_id": "clientId",
        "client_secret": "clientSecret",
        "scope": "scope",
    },
    Kind.HMAC: {
        "secret_key": "secretKey",
        "secret_is_base64": "secretIsBase64",
        "algorithm": "algorithm",
        "signature_header": "signatureHeader",
        "signature_prefix": "signaturePrefix",
        "signature_encoding": "signatureEncoding",
        "include_timestamp": "includeTimestamp",
        "timestamp_header": "timestampHeader",
        "message_id_header": "messageIdHeader",
        "payload_format": "payloadFormat",
    },
}
SECRETS: Final = ("token", "client_secret", "secret_key")
REQUIRED: Final[dict[str, tuple[str, ...]]] = {
    Kind.BEARER: ("token",),
    Kind.OAUTH2: ("token_url", "client_id", "client_secret"),
    Kind.HMAC: ("secret_key",),
}


def _text(label: str, help_text: str = "", **options: Any) -> forms.CharField:
    widget = UnfoldAdminTextInputWidget(attrs={"spellcheck": "false", "autocomplete": "off"})
    return forms.CharField(
        required=False, label=label, help_text=help_text, max_length=500, widget=widget, **options
    )


def _secret(label: str) -> forms.CharField:
    widget = UnfoldAdminPasswordWidget(attrs={"autocomplete": "new-password"})
    return forms.CharField(required=False, label=label, strip=False, max_length=4000, widget=widget)


def _choice(label: str, *choices: str) -> forms.ChoiceField:
    return forms.ChoiceField(
        required=False, label=label, choices=[(one, one) for one in choices], widget=UnfoldAdminSelectWidget()
    )


def _switch(label: str, help_text: str = "", *, on: bool = False) -> forms.BooleanField:
    return forms.BooleanField(
        required=False, label=label, help_text=help_text, initial=on, widget=UnfoldBooleanWidget()
    )


class CredentialForm(forms.ModelForm):  # type: ignore[type-arg]  # a plain class at run time
    """A credential of any kind. Only the settings of the chosen kind are kept."""

    token = _secret("Token")
    header_name = _text("Header", "Empty: Authorization.")
    bearer_prefix = _switch("Put “Bearer” before the token", on=True)

    token_url = _text(
        "Token URL", "Where an access token is asked for.", validators=[URLValidator(["https", "http"])]
    )
    client_id = _text("Client id")
    client_secret = _secret("Client secret")
    scope = _text("Scope", "Empty: none is asked for.")

    secret_key = _secret("Signing secret")
    secret_is_base64 = _switch("The secret is Base64", "As those that begin with whsec_.")
    algorithm = _choice("Algorithm", "sha256", "sha512", "sha1")
    signature_header = _text("Signature header", "Empty: x-signature.")
    signature_prefix = _text("Before the signature", "For example sha256=.")
    signature_encoding = _choice("Signature written as", "hex", "base64")
    include_timestamp = _switch("Sign the time too", on=True)
    timestamp_header = _text("Time header", "Empty: x-timestamp.")
    message_id_header = _text("Message id header", "Empty: none is sent.")
    payload_format = _text(
        "What is signed",
        "Of {body}, {timestamp}, {method}, {url} and {svix-id}. Empty: {timestamp}.{body}, or {body} without the time.",
    )

    known_as = _text(
        "Its id at Vapi",
        "What programs name as credentialId. Empty: they name the id that stands in this page's address.",
        validators=[MaxLengthValidator(80)],
    )

    class Meta:
        model = Credential
        fields = ["name", "kind", "hosts", "encryption_key"]
        help_texts = {
            "hosts": (
                "Where the secret may go, a host in each line: api.example.com, *.example.com for every host below it, with "
                "another port api.example.com:8443. HTTPS alone, unless the line begins with http://. Requests of this "
                "credential to any other host are not sent."
            ),
        }
        widgets = {
            "hosts": UnfoldAdminTextareaWidget(
                attrs={"rows": 4, "class": "t-code", "spellcheck": "false", "placeholder": "api.example.com"}
            ),
            "encryption_key": UnfoldAdminTextareaWidget(
                attrs={
                    "rows": 6,
                    "class": "t-code",
                    "spellcheck": "false",
                    "placeholder": "-----BEGIN PUBLIC KEY-----",
                }
            ),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.vapi_id:
            self.fields.pop("known_as", None)
        self._stored, unreadable = stored_settings(self.instance)
        for ours, theirs in FIELDS.get(self.instance.kind, {}).items():
            if ours not in self.fields:
                continue
            if ours in SECRETS:
                self.fields[ours].help_text = (
                    "One is stored. Leave this empty to keep it, or type a new one."
                    if self._stored.get(theirs)
                    else "What is stored cannot be read any more. Enter it again."
                    if unreadable
                    else "None is stored."
                )
            elif theirs in self._stored:
                self.fields[ours].initial = self._stored[theirs]

    def clean_encryption_key(self) -> str:
        pem: str = self.cleaned_data["encryption_key"].strip()
        if "PRIVATE KEY" in pem:
            raise ValidationError(
                "This is the private key, which belongs on your server alone. Paste the public one."
            )
        problem = key_problem(pem) if pem else ""
        if problem:
            raise ValidationError(problem)
        return pem

    def clean_hosts(self) -> str:
        try:
            return entries_text(entries_read(self.cleaned_data["hosts"]))
        except EntryError as exc:
            raise ValidationError(str(exc)) from exc

    def clean_known_as(self) -> str:
        known_as: str = self.cleaned_data["known_as"].strip()
        if known_as and Credential.objects.filter(vapi_id=known_as).exclude(pk=self.instance.pk).exists():
            raise ValidationError("Another credential has this id.")
        return known_as

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        self._keep_secret_from_others(cleaned)
        kind = cleaned.get("kind") or ""
        kept = self._stored if kind == self.initial.get("kind") else {}
        for name in REQUIRED.get(kind, ()):
            if (
                name in self.fields
                and not cleaned.get(name)
                and not (name in SECRETS and kept.get(FIELDS[kind][name]))
            ):
                self.add_error(name, "This kind needs it.")
        for name in SECRETS:
            value = cleaned.get(name) or ""
            if value != value.strip() or not value.isprintable():
                self.add_error(
                    name, ValidationError("It begins or ends with a space, or holds a line break.")
                )
        return cleaned

    def _keep_secret_from_others(self, cleaned: dict[str, Any]) -> None:
        """A stored client secret goes to no other server than the one it was entered for, whoever types the address."""
        before, after = self._stored.get("url"), cleaned.get("token_url")
        if not (before and after and self._stored.get("clientSecret")) or cleaned.get("client_secret"):
            return
        if place_of(str(before)) != place_of(str(after)):
            self.add_error(
                "client_secret",
                "The token URL is on another host now. Enter the secret that this host is to get.",
            )

    def save(self, commit: bool = True) -> Any:  # noqa: FBT001, FBT002 # Django's signature
        kind = self.cleaned_data["kind"]
        kept = self._stored if kind == self.initial.get("kind") else {}
        settings: dict[str, Any] = {}
        for ours, theirs in FIELDS.get(kind, {}).items():
            value = self.cleaned_data.get(ours)
            if ours in SECRETS and not value:
                value = kept.get(theirs)
            if value not in ("", None):
                settings[theirs] = value
        # Settings of Vapi's that no field shows stay.
        unknown = {name: value for name, value in kept.items() if name not in FIELDS.get(kind, {}).values()}
        self.instance.settings = json.dumps({**unknown, **settings}) if kind else ""
        if self.cleaned_data.get("known_as"):
            self.instance.vapi_id = self.cleaned_data["known_as"]
        return super().save(commit)


def stored_settings(credential: Credential) -> tuple[dict[str, Any], bool]:
    """What is stored, and whether something is that cannot be read (any more)."""
    try:
        stored = credential.settings
        settings = json.loads(stored) if stored else {}
    except (SecretUnreadableError, ValueError):
        return {}, True
    return (settings, False) if isinstance(settings, dict) else ({}, True)
