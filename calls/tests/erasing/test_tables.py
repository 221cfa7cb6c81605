"""That nobody adds a column without saying what becomes of it when somebody is erased."""

from django.apps import apps
from django.contrib.postgres.fields import ArrayField
from django.db import models

from calls.erasing.tables import TABLES, holding_columns, undeclared


def test_every_column_that_can_hold_words_numbers_or_sound_is_declared() -> None:
    assert undeclared() == [], (
        "Say in calls/erasing/tables.py what becomes of these when a caller is erased (or take out those that are gone)."
    )


def test_a_forgotten_column_is_noticed() -> None:
    class Forgotten(models.Model):
        notes = models.TextField()
        seconds = models.IntegerField()
        sound = models.BinaryField()
        words = ArrayField(models.CharField(max_length=80))
        times = ArrayField(models.IntegerField())

        class Meta:
            app_label = "calls"
            managed = False

        def __str__(self) -> str:
            return ""

    try:
        assert holding_columns(Forgotten) == {"notes", "sound", "words"}
    finally:
        apps.all_models["calls"].pop("forgotten", None)
        apps.clear_cache()


def test_what_is_declared_is_there() -> None:
    for label, table in TABLES.items():
        model = apps.get_model(label)
        names = {field.name for field in model._meta.concrete_fields}
        assert set(table.cleared) | set(table.erased) <= names, label
        assert not (set(table.cleared) | set(table.erased)) & set(table.kept.split()), label
