"""The parts of one conversation, made for each other."""

from dataclasses import dataclass, replace

from calls.bridge.caller import CallerAudio
from calls.bridge.fillers import Fillers
from calls.bridge.floor import Floor
from calls.bridge.handover import Handover
from calls.bridge.keypad import Keypad
from calls.bridge.line import Line
from calls.bridge.memory import Memory
from calls.bridge.meter import Meter
from calls.bridge.patience import Patience
from calls.bridge.plan import Plan
from calls.bridge.playback import Playback
from calls.bridge.responses import Responses
from calls.bridge.settling import Settling
from calls.bridge.toolcalls import ToolCalls
from calls.bridge.toolmessages import Choose
from calls.bridge.utterances import Utterances
from calls.bridge.voice import Voice


@dataclass(frozen=True, slots=True)
class Parts:
    """Everything that a call consists of, below the two that decide: what is said next, and how it ends."""

    plan: Plan
    line: Line
    playback: Playback
    caller: CallerAudio
    utterances: Utterances
    voice: Voice
    responses: Responses
    fillers: Fillers
    tools: ToolCalls
    floor: Floor
    patience: Patience
    keypad: Keypad
    memory: Memory
    handover: Handover
    meter: Meter
    settling: Settling


def parts_for(plan: Plan, choose: Choose) -> Parts:
    """The parts of a new conversation."""
    line, playback = Line(plan.audio), Playback(plan.audio)
    memory = Memory(playback, plan.history)
    utterances = Utterances(line, playback, memory, assistant=plan.assistant)
    responses, caller = Responses(line), CallerAudio(line)
    settling = Settling(line, utterances)
    voice = Voice(line, playback, utterances, settling)
    fillers = Fillers(line, voice, responses, choose)
    tools = ToolCalls(line, plan.tools, fillers, memory, choose)
    return Parts(
        plan=plan,
        line=line,
        playback=playback,
        caller=caller,
        utterances=utterances,
        voice=voice,
        responses=responses,
        fillers=fillers,
        tools=tools,
        floor=Floor(line, plan, playback, utterances, responses),
        patience=Patience(line, plan),
        keypad=Keypad(line, plan, utterances),
        memory=memory,
        handover=Handover(line, plan, caller, utterances, responses, tools, memory, settling),
        meter=Meter(line, plan),
        settling=settling,
    )


def parts_next(parts: Parts, plan: Plan) -> Parts:
    """The parts of the same conversation, now that an assistant with this plan has it."""
    line, utterances = parts.line, parts.utterances
    parts.meter.session_runs(line.session, plan)
    return replace(
        parts,
        plan=plan,
        floor=Floor(line, plan, parts.playback, utterances, parts.responses, before=parts.floor),
        patience=Patience(line, plan),
        keypad=Keypad(line, plan, utterances, entries=parts.keypad.entries),
    )
