"""What the doctor looks at, and how long its reports are kept."""

import pytest
from django.utils import timezone

from calls.doctor import services
from calls.models import DoctorRun


@pytest.mark.django_db
def test_reports_are_kept_for_two_weeks_and_the_newest_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services, "CHECKS", ())
    assert services.report_latest() is None
    DoctorRun.objects.create(at=timezone.now() - services.KEPT * 2, healthy=False)

    run = services.report_keep(services.examination(), by_label="a test")

    latest = services.report_latest()
    assert latest is not None
    assert latest[1] == run
    assert DoctorRun.objects.count() == 1


def test_every_check_has_a_name_of_its_own() -> None:
    names = [check.name for check in services.CHECKS]

    assert len(set(names)) == len(names)
    assert all(check.within_s <= 20 for check in services.CHECKS)
