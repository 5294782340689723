"""Calls that go on with somebody else: another agent, a person, a colleague who is asked first."""

from tests.calls.scenes.stage import Scene, Stage
from voice_agent.call.commands import CallEnded, HandedOver, ToolAnswered
from voice_agent.emulator.caller import PATIENCE_S
from voice_agent.emulator.twilio import Callee


async def into_the_first_words(stage: Stage) -> None:
    await stage.hear_out()
    await stage.say("reception-1")
    await stage.hear(800)


async def to_a_person(stage: Stage) -> None:
    await stage.hear_out()
    await stage.say("Can I speak to a person please?")
    await stage.until_hung_up()


async def to_a_person_who_is_busy(stage: Stage) -> None:
    await stage.hear_out()
    await stage.say("Can I speak to a person please?")
    await stage.until(CallEnded)
    await stage.call.streaming(PATIENCE_S)
    await stage.hear_out()
    await stage.say("reception-3")
    await stage.until_hung_up()


async def wait_a_moment(stage: Stage) -> None:
    await stage.hear_out()
    await stage.say("Can I speak to a person please?")
    await stage.hear(1500)
    await stage.say("Wait, where is your shop?")
    await stage.hear_out()
    await stage.say("reception-3")
    await stage.until_hung_up()


async def hold_the_line(stage: Stage) -> None:
    await stage.hear_out()
    await stage.say("Can I speak to a person please?")
    await stage.until(CallEnded)
    await stage.wait(2)


async def hold_in_vain(stage: Stage) -> None:
    await stage.hear_out()
    await stage.say("Can I speak to a person please?")
    await stage.until(ToolAnswered)
    await stage.hear_out()
    await stage.say("reception-3")
    await stage.until_hung_up()


async def says_yes(stage: Stage) -> None:
    await stage.hear_out()
    await stage.say("Yes, I will take the call.")
    await stage.until_hung_up()


async def presses_2(stage: Stage) -> None:
    await stage.hear(3000)
    await stage.wait(4)
    stage.call.press("2")
    await stage.until_hung_up()


WARM = 'tools: [hang_up, transfer: {to: {front_desk: "+14255550101"}, warm: true}]'


async def an_invoice(stage: Stage) -> None:
    await stage.hear_out()
    await stage.say("I have a question about my invoice.")
    await stage.until(HandedOver)
    await stage.hear_out()
    await stage.say("It is number three.")
    await stage.hear_out()
    await stage.say("reception-3")
    await stage.until_hung_up()


SCENES = {
    "handed-over": Scene(play=an_invoice, agent="desk"),
    "transferred": Scene(play=to_a_person, agent="front", dialled=Callee(talks_ms=1000)),
    "transferred-by-operator": Scene(
        play=into_the_first_words, agent="front", connected="front_desk", dialled=Callee(talks_ms=1000)
    ),
    "transferred-back": Scene(
        play=to_a_person_who_is_busy, agent="front", dialled=Callee(becomes="busy", rings_ms=1500), nth=1
    ),
    "interrupted-transfer": Scene(play=wait_a_moment, agent="front"),
    "warm-accepted": Scene(play=hold_the_line, agent="front", more=WARM, colleague=says_yes, audio="pcm24k"),
    "warm-asked": Scene(play=hold_the_line, agent="front", more=WARM, colleague=says_yes, nth=1),
    "warm-refused": Scene(play=hold_in_vain, agent="front", more=WARM, colleague=presses_2, nth=1),
}
