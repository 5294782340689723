"""Finds days, numbers, times and words in what a caller said, as recognisers write it: digits or words."""

import re

from voice_agent.emulator.dialogue.file import Slot

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_UNITS = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
    "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen", "twenty",
)  # fmt: skip
_NUMBER = rf"\d{{1,2}}(?!\d)|(?:{'|'.join(_UNITS)})\b"
_HALF_DAY = r"(?P<half>\s*[ap]\.?\s?m\b\.?|\s+in the (?:morning|afternoon|evening)|\s+at night)"
_TIME = re.compile(
    rf"\b(?P<lead>at|around|about|by|for)?\s*(?P<half_past>half[- ]past |quarter[- ]past |quarter[- ]to )?"
    rf"(?P<hour>{_NUMBER})(?:[:.](?P<minute>\d\d)|\s(?P<spoken>thirty|fifteen|forty[- ]five|\d\d)\b)?"
    rf"(?P<clock>\s*o'?clock)?{_HALF_DAY}?",
    re.IGNORECASE,
)
_MINUTES = {"thirty": 30, "fifteen": 15, "forty-five": 45, "forty five": 45}
_BEFORE_HOUR = {"half past ": 30, "quarter past ": 15, "quarter to ": -15}

Value = str | int


def find_slots(text: str, slots: dict[str, Slot], asked: str | None, today: str | None) -> dict[str, Value]:
    """Find the values of slots in a text. `asked`: the slot that was just asked for; a bare number is meant for it.

    `today` is the weekday that the agent's instructions name; "tomorrow" needs it.
    """
    found: dict[str, Value] = {}
    rest = text
    for name, slot in sorted(slots.items(), key=lambda entry: entry[1].kind != "time"):
        value: Value | None = None
        match slot.kind:
            case "weekday":
                value = find_weekday(text, today)
            case "time":
                value, rest = find_time(rest, bare=name == asked)
            case "number":
                value = find_number(rest)
            case "word":
                value = find_word(text, slot.words)
        if value is not None:
            found[name] = value
    return found


def find_weekday(text: str, today: str | None = None) -> str | None:
    """Find a day of the week; the last one said counts ("Friday, no, Saturday")."""
    days = re.findall(rf"\b({'|'.join(WEEKDAYS)})s?\b", text, re.IGNORECASE)
    if days:
        return str(days[-1]).capitalize()
    relative = re.search(r"\b(today|tonight|tomorrow)\b", text, re.IGNORECASE)
    if relative is None or today is None:
        return None
    later = 1 if relative[1].lower() == "tomorrow" else 0
    return WEEKDAYS[(WEEKDAYS.index(today) + later) % 7]


def find_number(text: str) -> int | None:
    """Find the first number up to 99, in digits or words."""
    found = re.search(rf"\b({_NUMBER})\b", text, re.IGNORECASE)
    return None if found is None else _number(found[1])


def find_time(text: str, *, bare: bool = False) -> tuple[str | None, str]:
    """Find a time of day and write it as `19:30`; also return the text without it.

    "At seven", "7:30", "7 p.m.", "half past seven"; with `bare` also "seven" alone. Without a word about it, hours up
    to eleven are taken for the evening.
    """
    times = [(found, time) for found in _TIME.finditer(text) if (time := _time_of(found)) is not None]
    told = next((one for one in times if _is_told(one[0])), times[0] if bare and times else None)
    if told is None:
        return None, text
    found, time = told
    return time, text[: found.start()] + " " + text[found.end() :]


def _is_told(found: "re.Match[str]") -> bool:
    """Say whether a word about it tells that a number is a time."""
    certain = found["minute"] or found["half_past"] or found["half"] or found["clock"]
    return bool(certain) or (found["lead"] or "").lower() in {"at", "around", "about", "by"}


def find_word(text: str, words: dict[str, list[str]]) -> str | None:
    """Find one of a slot's words, or another word for it."""
    for value, others in words.items():
        if any(re.search(rf"\b{re.escape(word)}\b", text, re.IGNORECASE) for word in (value, *others)):
            return value
    return None


def say_value(value: object) -> str:
    """Write a value as it is said: `19:30` becomes "7:30 p.m.", a list one after the other."""
    if isinstance(value, list):
        return ", ".join(say_value(one) for one in value)
    time = re.fullmatch(r"([01]?\d|2[0-3]):([0-5]\d)", str(value))
    if time is None:
        return str(value)
    hour, minute = int(time[1]), time[2]
    half = "a.m." if hour < 12 else "p.m."
    return f"{(hour - 1) % 12 + 1}{'' if minute == '00' else f':{minute}'} {half}"


def _number(word: str) -> int:
    return int(word) if word.isdigit() else _UNITS.index(word.lower())


def _time_of(found: "re.Match[str]") -> str | None:
    spoken = (found["spoken"] or "").lower()
    minute = int(found["minute"] or (spoken if spoken.isdigit() else _MINUTES.get(spoken, 0)))
    minute += _BEFORE_HOUR.get((found["half_past"] or "").lower().replace("-", " "), 0)
    hour = _number(found["hour"])
    half = (found["half"] or "").strip().lower()
    morning = (half.startswith("a") and not half.startswith("at")) or half.endswith("morning")
    if hour == 12 and morning:
        hour = 0
    elif hour < 12 and not morning:
        hour += 12
    total = hour * 60 + minute
    return f"{total // 60:02}:{total % 60:02}" if 0 <= total < 24 * 60 and minute < 60 else None
