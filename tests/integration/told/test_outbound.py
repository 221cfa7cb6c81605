"""Calls that a program has placed, from its request to the record: by every process, and the telephone company played."""

from typing import Any

import requests

from calls.models import Call, Placing
from simulator.harness import CallReport
from tests.integration.outside import LONGEST_CALL_S, MEDIA_ORIGIN, PUBLIC_ORIGIN
from tests.integration.rows import GREETING, make_desk, written
from tests.integration.stack import Stack, eventually
from tests.integration.stories import ASKS, CHECKING, READY_ON
from tools.access.keys import key_create

PERSON, BUSY = "+13125550177", "+13125550001"


def test_a_program_has_people_called_and_reads_what_came_of_it(stack: Stack) -> None:
    desk = make_desk(stack, first_message="{% if customer.name %}" + GREETING + "{% endif %}")
    simulator = stack.outside.simulator
    simulator.numbers.add(desk.did)
    simulator.add_origins(
        {
            PUBLIC_ORIGIN: f"http://127.0.0.1:{stack.ports.web}",
            MEDIA_ORIGIN: f"ws://127.0.0.1:{stack.ports.media}",
        }
    )
    _, key = key_create(name="outbound")
    headers = {"Authorization": f"Bearer {key}", "Idempotency-Key": "whole call"}

    def ask(method: str, path: str, body: Any = None) -> Any:
        answer = requests.request(
            method, f"http://127.0.0.1:{stack.ports.web}{path}", json=body, headers=headers, timeout=60
        )
        assert answer.status_code in (200, 201), answer.text
        return answer.json()

    body = {
        "assistantId": str(desk.assistant.pk),
        "phoneNumberId": str(desk.number.pk),
        "customers": [{"number": PERSON, "name": "Marta Ilves"}, {"number": BUSY}],
    }
    told = ask("POST", "/call", body)
    again = ask("POST", "/call", body)

    assert [one["status"] for one in told["results"]] == ["queued", "queued"]
    assert [one["id"] for one in again["results"]] == [one["id"] for one in told["results"]]
    talked, busy = (one["id"] for one in told["results"])

    def over(call_id: str) -> Any:
        found = ask("GET", f"/call/{call_id}")
        return found if found["status"] == "ended" else None

    assert eventually(lambda: over(busy), "busy")["endedReason"] == "customer-busy"
    ended = eventually(lambda: over(talked), "talked", within_s=LONGEST_CALL_S)
    rows = written(Call.objects.get(pk=talked).call_sid)
    assert ended["type"] == "outboundPhoneCall"
    assert ended["customer"] == {"number": PERSON, "name": "Marta Ilves"}
    assert rows.said("assistant")[:3] == [GREETING, CHECKING, READY_ON]
    assert rows.said("caller")[0] == ASKS
    assert Placing.objects.get(pk=talked).attempts == 1
    assert not Call.objects.get(pk=talked).problems.exists()
    placed = {Call.objects.get(pk=one).call_sid for one in (talked, busy)}
    reports: dict[str, CallReport] = {}
    while not placed <= reports.keys():  # of others, too: calls of this folder go on side by side
        report = stack.outside.run(simulator.outbound_report())
        reports[report.call_sid] = report
    assert sorted(reports[one].answered for one in placed) == [False, True]
    assert not any(reports[one].violations for one in placed)
