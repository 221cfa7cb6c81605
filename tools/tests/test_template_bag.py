from datetime import UTC, datetime, timedelta, timezone

from tools.liquid.bag import moment_variables, template_bag

NOW = datetime(2026, 6, 10, 14, 3, 42, tzinfo=UTC)


def test_the_moment_is_told_as_vapi_tells_it() -> None:
    bag = template_bag({}, now=NOW)

    assert bag["now"] == bag["currentDateTime"] == "Jun 10, 2026, 2:03 PM UTC"
    assert (bag["date"], bag["time"]) == ("Jun 10, 2026", "2:03 PM")
    assert (bag["month"], bag["day"], bag["year"]) == ("June", "10", "2026")


def test_the_moment_is_written_in_utc_whatever_the_clocks_zone() -> None:
    here = NOW.astimezone(timezone(timedelta(hours=-6)))

    assert moment_variables(here) == moment_variables(NOW)
    assert list(moment_variables(NOW)) == ["now", "currentDateTime", "date", "time", "month", "day", "year"]


def test_the_calls_variables_win_over_what_is_built_in() -> None:
    context = {
        "call": {"id": "c", "phoneCallProviderId": "CA1"},
        "customer": {"number": "+1"},
        "messages": [{"role": "bot", "message": "Hello."}],
        "variableValues": {"date": "today", "slot": 3},
    }

    bag = template_bag(context, now=NOW)

    assert (bag["date"], bag["slot"]) == ("today", 3)
    assert bag["customer"] == {"number": "+1"}
    assert bag["transport"]["callSid"] == "CA1"
    assert bag["messages"] == [{"role": "assistant", "content": "Hello."}]
