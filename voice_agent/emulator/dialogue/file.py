"""The dialogue file: what the local Realtime server says when there is no language model.

    tools: [opening_hours, hang_up]        # serves sessions that offer these tools
    greeting: Hello, how can I help?       # when nothing was said and no instruction tells what to say
    fallback: [Sorry, I did not get that., Could you say that in other words?]      # in turn
    silence: Are you still there?          # when the instructions say that the caller is silent
    goodbye: Thank you for calling, goodbye.
    resumed: I am sorry, that did not work. What else can I do?        # when they say that the call goes on
    transfer: One moment please, I will put you through.               # when they say that it is being transferred
    takes_over: Hello, you are through to billing.       # when another agent has handed the call over
    failed: I am sorry, I cannot look that up now.       # when a tool's output names an error or fits no answer
    slots:
      day: {kind: weekday, ask: "Which day do you mean?"}   # kinds: weekday, number, time (24 hours, "19:30"), word
      size: {kind: word, ask: "Small or big?", words: {small: [little, tiny], big: [large]}}
    intents:
      - examples: ["When are you open?", "What are your hours?"]   # the nearest one wins
        keywords: [open, hours]            # each one that is heard brings the intent nearer
        needs: [day]                       # asked for until all are known
        call: {name: opening_hours, arguments: {day: "{day}"}}
        answers:                           # after the call, the first that fits its output; "*" is any value
          - {when: {open: "*"}, say: "On {day} we are open {open}."}
          - {when: {day: "*"}, call: {name: holidays}, answers: [{say: "{day} is a holiday."}]}   # or calls once more
      - examples: [Goodbye.]
        say: Goodbye.                      # a text, or a list that is used in turn
        hang_up: true                      # calls hang_up after the words, in the same response

`{name}` in a text is a slot or a field of the tool's output; times of day are said as people say them. An output
that is no object of JSON (a text, a number, a list) is the field `output`.
"""

from pathlib import Path
from typing import Literal

import msgspec
import yaml

from voice_agent.errors import ConfigError

HANDOFF = "handoff"
"""The tool whose answer is spoken of by another dialogue, that of the agent who goes on."""

Scalar = str | int | float | bool


class Slot(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Something to be known before a tool can be called."""

    kind: Literal["weekday", "number", "time", "word"]
    ask: str
    words: dict[str, list[str]] = {}
    """For `word`: each value and the other words for it."""


class Call(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A function call. An argument that is one `{slot}` alone keeps the slot's type."""

    name: str
    arguments: dict[str, Scalar] = {}


class Answer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to say about a tool's output that has these fields, or to call next."""

    say: str = ""
    call: Call | None = None
    answers: list["Answer"] = []
    when: dict[str, Scalar] = {}


class Intent(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Something that a caller may want."""

    examples: list[str]
    keywords: list[str] = []
    needs: list[str] = []
    say: str | tuple[str, ...] = ()
    call: Call | None = None
    answers: list[Answer] = []
    hang_up: bool = False


class Dialogue(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One file."""

    tools: list[str]
    intents: list[Intent]
    slots: dict[str, Slot] = {}
    greeting: str = "Hello, how can I help?"
    fallback: tuple[str, ...] = ("Sorry, I did not get that.", "Could you say that in other words?")
    silence: str = "Are you still there?"
    goodbye: str = "Thank you for calling, goodbye."
    resumed: str = "I am sorry, that did not work. Is there anything else that I can do for you?"
    transfer: str = "One moment please, I will put you through."
    takes_over: str = "Hello, I am taking over."
    failed: str = "I am sorry, I cannot look that up now."


def load_dialogue(path: Path) -> Dialogue:
    """Read and check one file; raises `ConfigError`."""
    try:
        dialogue = msgspec.convert(yaml.safe_load(path.read_text("utf-8")), Dialogue)
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror or error}", str(path)) from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = f":{mark.line + 1}:{mark.column + 1}" if mark is not None else ""
        raise ConfigError(f"is not YAML: {error.problem}", f"{path}{place}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError("is not YAML in UTF-8", str(path)) from error
    except msgspec.ValidationError as error:
        raise ConfigError(f"{error}; the format stands in voice_agent/emulator/dialogue/file.py", str(path)) from error
    except (ValueError, OverflowError) as error:  # YAML takes 2026-99-99 for a date
        what = " ".join(str(error).split())[:100]
        raise ConfigError(f"holds a value that is none of its kind ({what}): put it in quotes", str(path)) from error
    except RecursionError:
        raise ConfigError("is nested without end", str(path)) from None
    _check(dialogue, path)
    return dialogue


def load_dialogues(folder: Path) -> list[Dialogue]:
    """Read every `*.dialogue.yaml` of a folder, in the order of their names; raises `ConfigError`."""
    return [load_dialogue(path) for path in sorted(folder.glob("*.dialogue.yaml"))]


def choose_dialogue(dialogues: list[Dialogue], tools: list[str]) -> Dialogue | None:
    """Choose the dialogue whose tools a session offers; of several the one with most, then the first."""
    fitting = [dialogue for dialogue in dialogues if set(dialogue.tools) <= set(tools)]
    return max(fitting, key=lambda dialogue: len(dialogue.tools), default=None)


def _check(dialogue: Dialogue, path: Path) -> None:
    """What only a call would find wrong is found now."""
    if not dialogue.fallback:
        raise ConfigError("fallback must not be empty", str(path))
    for number, intent in enumerate(dialogue.intents, 1):
        where = f"{path}: intent {number}"
        if not intent.examples:
            raise ConfigError("examples must not be empty", where)
        for name in intent.needs:
            if name not in dialogue.slots:
                raise ConfigError(f'needs "{name}", but slots has only {", ".join(dialogue.slots) or "none"}', where)
        _check_call(dialogue, intent.call, intent.answers, where)
        if intent.call is None and not intent.say:
            raise ConfigError("neither says nor calls anything: add say or call", where)
        if intent.hang_up and "hang_up" not in dialogue.tools:
            raise ConfigError("hangs up, so tools must contain hang_up", where)


def _check_call(dialogue: Dialogue, call: Call | None, answers: list[Answer], where: str) -> None:
    if call is None:
        return
    if call.name not in dialogue.tools:
        raise ConfigError(f'calls "{call.name}", which is not among the tools above', where)
    if not answers and call.name != HANDOFF:
        raise ConfigError("calls a tool, so it must say what to answer: add answers", where)
    for answer in answers:
        if answer.call is None and not answer.say:
            raise ConfigError("an answer neither says nor calls anything: add say or call", where)
        _check_call(dialogue, answer.call, answer.answers, where)
