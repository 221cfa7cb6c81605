import pytest
from pytest_django import Settings


@pytest.fixture(autouse=True)
def key(settings: Settings) -> None:
    """A key of OpenAI's, without which no call is taken."""
    settings.OPENAI_API_KEY = "sk-test"
