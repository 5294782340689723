"""The tools of `reception.yaml`. A real practice would ask its calendar; this one always answers the same."""

from typing import Literal

Day = Literal["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]

_HOURS = {
    "Monday": "from 8 in the morning to 6 in the evening",
    "Tuesday": "from 8 in the morning to 6 in the evening",
    "Wednesday": "from 8 in the morning to noon",
    "Thursday": "from 8 in the morning to 8 in the evening",
    "Friday": "from 8 in the morning to 4 in the afternoon",
    "Saturday": "from 9 in the morning to 1 in the afternoon",
}


def opening_hours(day: Day) -> dict[str, str]:
    """Look up when the practice is open on a day of the week.

    Args:
        day: The day of the week that the caller asks about.
    """
    return {"day": day, "open": _HOURS.get(day, "closed all day")}
