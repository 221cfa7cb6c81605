"""Telephone numbers, the calls that came in on them, what became of those, and the way numbers take from Vapi to us."""

from calls.models.budget import BudgetRule, BudgetTrip
from calls.models.call import LIVE, Call
from calls.models.call_break import CallBreak
from calls.models.cutover import (
    OPEN,
    CutoverBatch,
    CutoverBatchItem,
    CutoverEvent,
    CutoverOperation,
    CutoverSchedule,
    CutoverScheduleItem,
    NumberSnapshot,
    TwilioAccount,
)
from calls.models.doctor import DoctorRun
from calls.models.handover import CallHandover, FallbackCall, SnapshotRoute
from calls.models.history import VapiCall, VapiCallErased, VapiCallImport, VapiRecorder
from calls.models.member import CallMember, CallPart
from calls.models.number import E164_PATTERN, PhoneNumber
from calls.models.number_server import NumberServer
from calls.models.preview import CutoverNumber, CutoverPreview, CutoverPreviewItem
from calls.models.problem import CallProblem
from calls.models.smoke import (
    DriftRules,
    PublishCheck,
    Scenario,
    ScenarioVersion,
    SmokePair,
    SmokeRun,
)
from calls.models.transfer import CallTransfer

__all__ = [
    "E164_PATTERN",
    "LIVE",
    "OPEN",
    "BudgetRule",
    "BudgetTrip",
    "Call",
    "CallBreak",
    "CallHandover",
    "CallMember",
    "CallPart",
    "CallProblem",
    "CallTransfer",
    "CutoverBatch",
    "CutoverBatchItem",
    "CutoverEvent",
    "CutoverNumber",
    "CutoverOperation",
    "CutoverPreview",
    "CutoverPreviewItem",
    "CutoverSchedule",
    "CutoverScheduleItem",
    "DoctorRun",
    "DriftRules",
    "FallbackCall",
    "NumberServer",
    "NumberSnapshot",
    "PhoneNumber",
    "PublishCheck",
    "Scenario",
    "ScenarioVersion",
    "SmokePair",
    "SmokeRun",
    "SnapshotRoute",
    "TwilioAccount",
    "VapiCall",
    "VapiCallErased",
    "VapiCallImport",
    "VapiRecorder",
]
