"""Assistants, what they are made of, and where they came from."""

from assistants.models.assistant import Assistant, AssistantTool, AssistantVersion
from assistants.models.catalogue import RealtimeModel, TranscriptionModel, Voice
from assistants.models.client_document import ClientDocument
from assistants.models.clips import VoiceClip, VoiceRecording
from assistants.models.squad import Squad, SquadMember
from assistants.models.transient import Transient
from assistants.models.vapi import ImportFinding, VapiImport, VapiObject, VapiWatch, VoiceMapping

__all__ = [
    "Assistant",
    "AssistantTool",
    "AssistantVersion",
    "ClientDocument",
    "ImportFinding",
    "RealtimeModel",
    "Squad",
    "SquadMember",
    "TranscriptionModel",
    "Transient",
    "VapiImport",
    "VapiObject",
    "VapiWatch",
    "Voice",
    "VoiceClip",
    "VoiceMapping",
    "VoiceRecording",
]
