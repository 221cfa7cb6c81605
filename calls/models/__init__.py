"""Telephone numbers, the calls that came in on them, what became of those, and the way numbers take from Vapi to us."""

from calls.models.analysis import CallAnalysis
from calls.models.budget import BudgetRule, BudgetTrip
from calls.models.call import AHEAD, LIVE, OVER, SHUT_DOWN, STREAM_CLOSED, STREAM_LOST, Call
from calls.models.call_break import CallBreak
from calls.models.choosing import CallVariables
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
from calls.models.daily import CallDay, CostDay, DayChanged, DaysKept, SpeedDay
from calls.models.doctor import DoctorRun
from calls.models.handover import CallHandover, FallbackCall, SnapshotRoute
from calls.models.history import VapiCall, VapiCallErased, VapiCallImport, VapiRecorder
from calls.models.live import LiveCall, LiveOrder
from calls.models.member import CallMember, CallPart
from calls.models.messages import ServerMessage
from calls.models.number import E164_PATTERN, PhoneNumber
from calls.models.number_server import NumberServer
from calls.models.placing import CallRequest, Placing
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
from calls.models.socket import SocketCall
from calls.models.transfer import CallTransfer
from calls.models.unwritten import UnwrittenRecord
from calls.models.warehouse import WarehouseDelivery

__all__ = [
    "AHEAD",
    "E164_PATTERN",
    "LIVE",
    "OPEN",
    "OVER",
    "SHUT_DOWN",
    "STREAM_CLOSED",
    "STREAM_LOST",
    "BudgetRule",
    "BudgetTrip",
    "Call",
    "CallAnalysis",
    "CallBreak",
    "CallCost",
    "CallDay",
    "CallHandover",
    "CallMember",
    "CallOpened",
    "CallPart",
    "CallProblem",
    "CallRequest",
    "CallStripped",
    "CallTransfer",
    "CallUsage",
    "CallVariables",
    "CallerLine",
    "CarrierCall",
    "CostDay",
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
    "DayChanged",
    "DaysKept",
    "DoctorRun",
    "DriftRules",
    "Erasure",
    "FallbackCall",
    "LiveCall",
    "LiveOrder",
    "NumberServer",
    "NumberSnapshot",
    "Part",
    "PhoneNumber",
    "Placing",
    "Price",
    "PublishCheck",
    "Recording",
    "Scenario",
    "ScenarioVersion",
    "ServerMessage",
    "SmokeLeg",
    "SmokePair",
    "SmokeRun",
    "SnapshotRoute",
    "SocketCall",
    "SpeedDay",
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
