"""`lookup` of an agent's YAML: a request while the call still rings, keyed by who calls whom.

    variables: {name: "", plan: basic}          # as they are when nothing is found
    lookup:
      url: https://crm.example.com/callers/{{ caller }}
      headers: {Authorization: "Bearer ${CRM_KEY}"}
      timeout: 2                                # seconds, 3 unless it is said; the caller hears the phone ring
      variables: {name: customer.name, plan: customer.plan}       # where in the JSON answer each value stands
      agent: customer.desk                      # likewise the name of the agent that takes the call

`method`, `body` and `allow_private` are as for an `http` tool. What is not found stays as the file has it, and the call
is answered in any case. It must not know how a request is sent.
"""

import yaml

from voice_agent.agent import Lookup
from voice_agent.config.agent_keys import LOOKUP, LOOKUP_SECONDS
from voice_agent.config.http_tools import read_request
from voice_agent.config.parameter_keys import CALL_VARIABLES, Parameters
from voice_agent.config.yaml_nodes import Document, Fields, shorten, text_of


def read_lookup(fields: Fields, variables: dict[str, str]) -> Lookup | None:
    """Read the key; `variables` are the agent's own. Faults are noted in its document."""
    inner = fields.fields("lookup", tuple(LOOKUP), "{url: https://crm.example.com/callers/{{ caller }}}")
    if inner is None:
        return None
    request = read_request(inner, Parameters({}, []), (*variables, *CALL_VARIABLES), LOOKUP_SECONDS)
    paths = _paths(inner, variables)
    node = inner.node("agent")
    agent = "" if node is None else _path(inner.document, node)
    if not paths and not agent and inner.document.faultless:
        inner.missing("variables", "variables: {name: customer.name}")
    return Lookup(request=request, variables=paths, agent=agent)


def _paths(fields: Fields, variables: dict[str, str]) -> dict[str, str]:
    inner = fields.fields("variables", (), "{name: customer.name}")
    paths: dict[str, str] = {}
    for name, node in () if inner is None else inner.nodes():
        if name not in variables:
            what = f'"{shorten(name)}" is no variable of the agent; declare it under its "variables", with a value'
            fields.document.fault(node, f"{what} for calls of which nothing is found")
        paths[name] = _path(fields.document, node)
    return paths


def _path(document: Document, node: yaml.Node) -> str:
    path = text_of(document, node, "a path", "")
    if isinstance(node, yaml.ScalarNode) and not all(path.split(".")):
        document.fault(node, f'"{shorten(path)}" is no path; write e.g. "customer.name"')
    return path
