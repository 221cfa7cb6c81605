"""What is being done right now, for the log lines that come of it: which call, which request, which task."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType
from uuid import UUID

from tools.observing import tracing

_NOTHING: Mapping[str, str] = MappingProxyType({})
_fields: ContextVar[Mapping[str, str]] = ContextVar("observed", default=_NOTHING)


def observed() -> Mapping[str, str]:
    """The fields of this context: ``call_id`` (and ``trace_id``), ``request_id``, ``task`` and ``task_id``."""
    return _fields.get()


@contextmanager
def observing(*, call_id: UUID | str = "", **fields: str) -> Iterator[None]:
    """Add these fields to every log line that is written meanwhile, here and in what is started from here."""
    token = _fields.set(MappingProxyType({**_fields.get(), **fields, **_of_call(call_id)}))
    try:
        yield
    finally:
        _fields.reset(token)


def call_observed(call_id: UUID | str) -> None:
    """What is done in this context concerns a call, as it turns out."""
    _fields.set(MappingProxyType({**_fields.get(), **_of_call(call_id)}))


def _of_call(call_id: UUID | str) -> dict[str, str]:
    if not call_id:
        return {}
    traced = {"trace_id": f"{tracing.trace_id(call_id):032x}"} if tracing.on() else {}
    return {"call_id": str(call_id), **traced}
