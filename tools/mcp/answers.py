"""What an MCP server's answer to ``tools/call`` means for the model. Pure; nothing here raises."""

from tools.answers import ERROR_MAX_CHARS, NO_RESULT, Result
from tools.jsontext import text_clean
from tools.mcp import protocol as mcp
from tools.outcomes import UNSURE, error_output, http_error_output, no_result_output, output_clip

_NOTHING_DONE = "Nothing was done; do not say that it was."


def mcp_answer_read(*, body: bytes, content_type: str, http_status: int, id_prefix: str) -> Result:
    """The result of the call, whose request had an id that begins so."""
    messages = mcp.messages_read(body, content_type)
    for message in messages:
        request_id = message.get("id")
        if isinstance(request_id, str) and request_id.startswith(f"{id_prefix}.") and mcp.is_reply(message):
            reply = mcp.reply_find([message], request_id)
            if reply is not None:
                return _reply_read(reply, http_status)
    error = mcp.error_find(messages, "")
    if error is not None:
        return _error_read(error, http_status)
    if http_status >= 400:
        why = f"The server answered with HTTP status {http_status}."
        return Result("failed", http_error_output(http_status), why, by_status=True)
    if messages:
        return _no_result("The tool's server answered, but not for this request")
    return _no_result("The tool's server does not answer as an MCP server does")


def _reply_read(reply: mcp.Reply, http_status: int) -> Result:
    if reply.error is not None:
        return _error_read(reply.error, http_status)
    if reply.result.get("resultType") == mcp.INPUT_REQUIRED:
        message = (
            f"The tool's server wants to be told more than a telephone call can give it. {_NOTHING_DONE}"
        )
        why = "The server asks for further input (input_required), which a call cannot give."
        return Result("failed", error_output(code="input_required", message=message), why)
    text = text_clean(mcp.content_text(reply.result))
    if reply.result.get("isError") is True:
        said = text[:ERROR_MAX_CHARS] or "it did not say why"
        output = error_output(code="tool_error", message=f"The tool reported an error: {said}")
        return Result("failed", output, f"The server reported an error: {said}")
    return Result("answered", output_clip(text) or NO_RESULT, value=mcp.content_value(reply.result))


def _error_read(error: mcp.RpcError, http_status: int) -> Result:
    """The protocol's own errors. Only some of their codes say that nothing was done."""
    said = f' and says "{text_clean(error.message)[:ERROR_MAX_CHARS]}"' if error.message else ""
    # Who fails with 5xx knows least what was done before.
    done = _NOTHING_DONE if error.turned_down and http_status < 500 else UNSURE
    message = f"The tool's server answered with the error {error.code}{said}. {done}"
    why = f"The server answered with the error {error.code}{said}."
    output = error_output(code="tool_error", message=message)
    return Result("failed", output, why, by_status=http_status >= 400)


def _no_result(why: str) -> Result:
    return Result("failed", no_result_output(why), f"{why}.")
