"""How calls end: by the caller, the agent, a limit or a fault."""

from tests.calls.scenes.answers import one_question
from tests.calls.scenes.stage import Scene, Stage
from tests.calls.scenes.tool_calls import order_three
from voice_agent.call.commands import ToolStarted


async def tool_and_goodbye(stage: Stage) -> None:
    await stage.hear_out()
    await stage.say("reception-2")
    await stage.hear_out()
    await stage.say("reception-3")
    await stage.until_hung_up()


async def goodbye(stage: Stage) -> None:
    await stage.hear_out()
    await stage.say("reception-3")
    await stage.until_hung_up()


async def greeting_alone(stage: Stage) -> None:
    await stage.hear(1200)


async def into_an_answer(stage: Stage) -> None:
    await stage.hear_out()
    await stage.say("reception-1")
    await stage.hear(2500)


async def out_of_an_answer(stage: Stage) -> None:
    await into_an_answer(stage)
    await stage.until_hung_up()


async def into_silence(stage: Stage) -> None:
    await stage.hear_out()
    await stage.wait(3)


async def into_a_tool(stage: Stage) -> None:
    await stage.hear_out()
    await stage.say("Where is my order number three?")
    await stage.until(ToolStarted)
    await stage.wait(1)


async def at_once(stage: Stage) -> None:
    """Hang up while it rings."""


async def into_a_lost_stream(stage: Stage) -> None:
    await into_an_answer(stage)
    stage.call.hang_up(with_stop=False, with_close=False)


async def silently(stage: Stage) -> None:
    await stage.until_hung_up(60)


async def until_it_is_spent(stage: Stage) -> None:
    await stage.hear_out()
    await stage.say("reception-2")
    await stage.until_hung_up(60)


async def a_minute(stage: Stage) -> None:
    await stage.hear_out()
    await stage.wait(8)
    await stage.say("Which books can you recommend?")
    await stage.until_hung_up(60)


async def out_of_a_broken_answer(stage: Stage) -> None:
    await stage.hear_out()
    await stage.say("reception-2")
    await stage.hear(1500)
    await stage.wait(14)


SCENES = {
    "tool-and-goodbye": Scene(play=tool_and_goodbye),
    "hung-up-in-the-greeting": Scene(play=greeting_alone),
    "hung-up-in-an-answer": Scene(play=into_an_answer, audio="pcm24k"),
    "hung-up-in-silence": Scene(play=into_silence, service="preview"),
    "hung-up-in-a-tool": Scene(play=into_a_tool, agent="shop"),
    "no-stream": Scene(play=at_once),
    "model-refused-401": Scene(play=silently, faults="status-401"),
    "model-refused-429": Scene(play=silently, faults="status-429,retry-after=7", service="preview"),
    "model-refused-503": Scene(play=silently, faults="status-503", service="azure", audio="pcm24k"),
    "model-lost": Scene(play=silently, faults="close=4000@4"),
    "session-lost-in-an-answer": Scene(play=out_of_a_broken_answer, faults="drop@8.6;"),
    "session-lost-in-a-turn": Scene(play=one_question, faults="close=1011@5.3;status-503,retry-after=1;"),
    "session-lost-in-a-tool": Scene(play=order_three, agent="shop", faults="error=session_expired@7;"),
    "model-lost-in-an-answer": Scene(play=out_of_an_answer, faults="close=3000@9"),
    "stream-lost": Scene(play=into_a_lost_stream, service="preview", audio="pcm24k"),
    "time-limit": Scene(play=a_minute, agent="shop", more="limits: {minutes: 1, idle_seconds: 0}"),
    "spent": Scene(play=until_it_is_spent, spend_per_call=0.012),
    "idle-goodbye": Scene(play=silently, agent="shop", more="limits: {idle_seconds: 5}", service="preview"),
    "stopped": Scene(play=into_an_answer, service="azure", stopped=True),
}
