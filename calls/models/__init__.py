"""Telephone numbers, the calls that came in on them, what became of those, and the way numbers take from Vapi to us."""

from calls.models.analysis import CallAnalysis
from calls.models.budget import BudgetRule, BudgetTrip
from calls.models.call import LIVE, OVER, Call
from calls.models.call_break import CallBreak
from calls.models.cost import (
    CallCost,
    CallUsage,
    CarrierCall,
    CostLine,
    Part,
    Price,
    SpendingAlert,
    SpendingLimit,
)
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
from calls.models.live import LiveCall
from calls.models.member import CallMember, CallPart
from calls.models.number import E164_PATTERN, PhoneNumber
from calls.models.number_server import NumberServer
from calls.models.preview import CutoverNumber, CutoverPreview, CutoverPreviewItem
from calls.models.privacy import CallOpened, CallStripped, Erasure
from calls.models.problem import CallProblem
from calls.models.recording import Recording
from calls.models.smoke import (
    DriftRules,
    PublishCheck,
    Scenario,
    ScenarioVersion,
    SmokePair,
    SmokeRun,
)
from calls.models.smoke_leg import CallerLine, SmokeLeg
from calls.models.transfer import CallTransfer
from calls.models.unwritten import UnwrittenRecord
from calls.models.warehouse import WarehouseDelivery

__all__ = [
    "E164_PATTERN",
    "LIVE",
    "OVER",
    "OPEN",
    "BudgetRule",
    "BudgetTrip",
    "Call",
    "CallAnalysis",
    "CallBreak",
    "CallCost",
    "CallHandover",
    "CallMember",
    "CallOpened",
    "CallPart",
    "CallProblem",
    "CallStripped",
    "CallTransfer",
    "CallUsage",
    "CallerLine",
    "CarrierCall",
    "CostLine",
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
    "Erasure",
    "FallbackCall",
    "LiveCall",
    "NumberServer",
    "NumberSnapshot",
    "Part",
    "PhoneNumber",
    "Price",
    "PublishCheck",
    "Recording",
    "Scenario",
    "ScenarioVersion",
    "SmokeLeg",
    "SmokePair",
    "SmokeRun",
    "SnapshotRoute",
    "SpendingAlert",
    "SpendingLimit",
    "TwilioAccount",
    "UnwrittenRecord",
    "VapiCall",
    "VapiCallErased",
    "VapiCallImport",
    "VapiRecorder",
    "WarehouseDelivery",
]
