"""What convinces a server that a request is ours, or the reason why nothing can be sent."""

from collections.abc import Callable

from django.core.exceptions import ImproperlyConfigured

from tools.auth.credentials import CredentialError, HostError, OAuth2, ServerAuth, Signable, auth_headers
from tools.clients import ToolError
from tools.encryption import SecretUnreadableError


def convincing_headers(
    auth: ServerAuth, signable: Signable, access_token: Callable[[OAuth2], str]
) -> dict[str, bytes]:
    """The headers that convince a server. Raises ToolError, for then nothing can be sent."""
    try:
        return auth_headers(auth, signable, access_token=access_token)
    except (SecretUnreadableError, ImproperlyConfigured) as exc:
        why = "the webhook's secret cannot be decrypted"
        raise ToolError(code="secret_unreadable", why=why, sent=False) from exc
    except HostError as exc:
        raise ToolError(code="credential_host", why=str(exc), sent=False) from exc
    except CredentialError as exc:
        raise ToolError(code="credential_unusable", why=str(exc), sent=False) from exc
