"""Twilio's refusals: `{"code", "message", "more_info", "status"}`; and the violations that a test looks at."""

from collections import Counter, deque
from typing import Any, Final

JSON = dict[str, Any]

MESSAGES: Final = {
    20001: "Invalid parameter",
    20003: "Authenticate",
    20005: "Account not active",
    20404: "The requested resource was not found",
    20429: "Too Many Requests",
    21201: "No 'To' number is specified",
    21205: "Url is not a valid URL",
    21210: "The source phone number provided is not yet verified for your account.",
    21211: "The 'To' number is not a valid phone number.",
    21212: "The 'From' number is not a valid phone number, shortcode, or alphanumeric sender ID.",
    21213: "No 'From' number is specified",
    21217: "Phone number does not appear to be valid.",
    21220: "Call is not in-progress. Cannot redirect.",
    21402: "The URL is not valid.",
    21403: "The HTTP method is not valid. It must be GET or POST.",
    21405: "VoiceFallbackUrl requires a VoiceUrl.",
    21406: "SmsFallbackUrl requires an SmsUrl.",
    21420: "The ApplicationSid is not valid.",
    21602: "Message body is required.",
    21603: "A 'From' phone number is required.",
    21609: "The StatusCallback is not a valid, publicly reachable URL.",
    21617: "The concatenated message body exceeds the 1600 character limit.",
    21626: "Invalid StatusCallbackEvents",
    70002: "Paged requests must include a PageToken",
}


class Refusal(Exception):  # noqa: N818 - an answer, not an error of ours
    """A request that Twilio refuses."""

    def __init__(self, status: int, code: int, message: str = "") -> None:
        super().__init__(f"{code}: {message or MESSAGES.get(code, '')}")
        self.status = status
        self.body = error(status, code, message)


def error(status: int, code: int, message: str = "") -> JSON:
    """Twilio's body for an error."""
    text = message or MESSAGES.get(code, "Simulated")
    more = f"https://www.twilio.com/docs/errors/{code}"
    return {"code": code, "message": text, "more_info": more, "status": status}


class Complaints:
    """What clients did wrong: counted by Twilio's code or by a word, each with a sentence."""

    def __init__(self) -> None:
        self.violations: Counter[str] = Counter()
        self.notes: deque[JSON] = deque(maxlen=1000)

    def note(self, code: str, why: str) -> None:
        """Count a violation and say what caused it."""
        self.violations[code] += 1
        self.notes.append({"code": code, "why": why})

    def clear(self) -> None:
        """Forget them all."""
        self.violations.clear()
        self.notes.clear()
