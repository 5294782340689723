"""An `http` tool: a request that the model may have sent, as an agent's YAML describes it.

    - http:
        name: find_slot
        description: Find free appointment times.
        method: GET                                     # the default; or POST, PUT, PATCH, DELETE
        url: https://api.example.com/branches/{{ branch }}/slots
        parameters:
          day: {type: string, description: The day that the caller wants., enum: [Monday, Tuesday]}
          minutes: {type: integer, optional: true}
        headers: {Authorization: "Bearer ${CALENDAR_KEY}"}
        body: {day: "{{ day }}", phone: "{{ caller }}"} # of POST, PUT and PATCH; left out: the arguments
        timeout: 5                                      # seconds, at most `limits.tool_seconds`, the default
        take: slots                                     # or [slots, branch.name]: what the model gets of the answer
        allow_private: true                             # the host may be this machine or in an inner network

`{{ name }}` is a parameter or one of the call's variables (`caller`, `called`, `variables`). Parameters that stand in
no template are added to the URL's query, or are the body. `${NAME}` is a variable of the environment. It must not know
how a request is sent.
"""

import re
from collections.abc import Sequence
from typing import Any

import yaml

from voice_agent.agent import HttpRequest, Tool
from voice_agent.config.addresses import is_address, refusal_of
from voice_agent.config.header_keys import read_headers
from voice_agent.config.parameter_keys import (
    CALL_VARIABLES,
    Parameters,
    examine_templates,
    examine_use,
    read_name,
    read_parameters,
)
from voice_agent.config.placeholders import keys_of, leaves
from voice_agent.config.schema_forms import TOOL_SECONDS, Whole
from voice_agent.config.tool_schema import HTTP, HTTP_METHODS
from voice_agent.config.variables import is_loopback, split_url
from voice_agent.config.yaml_nodes import Fields, read_json, shorten, text_of

WITH_BODY = frozenset({"POST", "PUT", "PATCH"})
"""Methods whose arguments go into the body, unless a template says otherwise."""

EXAMPLE = "{name: find_slot, description: Find free times., url: https://api.example.com/slots}"

_RESERVED = frozenset(
    {
        "accept-encoding",
        "connection",
        "content-length",
        "expect",
        "host",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
"""Headers that belong to the transport."""


def read_http(fields: Fields, variables: Sequence[str]) -> Tool | None:
    """Read the key `http` of a tool. `variables`: the agent's own names."""
    inner = fields.fields("http", tuple(HTTP), EXAMPLE)
    if inner is None:
        return None
    known = (*variables, *CALL_VARIABLES)
    parameters = read_parameters(inner, known)
    request = read_request(inner, parameters, known)
    return Tool(
        name=read_name(inner),
        description=_description(inner),
        parameters=parameters.schema,
        kind="http",
        http=request,
    )


def read_request(
    fields: Fields, parameters: Parameters, variables: Sequence[str], seconds: Whole = TOOL_SECONDS
) -> HttpRequest:
    """Read what is sent. `variables`: what templates may name beside the parameters. `seconds`: bounds of `timeout`."""
    method = fields.choice("method", HTTP_METHODS, "GET")
    allow_private = fields.flag("allow_private", False)
    request = HttpRequest(
        method=method,
        url=_url(fields, allow_private),
        headers=_headers(fields),
        body=_body(fields, method),
        seconds=fields.integer("timeout", 0, *seconds) or None,
        take=_take(fields),
        allow_private=allow_private,
    )
    in_body = leaves(request.body)
    examine_templates(fields, {"url": [request.url], "body": in_body}, parameters, variables)
    if request.body is not None:
        examine_use(fields, [request.url, *in_body], parameters, "body")
    return request


def _description(fields: Fields) -> str:
    description = fields.text("description", "")
    node = fields.node("description")
    if node is None:
        fields.missing("description", "description: Find free appointment times.")
    elif isinstance(node, yaml.ScalarNode) and not description:
        fields.document.fault(node, '"description" is empty; say what the tool is for: the model goes by it')
    return description


# --- what is sent ----------------------------------------------------------------------------------------------------


def _url(fields: Fields, allow_private: bool) -> str:
    url = fields.text("url", "")
    node = fields.node("url")
    if node is None:
        fields.missing("url", "url: https://api.example.com/slots")
    elif isinstance(node, yaml.ScalarNode) and (problem := _problem_of_url(url, allow_private)):
        fields.document.fault(node, problem)
    return url


def _problem_of_url(url: str, allow_private: bool) -> str:
    bare = re.sub(r"\{\{.*?\}\}", "x", url)
    parts = split_url(bare)
    if parts is None or not parts.hostname or parts.scheme not in ("https", "http"):
        return f'"{shorten(url)}" is no address; write e.g. https://api.example.com/slots'
    host = re.match(r"[a-z]+://[^/?#]*", url)
    if host is None or "{" in host[0] or parts.username is not None:
        return "the host is fixed, without user and placeholder; secrets stand in headers"
    if parts.fragment or "#" in bare or not bare.isascii() or not bare.isprintable() or " " in bare or "\\" in bare:
        return "the url holds a space, a # or another character that none may hold; write it percent-encoded"
    if "${" in url:
        return 'secrets do not stand in the url, which logs show; write e.g. headers: {Authorization: "Bearer ${KEY}"}'
    if is_address(parts.hostname) and (refusal := refusal_of(parts.hostname, allow_private=allow_private)):
        return refusal
    if is_loopback(bare) and not allow_private:
        return f'{parts.hostname} is this machine; "allow_private: true" would allow it'
    if parts.scheme == "http" and not allow_private:
        return 'must begin with https://, for what callers say is sent there; http:// is for "allow_private: true" only'
    return ""


def _headers(fields: Fields) -> dict[str, str]:
    headers = read_headers(fields)
    at = fields.node("headers")
    for name, value in headers.items():
        assert at is not None, "they stand there"
        if name.lower() in _RESERVED:
            fields.document.fault(at, f'header "{name}" is set by itself; leave it out')
        elif "{{" in value:
            fields.document.fault(at, f'header "{name}" holds a placeholder; arguments stand in the url and the body')
    return headers


def _body(fields: Fields, method: str) -> Any:
    node = fields.node("body")
    if node is None:
        return None
    if method not in WITH_BODY:
        fields.document.fault(node, f'{method} has no body; write "method: POST", PUT or PATCH')
    body = read_json(fields.document, node)
    for name in keys_of(body):
        if "{{" in name:
            fields.document.fault(node, f'"{shorten(name)}" is a key of the body; placeholders stand in values')
    return body


def _take(fields: Fields) -> tuple[str, ...]:
    node = fields.node("take")
    if node is None:
        return ()
    nodes = list(node.value) if isinstance(node, yaml.SequenceNode) else [node]
    paths = [text_of(fields.document, entry, "a path", "") for entry in nodes]
    for path, entry in zip(paths, nodes, strict=True):
        if isinstance(entry, yaml.ScalarNode) and not all(path.split(".")):
            fields.document.fault(entry, f'"{shorten(path)}" is no path; write e.g. "slots" or "slots.0.time"')
    if not nodes:
        fields.document.fault(node, '"take" is empty; leave it out for the whole answer')
    return tuple(dict.fromkeys(paths))
