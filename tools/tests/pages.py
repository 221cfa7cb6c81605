"""Admin pages as tests need them."""

from typing import Any
from unittest import mock

from django.template.response import SimpleTemplateResponse
from django.test import Client


def page_context(client: Client, url: str) -> Any:
    """What a page would be rendered from: rendering takes longest, and here nobody looks at it."""
    with mock.patch.object(SimpleTemplateResponse, "rendered_content", ""):
        response = client.get(url)
    assert isinstance(response, SimpleTemplateResponse), response
    return response.context_data
