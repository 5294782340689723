"""What becomes of a caller for whom no model can be had: last words of the carrier's, and where they go then.

It must not know HTTP, nor which calls there are.
"""

from collections.abc import Iterator

from voice_agent.agent import Agent
from voice_agent.wire import twiml

LONGEST_MESSAGE_S = 120

THANKS = "Thank you. Goodbye."
"""Behind a message that was left."""


def last_resort(agent: Agent, *, usual: str | None, after_dial: str, after_record: str) -> str:
    """Give the TwiML. `usual`: what is said where the agent's file says nothing, `None`: nothing.

    `after_dial` and `after_record` are asked what follows. Raises `ValueError` for what XML refuses.
    """
    return twiml.render([*_verbs(agent, usual, after_dial, after_record)])


def _verbs(agent: Agent, usual: str | None, after_dial: str, after_record: str) -> Iterator[twiml.Verb]:
    wanted = agent.last_resort
    if wanted is not None and wanted.say:
        yield twiml.Say(wanted.say, agent.language)
    elif usual is not None and not (wanted is not None and wanted.clip):
        yield twiml.Say(usual)
    if wanted is not None and wanted.transfer is not None:
        (address,) = wanted.transfer.to.values()
        is_sip = address.startswith("sip")
        yield twiml.Dial(
            number="" if is_sip else address,
            sip=address if is_sip else "",
            action=after_dial,
            timeout_s=wanted.transfer.seconds,
            caller_id=wanted.transfer.caller_id,
        )
    elif wanted is not None and wanted.then == "voicemail":
        yield twiml.Record(action=after_record, longest_s=LONGEST_MESSAGE_S)
    yield twiml.Hangup()
