"""The model's arguments on their way to a tool's server, and in front of everybody else. Pure."""

from typing import Any

from tools.auth.credentials import ServerAuth
from tools.encrypted_arguments import EncryptionError, arguments_encrypted, arguments_masked
from tools.schemas import ArgumentsError, arguments_restore
from tools.snapshots import ToolSnapshot


class NotSendableError(ValueError):
    """The order cannot be made a request. ``code`` and the text, a clause, are for the model too."""

    def __init__(self, code: str, why: str) -> None:
        super().__init__(why)
        self.code = code


def arguments_due(tool: ToolSnapshot, arguments: dict[str, Any]) -> dict[str, Any]:
    """The model's arguments in the shape that the tool's parameters ask for, whatever form the model was shown.

    Raises NotSendableError.
    """
    static = {entry.get("key") for entry in tool.static_parameters}
    parameters = tool.parameters
    required = parameters.get("required")
    if static and isinstance(required, list):
        # What the tool's owner sends, the model need not.
        parameters = {**parameters, "required": [name for name in required if name not in static]}
    try:
        restored = arguments_restore(arguments, parameters)
    except ArgumentsError as exc:
        raise NotSendableError("invalid_arguments", str(exc)) from exc
    except (ValueError, RecursionError):
        raise NotSendableError("not_sendable", "the arguments cannot be written as JSON") from None
    # Parameters that describe no object: a webhook's arguments are one all the same.
    return restored if isinstance(restored, dict) else arguments


def arguments_protected(tool: ToolSnapshot, auth: ServerAuth, arguments: dict[str, Any]) -> dict[str, Any]:
    """The arguments as they may leave: what the customer has marked, encrypted. Raises NotSendableError."""
    if not tool.encrypted_paths:
        return arguments
    try:
        return arguments_encrypted(arguments, tool.encrypted_paths, pem=auth.encryption_key)
    except EncryptionError as exc:
        raise NotSendableError("not_encrypted", str(exc)) from exc


def arguments_shown(tool: ToolSnapshot, arguments: dict[str, Any]) -> dict[str, Any]:
    """The model's arguments for everybody but the tool's server, with a mark in place of what only that may read.

    They have the shape that the tool's parameters ask for where that can be had.
    """
    try:
        due = arguments_due(tool, arguments)
    except NotSendableError:
        # The paths speak of a shape that these arguments do not have.
        return {} if tool.encrypted_paths else arguments
    return arguments_masked(due, tool.encrypted_paths) if tool.encrypted_paths else due
