"""The two ends that a bridge is measured between, each a process of its own: a caller and a Realtime server."""

GAPS_PATH = "/bench/gaps"
