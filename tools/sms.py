"""Text messages to the caller, by Twilio's Messages API. Pure.

Only the caller gets one: a model that could write to any number could be talked into it. Where the tool's own
parameters have a ``to``, its author has decided otherwise.
"""

import base64
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from tools.answers import Result, api_answer_read
from tools.apirequest import ApiRequest
from tools.clients import HttpAnswer
from tools.jsontext import json_text
from tools.orders import ToolOrder
from tools.snapshots import ToolSnapshot

LONGEST = 1600  # Twilio's limit
_NUMBER = re.compile(r"\+[1-9][0-9]{6,14}", re.ASCII)
_TEXTS = ("message", "content", "body", "text")
# GSM 03.38: its alphabet, and the signs that take two places in it.
_GSM = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿"
    "abcdefghijklmnopqrstuvwxyzäöñüà"
)
_GSM_TWICE = frozenset("^{}\\[~]|€\f")


class SmsError(ValueError):
    """The message cannot be sent. ``code`` and the text, a clause, are for the model too."""

    def __init__(self, code: str, why: str) -> None:
        super().__init__(why)
        self.code = code


def sms_request(
    order: ToolOrder, arguments: Mapping[str, Any], *, account_sid: str, auth_token: str, api_url: str
) -> ApiRequest:
    """The request that has Twilio send the message. Raises SmsError."""
    form = {"To": _to(order, arguments), "From": _from(order), "Body": sms_text(arguments)}
    login = base64.b64encode(f"{account_sid}:{auth_token}".encode())
    return ApiRequest(
        "POST",
        f"{api_url}/2010-04-01/Accounts/{account_sid}/Messages.json",
        urlencode(form).encode(),
        {
            "Content-Type": b"application/x-www-form-urlencoded",
            "Accept": b"application/json",
            "Authorization": b"Basic " + login,
        },
    )


def sms_text(arguments: Mapping[str, Any]) -> str:
    """The text of the message. Raises SmsError."""
    body = next((one for key in _TEXTS if isinstance(one := arguments.get(key), str) and one.strip()), "")
    if not body:
        raise SmsError("invalid_arguments", "The message has no text.")
    if len(body) > LONGEST:
        raise SmsError("invalid_arguments", f"The message is longer than {LONGEST} characters. Shorten it.")
    return body


def sms_parts(text: str) -> int:
    """As how many text messages it is sent, and charged: by GSM's own alphabet, or where that lacks a sign, in UCS-2."""
    if all(sign in _GSM or sign in _GSM_TWICE for sign in text):
        size, alone, of_many = sum(1 + (sign in _GSM_TWICE) for sign in text), 160, 153
    else:
        size, alone, of_many = len(text.encode("utf-16-be")) // 2, 70, 67
    return 1 if size <= alone else -(-size // of_many)


def sender_set(tool: ToolSnapshot) -> str:
    """The number that the tool itself says messages come from; empty where it is the one that was called."""
    metadata = tool.settings.get("metadata")
    given = metadata.get("from") if isinstance(metadata, dict) else None
    return given.strip() if isinstance(given, str) else ""


def recipient_chosen(tool: ToolSnapshot) -> bool:
    """Whether the tool's author lets the model say to whom a message goes."""
    properties = tool.parameters.get("properties")
    return isinstance(properties, dict) and "to" in properties


def sms_answer_read(answer: HttpAnswer) -> Result:
    """What Twilio said: that it has taken the message is not yet that it was delivered."""
    result = api_answer_read(
        body=answer.body, content_type=answer.content_type, http_status=answer.http_status
    )
    taken = isinstance(result.value, dict) and isinstance(result.value.get("sid"), str)
    if result.status == "failed" or not taken:
        return result
    told = {"status": "accepted", "message": "The text message was handed over to be sent."}
    return Result("answered", json_text(told), value=result.value)


def _to(order: ToolOrder, arguments: Mapping[str, Any]) -> str:
    chosen = arguments.get("to") if recipient_chosen(order.tool) else None
    to = chosen if isinstance(chosen, str) and chosen.strip() else _number(order.context, "customer")
    to = re.sub(r"[\s().-]", "", to)
    if not _NUMBER.fullmatch(to):
        raise SmsError("not_sendable", "there is no number to which a text message could go")
    return to


def _from(order: ToolOrder) -> str:
    sender = sender_set(order.tool) or _number(order.context, "phoneNumber")
    if not sender:
        raise SmsError("not_sendable", "there is no number from which a text message could come")
    return sender.strip()


def _number(context: Mapping[str, Any], who: str) -> str:
    part = context.get(who)
    number = part.get("number") if isinstance(part, dict) else None
    return number if isinstance(number, str) else ""
