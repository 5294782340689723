"""Draws what a call goes on from: what was said in a stream before this one, and why there is another.

Drawn behind everything else of a call, so that a seed gives the same call but for this.
"""

import msgspec

from voice_agent.call.conversation import AgentTurn, CallerTurn, Conversation, KeysTurn, Resumption, ToolTurn
from voice_agent.sim.made_up.call import MadeUpCall
from voice_agent.sim.network import Chance

SAID = (
    CallerTurn("former_1", "Hello? I have a question."),
    AgentTurn("former_2", "Of course, what is", interrupted=True),
    CallerTurn("former_3", ""),
    KeysTurn("42"),
    ToolTurn("former_call", "look_up", "{}", '{"answer": 42}'),
    ToolTurn("open_call", "book", "{}", None),
)

REASON = "The transfer to sales came to nothing: nobody answered. The caller is back on the line with you."


def with_past(call: MadeUpCall, chance: Chance) -> MadeUpCall:
    """Let one in ten calls have had a stream before; half of those say why they go on."""
    if chance.randint(1, 10) > 1:
        return call
    said, reason = SAID[: chance.randint(0, len(SAID))], REASON
    if chance.randint(1, 2) == 1:
        said, reason = SAID[:5], ""  # what the tool has answered says it all
    resumed = Resumption(Conversation(call.setup.agent.name, said), reason)
    return msgspec.structs.replace(call, setup=call.setup.going_on(resumed))
