"""One simulated call, read back from the database turn by turn."""

import time
import uuid
from argparse import ArgumentParser
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import orjson
import requests
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from calls.management.commands.seed_demo import DEMO_DID
from calls.models import OVER, Call
from calls.placing.simulating import CALLEE, NotPlacedError, call_placed_and_watched
from tools.models import ToolCall
from transcripts.selectors import transcript_of_call

CALLER = "+12025550147"
DEFAULT_SCENARIO = "one_tool"
WRITTEN_WITHIN_S = 15.0


class Command(BaseCommand):
    help = (
        "Have the simulator call a number, and print the call turn by turn, as it was written down. "
        "Exit status 0 only if the call was answered, every tool call was answered over HTTP, and the transcript "
        "was read back. Example: manage.py simulate_call --scenario barge_in"
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--to", default="", help="the number to call (default: the demo's)")
        parser.add_argument("--from", dest="caller", default=CALLER, help="the caller's number")
        parser.add_argument(
            "--scenario", default=DEFAULT_SCENARIO, help="one of the simulator's; --list shows them"
        )
        parser.add_argument(
            "--outbound",
            action="store_true",
            help=f"have the demo's number call --to instead (by default {CALLEE}); numbers that end in 0001 are busy, 0002 never "
            "answers, 0003 is out of service, behind 0004 is an answering machine",
        )
        parser.add_argument("--list", action="store_true", help="show the scenarios and end")
        parser.add_argument(
            "--wait", action="store_true", help="accepted for scripts: the call is always waited for"
        )
        parser.add_argument("--json", action="store_true", help="print one JSON object instead of prose")

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.SIMULATOR_URL:
            raise CommandError("No simulator is running. Start bin/run, or set SIMULATOR_URL to one.")
        if options["list"]:
            for scenario in self._get("/simulator/scenarios"):
                self.stdout.write(f"{scenario['name']:22} {scenario['about']}")
            return
        quiet = bool(options["json"])
        if options["outbound"]:
            self._outbound(options["to"] or CALLEE, quiet=quiet)
            return
        outcome = self._place(options["to"] or DEMO_DID, options["caller"], options["scenario"], quiet=quiet)
        call = self._written(outcome["call_sid"])
        report = _report(call)
        if quiet:
            self.stdout.write(orjson.dumps({"simulator": outcome, "call": report}, default=str).decode())
        else:
            self._print(report)
        self._judge(outcome, call, report)

    def _outbound(self, to: str, *, quiet: bool) -> None:
        """Have the demo's number call somebody, and print what came of it. Not being answered is no fault."""

        def tell(status: str) -> None:
            if not quiet:
                self.stdout.write(f"  {status}")

        try:
            call = call_placed_and_watched(did=DEMO_DID, to=to, tell=tell)
        except NotPlacedError as exc:
            raise CommandError(str(exc)) from exc
        if call.started_at is not None:
            call = self._written(call.call_sid)
        report = _report(call)
        if quiet:
            self.stdout.write(orjson.dumps({"call": report}, default=str).decode())
        else:
            self._print(report)

    def _get(self, path: str) -> Any:
        try:
            answer = requests.get(settings.SIMULATOR_URL + path, timeout=5)
            answer.raise_for_status()
        except requests.RequestException as exc:
            raise CommandError(f"The simulator at {settings.SIMULATOR_URL} does not answer: {exc}") from exc
        return answer.json()

    def _place(self, to: str, caller: str, scenario: str, *, quiet: bool) -> dict[str, Any]:
        """The simulator's own account of the call; its progress is shown while it lasts."""
        order = {
            "to": to,
            "from": caller,
            "scenario": scenario,
            "voice_url": f"{settings.PUBLIC_ORIGIN}/twilio/voice",
            "public_origin": settings.PUBLIC_ORIGIN,
        }
        ended: dict[str, Any] = {}
        for event in self._stream(order):
            if event["event"] == "ended":
                ended = event
            elif not quiet and (line := _in_words(event)):
                self.stdout.write(f"  {event['ms'] / 1000:6.1f} s  {line}")
        if not ended:
            raise CommandError("The simulator ended the call without a word on how it went. See its log.")
        return ended

    def _stream(self, order: dict[str, str]) -> Iterator[dict[str, Any]]:
        try:
            with requests.post(
                f"{settings.SIMULATOR_URL}/simulator/calls", json=order, stream=True, timeout=(5, 120)
            ) as answer:
                if answer.status_code != 200:
                    raise CommandError(f"The simulator refused the call: {answer.text[:300]}")
                for line in answer.iter_lines():
                    if line:
                        yield orjson.loads(line)
        except requests.RequestException as exc:
            raise CommandError(f"The simulator at {settings.SIMULATOR_URL} failed: {exc}") from exc

    def _written(self, call_sid: str) -> Call:
        """The call's row once it is closed, with its transcript; the workers write it a moment after the end."""
        until = time.monotonic() + WRITTEN_WITHIN_S
        while time.monotonic() < until:
            call = Call.objects.select_related("version").filter(call_sid=call_sid).first()
            if call is not None and call.status in OVER:
                transcript = transcript_of_call(call.id)
                if call.status == Call.Status.REFUSED or (transcript is not None and transcript.closed_at):
                    return call
            time.sleep(0.1)
        raise CommandError(
            f"The call was not written down within {WRITTEN_WITHIN_S:.0f} s. Is the worker running? See var/log."
        )

    def _print(self, report: dict[str, Any]) -> None:
        self.stdout.write("")
        self.stdout.write(f"  As written in the database (call {report['id']}, version {report['version']}):")
        for turn in report["turns"]:
            at = f"{turn['at_ms'] / 1000:6.1f} s"
            self.stdout.write(f"  {at}  {self._turn_in_words(turn)}")
            if turn.get("interrupted"):
                self.stdout.write(f"            interrupted; heard: “{turn['heard_text']}”")
        how = (
            f"after {report['duration_s']} s; first sound after {report['first_sound_ms']} ms"
            if report["duration_s"] is not None
            else "and nobody talked"
        )
        self.stdout.write(f"  Ended: {report['ended_reason']} {how}; problems: {len(report['problems'])}")
        for problem in report["problems"]:
            self.stdout.write(
                self.style.WARNING(f"    {problem['source']}: {problem['code']} {problem['message']}")
            )

    def _turn_in_words(self, turn: dict[str, Any]) -> str:
        """One turn as a line: who, what, and how long it took. Colours only on a terminal."""
        if turn["kind"] == "tool":
            took = f"  [{turn['duration_ms']} ms]" if turn["duration_ms"] is not None else ""
            who = self.style.WARNING("Tool     ")
            return f"{who} {turn['name']}({turn['arguments']}) → {turn['status']}: {turn['outcome']}{took}"
        paint = self.style.HTTP_NOT_MODIFIED if turn["kind"] == "caller" else self.style.SUCCESS
        took = f"  [{turn['latency_ms']} ms]" if turn["latency_ms"] is not None else ""
        return f"{paint(turn['kind'].capitalize().ljust(9))} {turn['text']}{took}"

    def _judge(self, outcome: dict[str, Any], call: Call, report: dict[str, Any]) -> None:
        """Raise CommandError, and so end with status 1, for everything that should have been and was not."""
        faults = []
        if call.status == Call.Status.REFUSED or not outcome.get("answered"):
            faults.append(f"the call was not answered: {call.refused_because or outcome.get('reason')}")
        elif not any(turn["kind"] != "tool" for turn in report["turns"]):
            faults.append("the transcript is empty")
        if any(outcome.get("violations", {}).values()):
            faults.append(f"Twilio would have complained: {outcome['violations']}")
        faults += _tool_faults(outcome, report)
        if faults:
            raise CommandError("The simulated call failed: " + "; ".join(faults) + ".")


def _tool_faults(outcome: dict[str, Any], report: dict[str, Any]) -> list[str]:
    """Where the ledger and the simulator's own account of the tool calls part."""
    rows = {turn["item_id"]: turn for turn in report["turns"] if turn["kind"] == "tool"}
    faults = []
    for asked in outcome["tool_calls"]:
        row = rows.get(asked["call_id"])
        if row is None:
            faults.append(f"the tool call {asked['name']} was not written down")
        elif row["status"] in (ToolCall.Status.REQUESTED, ToolCall.Status.SENT):
            faults.append(f"the tool call {asked['name']} has no outcome")
    answered = sum(row["status"] == ToolCall.Status.ANSWERED and row["sent"] for row in rows.values())
    if answered > len(outcome["tool_requests"]):
        faults.append("a tool call counts as answered and never reached the tool server")
    if outcome["scenario"] == DEFAULT_SCENARIO and not answered:
        faults.append("no tool was answered over HTTP")
    return faults


# The simulator's events that tell the story; the others are for its own tests.
_STORY = {
    "webhook answered": "voice webhook answered in {in_ms} ms",
    "stream started": "media stream open",
    "realtime session begins": "model connected: {model}",
    "server clears": "barge-in: {dropped_ms} ms of unheard speech dropped",
    "realtime error": "OpenAI complains: {code} {message}",
    "caller says": "caller: {text}",
    "response over": "assistant: {said}",
    "response cut": "assistant ({status}): {said}",
    "model calls tool": "the model calls {name}({arguments})",
    "tool server asked": "the tool server was asked for {tool}",
    "tool output": "the model was told: {output}",
    "violation": "Twilio complains: {code} {why}",
    "spoken by Twilio": "Twilio itself says: {text}",
    "stream ended": "media stream ended",
}


def _in_words(event: dict[str, Any]) -> str:
    """One of the simulator's events as a line of text; empty for those that do not matter here."""
    cut = event["event"] == "response over" and event.get("status") != "completed"
    pattern = _STORY.get("response cut" if cut else event["event"], "")
    fields: defaultdict[str, Any] = defaultdict(str, event)
    return pattern.format_map(fields)[:160]


def _report(call: Call) -> dict[str, Any]:
    """The call as its rows tell it, in the order of the conversation."""
    turns = [*_spoken(call.id), *_tool_turns(call)]
    return {
        "id": call.id,
        "version": call.version.number if call.version else None,
        "ended_reason": call.ended_reason,
        "duration_s": call.duration_s,
        "first_sound_ms": call.first_sound_ms,
        "turns": sorted(turns, key=lambda turn: turn["at_ms"]),
        "problems": list(call.problems.order_by("at").values("source", "code", "message", "benign")),
    }


def _spoken(call_id: uuid.UUID) -> Iterator[dict[str, Any]]:
    transcript = transcript_of_call(call_id)
    for one in transcript.utterances.all() if transcript else ():
        yield {
            "kind": one.speaker,
            "at_ms": one.began_ms,
            "text": one.text,
            "heard_text": one.heard_text,
            "interrupted": one.interrupted,
            "latency_ms": one.latency_ms,
        }


def _tool_turns(call: Call) -> Iterator[dict[str, Any]]:
    transcript = transcript_of_call(call.id)
    zero = transcript.started_at if transcript else call.created_at
    for one in ToolCall.objects.filter(call_id=call.id):
        yield {
            "kind": "tool",
            "at_ms": round((one.requested_at - zero).total_seconds() * 1000),
            "item_id": one.item_id,
            "sent": one.sent_at is not None,
            "name": one.name,
            "arguments": orjson.dumps(one.arguments).decode(),
            "status": one.status,
            "outcome": one.outcome[:120],
            "duration_ms": one.duration_ms,
        }
