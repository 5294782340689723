"""HTTP headers as an agent's YAML names them, with `${NAME}` in the place of each secret (see `references`).

It must not know who is sent them.
"""

import re

import yaml

from voice_agent.config.references import PATTERN
from voice_agent.config.tool_schema import CREDENTIAL, HEADER
from voice_agent.config.yaml_nodes import Fields, shorten


def read_headers(fields: Fields) -> dict[str, str]:
    """Read the key `headers`."""
    inner = fields.fields("headers", (), '{X-Api-Key: "${CALENDAR_KEY}"}')
    if inner is None:
        return {}
    for name, node in inner.nodes():
        if not re.fullmatch(HEADER, name):
            inner.document.fault(node, f'"{shorten(name)}" is no name of a header; use letters, digits and "-"')
    return {name: _value(inner, name, node) for name, node in inner.nodes()}


def misplaced(name: str) -> str:
    """Say that a secret stands where a reference should."""
    return (
        f'"{name}" holds a secret, which does not belong into this file; write e.g. "${{CALENDAR_TOKEN}}" and set that'
    )


def _value(fields: Fields, name: str, node: yaml.Node) -> str:
    value = fields.text(name, "")
    if not (value.isascii() and value.isprintable()):
        fields.document.fault(node, f'header "{shorten(name)}" holds a line break or what is not ASCII; remove it')
    elif re.search(CREDENTIAL, name) and not re.search(PATTERN, value):
        # What stands there is not repeated: it may be the secret itself.
        fields.document.fault(node, misplaced(shorten(name)))
    return value
