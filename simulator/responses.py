"""OpenAI's Responses API, as far as finished calls are analysed by it: one request, one answer, no stream.

Strict about what it is sent, and about the schemas that its strict mode takes. It understands nothing: an answer in a schema
is made of the schema, the same each time; free text says how long the input was.
"""

from collections import Counter, deque
from typing import Any, Final

import orjson

from simulator.asgi import Receive, Scope, Send, header, read_body, respond, respond_json

JSON = dict[str, Any]

PATH: Final = "/v1/responses"
_KEYS: Final = frozenset(
    {
        "model",
        "input",
        "text",
        "max_output_tokens",
        "store",
        "metadata",
        "instructions",
        "temperature",
        "reasoning",
    }
)
_ROLES: Final = frozenset({"system", "developer", "user", "assistant"})
_SCHEMA_KEYS: Final = frozenset(
    {
        "type",
        "properties",
        "required",
        "items",
        "enum",
        "const",
        "description",
        "title",
        "additionalProperties",
        "anyOf",
    }
)
_SCALARS: Final[dict[str, Any]] = {
    "string": "simulated",
    "number": 1.5,
    "integer": 1,
    "boolean": True,
    "null": None,
}
_DEEPEST: Final = 10


class _Wrong(Exception):  # noqa: N818 - an answer, not an error of ours
    """A request that the API refuses."""

    def __init__(self, status: int, code: str, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.body = {
            "error": {"message": message, "type": "invalid_request_error", "param": param, "code": code}
        }


class Responses:
    """What was asked, what was wrong with it, and what goes wrong next."""

    def __init__(self) -> None:
        self.requests: deque[JSON] = deque(maxlen=200)
        self.violations: Counter[str] = Counter()
        self.failures: deque[tuple[int, str, str]] = (
            deque()
        )  # the next answers: status, code, seconds of Retry-After
        self.answers: deque[str] = deque()  # the next texts, in place of made ones
        self._n = 0

    def reset(self) -> None:
        """Forget what was asked, and what was to go wrong."""
        for held in (self.requests, self.violations, self.failures, self.answers):
            held.clear()

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        try:
            answer = self._answer(scope, await read_body(receive))
        except _Wrong as wrong:
            self.violations[wrong.code] += 1
            await respond_json(send, wrong.body, status=wrong.status)
            return
        if not self.failures:
            await respond_json(send, answer)
            return
        status, code, after = self.failures.popleft()
        error = {
            "error": {"message": "Simulated.", "type": "server_error", "param": None, "code": code or None}
        }
        headers = ((b"retry-after", after.encode()),) if after else ()
        await respond(send, orjson.dumps(error), status=status, headers=headers)

    def _answer(self, scope: Scope, content: bytes) -> JSON:
        if scope["method"] != "POST":
            raise _Wrong(405, "method_not_allowed", "Only POST is allowed.")
        key = header(scope, "authorization") or ""
        if not key.startswith("Bearer ") or key.removeprefix("Bearer ").startswith("sk-invalid"):
            raise _Wrong(401, "invalid_api_key", "Incorrect API key provided.")
        try:
            body = orjson.loads(content)
        except orjson.JSONDecodeError as error:
            raise _Wrong(400, "invalid_json", "We could not parse the JSON body.") from error
        form = _checked(body)
        self.requests.append(body)
        self._n += 1
        text = self.answers.popleft() if self.answers else _text(body, form)
        return _described(f"resp_sim{self._n:06}", body, text)


def _checked(body: Any) -> JSON:
    """The format that is asked for. Raises _Wrong."""
    if not isinstance(body, dict) or not isinstance(body.get("model"), str) or not body["model"]:
        raise _Wrong(400, "missing_required_parameter", "Missing required parameter: 'model'.", "model")
    unknown = sorted(set(body) - _KEYS)
    if unknown:
        raise _Wrong(400, "unknown_parameter", f"Unknown parameter: '{unknown[0]}'.", unknown[0])
    if "realtime" in body["model"]:
        raise _Wrong(404, "model_not_found", "This model is only supported in the Realtime API.", "model")
    messages = body.get("input")
    if not isinstance(messages, list) or not messages:
        raise _Wrong(400, "missing_required_parameter", "Missing required parameter: 'input'.", "input")
    for n, one in enumerate(messages):
        if (
            not isinstance(one, dict)
            or one.get("role") not in _ROLES
            or not isinstance(one.get("content"), str)
        ):
            raise _Wrong(400, "invalid_value", "Invalid message.", f"input[{n}]")
    tokens = body.get("max_output_tokens", 16)
    if not isinstance(tokens, int) or tokens < 16:
        raise _Wrong(400, "integer_below_min_value", "Expected a value >= 16.", "max_output_tokens")
    form = body.get("text", {}).get("format", {"type": "text"})
    _form_check(form, messages)
    return dict(form)


def _form_check(form: JSON, messages: list[JSON]) -> None:
    match form.get("type"):
        case "text":
            return
        case "json_object":
            if not any("json" in one["content"].lower() for one in messages):
                raise _Wrong(400, "invalid_value", "The messages must contain the word 'json'.", "input")
        case "json_schema":
            if set(form) - {"type", "name", "schema", "strict", "description"} or not form.get("name"):
                raise _Wrong(400, "invalid_value", "Invalid format.", "text.format")
            if form.get("strict"):
                _strict(form["schema"], 0)
                if form["schema"].get("type") != "object":
                    raise _schema("the root must be an object")
        case _:
            raise _Wrong(400, "invalid_value", "Invalid format.", "text.format.type")


def _strict(schema: Any, depth: int) -> None:
    """What strict mode demands of a schema. Raises _Wrong."""
    if not isinstance(schema, dict) or depth > _DEEPEST:
        raise _schema("a schema must be an object, and not too deep")
    if extra := sorted(set(schema) - _SCHEMA_KEYS):
        raise _schema(f"'{extra[0]}' is not permitted")
    if "anyOf" in schema:
        for branch in schema["anyOf"]:
            _strict(branch, depth + 1)
    elif schema.get("type") == "object":
        _strict_object(schema, depth)
    elif schema.get("type") == "array":
        _strict(schema.get("items"), depth + 1)
    elif not schema.get("type") and "enum" not in schema and "const" not in schema:
        raise _schema("schema must have a 'type' key")


def _strict_object(schema: JSON, depth: int) -> None:
    if schema.get("additionalProperties") is not False:
        raise _schema("'additionalProperties' is required to be supplied and to be false")
    if set(schema.get("required", ())) != set(schema.get("properties", {})):
        raise _schema("'required' is required to be an array including every key in properties")
    for inner in schema["properties"].values():
        _strict(inner, depth + 1)


def _schema(why: str) -> _Wrong:
    message = f"Invalid schema for response_format 'answer': In context=(), {why}."
    return _Wrong(400, "invalid_json_schema", message, "text.format.schema")


def _text(body: JSON, form: JSON) -> str:
    if form["type"] == "json_schema":
        return orjson.dumps(_made(form["schema"])).decode()
    if form["type"] == "json_object":
        return "{}"
    words = sum(len(one["content"].split()) for one in body["input"])
    return f"A simulated answer about {words} words."


def _made(schema: JSON) -> Any:
    """A value that fits the schema: the first of everything."""
    if "anyOf" in schema:
        return _made(schema["anyOf"][0])
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return schema["enum"][0]
    if schema["type"] == "object":
        return {name: _made(inner) for name, inner in schema["properties"].items()}
    if schema["type"] == "array":
        return [_made(schema["items"])]
    return _SCALARS[schema["type"]]


def _described(response_id: str, body: JSON, text: str) -> JSON:
    input_n = sum(len(one["content"]) // 4 + 4 for one in body["input"])
    output_n = len(text) // 4 + 4
    content = [{"type": "output_text", "text": text, "annotations": [], "logprobs": []}]
    message = {
        "id": f"msg_{response_id}",
        "type": "message",
        "status": "completed",
        "role": "assistant",
        "content": content,
    }
    return {
        "id": response_id,
        "object": "response",
        "status": "completed",
        "error": None,
        "incomplete_details": None,
        "model": body["model"],
        "output": [message],
        "store": body.get("store", True),
        "usage": {
            "input_tokens": input_n,
            "input_tokens_details": {"cached_tokens": input_n // 1024 * 1024},
            "output_tokens": output_n,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": input_n + output_n,
        },
    }
