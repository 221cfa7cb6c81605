"""What this process alone knows and nobody counts as it happens: its database connections, its way to the broker."""

from collections.abc import Iterator

from django.db import connections
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from calls.recorder import process_outbox

# Of psycopg's statistics: those that say whether the pool is too small.
POOL = {
    "pool_size": "Connections of the pool.",
    "pool_available": "Connections of the pool that nobody uses.",
    "requests_waiting": "Threads that wait for a connection.",
}


class PoolCollector(Collector):
    """The pool of connections to PostgreSQL; nothing where there is none."""

    def describe(self) -> Iterator[GaugeMetricFamily]:
        """Nothing, so that registering opens no connection."""
        return iter(())

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """The pool's own statistics."""
        pools = getattr(type(connections["default"]), "_connection_pools", {})
        for pool in list(pools.values())[:1]:
            stats = pool.get_stats()
            for name, told in POOL.items():
                yield GaugeMetricFamily(f"tandem_database_{name}", told, value=float(stats.get(name, 0)))


class OutboxCollector(Collector):
    """What waits for the broker in this process; nothing where nothing was ever put there."""

    def describe(self) -> Iterator[GaugeMetricFamily]:
        """Nothing, so that registering starts no outbox."""
        return iter(())

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """How much waits, and for how long."""
        if not process_outbox.cache_info().currsize:
            return
        state = process_outbox().state()
        figures = (
            ("waiting", "Entries that wait for the broker.", state.waiting),
            ("unconfirmed", "Entries that no worker has confirmed yet.", state.unconfirmed),
            ("bytes", "Bytes of them in the journal.", state.bytes_used),
            ("limit_bytes", "Bytes that the journal may have.", state.limit_bytes),
            ("oldest_seconds", "Age of the oldest entry.", state.oldest_s),
            ("dropped", "Entries that were dropped since the process began.", state.dropped),
        )
        for name, told, value in figures:
            yield GaugeMetricFamily(f"tandem_outbox_{name}", told, value=float(value))
