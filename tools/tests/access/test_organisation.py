import pytest
from pytest_django import Settings

from tools.access.organisation import organisation_id


@pytest.mark.parametrize(
    ("configured", "same"), [("7c1f0b52-3d0e-4a0b-9f5e-2a6c1f4de901", True), ("", False)]
)
def test_the_organisations_id_is_the_configured_one_or_a_lasting_one(
    configured: str, same: bool, settings: Settings
) -> None:
    settings.VAPI_ORG_ID = configured
    settings.PUBLIC_ORIGIN = "https://voice.example"
    first = organisation_id()

    assert first == organisation_id()
    assert (first == configured) is same
    settings.PUBLIC_ORIGIN = "https://other.example"
    assert (first == organisation_id()) is same
