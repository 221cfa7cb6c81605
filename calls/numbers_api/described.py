"""What `/phone-number` takes and answers."""

from typing import Final

from assistants.api.described import part_of
from tools.access.described import Part

PHONE_NUMBERS: Final[Part] = part_of(
    "phone-number",
    "Phone numbers",
    "Numbers at Twilio, and who answers them. Which provider gets a number's calls is changed by a cutover alone, which people "
    "order in the admin.",
    example={
        "provider": "twilio",
        "number": "+13125550177",
        "twilioAccountSid": "AC" + "a1" * 16,
        "twilioAuthToken": "5f" * 16,
        "name": "Front desk",
    },
    change={"name": "Workshop"},
)
