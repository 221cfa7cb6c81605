"""How this process is seen from outside: metrics for Prometheus, traces for OpenTelemetry, a log line for each request."""
