"""Examining this installation and keeping what was found."""

from datetime import timedelta
from functools import partial

from django.contrib.auth.models import User
from django.utils import timezone

from calls.doctor.checks import folders, hosts, keys, parties, reach, realtime, stores
from calls.doctor.examining import Check, examine
from calls.doctor.report import Line, Report
from calls.models import DoctorRun

KEPT = timedelta(days=14)

CHECKS: tuple[Check, ...] = (
    Check("database", "Database", stores.database),
    Check("broker", "Broker (Redis)", stores.broker, 6.0),
    Check("queue_tools", "Queue tools", partial(stores.queue, "tools")),
    Check("queue_records", "Queue records", partial(stores.queue, "records")),
    Check("queue_messages", "Queue messages", partial(stores.queue, "messages")),
    Check("beat", "Beat", stores.beat, 6.0),
    Check("storage", "Spool on disk", folders.spool_with_room),
    Check("recordings", "Recordings", folders.recordings, 13.0),
    Check("unwritten", "Records not written", stores.unwritten),
    Check("public_origin", "Public origin, signatures", reach.public_origin, 13.0),
    Check("media_origin", "Media origin, WebSocket", reach.media_origin, 15.0),
    Check("twilio", "Twilio's credentials", parties.twilio_accounts, 13.0),
    Check("openai", "OpenAI's key", parties.openai_key),
    Check("realtime", "Realtime handshake", realtime.realtime, 20.0),
    Check("clock", "Clock", parties.clock, 13.0),
    Check("encryption", "Encryption keys", keys.encryption_keys),
    Check("credential_hosts", "Credentials' hosts", hosts.credential_hosts),
    Check("auth_token", "Rotation of the auth token", keys.token_rotation, 5.0),
)


def examination() -> Report:
    """Examine everything. Takes as long as the slowest check, some seconds."""
    return examine(CHECKS)


def report_keep(report: Report, *, by: User | None = None, by_label: str = "") -> DoctorRun:
    """The report as a row; rows older than two weeks go."""
    DoctorRun.objects.filter(at__lt=timezone.now() - KEPT).delete()
    return DoctorRun.objects.create(
        at=report.at,
        healthy=report.healthy,
        lines=[line.to_json() for line in report.lines],
        by=by,
        by_label=by_label or (by.get_username() if by else ""),
    )


def report_latest() -> tuple[Report, DoctorRun] | None:
    """The newest report, or None: nobody has looked yet."""
    run = DoctorRun.objects.select_related("by").order_by("-at", "-id").first()
    return report_of(run) if run is not None else None


def report_of(run: DoctorRun) -> tuple[Report, DoctorRun]:
    """The report that a row keeps."""
    lines = tuple(Line.from_json(one) for one in run.lines if isinstance(one, dict))
    return Report(run.at, lines), run
