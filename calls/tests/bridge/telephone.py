"""Twilio's side under virtual time: plays what it is sent at real speed, and returns marks when they are reached."""

from collections import deque
from typing import Any

import orjson

from calls.bridge import twilio
from calls.bridge.commands import Clear, Command, Mark, Play, ToRealtime
from calls.bridge.conversation import Conversation

STREAM_SID = "MZ" + "2" * 32
CALL_SID = "CA" + "1" * 32
ACCOUNT_SID = "AC" + "0" * 31 + "1"


class Telephone:
    """Drives a conversation: every command it returns is carried out here, and time passes only when told to."""

    def __init__(self, conversation: Conversation) -> None:
        self.conversation = conversation
        self.now = 100.0
        self.queue: deque[tuple[str, Any]] = deque()
        self.played_bytes = 0
        self.commands: list[Command] = []
        self.to_realtime: list[dict[str, Any]] = []
        self.to_twilio: list[dict[str, Any]] = []
        self.timestamp_ms = 0

    def take(self, commands: list[Command]) -> list[Command]:
        for command in commands:
            self.commands.append(command)
            if isinstance(command, ToRealtime):
                self.to_realtime.append(orjson.loads(command.text))
            elif isinstance(command, Play | Mark | Clear):
                for text in twilio.texts(STREAM_SID, command):
                    self._twilio(orjson.loads(text))
        return commands

    def _twilio(self, message: dict[str, Any]) -> None:
        self.to_twilio.append(message)
        if "media" in message:
            payload = message["media"]["payload"]
            self.queue.append(("audio", len(payload) * 3 // 4 - payload.count("=")))
        elif "mark" in message:
            self.queue.append(("mark", message["mark"]["name"]))
        else:
            assert message == {"event": "clear", "streamSid": STREAM_SID}
            names = [value for kind, value in self.queue if kind == "mark"]
            self.queue.clear()
            for name in names:
                self.take(self.conversation.receive_twilio(twilio.Mark(name), now=self.now))
        self._return_marks()

    def _return_marks(self) -> None:
        while self.queue and self.queue[0][0] == "mark":
            _, name = self.queue.popleft()
            self.take(self.conversation.receive_twilio(twilio.Mark(name), now=self.now))

    def wait(self, seconds: float) -> None:
        """Let time pass: audio plays, marks return, deadlines fire, each at its own moment."""
        until = self.now + seconds
        while True:
            moments = [until]
            if self.queue and self.queue[0][0] == "audio":
                moments.append(self.now + self.queue[0][1] / 8000)
            deadline = self.conversation.next_deadline()
            if deadline is not None:
                moments.append(max(self.now, deadline))
            moment = min(moments)
            self._play(moment - self.now)
            self.now = moment
            self._return_marks()
            if deadline is not None and deadline <= self.now:
                self.take(self.conversation.tick(now=self.now))
            if moment >= until and (self.conversation.next_deadline() or until + 1) > until:
                return

    def _play(self, seconds: float) -> None:
        n_bytes = round(seconds * 8000)
        while n_bytes and self.queue and self.queue[0][0] == "audio":
            _, size = self.queue.popleft()
            played = min(size, n_bytes)
            self.played_bytes += played
            n_bytes -= played
            if played < size:
                self.queue.appendleft(("audio", size - played))

    def speak(self, payload: str) -> None:
        """One caller frame."""
        media = twilio.Media(payload, self.timestamp_ms)
        self.timestamp_ms += (len(payload) * 3 // 4 - payload.count("=")) // 8
        self.take(self.conversation.receive_twilio(media, now=self.now))

    def start(self) -> None:
        """The stream begins and its token is accepted."""
        self.take(self.conversation.opened(now=self.now))
        start = twilio.Start(STREAM_SID, CALL_SID, ACCOUNT_SID, {"token": "t"})
        self.take(self.conversation.receive_twilio(start, now=self.now))
        self.take(self.conversation.stream_verified(now=self.now))

    def sent(self, kind: str) -> list[dict[str, Any]]:
        """What the Realtime API was sent, of one type."""
        return [event for event in self.to_realtime if event["type"] == kind]
