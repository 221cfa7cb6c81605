"""The parts of one conversation, made for each other."""

from dataclasses import dataclass

from calls.bridge.caller import CallerAudio
from calls.bridge.fillers import Fillers
from calls.bridge.floor import Floor
from calls.bridge.keypad import Keypad
from calls.bridge.line import Line
from calls.bridge.patience import Patience
from calls.bridge.plan import Plan
from calls.bridge.playback import Playback
from calls.bridge.responses import Responses
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


def parts_for(plan: Plan, choose: Choose) -> Parts:
    """The parts of a new conversation."""
    line, playback = Line(), Playback()
    utterances, responses = Utterances(line, playback), Responses(line)
    voice = Voice(line, playback, utterances)
    fillers = Fillers(line, voice, responses, choose)
    return Parts(
        plan=plan,
        line=line,
        playback=playback,
        caller=CallerAudio(line),
        utterances=utterances,
        voice=voice,
        responses=responses,
        fillers=fillers,
        tools=ToolCalls(line, plan.tools, fillers, choose),
        floor=Floor(line, plan, playback, utterances, responses),
        patience=Patience(line, plan),
        keypad=Keypad(line, plan, utterances),
    )
