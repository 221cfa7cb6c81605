"""What `manage.py cutover` is told: its arguments, and what they mean."""

from argparse import ArgumentParser, ArgumentTypeError
from datetime import date, datetime, time
from typing import Final

from django.core.management.base import CommandError

from calls.cutover.schedules import WEEKDAYS
from calls.models import PhoneNumber

USAGE: Final = 2
EXAMPLES = """\
examples:
  manage.py cutover sync                                      read the numbers of all Twilio accounts
  manage.py cutover list --state on_vapi                      where each number stands
  manage.py cutover plan +14155550100                         exactly which fields would change; nothing is written
  manage.py cutover apply +14155550100 --canary 10 --reason "a tenth first"
  manage.py cutover apply +14155550100 --reason "went well" --override smoke_test="held by hand yesterday"
  manage.py cutover rollback +14155550100 --reason "callers complain"
  manage.py cutover rollback --all --reason "outage"
  manage.py cutover schedule create +14155550100 +14155550101 --timezone Europe/Berlin --from 10:00 --until 16:00 \\
      --reason "one number a day"
  manage.py cutover schedule list                             and: schedule pause|resume|cancel ID
  manage.py cutover assign numbers.csv --dry-run              what would become of every line
  manage.py cutover verify --json                             whether every number is as we wrote it
  manage.py cutover accept +14155550100 --reason "meant so"   a change behind our back is right
  manage.py cutover history +14155550100                      what happened to a number, and why

exit status: 0 done, 1 failed or refused, 2 wrong usage, 3 a gate did not pass, 4 not over yet (it goes on by
itself, or somebody else is at it). With several numbers the worst one counts.
"""


def arguments_add(parser: ArgumentParser) -> None:
    """Add every action with its arguments."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")

    def action(name: str, text: str) -> ArgumentParser:
        found: ArgumentParser = actions.add_parser(name, help=text, description=text)
        found.add_argument("--json", action="store_true", help="print one JSON object")
        return found

    listed = action("list", "Where each number stands.")
    listed.add_argument("number", nargs="*", metavar="NUMBER", help="only these, as +14155550100")
    listed.add_argument("--state", choices=PhoneNumber.State.values, help="only those in this state")
    action("sync", "Read the numbers of all Twilio accounts.")
    action("verify", "Compare every number with what we wrote; exit status 1 if one is otherwise.")
    _moves(action("plan", "Which fields would change, and what is in the way. Nothing is written."))
    apply = action("apply", "Cut numbers over, or make them canaries.")
    _moves(apply)
    _reason(apply)
    apply.add_argument(
        "--override",
        action="append",
        default=[],
        metavar="GATE=REASON",
        help="go on although this gate does not pass; may be given several times",
    )
    back = action("rollback", "Give numbers back to whoever had them before.")
    back.add_argument("number", nargs="*", metavar="NUMBER", help="as +14155550100")
    back.add_argument("--all", action="store_true", help="every number that came to us")
    _reason(back)
    accept = action("accept", "A change that somebody made at Twilio is right as it is.")
    accept.add_argument("number", nargs="+", metavar="NUMBER", help="as +14155550100")
    _reason(accept)
    history = action("history", "What happened to a number, newest first.")
    history.add_argument("number", nargs=1, metavar="NUMBER", help="as +14155550100")
    assign = action("assign", "Say by a table who answers which number.")
    assign.add_argument("path", metavar="FILE", help="CSV of number and assistant; - is standard input")
    assign.add_argument("--dry-run", action="store_true", help="tell what would become of every line")
    _reason(assign, needed=False)
    _schedule(action("schedule", "Move numbers one after the other, on chosen days and hours."))


def _moves(parser: ArgumentParser) -> None:
    parser.add_argument("number", nargs="+", metavar="NUMBER", help="as +14155550100")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--canary", type=_share, metavar="PERCENT", help="only this share of the calls")
    what.add_argument("--rollback", action="store_true", help="back to whoever had it before")
    what.add_argument("--restore", metavar="ID", help="back to this snapshot; of one number")


def _reason(parser: ArgumentParser, *, needed: bool = True) -> None:
    parser.add_argument("--reason", required=needed, help="why; it stands in the history for good")
    parser.add_argument("--as", dest="as_user", metavar="USER", help="in the name of this user of the admin")


def _schedule(parser: ArgumentParser) -> None:
    parser.add_argument("what", choices=("list", "create", "pause", "resume", "cancel"))
    parser.add_argument(
        "id_or_number", nargs="*", metavar="NUMBER|ID", help="numbers to create one for, else the id of one"
    )
    _reason(parser, needed=False)
    parser.add_argument("--name", help="for your own lists")
    parser.add_argument("--timezone", metavar="ZONE", help="for example Europe/Berlin")
    parser.add_argument("--starts-on", type=_day, metavar="DATE", help="2026-12-01; else today")
    parser.add_argument("--days", default="mon-fri", help="mon-fri, or mon,wed,fri (%(default)s)")
    parser.add_argument(
        "--from", dest="from_time", type=_clock, default="10:00", metavar="TIME", help="%(default)s"
    )
    parser.add_argument(
        "--until", dest="until_time", type=_clock, default="16:00", metavar="TIME", help="%(default)s"
    )
    parser.add_argument("--per-day", type=int, default=1, metavar="N", help="numbers a day (%(default)s)")
    parser.add_argument(
        "--spacing", type=int, default=60, metavar="MINUTES", help="between two of a day (%(default)s)"
    )
    parser.add_argument("--canary", type=_share, metavar="PERCENT", help="only this share of the calls")
    parser.add_argument("--override", action="append", default=[], metavar="GATE=REASON")


def _share(text: str) -> int:
    try:
        share = int(text.removesuffix("%"))
    except ValueError:
        share = -1
    if not 0 <= share <= 100:
        raise ArgumentTypeError(f"“{text}” is no share; give a number from 0 to 100")
    return share


def _clock(text: str) -> time:
    try:
        return datetime.strptime(text, "%H:%M").time()  # noqa: DTZ007  # a time of day, of no day
    except ValueError:
        raise ArgumentTypeError(f"“{text}” is no time of day; write it as 09:30") from None


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ArgumentTypeError(f"“{text}” is no date; write it as 2026-12-01") from None


def weekdays_read(text: str) -> list[int]:
    names = [name.lower() for name in WEEKDAYS]
    days: list[int] = []
    try:
        for part in text.lower().split(","):
            first, _, last = part.strip().partition("-")
            start = names.index(first[:3])
            end = names.index(last[:3]) if last else start
            days += [day % 7 for day in range(start, end + 1 if end >= start else end + 8)]
    except ValueError as exc:
        raise CommandError(
            f"“{text}” names no days. Write mon-fri, or mon,wed,fri.", returncode=USAGE
        ) from exc
    return days


def override_read(text: str) -> dict[str, str]:
    gate, mark, reason = text.partition("=")
    if not mark or not gate.strip() or not reason.strip():
        raise CommandError(f"“{text}” is no override. Write it as GATE=REASON.", returncode=USAGE)
    return {"gate": gate.strip(), "reason": reason.strip()}
