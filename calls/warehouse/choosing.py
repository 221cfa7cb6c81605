"""The warehouse that the settings name."""

from django.conf import settings

from calls.warehouse.writers import PostgresWriter, Writer


def writer() -> Writer:
    """The warehouse that WAREHOUSE names. Raises WarehouseError where it is not set up."""
    if settings.WAREHOUSE == "postgres":
        return PostgresWriter()
    # A second of imports, and a library that is not always installed.
    from calls.warehouse.bigquery import bigquery_writer  # noqa: PLC0415

    return bigquery_writer()
