"""What becomes of a caller whom no agent speaks with, or no more: last words of the carrier's, and where they go then.

It must not know HTTP, nor which calls there are.
"""

from collections.abc import Iterator, Mapping

from voice_agent.agent import Agent, Transfer
from voice_agent.call.commands import CallEnded
from voice_agent.wire import twiml

LONGEST_MESSAGE_S = 120

NOBODY_HERE = "We are sorry, this number is not in service. Goodbye."
CANNOT_ANSWER = "We are sorry, we cannot take your call right now. Please try again later. Goodbye."
ALL_BUSY = "We are sorry, all our lines are busy. Please call again in a few minutes. Goodbye."
STREAM_LOST = "We are sorry, the connection was lost. Please call again. Goodbye."
MODEL_FAILED = "We are sorry, something went wrong on our side. Please call again later. Goodbye."
NOT_CONNECTED = "We are sorry, nobody could take your call. Please call again later. Goodbye."
STOPPED = "We are sorry, this call has to end now. Please call again. Goodbye."

NOBODY = "We are sorry, nobody can take your call at the moment. Please call again later. Goodbye."
"""Where no server is there, and the agent's file says nothing."""

THANKS = "Thank you. Goodbye."
"""Behind a message that was left."""


def last_resort(agent: Agent, *, usual: str | None, after_dial: str, after_record: str) -> str:
    """Give the TwiML. `usual`: what is said where the agent's file says nothing, `None`: nothing.

    `after_dial` and `after_record` are asked what follows. Raises `ValueError` for what XML refuses.
    """
    return twiml.render([*_verbs(agent, usual, after_dial, after_record)])


def way_out(agent: Agent) -> str:
    """Tell, behind a reason, where its last resort takes a caller; nowhere: nothing."""
    wanted = agent.last_resort
    if wanted is not None and wanted.transfer is not None:
        return f"; passed on to {', '.join(wanted.transfer.to)}"
    return "; sent to voicemail" if wanted is not None and wanted.then == "voicemail" else ""


def last_line(ended: CallEnded | None, *, can_apologise: bool) -> str | None:
    """Give what is said behind a stream before the carrier hangs up; `None`: nothing. `ended`: `None`: it is not known.

    `can_apologise`: a caller whose model failed has heard it in the stream.
    """
    if ended is None:
        return STREAM_LOST
    match ended.outcome:
        case "completed" | "caller_hung_up" | "no_stream" | "transferred" | "machine":
            return None
        case "model_failed":
            return None if can_apologise else MODEL_FAILED
        case "stopped" | "keys_sent":
            return STOPPED
        case "stream_lost":
            return STREAM_LOST


def message_left(fields: Mapping[str, str]) -> str:
    """Tell of a message from the fields of the `<Record action>`."""
    sid, seconds = fields.get("RecordingSid", "")[:34], fields.get("RecordingDuration", "")[:6]
    return f"a message{f' of {seconds} s' if seconds.isdecimal() else ''} was left: recording {sid}"


def last_net(agent: Agent) -> list[twiml.Verb]:
    """Give what a caller gets from somebody who only keeps TwiML, because no server is there.

    Nobody could be asked what follows: a call that nobody takes ends, and a message would be lost, so none is taken.
    """
    wanted = agent.last_resort
    own = wanted is not None and bool(wanted.say)
    said = twiml.Say(wanted.say, agent.language) if wanted is not None and own else twiml.Say(NOBODY)
    there = () if wanted is None or wanted.transfer is None else (_dial(wanted.transfer),)
    return [said, *there, twiml.Hangup()]


def _dial(transfer: Transfer, action: str = "") -> twiml.Dial:
    (address,) = transfer.to.values()
    is_sip = address.startswith("sip")
    return twiml.Dial(
        number="" if is_sip else address,
        sip=address if is_sip else "",
        action=action,
        timeout_s=transfer.seconds,
        caller_id=transfer.caller_id,
    )


def _verbs(agent: Agent, usual: str | None, after_dial: str, after_record: str) -> Iterator[twiml.Verb]:
    wanted = agent.last_resort
    if wanted is not None and wanted.say:
        yield twiml.Say(wanted.say, agent.language)
    elif usual is not None and not (wanted is not None and wanted.clip):
        yield twiml.Say(usual)
    if wanted is not None and wanted.transfer is not None:
        yield _dial(wanted.transfer, after_dial)
    elif wanted is not None and wanted.then == "voicemail":
        yield twiml.Record(action=after_record, longest_s=LONGEST_MESSAGE_S)
    yield twiml.Hangup()
