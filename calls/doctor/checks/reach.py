"""Whether Twilio can reach us: a webhook and a media stream of our own, by way of the public addresses."""

import ipaddress
import secrets
import ssl
import uuid
from dataclasses import dataclass
from urllib.parse import urlsplit

import requests
import websockets
from django.conf import settings
from twilio.request_validator import RequestValidator
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from calls.doctor.proof import PATH, proof_valid
from calls.doctor.report import Finding, failed, ok, warning, worst

TIMEOUT_S = 5.0
# Twilio gives up on us long before, where a way back is configured (calls.cutover.fallback).
SLOW_S = 1.0
_CLOSES_WITHIN_S = 7.0  # the consumer looks for its call for five
_INTERNAL_ERROR = 1011
_ORIGIN_ADVICE = (
    "Compare PUBLIC_ORIGIN with the proxy's public name and port; Twilio must reach exactly that, by a certificate with its "
    "whole chain."
)


@dataclass(frozen=True, slots=True)
class Probe:
    """How a test webhook was answered: ``why`` is empty where it was answered as it should be."""

    why: str = ""
    what_to_do: str = ""
    took_s: float = 0.0

    @property
    def answered(self) -> bool:
        """Whether it was."""
        return not self.why


def webhook_probe(*, account_sid: str, auth_token: str, timeout_s: float = TIMEOUT_S) -> Probe:
    """Send ourselves a webhook by way of the public origin, signed as Twilio would for that account."""
    nonce = secrets.token_hex(16)
    url = f"{settings.PUBLIC_ORIGIN}{PATH}"
    form = {"AccountSid": account_sid, "nonce": nonce}
    signature = RequestValidator(auth_token).compute_signature(url, form)
    try:
        answer = _post(url, form, signature, timeout_s)
    except requests.exceptions.SSLError:
        return Probe("TLS failed at the public origin.", _ORIGIN_ADVICE)
    except requests.Timeout:
        return Probe(f"The public origin did not answer within {timeout_s:g} s.", _ORIGIN_ADVICE)
    except requests.RequestException as exc:
        return Probe(f"The public origin cannot be reached ({type(exc).__name__}).", _ORIGIN_ADVICE)
    return _judged(answer, nonce)


def _judged(answer: requests.Response, nonce: str) -> Probe:
    took_s = answer.elapsed.total_seconds()
    if answer.status_code == 403:
        return Probe(
            "A webhook that was signed right was refused (403).",
            "The process behind the public origin has another PUBLIC_ORIGIN or another auth token than this one, or the "
            "proxy changes the path. Restart all processes with the same variables.",
            took_s,
        )
    if answer.is_redirect:
        return Probe(
            f"The public origin redirects ({answer.status_code}).",
            "A redirect loses the fields of a webhook. Set PUBLIC_ORIGIN to the address that it redirects to.",
            took_s,
        )
    if answer.status_code != 200:
        return Probe(f"The public origin answered {answer.status_code}.", _ORIGIN_ADVICE, took_s)
    if not proof_valid(nonce, answer.text[:200].strip()):
        return Probe(
            "Something else answers at the public origin.",
            "It is no Tandem, or one with another SECRET_KEY. Compare PUBLIC_ORIGIN and the proxy's target.",
            took_s,
        )
    return Probe(took_s=took_s)


def public_origin() -> Finding:
    """Whether a webhook with a right signature is answered at the public origin, and one with a wrong one refused."""
    url = f"{settings.PUBLIC_ORIGIN}{PATH}"
    if not settings.TWILIO_AUTH_TOKEN:
        return failed("There is no auth token to sign with.", "Set TWILIO_AUTH_TOKEN.")
    probe = webhook_probe(account_sid=settings.TWILIO_ACCOUNT_SID, auth_token=settings.TWILIO_AUTH_TOKEN)
    facts = {"took_ms": round(probe.took_s * 1000)}
    if not probe.answered:
        return failed(probe.why, probe.what_to_do, **facts)
    findings = [_forged(url), _pace(probe.took_s), _whereabouts(settings.PUBLIC_ORIGIN, "PUBLIC_ORIGIN")]
    well = f"A signed webhook was answered in {facts['took_ms']} ms, and a forged one refused."
    findings.append(ok("", **facts))
    return worst(findings, all_well=well)


def _forged(url: str) -> Finding:
    try:
        answer = _post(url, {"AccountSid": settings.TWILIO_ACCOUNT_SID}, secrets.token_urlsafe(20), TIMEOUT_S)
    except requests.RequestException as exc:
        return warning(f"The forged webhook was not answered ({type(exc).__name__}).", _ORIGIN_ADVICE)
    if answer.status_code == 403:
        return ok("")
    return failed(
        f"A webhook with a forged signature was answered {answer.status_code} instead of 403.",
        "Anybody could place calls into this installation. Look what the proxy does with X-Twilio-Signature, and stop it.",
    )


def _pace(took_s: float) -> Finding:
    if took_s < SLOW_S:
        return ok("")
    return warning(
        f"It took {took_s:.1f} s.",
        "Callers hear it ring for that long, and Twilio turns to the way back after 2.5 s. Look at the proxy and the load.",
    )


def _whereabouts(origin: str, name: str) -> Finding:
    if not is_private(urlsplit(origin).hostname or ""):
        return ok("")
    return warning(
        f"{name} is an address that only this machine or its network can reach.",
        f"Only a simulated Twilio can call it. For real calls set {name} to a public name.",
    )


def is_private(host: str) -> bool:
    """Whether only this machine or its network can reach a host, as far as its name tells."""
    try:
        return not ipaddress.ip_address(host).is_global
    except ValueError:
        return "." not in host or host.endswith((".local", ".localhost", ".internal", ".lan", ".test"))


def _post(url: str, form: dict[str, str], signature: str, timeout_s: float) -> requests.Response:
    headers = {"X-Twilio-Signature": signature, "User-Agent": "Tandem-Doctor"}
    return requests.post(url, data=form, headers=headers, timeout=timeout_s, allow_redirects=False)


# --- Media ---------------------------------------------------------------------------------------------------


def media_origin() -> Finding:
    """Whether a signed upgrade to a WebSocket passes the proxy, and a forged one does not."""
    url = f"{settings.MEDIA_ORIGIN}/media/{uuid.uuid4()}"
    signature = RequestValidator(settings.TWILIO_AUTH_TOKEN or "-").compute_signature(url, {})
    upgraded = _upgrade(url, signature)
    if upgraded:
        return failed(
            upgraded,
            "Callers would hear nothing. The proxy must pass Upgrade and Connection headers for /media, and MEDIA_ORIGIN must "
            "be its public name (nginx: proxy_http_version 1.1 and both headers).",
        )
    findings = [_whereabouts(settings.MEDIA_ORIGIN, "MEDIA_ORIGIN")]
    if not _upgrade(url, secrets.token_urlsafe(20)):
        findings.append(
            failed(
                "A stream with a forged signature was let in.",
                "Look what the proxy does with X-Twilio-Signature, and which TWILIO_AUTH_TOKEN the media process has.",
            )
        )
    return worst(findings, all_well="A signed stream was let in, and a forged one refused.")


def _upgrade(url: str, signature: str) -> str:
    """Why there was no socket that the media process keeps or ends by itself; empty when there was."""
    try:
        with connect(
            url,
            additional_headers={"X-Twilio-Signature": signature},
            user_agent_header="Tandem-Doctor",
            compression=None,
            open_timeout=TIMEOUT_S,
            close_timeout=1,
            proxy=True if url.startswith("wss://") else None,
        ) as socket:
            return _ended(socket)
    except websockets.InvalidStatus as exc:
        return f"The upgrade to a WebSocket was answered {exc.response.status_code} instead of 101."
    except ssl.SSLError:
        return "TLS failed at the media origin."
    except (OSError, TimeoutError, websockets.WebSocketException) as exc:
        return f"The media origin cannot be reached ({type(exc).__name__})."


def _ended(socket: ClientConnection) -> str:
    """A call that does not exist is closed by the consumer; how it does tells whether it could look."""
    try:
        socket.recv(timeout=_CLOSES_WITHIN_S)
    except ConnectionClosed as closed:
        code = closed.rcvd.code if closed.rcvd else 1006
        if code == _INTERNAL_ERROR:
            return "The media process answers, and cannot read the database."
        return "" if closed.rcvd else "The stream was cut off without a close frame."
    except TimeoutError:
        return "The media process let the stream in, and then did nothing."
    return ""
