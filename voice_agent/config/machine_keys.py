"""What an agent's YAML says of answering machines that take its calls: `on_machine`.

    on_machine: hang_up                             # or `continue`: the detection only tells who answered
    on_machine: {leave: "Hello, this is the ..."}   # said behind the machine's greeting

It must not know how a machine is told from a person.
"""

import yaml

from voice_agent.agent import OnMachine
from voice_agent.config.agent_keys import ON_MACHINE, ON_MACHINE_WORDS
from voice_agent.config.faults import nearest
from voice_agent.config.yaml_nodes import Fields, kind_of


def read_on_machine(fields: Fields) -> OnMachine | None:
    """Read what becomes of a call that a machine takes; `None`: nobody asks who answered."""
    node = fields.node("on_machine")
    if node is None:
        return None
    if isinstance(node, yaml.MappingNode):
        inner = Fields(fields.document, node, tuple(ON_MACHINE))
        text = inner.text("leave", "").strip()
        if inner.node("leave") is None:
            inner.missing("leave", "leave: Please call Alder Dental back.")
        elif not text and isinstance(inner.node("leave"), yaml.ScalarNode):
            fields.document.fault(inner.node("leave") or node, '"leave" is empty; say what is left, or write "hang_up"')
        return OnMachine("leave", text)
    typed = node.value if isinstance(node, yaml.ScalarNode) else ""
    for word in ON_MACHINE_WORDS:
        if typed == word:
            return OnMachine(word)
    near = nearest(typed, ON_MACHINE_WORDS)
    remedy = f'write "{near}"' if near else 'write "hang_up", "continue" or {leave: "Hello, ..."}'
    fields.document.fault(node, f'"on_machine" cannot be {kind_of(node)}; {remedy}')
    return None
