"""Whether this process writes traces. Where nobody wants any, OpenTelemetry is not even imported."""

import os
from collections.abc import Mapping

from tools.observing import tracing


def traces_observe(service: str) -> None:
    """Have the spans of this process sent, if OpenTelemetry's variables say where to."""
    if traces_wanted() and not tracing.on():
        from config.observing.exporting import traces_begin  # noqa: PLC0415  # 60 ms and 20 MB that few need

        traces_begin(service)


def traces_wanted(environ: Mapping[str, str] = os.environ) -> bool:
    """Whether OpenTelemetry's variables name a receiver, and none of them says no."""
    if environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return False
    if environ.get("OTEL_TRACES_EXPORTER", "otlp").strip().lower() == "none":
        return False
    names = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
    return any(environ.get(name, "").strip() for name in names)
