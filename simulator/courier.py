"""The HTTP requests of one call: its documents, with the fallback, and its callbacks."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any

from simulator import twiml
from simulator.accounts import Account
from simulator.report import CallLog
from simulator.twilio_http import Answer, Origins, UnreachableError, send

JSON = dict[str, Any]


class Courier:
    """Fetches and tells for one call; `form` gives the fields that every request of the call has."""

    def __init__(
        self,
        account: Account,
        origins: Origins,
        *,
        log: CallLog,
        form: Callable[[], dict[str, str]],
        fallback_url: str | None = None,
        fallback_method: str = "POST",
    ) -> None:
        self.document_url = ""  # of the document in force; empty for one that came by REST
        self._account = account
        self._origins = origins
        self._log = log
        self._form = form
        self._fallback_url = fallback_url
        self._fallback_method = fallback_method
        self._callbacks = 0

    async def document(
        self,
        url: str,
        *,
        what: str,
        method: str = "POST",
        extra: dict[str, str] | None = None,
        alone: bool = False,
    ) -> list[twiml.Verb]:
        """The verbs of a document, or of the fallback's if it cannot be had, which it may do once in a call and not when `alone`.

        Raises TwimlError, UnreachableError.
        """
        try:
            return await self._fetch(url, what, method, extra or {})
        except twiml.TwimlError as error:
            if not self._fallback_url or alone:
                raise
            fallback, self._fallback_url = self._fallback_url, None
            self._log.violation(error.code, error.why)
            why = {"ErrorCode": error.code, "ErrorUrl": url.partition("#")[0]}
            return await self._fetch(fallback, "fallback", self._fallback_method, why)

    async def _fetch(self, url: str, what: str, method: str, extra: dict[str, str]) -> list[twiml.Verb]:
        bare = url.partition("#")[0]
        report = self._log.report
        began_ms, began = self._log.clock.now_ms(), time.monotonic()
        if what == "redirect":
            report.redirects.append(bare)
        answer = await self._request(url, {**self._form(), **extra}, method=method, follow=True)
        report.fetched.append(
            {
                "what": what,
                "url": bare,
                "ended_at": answer.url,
                "method": method,
                "status": answer.status,
                "error": answer.error,
                "tries": answer.tries,
                "ms": round((time.monotonic() - began) * 1000),
            }
        )
        self._log.event(f"{what} answered", status=answer.status, in_ms=self._log.clock.now_ms() - began_ms)
        try:
            verbs = _verbs(answer, bare)
        except twiml.TwimlError as error:
            report.errors.append({"code": error.code, "url": bare, "why": error.why})
            raise
        self.document_url = answer.url
        return verbs

    async def callback(self, url: str, form: dict[str, str], *, method: str = "POST") -> None:
        """Tell somebody something; an answer that Twilio would not like is a violation."""
        try:
            answer = await self._request(url, form, method=method)
        except UnreachableError as error:
            self._log.violation("21609", str(error))
            return
        what = form.get("StreamEvent") or form.get("CallStatus") or ""
        self._log.event("callback answered", what=what, status=answer.status)
        if not 200 <= answer.status < 300:
            self._log.violation("15003", f"status callback {what} was answered {answer.status}")

    async def progress(
        self, url: str, *, status: str, seconds: int, ended: bool, method: str = "POST", sip_code: str = "200"
    ) -> None:
        """Tell the call's status; at its end with its length."""
        form = self._form() | {
            "CallStatus": status,
            "CallbackSource": "call-progress-events",
            "SequenceNumber": str(self._callbacks),
            "Timestamp": format_datetime(datetime.now(UTC)),
        }
        if ended:
            form |= {
                "CallDuration": str(seconds),
                "Duration": str(-(-seconds // 60)),
                "SipResponseCode": sip_code,
            }
        self._callbacks += 1
        await self.callback(url, form, method=method)

    async def _request(self, url: str, form: dict[str, str], *, method: str, follow: bool = False) -> Answer:
        return await send(
            url,
            form,
            origins=self._origins,
            auth_token=self._account.auth_token,
            method=method,
            follow=follow,
            note=self._log.violation,
        )


def _verbs(answer: Answer, url: str) -> list[twiml.Verb]:
    if answer.status == 0:
        raise twiml.TwimlError(answer.error, f"{url}: {answer.body.decode(errors='replace')}")
    if not 200 <= answer.status < 300:
        raise twiml.TwimlError("11200", f"{url} answered {answer.status}")
    return twiml.parse(answer.body, content_type=answer.content_type, base_url=answer.url)


def stream_fields(*, account_sid: str, call_sid: str, stream_sid: str, event: str) -> dict[str, str]:
    """The form of a stream's status callback."""
    now = datetime.now(UTC)
    return {
        "AccountSid": account_sid,
        "CallSid": call_sid,
        "StreamSid": stream_sid,
        "StreamName": stream_sid,
        "StreamEvent": event,
        "Timestamp": now.strftime("%Y-%m-%dT%H:%M:%S.%f") + "000Z",  # Twilio gives nanoseconds
    }


def voice_fields(
    *, account_sid: str, call_sid: str, status: str, direction: str, to: str, caller: str
) -> dict[str, str]:
    """The fields of a voice request, the empty ones included: they are part of the signature."""
    return {
        "AccountSid": account_sid,
        "ApiVersion": "2010-04-01",
        "CallSid": call_sid,
        "CallStatus": status,
        "CallToken": '{"parentCallInfoToken":"simulated","identityHeaderTokens":[]}',
        "Called": to,
        "CalledCity": "",
        "CalledCountry": "US",
        "CalledState": "DC",
        "CalledZip": "",
        "Caller": caller,
        "CallerCity": "NEW YORK",
        "CallerCountry": "US",
        "CallerState": "NY",
        "CallerZip": "10118",
        "Direction": direction,
        "From": caller,
        "FromCity": "NEW YORK",
        "FromCountry": "US",
        "FromState": "NY",
        "FromZip": "10118",
        "StirVerstat": "TN-Validation-Passed-A",
        "To": to,
        "ToCity": "",
        "ToCountry": "US",
        "ToState": "DC",
        "ToZip": "",
    }
