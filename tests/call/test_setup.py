"""What a call is made from."""

from voice_agent.agent import Agent
from voice_agent.call.conversation import Conversation, Resumption
from voice_agent.call.setup import CallSetup

DESK, BILLING = Agent(name="desk", instructions="x"), Agent(name="billing", instructions="y")


def test_a_call_goes_on_with_the_agent_that_had_it_at_last() -> None:
    setup = CallSetup(call_sid="CA1", agent=DESK, others=(BILLING,))
    back = Resumption(Conversation("billing"), "The line is busy.")
    going_on = setup.going_on(back)

    assert (going_on.agent, going_on.others, going_on.resumed) == (BILLING, (DESK,), back)


def test_a_call_that_was_not_handed_over_goes_on_with_its_agent() -> None:
    setup = CallSetup(call_sid="CA1", agent=DESK, others=(BILLING,))
    going_on = setup.going_on(Resumption(Conversation("desk"), "Go on."))

    assert (going_on.agent, going_on.others) == (DESK, (BILLING,))


def test_nobody_is_greeted_again_and_who_is_not_known_has_the_call_no_more() -> None:
    setup = CallSetup(call_sid="CA1", agent=DESK, others=(BILLING,), kept_greeting=b"hello")
    going_on = setup.going_on(Resumption(Conversation("sales"), "Go on."))

    assert (going_on.agent, going_on.others, going_on.kept_greeting) == (DESK, (BILLING,), None)
