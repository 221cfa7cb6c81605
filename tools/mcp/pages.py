"""The page of an MCP server: which tools it has told of, fetched again at a word, and which of them are offered."""

from collections.abc import Callable
from datetime import datetime

from django.contrib import messages
from django.contrib.admin import AdminSite
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from tools.adminkit import clipped, moment
from tools.mcp.services import McpRefreshError, Refreshed, mcp_tools_hide, mcp_tools_refresh
from tools.models import Tool
from tools.snapshots import mcp_list, tool_snapshots_take

_NAMES_SHOWN = 10


@require_http_methods(["GET", "HEAD", "POST"])
def mcp_page(
    request: HttpRequest, *, tool: Tool, site: AdminSite, noted: Callable[[str], object]
) -> HttpResponse:
    """The list as it is kept. A POST with ``fetch`` renews it, any other keeps which tools are ticked.

    ``noted`` writes a sentence into the tool's history.
    """
    if request.method == "POST":
        if "fetch" in request.POST:
            _fetch(request, tool, noted)
        else:
            _offer(request, tool, noted)
        return HttpResponseRedirect(reverse("admin:tools_tool_mcp", args=[tool.pk]))
    kept = mcp_list(tool)
    shown = {
        one.name_on_the_wire: one.name for one in tool_snapshots_take([tool], server_url="", backoff_plan={})
    }
    hidden = set(kept.get("hidden", []))
    rows = [
        {
            "name": one["name"],
            "shown": shown.get(one["name"], ""),
            "description": clipped(one["description"], 200),
            "offered": one["name"] not in hidden,
        }
        for one in kept.get("tools", [])
    ]
    context = {
        **site.each_context(request),
        "opts": Tool._meta,
        "tool": tool,
        "title": f"Tools of {tool.name}",
        "kept": kept,
        "fetched": moment(datetime.fromisoformat(kept["fetchedAt"])) if kept else "",
        "rows": rows,
    }
    return TemplateResponse(request, "admin/tools/tool/mcp.html", context)


def _fetch(request: HttpRequest, tool: Tool, noted: Callable[[str], object]) -> None:
    try:
        refreshed = mcp_tools_refresh(tool=tool)
    except McpRefreshError as exc:
        messages.error(request, str(exc))
        return
    text = refreshed_text(refreshed)
    noted(f"Fetched the list of tools. {text}")
    messages.success(
        request, f"{text} Callers get it when an assistant that offers the server is published again."
    )


def _offer(request: HttpRequest, tool: Tool, noted: Callable[[str], object]) -> None:
    ticked = set(request.POST.getlist("offered"))
    hidden = {one["name"] for one in mcp_list(tool).get("tools", [])} - ticked
    mcp_tools_hide(tool=tool, names=hidden)
    noted("Chose which tools of the server are offered.")
    messages.success(
        request, "Kept. Callers get it when an assistant that offers the server is published again."
    )


def refreshed_text(refreshed: Refreshed) -> str:
    """What has become of a list, in a few sentences."""
    parts = [f"{len(refreshed.names)} tools."]
    for what, names in (
        ("New", refreshed.added),
        ("Gone", refreshed.removed),
        ("Changed", refreshed.changed),
        ("Left out", [name for name, _ in refreshed.left_out]),
    ):
        if names:
            more = f" and {len(names) - _NAMES_SHOWN} more" if len(names) > _NAMES_SHOWN else ""
            parts.append(f"{what}: {', '.join(names[:_NAMES_SHOWN])}{more}.")
    return " ".join(parts)
