"""YAML as nodes that know their line and column, read strictly: whatever nobody asked for is a fault.

PyYAML's own constructors are never run, so no tag can make an object and `off`, `010` or `12:30` stay what the user
typed. Every `take` records a fault and hands back the default instead of raising, so that one pass finds all faults;
`Document.finish` raises them. It must not know what an agent is.
"""

import re
from collections.abc import Sequence
from typing import Any, NamedTuple, TypeVar

import yaml

from voice_agent.config.faults import instead, raise_all
from voice_agent.errors import ConfigError

MAX_CHARACTERS = 256 * 1024
"""Far beyond any instructions that a model would follow; keeps a wrong path (a log, a video) from being parsed."""

MAX_DEPTH = 20
"""An agent needs four levels. PyYAML recurses on each, so that an unbounded depth would end the interpreter's stack."""

MAX_NODES = 20_000
"""Values, each alias counted as all that it stands for: a few lines of aliases of aliases stand for billions."""

_STANDARD_TAGS = {
    f"tag:yaml.org,2002:{kind}" for kind in ("str", "int", "float", "bool", "null", "timestamp", "seq", "map")
}
_NULL = "tag:yaml.org,2002:null"
_TRUE = ("true", "yes", "on")
_FALSE = ("false", "no", "off")
_INTEGER = re.compile(r"[+-]?[0-9]{1,12}")
_NUMBER = re.compile(r"[+-]?([0-9]{1,12}|[0-9]{0,12}\.[0-9]{1,12})")
_JSON_NUMBER = re.compile(r"-?(0|[1-9][0-9]{0,14})(\.[0-9]{1,12})?")
_JSON_WORDS = {"true": True, "false": False, "null": None, "~": None, "": None}

T = TypeVar("T")
Choice = TypeVar("Choice", bound=str)


class _TooMuch(yaml.error.MarkedYAMLError):
    """Nested beyond `MAX_DEPTH`, more than `MAX_NODES`, or without end."""


class _Measure(NamedTuple):
    """What a node holds, aliases written out."""

    nodes: int
    depth: int


class _Loader(yaml.SafeLoader):
    """Composes nodes only, to a bounded depth and number, aliases written out."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._depth = 0
        self._deepest = 0
        """Of what has been composed since the node around it began."""
        self._nodes = 0
        self._measured: dict[str, _Measure] = {}
        """By their anchors, the nodes that are complete."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call] # the stubs leave it out
        anchor: str = getattr(event, "anchor", None) or ""
        measure = _Measure(1, 1)
        is_alias = isinstance(event, yaml.AliasEvent)
        if is_alias and anchor in self.anchors:
            if anchor not in self._measured:
                raise _TooMuch(
                    problem=f'the alias "*{shorten(anchor)}" stands in itself', problem_mark=event.start_mark
                )
            measure = self._measured[anchor]
        before, around = self._nodes, self._deepest
        self._nodes += measure.nodes
        self._depth += 1
        self._deepest = self._depth + measure.depth - 1
        if self._deepest > MAX_DEPTH:
            raise _TooMuch(problem=f"nested more than {MAX_DEPTH} deep", problem_mark=event.start_mark)
        if self._nodes > MAX_NODES:
            raise _TooMuch(problem=f"more than {MAX_NODES} values", problem_mark=event.start_mark)
        node = super().compose_node(parent, index)
        if anchor and not is_alias:
            self._measured[anchor] = _Measure(self._nodes - before, self._deepest - self._depth + 1)
        self._depth -= 1
        self._deepest = max(self._deepest, around)
        return node


class Document:
    """One file being read: its text, and the faults found so far."""

    def __init__(self, file: str, text: str) -> None:
        self.file = file
        self.text = text
        self._faults: list[tuple[int, int, ConfigError]] = []

    def place(self, line: int, column: int) -> str:
        """`file:line:column` of a place counted from 0, as an editor opens it: counted from 1."""
        return f"{self.file}:{line + 1}:{column + 1}"

    def fault(self, at: yaml.Node | yaml.Mark, what: str) -> None:
        """Note that something is wrong where `at` begins."""
        mark = at.start_mark if isinstance(at, yaml.Node) else at
        self.fault_at(mark.line, mark.column, what)

    def fault_at(self, line: int, column: int, what: str) -> None:
        """Note that something is wrong at a place counted from 0."""
        self._faults.append((line, column, ConfigError(what, self.place(line, column))))

    def source(self, node: yaml.Node) -> str:
        """Return what the user typed for a node, e.g. to look for a word in it."""
        return self.text[node.start_mark.index : node.end_mark.index]

    @property
    def faultless(self) -> bool:
        """Whether nothing wrong has been found yet."""
        return not self._faults

    def finish(self) -> None:
        """Raise every fault noted, in the order of the file; none: return."""
        raise_all(error for _, _, error in sorted(self._faults, key=lambda fault: fault[:2]))


def compose(
    file: str, text: str, what: str = "an agent file", begin: str = '"name: ..." and "instructions: ..."'
) -> tuple[Document, yaml.MappingNode]:
    """Parse one YAML document whose top is a mapping; raises `ConfigError` with the place for anything else.

    `what` is expected, which may `begin` so: for the messages.
    """
    if len(text) > MAX_CHARACTERS:
        raise ConfigError(f"longer than {MAX_CHARACTERS} characters; is this {what}?", file)
    text = text.removeprefix("\ufeff")
    document = Document(file, text)
    top = _parse(document)
    if top is None:
        raise ConfigError(f"the file is empty; begin with {begin}", document.place(0, 0))
    if not isinstance(top, yaml.MappingNode):
        document.fault(top, f'expected "key: value" lines, not {kind_of(top)}')
        document.finish()
    assert isinstance(top, yaml.MappingNode), "anything else has just been raised"
    return document, top


def _parse(document: Document) -> yaml.Node | None:
    loader = None
    try:
        loader = _Loader(document.text)
        node: yaml.Node | None = loader.get_single_node()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line, mark.column) if mark else (0, 0)
        raise ConfigError(_explain(document, error, line), document.place(line, column)) from None
    except yaml.reader.ReaderError as error:
        before = document.text[: error.position]
        place = document.place(before.count("\n"), len(before) - before.rfind("\n") - 1)
        raise ConfigError("a character that YAML does not allow; remove it", place) from None
    except (ValueError, OverflowError):
        # PyYAML hands "\U00110000" and the like straight to chr() (scanner.scan_flow_scalar_non_spaces).
        place = document.place(loader.line, loader.column) if loader else document.file
        raise ConfigError("an escape or version that stands for no character or number", place) from None
    else:
        return node
    finally:
        if loader is not None:
            loader.dispose()


def _explain(document: Document, error: yaml.MarkedYAMLError, line: int) -> str:
    problem = str(error.problem or error.context or "cannot be read")
    lines = document.text.splitlines()
    typed = lines[line] if line < len(lines) else ""
    if isinstance(error, _TooMuch):
        return problem
    if "\\t" in problem:
        return "a tab; YAML is indented with spaces"
    if re.search(r":\s*\{\{", typed) or ("{{" in typed and "but got '{'" in problem):
        return 'a text that begins with "{{", or holds it within braces, must stand in quotes'
    if "mapping values are not allowed" in problem:
        return 'a ": " inside a text; put the text in quotes, or indent it below a "|"'
    if "another document" in problem:
        return 'a second document begins here; one agent a file: move it to a file of its own, or take out the "---"'
    # Where something was opened is where the fault is, most of the time; the parser stops at the end of the file.
    opened = error.context_mark
    if error.context and opened and opened.line != line:
        problem = f"{problem} ({error.context} that begins in line {opened.line + 1})"
    return f"not YAML: {problem}"


def kind_of(node: yaml.Node) -> str:
    """Say what a node is, in the user's words."""
    if isinstance(node, yaml.MappingNode):
        return "a mapping"
    if isinstance(node, yaml.SequenceNode):
        return "a list"
    return "nothing" if node.tag == _NULL else f'"{shorten(node.value)}"'


def shorten(text: str) -> str:
    """Cut a value to what an error shows of it: one line, at most 40 characters, nothing that a terminal obeys."""
    line = "".join(character if character.isprintable() else " " for character in text)
    return line if len(line) <= 40 else f"{line[:39]}…"


class Fields:
    """The keys of one mapping, each read at most once; unknown, doubled and odd ones are faults from the start."""

    def __init__(self, document: Document, node: yaml.MappingNode, known: Sequence[str]) -> None:
        self.document = document
        self.at = node
        self._nodes: dict[str, yaml.Node] = {}
        for key, value in node.value:
            self._admit(key, value, known)

    def _admit(self, key: yaml.Node, value: yaml.Node, known: Sequence[str]) -> None:
        if not isinstance(key, yaml.ScalarNode):
            self.document.fault(key, f"a key must be one word, not {kind_of(key)}")
        elif key.value == "<<":
            self.document.fault(key, 'merge keys ("<<") are not supported; write the keys out')
        elif key.value in self._nodes:
            first = self._nodes[key.value].start_mark.line + 1
            self.document.fault(key, f'key "{shorten(key.value)}" is there twice (line {first}); keep one')
        elif known and key.value not in known:
            self.document.fault(key, f'unknown key "{shorten(key.value)}"; {instead(key.value, known)}')
        elif value.tag not in _STANDARD_TAGS:
            self.document.fault(value, f'the tag "{shorten(value.tag)}" is not supported; write the plain value')
        else:
            self._nodes[key.value] = value

    def nodes(self) -> list[tuple[str, yaml.Node]]:
        """List the keys that are there and known, with their values, in the order of the file."""
        return list(self._nodes.items())

    def node(self, key: str) -> yaml.Node | None:
        """Return the value as it stands, for values that may take several forms; `None`: the key is absent."""
        return self._nodes.get(key)

    def missing(self, key: str, example: str) -> None:
        """Note that a required key is not there."""
        self.document.fault(self.at, f'key "{key}" is missing; write e.g. "{example}"')

    def text(self, key: str, default: T) -> str | T:
        """Read a text, as typed (`007` and `yes` are texts too), without white space around it."""
        node = self._nodes.get(key)
        return default if node is None else text_of(self.document, node, f'"{key}"', default)

    def choice(self, key: str, choices: Sequence[Choice], default: Choice) -> Choice:
        """Read one word out of several."""
        node = self._nodes.get(key)
        if node is None:
            return default
        if isinstance(node, yaml.ScalarNode):
            for choice in choices:
                if node.value == choice:
                    return choice
        typed = node.value if isinstance(node, yaml.ScalarNode) else ""
        self.document.fault(node, f'"{key}" cannot be {kind_of(node)}; {instead(typed, choices)}')
        return default

    def flag(self, key: str, default: bool) -> bool:
        """Read true or false."""
        node = self._nodes.get(key)
        if node is None:
            return default
        word = node.value.lower() if isinstance(node, yaml.ScalarNode) else ""
        if word not in _TRUE + _FALSE:
            self.document.fault(node, f'"{key}" must be true or false, not {kind_of(node)}')
        return word in _TRUE

    def integer(self, key: str, default: int, lowest: int, highest: int) -> int:
        """Read a whole number within bounds."""
        node = self._nodes.get(key)
        if node is None:
            return default
        if isinstance(node, yaml.ScalarNode) and _INTEGER.fullmatch(node.value):
            number = int(node.value)
            if lowest <= number <= highest:
                return number
        self.document.fault(node, f'"{key}" must be a whole number from {lowest} to {highest}, not {kind_of(node)}')
        return default

    def number(self, key: str, default: float, lowest: float, highest: float) -> float:
        """Read a number within bounds."""
        node = self._nodes.get(key)
        if node is None:
            return default
        if isinstance(node, yaml.ScalarNode) and _NUMBER.fullmatch(node.value):
            number = float(node.value)
            if lowest <= number <= highest:
                return number
        self.document.fault(node, f'"{key}" must be a number from {lowest} to {highest}, not {kind_of(node)}')
        return default

    def items(self, key: str, example: str) -> list[yaml.Node]:
        """Read the entries of a list; absent: none."""
        node = self._nodes.get(key)
        if node is None:
            return []
        if isinstance(node, yaml.SequenceNode):
            return list(node.value)
        self.document.fault(node, f'"{key}" must be a list, not {kind_of(node)}; write e.g. {example}')
        return []

    def fields(self, key: str, known: Sequence[str], example: str) -> "Fields | None":
        """Read a mapping within this one; no `known` keys: any. Absent: `None`."""
        node = self._nodes.get(key)
        if node is None:
            return None
        if isinstance(node, yaml.MappingNode):
            return Fields(self.document, node, known)
        self.document.fault(node, f'"{key}" must be a mapping, not {kind_of(node)}; write e.g. {example}')
        return None


def text_of(document: Document, node: yaml.Node, what: str, default: T) -> str | T:
    """Read the text of one node; `what` names it in the fault."""
    if not isinstance(node, yaml.ScalarNode) or node.tag == _NULL:
        hint = 'a text that begins with "{{" must stand in quotes' if document.source(node).startswith("{{") else ""
        document.fault(node, f"{what} must be a text, not {kind_of(node)}{'; ' if hint else ''}{hint}")
        return default
    if node.tag not in _STANDARD_TAGS:
        document.fault(node, f'the tag "{shorten(node.tag)}" is not supported; write the plain value')
        return default
    text = node.value.strip()
    if any(_unspeakable(character) for character in text):
        document.fault(node, f"{what} holds a control character; remove it")
        return default
    return str(text)


def read_json(document: Document, node: yaml.Node) -> Any:
    """Read a tree as JSON has it: `true`, `12`, `1.5` and `null` as typed without quotes, everything else as texts."""
    if isinstance(node, yaml.MappingNode):
        return {key: read_json(document, value) for key, value in Fields(document, node, ()).nodes()}
    if isinstance(node, yaml.SequenceNode):
        return [read_json(document, entry) for entry in node.value]
    if isinstance(node, yaml.ScalarNode) and node.style is None and node.tag in _STANDARD_TAGS:
        if node.value in _JSON_WORDS:
            return _JSON_WORDS[node.value]
        if _JSON_NUMBER.fullmatch(node.value):
            return float(node.value) if "." in node.value else int(node.value)
    return text_of(document, node, "a value", "")


def _unspeakable(character: str) -> bool:
    """Tell control characters and lone surrogates (a YAML escape makes them), which fit into no JSON message."""
    return (
        (character < " " and character not in "\n\t")
        or "\x7f" <= character <= "\x9f"
        or "\ud800" <= character <= "\udfff"
    )
