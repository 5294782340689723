"""The parameters of a tool as an agent's YAML names them, and the placeholders that stand for them.

Parameters
----------
      day: {type: string, description: The day that the caller wants., enum: [Monday, Tuesday]}
      minutes: {type: integer, optional: true}
      names: {type: array, items: {type: string}}

`{{ name }}` in a tool's texts is one of them or one of the call's variables. It must not know which texts there are.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import yaml

from voice_agent.config.faults import instead
from voice_agent.config.placeholders import NAME, has_broken, names_in, whole_name
from voice_agent.config.tool_schema import PARAMETER, PARAMETER_TYPES, TOOL_NAME
from voice_agent.config.yaml_nodes import Document, Fields, kind_of, shorten, text_of

CALL_VARIABLES = ("caller", "called")
"""Known to the templates of every tool. `now` is not: whoever is asked has a clock."""


class Parameters(NamedTuple):
    """What the model gives."""

    properties: dict[str, Any]
    """JSON Schema by name."""
    required: list[str]

    @property
    def schema(self) -> dict[str, Any]:
        """The JSON Schema of all of them."""
        schema: dict[str, Any] = {"type": "object", "properties": self.properties, "additionalProperties": False}
        return {**schema, "required": self.required} if self.required else schema


def read_name(fields: Fields, usual: str = "") -> str:
    """Read the key `name`, by which the model calls a tool; required where there is no usual one."""
    name = fields.text("name", usual)
    node = fields.node("name")
    if node is None and not usual:
        fields.missing("name", "name: find_slot")
    elif isinstance(node, yaml.ScalarNode) and not re.fullmatch(TOOL_NAME, name):
        what = f'"{shorten(name)}" is no name of a tool; use at most 64 letters, digits and "_", a letter first'
        fields.document.fault(node, what)
    return name


def read_parameters(fields: Fields, variables: Sequence[str]) -> Parameters:
    """Read the key `parameters`; none of them may bear the name of a variable."""
    inner = fields.fields("parameters", (), "{day: {type: string}}")
    found = Parameters({}, [])
    for name, node in () if inner is None else inner.nodes():
        document = fields.document
        if not re.fullmatch(NAME, name):
            document.fault(node, f'"{shorten(name)}" is no name of a parameter; use letters, digits and "_"')
        elif name in variables:
            document.fault(node, f'"{name}" is a variable of the call already; give the parameter another name')
        if not isinstance(node, yaml.MappingNode):
            document.fault(node, f'"{name}" must be a mapping, not {kind_of(node)}; write e.g. {{type: string}}')
            continue
        keys = Fields(document, node, tuple(PARAMETER))
        found.properties[name] = _parameter(keys)
        if not keys.flag("optional", False):
            found.required.append(name)
    return found


def _parameter(keys: Fields) -> dict[str, Any]:
    if keys.node("type") is None:
        keys.missing("type", "type: string")
    kind = keys.choice("type", PARAMETER_TYPES, "string")
    schema: dict[str, Any] = {"type": kind}
    if description := keys.text("description", ""):
        schema["description"] = description
    items = keys.node("items")
    if kind == "array":
        inner = keys.fields("items", ("type", "enum"), "{type: string}")
        schema["items"] = {"type": "string"} if inner is None else _entry(inner)
    elif items is not None:
        keys.document.fault(items, '"items" is for "type: array"')
    return schema | _enum(keys, kind)


def _entry(keys: Fields) -> dict[str, Any]:
    kind = keys.choice("type", PARAMETER_TYPES[:-1], "string")
    return {"type": kind} | _enum(keys, kind)


def _enum(keys: Fields, kind: str) -> dict[str, Any]:
    at = keys.node("enum")
    if at is None:
        return {}
    if kind not in ("string", "integer"):
        keys.document.fault(at, '"enum" is for texts and whole numbers')
        return {}
    nodes = keys.items("enum", "[Monday, Tuesday]")
    values = [_choice(keys.document, node, kind) for node in nodes]
    if not nodes and isinstance(at, yaml.SequenceNode):
        keys.document.fault(at, '"enum" is empty; name the values that are allowed')
    return {"enum": list(dict.fromkeys(values))}  # JSON Schema wants each once


def _choice(document: Document, node: yaml.Node, kind: str) -> str | int:
    text = text_of(document, node, "a value", "")
    if kind == "string":
        return text
    if re.fullmatch("-?[0-9]{1,12}", text):
        return int(text)
    document.fault(node, f"a value must be a whole number, not {kind_of(node)}")
    return 0


def examine_templates(
    fields: Fields, texts: Mapping[str, Sequence[str]], parameters: Parameters, variables: Sequence[str]
) -> None:
    """Hold the placeholders of each key's texts against what there is; faults are noted."""
    known = (*parameters.properties, *variables)
    for key, several in texts.items():
        node = fields.node(key)
        if node is None:
            continue
        for text in several:
            if has_broken(text):
                fields.document.fault(node, f'"{key}" holds braces that are no placeholder; write "{{{{ name }}}}"')
            for name in names_in(text):
                if problem := _problem_of_name(name, text, key, parameters, known):
                    fields.document.fault(node, problem)


def examine_use(fields: Fields, texts: Sequence[str], parameters: Parameters, key: str) -> None:
    """Note the parameters that stand in no text, though `key` names all that is sent."""
    at = fields.node("parameters")
    used = {name for text in texts for name in names_in(text)}
    for name in parameters.properties if at is not None else ():
        assert at is not None, "there are none without it"
        if name not in used:
            fields.document.fault(at, f'parameter "{name}" is sent nowhere; put "{{{{ {name} }}}}" into the {key}')


def _problem_of_name(name: str, text: str, key: str, parameters: Parameters, known: Sequence[str]) -> str:
    if name not in known:
        return f'"{{{{ {name} }}}}" in "{key}" is neither a parameter nor a variable; {instead(name, known)}'
    if name not in parameters.properties or (key == "body" and whole_name(text)):
        return ""
    if parameters.properties[name]["type"] == "array":
        return f'"{name}" is a list, which cannot stand within a text of "{key}"; {_ALONE[key]}'
    if name not in parameters.required:
        return f'"{name}" may be left out, so it cannot stand within a text of "{key}"; {_ALONE[key]}'
    return ""


_ALONE = {
    "url": "take it out there, and it is added to the query",
    "body": 'let it be the whole text: "{{ name }}"',
    "text": "take it out there",
}
