"""The tools of `table.yaml`. A real restaurant would ask its bookings; this one always answers the same."""

from typing import Literal

Day = Literal["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]

_BIGGEST_TABLE = 8
_FULL = {("Friday", "19:00"), ("Friday", "20:00"), ("Saturday", "19:00"), ("Saturday", "20:00")}


def free_table(day: Day, people: int, time: str) -> dict[str, str | bool]:
    """Find out whether a table is free. Ask for day, number of people and time before calling it.

    Args:
        day: The day of the week.
        people: How many people will come.
        time: The time of arrival on a 24-hour clock, for example 19:30.
    """
    if not 1 <= people <= _BIGGEST_TABLE:
        return {"free": False, "reason": f"the biggest table seats {_BIGGEST_TABLE} people"}
    if day == "Monday":
        return {"free": False, "reason": "the restaurant is closed on Mondays"}
    if not "17:00" <= time.zfill(5) <= "21:30":
        return {"free": False, "reason": "tables are given from 17:00 to 21:30"}
    if (day, time) in _FULL:
        return {"free": False, "reason": "all tables are taken then", "next_free": "21:00"}
    return {"free": True, "day": day, "time": time, "table": "by the window" if people <= 2 else "in the garden room"}
