"""Stories: what the caller does, what the simulated model answers, what goes wrong.

One JSON file each in `scenarios/`; `"extends"` takes over every part that a story does not tell itself.
"""

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Final, TypeVar

import orjson

_FOLDER: Final = Path(__file__).parent / "scenarios"
T = TypeVar("T")


class ScenarioError(ValueError):
    """A scenario that cannot be played; the text says which part of which story."""


@dataclass(frozen=True, slots=True)
class When:
    """When a step's turn has come. All conditions given must hold."""

    quiet_ms: float | None = None  # the assistant has spoken since the last step and now been silent so long
    heard: str | None = None  # the caller has heard these words since the last step began
    utterance: int | None = None  # the assistant has begun to speak for the n-th time in the call, ...
    line: str | None = (
        None  # or: the caller has begun to hear a line with these words, since the last step, ...
    )
    into_ms: float = 0.0  # ... so long ago
    at_ms: float | None = None  # so long after the stream began
    since_previous_ms: float | None = None  # so long after the previous step began
    tool_call_ms: float | None = None  # so long after the model asked for a tool


@dataclass(frozen=True, slots=True)
class Step:
    """One thing the caller does: speak, press keys, or hang up."""

    when: When
    say: str | None = None
    cut_ms: float | None = None  # break off after so much of it
    press: str | None = None
    hang_up: bool = False


@dataclass(frozen=True, slots=True)
class Request:
    """A function call of the model. The first of `name` that the session offers is asked for."""

    name: tuple[str, ...]
    arguments: Mapping[str, Any] | str = field(default_factory=dict)  # a string is sent as it stands
    invented: bool = False  # ask for it even though the session does not offer it


@dataclass(frozen=True, slots=True)
class Rule:
    """One answer of the simulated model: the first condition given decides what it is an answer to."""

    caller: str | None = None  # the caller's words contain this
    tool: str | None = None  # the output of this tool came; "*" for any
    output: str | None = None  # ... and contains this
    text: str | None = None  # a client-made message contains this
    instructions: str | None = None  # the instructions of response.create contain this
    say: tuple[str, ...] = ()  # one message item each; "{field}" quotes the tool's JSON output
    call: tuple[Request, ...] = ()
    status: str = "completed"  # or "failed" or "incomplete"
    reason: str | None = None  # error code of a failed, reason of an incomplete response


@dataclass(frozen=True, slots=True)
class Model:
    """How the simulated model behaves; times are milliseconds."""

    think_ms: float = 150.0  # from response.created to the first delta
    rate: float = 5.0  # audio is produced so many times faster than it plays
    transcription_ms: float = 400.0  # from the end of the caller's turn to its transcript
    transcription_fails: bool = False
    late_deltas: int = 1  # audio deltas still sent after speech_started interrupted a response
    fallback: str = "Sorry, I did not catch that. Could you say it again?"
    greeting: str = "Alder Street Bike Repair, how can I help?"


@dataclass(frozen=True, slots=True)
class Faults:
    """What goes wrong on the Realtime side."""

    refuse_status: int | None = None  # answer the upgrade with this HTTP status
    refuse_times: int = 1_000_000
    close_4000_code: str | None = None  # after connecting: one error with this code, then close 4000
    mute: str | None = None  # "after_created": nothing is answered; "after_updated": never a response
    unknown_events: bool = False  # events and fields that no documentation knows
    huge_message: bool = False  # one message of 3 MB in the first response
    invalid_json: bool = False  # one message that is not JSON in the first response
    close_mid_response: int | None = None  # close code; 1006 drops the connection without a close frame
    close_times: int = 1
    slow_update_ms: float = 0.0  # before session.updated
    reject_update: bool = False  # the first session.update fails with invalid_value
    fail_responses: int = 0  # so many responses fail before one succeeds
    fail_code: str = "server_error"


@dataclass(frozen=True, slots=True)
class Line:
    """How Twilio's side of the stream behaves; the switches of a strict fake."""

    no_stop: bool = False  # close without `stop`
    no_close: bool = False  # the caller is gone, yet the socket stays open and silent
    duplicate_webhook: bool = False
    second_socket: bool = False  # a second connection to the same URL with the same parameters
    burst_ms: float = 0.0  # frames are held back and delivered so many milliseconds at once
    skip_silence: bool = False  # no frames while the caller is silent
    frame_bytes: tuple[int, ...] = (160,)  # sizes of consecutive frames, over and over
    withhold_marks: bool = False
    reorder_callbacks: bool = False  # the `started` callback comes after everything else


@dataclass(frozen=True, slots=True)
class ToolAnswer:
    """What the customer's tool server answers in this story."""

    result: Any = None
    delay_ms: float = 0.0
    behaviour: str | None = None  # as in the tool server's paths, such as "status-500" or "drop"


@dataclass(frozen=True, slots=True)
class Operator:
    """What becomes of dialling a number or a SIP address in this story."""

    outcome: str = "answered"  # or "busy", "no-answer", "failed"
    after_ms: float = 1000.0  # from dialling to the outcome; the document's time limit may end it sooner
    talks_ms: float = 1000.0  # from being connected to the end of the conversation
    caller_leaves_ms: float | None = None  # the caller hangs up so long after the dialling began


@dataclass(frozen=True, slots=True)
class Scenario:
    """One story."""

    name: str
    about: str = ""
    caller: tuple[Step, ...] = ()
    assistant: tuple[Rule, ...] = ()
    tools: Mapping[str, ToolAnswer] = field(default_factory=dict)
    model: Model = field(default_factory=Model)
    faults: Faults = field(default_factory=Faults)
    line: Line = field(default_factory=Line)
    operators: Mapping[str, Operator] = field(
        default_factory=dict
    )  # by number or address; "*" for all others
    patience_ms: float = 15_000.0  # how long the caller waits for anything before hanging up

    def texts(self) -> tuple[str, ...]:
        """Every fixed text that the assistant may say."""
        lines = [line for rule in self.assistant for line in rule.say]
        return (*lines, self.model.greeting, self.model.fallback)

    def operator(self, number: str) -> Operator:
        """What becomes of dialling a number."""
        return self.operators.get(number) or self.operators.get("*") or Operator()

    def but(self, **changes: Any) -> "Scenario":
        """The same story with some parts told differently."""
        return replace(self, **changes)


def names() -> list[str]:
    """The stories that can be played, in alphabetical order."""
    return sorted(path.stem for path in _FOLDER.glob("*.json"))


def load(name: str) -> Scenario:
    """The story of that name. Raises ScenarioError if there is none or it is malformed."""
    return parse({**_read(name), "name": name})


def parse(data: Mapping[str, Any]) -> Scenario:
    """A story from JSON. Raises ScenarioError if it is malformed."""
    told = dict(data)
    while (base := told.pop("extends", None)) is not None:
        told = {**_read(str(base)), **told}
    name = str(told.get("name", "unnamed"))
    parts: dict[str, Any] = {**told, "name": name}
    try:
        parts["caller"] = tuple(_step(step) for step in told.get("caller", ()))
        parts["assistant"] = tuple(_rule(rule) for rule in told.get("assistant", ()))
        parts["tools"] = {tool: _make(ToolAnswer, answer) for tool, answer in told.get("tools", {}).items()}
        parts["model"] = _make(Model, told.get("model", {}))
        parts["operators"] = {
            number: _operator(operator) for number, operator in told.get("operators", {}).items()
        }
        parts["faults"] = _make(Faults, told.get("faults", {}))
        parts["line"] = _make(Line, {**told.get("line", {})})
        return _make(Scenario, parts)
    except (ScenarioError, TypeError, AttributeError) as error:
        raise ScenarioError(f"scenario {name}: {error}") from error


def _read(name: str) -> dict[str, Any]:
    path = _FOLDER / f"{name}.json"
    if name not in names():
        raise ScenarioError(f"there is no scenario {name!r}; there are {', '.join(names())}")
    told: dict[str, Any] = orjson.loads(path.read_bytes())
    return told


def _step(data: Mapping[str, Any]) -> Step:
    step = _make(Step, {**data, "when": _make(When, data.get("when", {}))})
    if (step.say is not None) + (step.press is not None) + step.hang_up != 1:
        raise ScenarioError(f"a step either says, presses or hangs up: {dict(data)}")
    return step


def _rule(data: Mapping[str, Any]) -> Rule:
    say = data.get("say", ())
    calls = data.get("call", ())
    return _make(
        Rule,
        {
            **data,
            "say": (say,) if isinstance(say, str) else tuple(say),
            "call": tuple(
                _request(call) for call in (calls if isinstance(calls, list | tuple) else (calls,))
            ),
        },
    )


def _operator(data: Mapping[str, Any]) -> Operator:
    operator = _make(Operator, data)
    if operator.outcome not in {"answered", "busy", "no-answer", "failed"}:
        raise ScenarioError(f"an operator is not {operator.outcome!r}")
    return operator


def _request(data: Mapping[str, Any]) -> Request:
    name = data.get("name")
    if not name:
        raise ScenarioError("Request needs ['name']")
    return _make(Request, {**data, "name": (name,) if isinstance(name, str) else tuple(name)})


def _make(cls: type[T], data: Mapping[str, Any]) -> T:
    known = {part.name: part for part in fields(cls)}  # type: ignore[arg-type] # only dataclasses come here
    unknown = set(data) - set(known)
    if unknown:
        raise ScenarioError(f"unknown {cls.__name__} keys {sorted(unknown)}; known are {sorted(known)}")
    missing = [
        name
        for name, part in known.items()
        if name not in data and part.default is MISSING and part.default_factory is MISSING
    ]
    if missing:
        raise ScenarioError(f"{cls.__name__} needs {missing}")
    return cls(**{key: tuple(value) if isinstance(value, list) else value for key, value in data.items()})
