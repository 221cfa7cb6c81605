"""Running calls, as the admin shows them."""

from calls.models.call import Call


class LiveCall(Call):
    """A call that goes on, with what somebody may do about it. It has no table of its own."""

    class Meta:
        proxy = True
        default_permissions = ()
        permissions = (("control_call", "Can speak in, mute, transfer and end running calls"),)
        verbose_name = "live call"
