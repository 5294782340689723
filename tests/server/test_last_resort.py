"""What the carrier does with a caller for whom no model can be had."""

import pytest

from voice_agent.agent import Agent, LastResort, Transfer
from voice_agent.server.last_resort import LONGEST_MESSAGE_S, NOBODY, last_net, last_resort
from voice_agent.wire import twiml
from voice_agent.wire.twiml import Dial, Hangup, Record, Say, Verb

SAID = Say("Es tut uns leid.", "de")
RECORDED = Record("https://a/again", LONGEST_MESSAGE_S)


def verbs(wanted: LastResort | None, usual: str | None = None) -> list[Verb]:
    agent = Agent(name="test", instructions="", language="de", last_resort=wanted)
    return twiml.parse(last_resort(agent, usual=usual, after_dial="https://a/dialled", after_record="https://a/again"))


@pytest.mark.parametrize(
    ("wanted", "usual", "done"),
    [
        (None, None, [Hangup()]),
        (None, "We are sorry.", [Say("We are sorry."), Hangup()]),
        (LastResort(say="Es tut uns leid."), "We are sorry.", [SAID, Hangup()]),
        (LastResort(clip=b"\x90"), "We are sorry.", [Hangup()]),
        (LastResort(clip=b"\x90", say="Es tut uns leid."), None, [SAID, Hangup()]),
        (LastResort(then="voicemail"), None, [RECORDED, Hangup()]),
    ],
)
def test_what_is_said_and_where_the_caller_goes(wanted: LastResort | None, usual: str | None, done: list[Verb]) -> None:
    assert verbs(wanted, usual) == done


@pytest.mark.parametrize(
    ("address", "dial"),
    [
        ("+14255550101", Dial(number="+14255550101", action="https://a/dialled", timeout_s=15)),
        ("sip:desk@pbx.example.com", Dial(sip="sip:desk@pbx.example.com", action="https://a/dialled", timeout_s=15)),
    ],
)
def test_a_caller_is_connected_with_whom_the_file_names(address: str, dial: Dial) -> None:
    wanted = LastResort(say="Es tut uns leid.", transfer=Transfer(to={"desk": address}, seconds=15))

    assert verbs(wanted) == [SAID, dial, Hangup()]


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        (None, [Say(NOBODY)]),
        (LastResort(clip=b"x", then="voicemail"), [Say(NOBODY)]),
        (LastResort(say="Tut uns leid."), [Say("Tut uns leid.", "de")]),
        (
            LastResort(transfer=Transfer(to={"": "+14255550101"}, seconds=20)),
            [Say(NOBODY), Dial(number="+14255550101", timeout_s=20)],
        ),
    ],
)
def test_where_no_server_is_nobody_is_asked_what_follows(wanted: LastResort | None, said: list[Verb]) -> None:
    agent = Agent(name="reception", instructions="Be kind.", language="de", last_resort=wanted)

    assert last_net(agent) == [*said, Hangup()]
