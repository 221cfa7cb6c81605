"""Whose fault it is when a message cannot be taken."""


class ProtocolError(Exception):
    """A message or a step that the protocol does not allow. The text never holds speech, digits or numbers."""


class RemoteProtocolError(ProtocolError):
    """The peer sent something that its own protocol does not allow."""
