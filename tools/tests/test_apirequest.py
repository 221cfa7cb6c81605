import json
from typing import Any

import pytest

from tools.apirequest import ApiRequest, ApiRequestError, api_request
from tools.tests.factories import MOMENT, make_order_tool

VARIABLES = {"customer": {"number": "+13125550177"}, "base": "https://api.example/v2", "site": "a b"}


def request(
    arguments: dict[str, Any] | None = None, *, static: list[dict[str, Any]] | None = None, **settings: Any
) -> ApiRequest:
    tool = make_order_tool(
        kind="apiRequest",
        server_url="",
        static_parameters=static or [],
        settings={"url": "https://api.example/search", **settings},
    )
    return api_request(tool, arguments or {}, variables=VARIABLES, now=MOMENT)


def body_of(made: ApiRequest) -> Any:
    assert made.body is not None
    return json.loads(made.body)


def test_the_arguments_are_the_whole_body_without_any_envelope() -> None:
    made = request({"phone": "+1", "birthYear": 1988})

    assert (made.method, made.url) == ("POST", "https://api.example/search")
    assert body_of(made) == {"phone": "+1", "birthYear": 1988}


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "put"])
def test_each_method_with_a_body_sends_it(method: str) -> None:
    made = request({"a": 1}, method=method)

    assert (made.method, body_of(made)) == (method.upper(), {"a": 1})


def test_a_get_has_no_body_and_its_arguments_are_for_the_url() -> None:
    made = request(
        {"name": "Ana & Bo/?#%", "n": 3},
        method="GET",
        url="https://api.example/{{ n }}?q={{ name }}&tel={{ customer.number }}",
    )

    assert made.body is None
    assert made.url == "https://api.example/3?q=Ana%20%26%20Bo%2F%3F%23%25&tel=+13125550177"


def test_a_template_that_encodes_by_itself_is_not_encoded_twice() -> None:
    made = request({"name": "a+b"}, method="GET", url="https://api.example/?q={{ name | url_encode }}")

    assert made.url == "https://api.example/?q=a%2Bb"


def test_the_calls_own_variables_may_name_the_server_and_an_argument_may_not() -> None:
    assert request({}, url="{{ base }}/x").url == "https://api.example/v2/x"
    for template in ("https://{{ host }}/x", "https://api.example{{ host | url_encode }}/"):
        with pytest.raises(ApiRequestError, match="which server"):
            request({"host": ".evil.example"}, url=template)


def test_defaults_fill_what_the_model_left_out_and_static_values_win() -> None:
    schema = {
        "type": "object",
        "properties": {
            "phone": {"type": "string", "default": "{{customer.number}}"},
            "year": {"type": "integer", "default": 2000},
            "fixed": {"type": "string", "value": "f"},
        },
    }
    static = [{"key": "tenant", "value": "riverbend"}, {"key": "echo", "value": "{{ phone }}"}]

    made = request({"year": 1988, "tenant": "other"}, static=static, body=schema)

    assert body_of(made) == {
        "phone": "+13125550177",
        "year": 1988,
        "fixed": "f",
        "tenant": "riverbend",
        "echo": "+13125550177",
    }


def test_headers_come_from_their_schema_and_are_templates() -> None:
    schema = {
        "type": "object",
        "properties": {
            "X-Source": {"type": "string", "value": "phone-desk"},
            "X-Caller": {"type": "string", "value": "{{ customer.number }}"},
            "X-Empty": {"type": "string"},
        },
    }

    assert request({}, headers=schema).headers == {
        "X-Source": b"phone-desk",
        "X-Caller": b"+13125550177",
        "X-Empty": b"",
    }


def test_an_argument_cannot_forge_a_header() -> None:
    schema = {"properties": {"X-Note": {"value": "{{ note }}"}}}

    with pytest.raises(ApiRequestError, match="line break"):
        request({"note": "a\r\nX-Injected: b"}, headers=schema)


@pytest.mark.parametrize(
    ("settings", "says"),
    [({"method": "TRACE"}, "method"), ({"url": ""}, "no URL"), ({"url": "https://x/{{"}, "mistake")],
)
def test_what_cannot_be_carried_out_says_why(settings: dict[str, Any], says: str) -> None:
    with pytest.raises(ApiRequestError, match=says):
        request({}, **settings)


def test_odd_settings_are_put_up_with() -> None:
    made = request({}, headers=[], body="x", method=None)

    assert (made.method, made.headers, body_of(made)) == ("POST", {}, {})
