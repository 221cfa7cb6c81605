"""Who may read about the API, and what the page is made of."""

import re

import pytest
from django.contrib.auth.models import User
from django.test import Client

from config.openapi.document import document
from config.openapi.page import sections
from config.openapi.parts import PARTS
from tests.platform.openapi.asking import Program

pytestmark = pytest.mark.django_db


@pytest.fixture
def staff() -> Client:
    client = Client()
    client.force_login(User.objects.create_user("olga", is_staff=True))
    return client


def test_the_document_is_for_whoever_has_a_key_or_is_logged_in_to_the_admin(staff: Client) -> None:
    assert Program(with_key=False).ask("GET", "/openapi.json", status=401)["message"] == "Unauthorized"
    Program(kind="public").ask("GET", "/openapi.json", status=401)
    told = Program(scopes=[]).ask("GET", "/openapi.json")
    assert told["openapi"].startswith("3.1")
    assert told["servers"] == [{"url": "https://tandem.test"}]
    assert staff.get("/openapi.json").json() == told
    outsider = Client()
    outsider.force_login(User.objects.create_user("carl"))
    assert outsider.get("/openapi.json").status_code == 401


def test_the_page_asks_who_is_there_and_needs_nothing_from_elsewhere(staff: Client) -> None:
    asked = Client().get("/docs")
    assert (asked.status_code, asked["Location"]) == (302, "/admin/login/?next=/docs")

    response = staff.get("/docs")

    page = response.content.decode()
    policy = response["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert not re.search(r"<style|<script>|\sstyle=|\son\w+=|(src|href)=\"https?:", page)
    assert staff.post("/docs").status_code == 405


def test_the_admin_leads_to_the_page(admin_client: Client) -> None:
    assert 'href="/docs"' in admin_client.get("/admin/").content.decode()


def test_everything_described_stands_on_the_page_and_every_link_leads_somewhere(staff: Client) -> None:
    page = staff.get("/docs").content.decode()

    anchors = re.findall(r'id="([^"]+)"', page)
    assert len(set(anchors)) == len(anchors)
    assert {one.id for part in PARTS for one in part.operations} <= set(anchors)
    assert set(re.findall(r'href="#([^"]+)"', page)) <= set(anchors)
    for name in document()["components"]["schemas"]:
        assert f'id="object-{name}"' in page


def test_a_field_is_told_with_its_kind_its_choices_and_what_it_is_made_of() -> None:
    objects = {field.name: field for section in sections(document()) for field in section.objects}

    call = {field.name: field for field in objects["Call"].fields}
    assert call["id"].required
    assert "inboundPhoneCall" in call["type"].choices
    assert (call["messages"].kind, call["messages"].object) == ("list of Message", "Message")
    order = {field.name: field for field in objects["Order"].fields}
    assert [field.name for field in order["say"].fields][:2] == ["type", "content"]
    limit = {
        field.name: field.kind
        for section in sections(document())
        for one in section.shown
        for field in (*one.query, *one.headers)
    }
    assert limit["limit"] == "number, from 0, up to 1000, by default 100"


def test_what_a_text_of_a_description_holds_cannot_become_markup() -> None:
    schema = {"type": "object", "description": "`<b>` & *<i>*", "properties": {}}
    told = {**document(), "components": {"schemas": {"X": schema}}}

    field = next(section for section in sections(told) if section.objects).objects[0]

    assert field.about == "<code>&lt;b&gt;</code> &amp; <em>&lt;i&gt;</em>"
