"""`hours` of an agent's YAML: when it takes calls, and who does otherwise.

    timezone: America/Los_Angeles
    hours:
      open:
        monday-thursday: 08:00-12:00, 13:00-18:00
        friday: 08:00-16:00
      days:                                 # a calendar: what differs from the week
        2026-12-24: 08:00-12:00
        2026-12-25: closed
      closed: We are closed now. Please call again on a weekday.      # said by the carrier, which then hangs up
      # or, for another agent to take the call: {agent: night}

A span may end on the next day (`22:00-02:00`), and then belongs to the day on which it begins; `24:00` ends a day. All
are times of a clock on the wall of the agent's time zone. Whoever takes a call instead takes it whatever its own hours.
"""

import re
from collections.abc import Iterator, Mapping
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import yaml

from voice_agent.agent import Agent, Hours, Span
from voice_agent.config.agent_keys import CLOSED, HOURS
from voice_agent.config.faults import nearest
from voice_agent.config.schema_forms import NAME
from voice_agent.config.yaml_nodes import Document, Fields, shorten, text_of

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")

_SPAN = re.compile(r"(\d{1,2}):(\d\d) ?- ?(\d{1,2}):(\d\d)")
_MINUTES = 24 * 60


def is_open(agent: Agent, now: datetime) -> bool:
    """Say whether an agent takes calls now; `now` must know its offset."""
    hours = agent.hours
    if hours is None or agent.timezone is None:
        return True
    local = now.astimezone(ZoneInfo(agent.timezone))
    minute = local.hour * 60 + local.minute
    today = local.date()
    yesterday = today - timedelta(days=1)
    return any(span.begin <= minute < span.end for span in _spans(hours, today)) or any(
        minute < span.end - _MINUTES for span in _spans(hours, yesterday)
    )


def _spans(hours: Hours, day: date) -> tuple[Span, ...]:
    own = hours.days.get(day.isoformat())
    return hours.week.get(WEEKDAYS[day.weekday()], ()) if own is None else own


def read_hours(fields: Fields) -> Hours | None:
    """Read the key; faults are noted in its document."""
    stray = _stray_days(fields)
    known = (*HOURS, *stray)
    inner = fields.fields("hours", known, "{open: {monday-friday: 08:00-18:00}, closed: We are closed now.}")
    if inner is None:
        return None
    for name, at in stray.items():
        fields.document.fault(at, f'"{shorten(name)}" stands below "open"; write "open: {{{shorten(name)}: ...}}"')
    if fields.node("timezone") is None:
        fields.document.fault(inner.at, '"hours" needs a time zone; add e.g. "timezone: America/Los_Angeles"')
    week = _week(inner)
    agent, message = _otherwise(inner)
    return Hours(week=week, days=_days(inner), agent=agent, message=message)


def _stray_days(fields: Fields) -> dict[str, yaml.Node]:
    """Find days of the week that stand beside `open` instead of below it."""
    node = fields.node("hours")
    keys = (
        [key for key, _ in node.value if isinstance(key, yaml.ScalarNode)] if isinstance(node, yaml.MappingNode) else []
    )
    return {key.value: key for key in keys if key.value.partition("-")[0].strip().lower() in WEEKDAYS}


def _week(fields: Fields) -> dict[str, tuple[Span, ...]]:
    inner = fields.fields("open", (), "{monday-friday: 08:00-18:00}")
    if inner is None:
        if fields.node("open") is None:
            fields.missing("open", "open: {monday-friday: 08:00-18:00}")
        return {}
    week: dict[str, tuple[Span, ...]] = {}
    for key, node in inner.nodes():
        spans = _read_spans(fields.document, node)
        for day in _weekdays(fields.document, node, key):
            if day in week:
                fields.document.fault(node, f"{day} is there twice; keep one")
            week[day] = spans
    return week


def _weekdays(document: Document, node: yaml.Node, key: str) -> tuple[str, ...]:
    first, dash, last = (part.strip().lower() for part in key.partition("-"))
    names = (first, last) if dash else (first,)
    for name in names:
        if name not in WEEKDAYS:
            near = nearest(name, WEEKDAYS)
            what = f'did you mean "{near}"?' if near else 'write e.g. "monday" or "monday-friday"'
            document.fault(node, f'"{shorten(key)}" is no day of the week; {what}')
            return ()
    begin, end = WEEKDAYS.index(names[0]), WEEKDAYS.index(names[-1])
    return tuple(WEEKDAYS[(begin + number) % 7] for number in range((end - begin) % 7 + 1))


def _days(fields: Fields) -> dict[str, tuple[Span, ...]]:
    inner = fields.fields("days", (), "{2026-12-25: closed}")
    if inner is None:
        return {}
    days: dict[str, tuple[Span, ...]] = {}
    for key, node in inner.nodes():
        try:
            is_date = date.fromisoformat(key).isoformat() == key  # 2026-W52-5 is one, too, and never looked for
        except ValueError:
            is_date = False
        if not is_date:
            fields.document.fault(node, f'"{shorten(key)}" is no date; write it like 2026-12-25')
            continue
        days[key] = _read_spans(fields.document, node)
    return days


def _read_spans(document: Document, node: yaml.Node) -> tuple[Span, ...]:
    text = text_of(document, node, "a day's hours", "")
    if text == "closed":
        return ()
    spans = [span for part in text.split(",") if (span := _span(part.strip()))] if text else []
    if isinstance(node, yaml.ScalarNode) and len(spans) != len(text.split(",")):
        document.fault(node, f'"{shorten(text)}" are no hours; write e.g. "08:00-12:00, 13:00-18:00" or "closed"')
    return tuple(spans)


def _span(text: str) -> Span | None:
    found = _SPAN.fullmatch(text)
    if found is None:
        return None
    hours = int(found[1]), int(found[3])
    minutes = int(found[2]), int(found[4])
    begin, end = hours[0] * 60 + minutes[0], hours[1] * 60 + minutes[1]
    if max(minutes) > 59 or begin >= _MINUTES or end > _MINUTES or begin == end:
        return None
    return Span(begin, end if end > begin else end + _MINUTES)


def _otherwise(fields: Fields) -> tuple[str, str]:
    """Read who takes the call then, or what is said."""
    node = fields.node("closed")
    if node is None:
        fields.missing("closed", "closed: We are closed now.")
        return "", ""
    if not isinstance(node, yaml.MappingNode):
        message = text_of(fields.document, node, '"closed"', "")
        if isinstance(node, yaml.ScalarNode) and not message:
            fields.document.fault(node, '"closed" is empty; write what is said to the caller')
        return "", message
    inner = Fields(fields.document, node, tuple(CLOSED))
    agent = inner.text("agent", "")
    if inner.node("agent") is None:
        inner.missing("agent", "agent: night")
    elif not re.fullmatch(NAME, agent):
        fields.document.fault(node, f'"{shorten(agent)}" is no agent\'s name; write e.g. "closed: {{agent: night}}"')
    return agent, ""


def missing_agents(agents: Mapping[str, Agent]) -> Iterator[tuple[str, str]]:
    """Give each agent whose stand-in is not among all of them, by their names, and what is wrong."""
    for name, agent in agents.items():
        wanted = "" if agent.hours is None else agent.hours.agent
        if wanted and wanted not in agents:
            near = nearest(wanted, [other for other in agents if other != name])
            what = f'did you mean "{near}"?' if near else "its file must stand beside this one"
            yield name, f'no agent is named "{wanted}"; {what}'
        elif wanted == name:
            yield name, '"closed" names the agent itself; write what is said, or another agent'
