"""The server of a number, on the number's page."""

from typing import Any

from django.db.models import Q, QuerySet
from django.http import HttpRequest
from unfold.widgets import UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

from calls.models import NumberServer, PhoneNumber
from tools.adminkit import StackedInline
from tools.formparts import HeadersForm, JsonEditorField, has_headers, headers_state
from tools.models import Credential
from tools.tool_shapes import part_problems

_JSON = ("server_backoff_plan", "server_encrypted_paths")


class NumberServerForm(HeadersForm):
    """The server, with secrets that are written and never shown."""

    class Meta:
        model = NumberServer
        fields = ["server_url", "timeout_s", "credential", *_JSON]
        field_classes = dict.fromkeys(_JSON, JsonEditorField)
        widgets = {
            "server_url": UnfoldAdminTextInputWidget(attrs={"inputmode": "url", "spellcheck": "false"}),
            **dict.fromkeys(
                _JSON, UnfoldAdminTextareaWidget(attrs={"rows": 3, "class": "t-code", "spellcheck": "false"})
            ),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "credential" in self.fields:
            # Without the settings, of which one that no key opens would break the page.
            self.fields["credential"].queryset = Credential.objects.only("id", "name")  # type: ignore[attr-defined]
        for name in _JSON:
            if name in self.fields:
                self.fields[name].show_hidden_initial = False

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        for name, part, empty in (
            ("server_backoff_plan", "backoff_plan", dict),
            ("server_encrypted_paths", "encrypted_paths", list),
        ):
            if name not in cleaned:
                continue
            cleaned[name] = cleaned[name] or empty()
            for problem in part_problems(part, cleaned[name], kind=""):
                self.add_error(name, problem)
        return cleaned


class NumberServerInline(StackedInline[NumberServer, PhoneNumber]):
    """At most one, and none for most numbers: tools and assistants have servers of their own."""

    model = NumberServer
    form = NumberServerForm
    extra = 0
    max_num = 1
    verbose_name = "server for tools that have none"

    def get_queryset(self, request: HttpRequest) -> QuerySet[NumberServer]:
        queryset: QuerySet[NumberServer] = (
            super().get_queryset(request).defer("server_secret", "server_headers")
        )
        return queryset.annotate(secret_stored=~Q(server_secret=""))

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        if not self.has_change_permission(request, obj):
            return ["server_url", "secret_state", "headers_state", "timeout_s", "credential", *_JSON]
        stored = self.get_queryset(request).filter(pk=obj.pk).first() if obj is not None else None
        return [
            "server_url",
            "new_secret",
            *(["clear_secret"] if getattr(stored, "secret_stored", False) else []),
            "new_headers",
            *(["clear_headers"] if stored is not None and has_headers(stored) else []),
            "timeout_s",
            "credential",
            *_JSON,
        ]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return [] if self.has_change_permission(request, obj) else ["secret_state", "headers_state"]

    def secret_state(self, server: Any) -> str:
        """Whether a secret is stored."""
        return "A secret is stored." if server.secret_stored else "None is stored."

    def headers_state(self, server: NumberServer) -> str:
        """The names of the stored headers."""
        return headers_state(server)
