"""The doctor looks at everything at once; what breaks or hangs costs only itself."""

import threading
import time
from datetime import UTC, datetime

import pytest
from django.db import connection

from calls.doctor.examining import Check, examine
from calls.doctor.report import Finding, Line, Report, Verdict, failed, ok, skipped, summary, warning, worst


def test_a_check_that_breaks_hides_no_other() -> None:
    def breaks() -> Finding:
        raise RuntimeError("postgresql://user:password@host")

    report = examine([Check("a", "A", breaks), Check("b", "B", lambda: ok("Fine.", figure=7))])

    first, second = report.lines
    assert first.verdict is Verdict.FAILED
    assert "RuntimeError" in first.found
    assert "password" not in first.found + first.what_to_do
    assert (second.verdict, second.found, second.facts) == (Verdict.OK, "Fine.", {"figure": 7})
    assert not report.healthy


def test_a_check_that_hangs_is_left_alone_when_its_time_is_over() -> None:
    leave = threading.Event()

    def hangs() -> Finding:
        leave.wait(600)
        return ok("")

    report = examine(
        [Check("a", "A", hangs, within_s=0.2), Check("b", "B", lambda: ok("Fine."), within_s=60)]
    )
    assert not leave.is_set()
    leave.set()

    assert [line.verdict for line in report.lines] == [Verdict.FAILED, Verdict.OK]
    assert "0.2 s" in report.lines[0].found


def test_checks_run_side_by_side() -> None:
    together = threading.Barrier(6)

    def meets() -> Finding:
        together.wait(60)
        return ok("Met.")

    report = examine([Check(str(number), str(number), meets, within_s=90) for number in range(6)])

    assert report.healthy, report


@pytest.mark.django_db(transaction=True)
def test_a_check_leaves_no_connection_behind() -> None:
    def count() -> int:
        with connection.cursor() as cursor:
            # The database has workers of its own, which come and go.
            cursor.execute(
                "SELECT count(*) FROM pg_stat_activity "
                "WHERE datname = current_database() AND backend_type = 'client backend'"
            )
            return int(cursor.fetchone()[0])

    def asks() -> Finding:
        return ok(str(count()))

    before = count()
    examine([Check(str(number), str(number), asks, within_s=60) for number in range(5)])
    until = time.monotonic() + 60
    while count() > before and time.monotonic() < until:
        time.sleep(0.05)

    assert count() <= before


def test_several_findings_are_one_with_the_worst_verdict_and_every_advice_once() -> None:
    found = worst(
        [ok("", a=1), warning("Slow.", "Look."), failed("Away.", "Start it."), warning("Full.", "Look.")],
        all_well="Well.",
    )

    assert (found.verdict, found.found, found.what_to_do) == (
        Verdict.FAILED, "Slow. Away. Full.", "Look. Start it.",
    )  # fmt: skip
    assert worst([ok("", a=1), skipped("")], all_well="Well.").found == "Well."


def line(verdict: Verdict) -> Line:
    return Line("a", "A", verdict, "", "", 1)


def test_a_report_in_one_sentence() -> None:
    assert summary([line(Verdict.OK)]) == "Nothing failed in 1 checks."
    assert summary([line(Verdict.OK), line(Verdict.WARNING)]) == "Nothing failed in 2 checks, 1 warning."
    assert summary([line(Verdict.FAILED), line(Verdict.WARNING), line(Verdict.WARNING)]) == (
        "1 of 3 checks failed, 2 warnings."
    )


def test_a_line_survives_being_stored_and_an_unknown_one_is_read() -> None:
    whole = Line("a", "A", Verdict.WARNING, "Found.", "Do.", 12, {"ms": 3})

    assert Line.from_json(whole.to_json()) == whole
    assert Line.from_json({"verdict": "purple"}).verdict is Verdict.SKIPPED


def test_warnings_do_not_make_a_report_unhealthy() -> None:

    assert Report(datetime.now(UTC), (line(Verdict.WARNING), line(Verdict.SKIPPED))).healthy
