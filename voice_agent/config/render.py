"""Fills `{{ variables }}` into an agent's texts, once a call.

Templates come from the agent's file only. What a caller controls (the number, later anything said) is put in as a
value and is never read as a template. Known in every text: the agent's own variables, `caller`, `called` and, for an
agent with a time zone, `now`, usually as `{{ now | date }}` (Sunday, 22 November 2026) or `{{ now | time }}` (14:05).
It must not read a clock: `now` is an argument.
"""

import functools
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import jinja2
import jinja2.meta
import jinja2.sandbox
import msgspec
from jinja2 import nodes

from voice_agent.agent import Agent, Tool
from voice_agent.config.callers import shown_caller
from voice_agent.config.faults import instead
from voice_agent.config.placeholders import leaves, names_in
from voice_agent.errors import ConfigError

BUILT_IN = ("caller", "called", "now")
"""Names that mean the same for every agent; `variables` cannot declare them."""

MAX_CALLER_CHARACTERS = 64
"""Twilio's `From` is a number, a word, a `client:` name or a SIP address that a stranger may have chosen."""

_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip


class TemplateFault(NamedTuple):
    """Something wrong in a text with variables."""

    what: str
    line: int
    """Counted from 1 within the text."""
    word: str = ""
    """What to look for in the text to find the place; empty: only the line is known."""


def _date(moment: object) -> str:
    """Written out in English whatever the machine's locale, because the instructions mostly are."""
    if not isinstance(moment, datetime):
        raise jinja2.TemplateRuntimeError('"date" is for "now": write "{{ now | date }}"')
    return f"{_DAYS[moment.weekday()]}, {moment.day} {_MONTHS[moment.month - 1]} {moment.year}"


def _time(moment: object) -> str:
    if not isinstance(moment, datetime):
        raise jinja2.TemplateRuntimeError('"time" is for "now": write "{{ now | time }}"')
    return f"{moment.hour:02}:{moment.minute:02}"


def _environment() -> jinja2.sandbox.ImmutableSandboxedEnvironment:
    environment = jinja2.sandbox.ImmutableSandboxedEnvironment(
        undefined=jinja2.StrictUndefined,
        autoescape=False,  # the text is read by a model, which would speak an "&amp;"
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.clear()
    environment.filters |= {"date": _date, "time": _time}
    return environment


_ENVIRONMENT = _environment()


@functools.lru_cache(maxsize=256)
def _template(text: str) -> jinja2.Template:
    """Compile a text once: it takes longer than all the rest of a webhook's work."""
    return _ENVIRONMENT.from_string(text)


@functools.lru_cache(maxsize=256)
def variables_in(text: str) -> frozenset[str]:
    """Name the variables of a text that was found good."""
    return frozenset(jinja2.meta.find_undeclared_variables(_ENVIRONMENT.parse(text)))


def render(agent: Agent, caller: str, called: str, now: datetime, variables: Mapping[str, str] | None = None) -> Agent:
    """Fill in the texts of the agent for one call. `variables` add to the agent's own and win over them, on one line.

    `now` must know its offset; it is told in the agent's time zone. Raises `ConfigError` for a text that fails only
    with these values (`load_agent` has tried all of them with others).
    """
    assert now.tzinfo is not None, "a time without an offset cannot be told in another time zone"
    # A list's or another program's: a customer's name may be what a stranger typed into a form.
    own = {**agent.variables, **{name: _on_one_line(value) for name, value in (variables or {}).items()}}
    values: dict[str, Any] = {**own, "caller": shown_caller(_plain(caller)), "called": _plain(called)}
    if agent.timezone is not None:
        values["now"] = now.astimezone(ZoneInfo(agent.timezone))

    def fill(key: str, text: str) -> str:
        try:
            return _template(text).render(values)
        except Exception as error:  # an expression in the text may fail in any way Python can
            raise ConfigError(f'"{key}" cannot be filled in: {_one_line(error)}', f"agent {agent.name}") from error

    transcription = agent.transcription
    if transcription is not None and transcription.prompt is not None:
        prompt = fill("transcription.prompt", transcription.prompt)
        transcription = msgspec.structs.replace(transcription, prompt=prompt)
    hours = agent.hours
    if hours is not None and hours.message:
        hours = msgspec.structs.replace(hours, message=fill("hours.closed", hours.message))
    on_machine = agent.on_machine
    if on_machine is not None:
        on_machine = msgspec.structs.replace(on_machine, text=fill("on_machine", on_machine.text))
    last_resort = agent.last_resort
    if last_resort is not None:
        last_resort = msgspec.structs.replace(last_resort, say=fill("last_resort.say", last_resort.say))
    model = agent.model
    if model.prompt is not None:
        filled = {key: fill(f"model.prompt.variables.{key}", text) for key, text in model.prompt.variables.items()}
        model = msgspec.structs.replace(model, prompt=msgspec.structs.replace(model.prompt, variables=filled))
    return msgspec.structs.replace(
        agent,
        instructions=fill("instructions", agent.instructions) + _languages(agent),
        greeting=None if agent.greeting is None else fill("greeting", agent.greeting),
        consent=None if agent.consent is None else fill("consent", agent.consent),
        on_machine=on_machine,
        last_resort=last_resort,
        transcription=transcription,
        hours=hours,
        model=model,
        tools=tuple(_with_values(tool, {name: str(value) for name, value in values.items()}) for tool in agent.tools),
        variables=own,
    )


def texts_of(agent: Agent) -> Iterator[tuple[str, str]]:
    """List the texts of an agent that may hold variables, as its file has them, with their keys."""
    texts = {
        "instructions": agent.instructions,
        "greeting": agent.greeting,
        "consent": agent.consent,
        "hours.closed": None if agent.hours is None else agent.hours.message,
        "on_machine": None if agent.on_machine is None else agent.on_machine.text,
        "last_resort.say": None if agent.last_resort is None else agent.last_resort.say,
        "transcription.prompt": None if agent.transcription is None else agent.transcription.prompt,
    }
    prompt = agent.model.prompt
    texts |= {} if prompt is None else {f"model.prompt.variables.{key}": text for key, text in prompt.variables.items()}
    yield from ((key, text) for key, text in texts.items() if text)


_PLAIN = (
    nodes.Output, nodes.TemplateData, nodes.Name, nodes.Const, nodes.Getattr, nodes.Getitem, nodes.Slice,
    nodes.If, nodes.CondExpr, nodes.And, nodes.Or, nodes.Not, nodes.Compare, nodes.Operand, nodes.Test,
    nodes.Add, nodes.Sub, nodes.Neg, nodes.Concat, nodes.Filter,
)  # fmt: skip
_PLAIN_FILTERS = frozenset({"date", "time", "upper", "lower", "title", "capitalize", "trim", "default", "d", "length"})


def is_plain(text: str) -> bool:
    """Tell whether a text is filled in within the time that it takes to read it; one that cannot be read is told so.

    `{{ 7 ** 10_000_000 }}` alone would stop all calls of the process for minutes.
    """
    try:
        parsed = _ENVIRONMENT.parse(text)
    except Exception:  # noqa: BLE001 - as in `faults_of`, which says what is wrong
        return True
    return all(
        isinstance(node, _PLAIN) and (not isinstance(node, nodes.Filter) or node.name in _PLAIN_FILTERS)
        for node in parsed.find_all(nodes.Node)
    )


def _languages(agent: Agent) -> str:
    """Tell the model which languages it may speak, where there are several."""
    if not agent.languages or not agent.instructions:  # alone they would take the place of kept instructions
        return ""
    known = ", ".join((agent.language, *agent.languages))
    return (
        f"\n\nBegin in the language {agent.language}. When the caller speaks another one of these, go on in it: "
        f"{known} (codes of BCP 47). Speak no other language; say so in the caller's, if you can."
    )


def _with_values(tool: Tool, values: Mapping[str, str]) -> Tool:
    """Give a tool the values that its templates name; they are put into their places when it is called."""
    if tool.sms is not None:
        named = {"caller", "called", *names_in(tool.sms.text or "")} - set(tool.parameters["properties"])
        sms = msgspec.structs.replace(tool.sms, values={name: values[name] for name in sorted(named)})
        return msgspec.structs.replace(tool, sms=sms)
    if tool.http is None:
        return tool
    named = {name for text in (tool.http.url, *leaves(tool.http.body)) for name in names_in(text)}
    named -= set(tool.parameters["properties"])
    http = msgspec.structs.replace(tool.http, values={name: values[name] for name in sorted(named)})
    return msgspec.structs.replace(tool, http=http)


def faults_of(text: str, variables: Mapping[str, str], timezone: bool) -> Iterator[TemplateFault]:
    """Find what is wrong with a text before any call: syntax, undeclared names, a trial with sample values.

    `timezone` says whether the agent has one.
    """
    try:
        names = jinja2.meta.find_undeclared_variables(_ENVIRONMENT.parse(text))
    except jinja2.TemplateSyntaxError as error:
        yield TemplateFault(f"{{{{ }}}} cannot be read: {_one_line(error)}", error.lineno)
        return
    except Exception as error:  # noqa: BLE001 - jinja lets Python's own errors through: nesting too deep, an endless number
        yield TemplateFault(f"{{{{ }}}} cannot be read: {_one_line(error)}", 1)
        return
    known = (*variables, *BUILT_IN)
    unknown = sorted(names - set(known))
    for name in unknown:
        remedy = instead(name, known)
        yield TemplateFault(f'unknown variable "{name}"; {remedy}, or declare it under "variables"', 1, name)
    if "now" in names and not timezone:
        yield TemplateFault('"now" needs a time zone; add e.g. "timezone: America/Los_Angeles"', 1, "now")
    elif not unknown:
        yield from _trial(text, variables)


def _trial(text: str, variables: Mapping[str, str]) -> Iterator[TemplateFault]:
    sample = {"caller": "+14255550100", "called": "+14255550101", "now": datetime(2026, 11, 22, 14, 5, tzinfo=UTC)}
    try:
        _template(text).render({**variables, **sample})
    except Exception as error:  # noqa: BLE001 - as in `render`
        yield TemplateFault(f"cannot be filled in: {_one_line(error)}", 1)


def _one_line(error: Exception) -> str:
    if isinstance(error, jinja2.TemplateError):
        return error.message or "no reason given"
    return f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"


def _on_one_line(text: str) -> str:
    """Write what would end a line, or steer a terminal, as spaces."""
    return "".join(character if character.isprintable() else " " for character in text)


def _plain(text: str) -> str:
    """Bound a value from outside and drop control characters, so that it cannot pose as lines of the prompt."""
    return "".join(character for character in text if character.isprintable())[:MAX_CALLER_CHARACTERS]
