"""How agents are interrupted, and what must not interrupt them."""

from tests.calls.scenes.answers import one_question
from tests.calls.scenes.stage import Scene, Stage
from voice_agent.call.commands import AgentSaid, Interrupted, ToolAnswered, ToolStarted
from voice_agent.sim.carrier import Switches

COUGH_MS = 300
"""Enough for a detector of voice, and shorter than any word that is meant."""


async def interrupted(stage: Stage) -> None:
    await stage.hear_out()
    await stage.say("reception-1")
    await stage.hear(2500)
    await stage.say("reception-3")
    await stage.until_hung_up()


async def into_the_greeting(stage: Stage) -> None:
    await stage.hear(1000)
    await stage.say("reception-2")
    await stage.hear_out()


async def hello_into_the_greeting(stage: Stage) -> None:
    await stage.hear(400)
    await stage.say("Hello?")
    await stage.hear_out()
    await stage.say("reception-3")
    await stage.until_hung_up()


async def into_a_protected_greeting(stage: Stage) -> None:
    await stage.hear(800)
    await stage.say("table-2")
    await stage.until(AgentSaid, 2)
    await stage.hear_out()


async def into_a_waiting_tool(stage: Stage) -> None:
    await stage.hear_out()
    await stage.say("Where is my order number three?")
    await stage.until(ToolStarted)
    await stage.wait(0.5)
    await stage.say("Hello, are you still there?")
    await stage.until(ToolAnswered)
    await stage.hear_out()


async def with_a_cough(stage: Stage) -> None:
    await stage.hear_out()
    await stage.say("Which books can you recommend?")
    await stage.hear(2500)
    stage.call.say(stage.sound("reception-2")[: COUGH_MS * 8])
    await stage.hear_out()
    await stage.say("reception-3")
    await stage.until_hung_up()


async def after_a_while(stage: Stage) -> None:
    await stage.hear_out()
    await stage.say("Which books can you recommend?")
    await stage.hear(2500)
    await stage.say("reception-3")
    await stage.until_hung_up()


async def into_the_goodbye(stage: Stage) -> None:
    await stage.hear_out()
    await stage.say("reception-3")
    await stage.hear(1500)
    await stage.say("Where is my order number one?")
    await stage.until(ToolStarted, 2)
    await stage.hear_out()
    await stage.say("reception-3")
    await stage.until_hung_up()


async def twice_in_a_row(stage: Stage) -> None:
    await stage.hear_out()
    await stage.say("Which books can you recommend?")
    await stage.hear(2000)
    await stage.say("Sorry, what do you sell?")
    await stage.until(Interrupted)
    await stage.hear(1500)
    await stage.say("reception-3")
    await stage.until_hung_up()


SCENES = {
    "interrupted": Scene(play=interrupted),
    "interrupted-twice": Scene(play=twice_in_a_row, agent="shop", service="azure"),
    "interrupted-goodbye": Scene(play=into_the_goodbye, agent="shop"),
    "interrupted-tool": Scene(play=into_a_waiting_tool, agent="shop", audio="pcm24k"),
    "interrupted-late-marks": Scene(play=interrupted, switches=Switches(marks_at_frame_edges=True), audio="pcm24k"),
    "interrupted-no-frames": Scene(play=interrupted, switches=Switches(silent_gaps=True)),
    "text-only": Scene(play=interrupted, more="recording: text", audio="pcm24k"),
    "preview-interrupted-greeting": Scene(play=into_the_greeting, service="preview"),
    "hello-in-the-greeting": Scene(play=hello_into_the_greeting),
    "kept-greeting": Scene(play=into_the_greeting, before=one_question),
    "protected-greeting": Scene(play=into_a_protected_greeting, agent="table"),
    "cough": Scene(play=with_a_cough, agent="shop", more="barge_in: {after_ms: 500}"),
    "interrupted-after-a-while": Scene(
        play=after_a_while, agent="shop", more="barge_in: {after_ms: 500}", service="preview"
    ),
}
