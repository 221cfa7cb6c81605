"""Telephone numbers, the calls that came in on them, and what became of those."""

from calls.models.call import LIVE, Call
from calls.models.number import E164_PATTERN, PhoneNumber
from calls.models.problem import CallProblem
from calls.models.transfer import CallTransfer

__all__ = ["E164_PATTERN", "LIVE", "Call", "CallProblem", "CallTransfer", "PhoneNumber"]
