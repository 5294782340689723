"""What becomes of tools."""

from tests.calls.scenes.stage import Scene, Stage
from voice_agent.call.commands import AgentSaid, ToolAnswered
from voice_agent.emulator.brain import ToolCall


async def order_one(stage: Stage) -> None:
    await ask_and_leave(stage, "Where is my order number one?")


async def order_two(stage: Stage) -> None:
    await ask_and_leave(stage, "Where is my order number two?")


async def order_three(stage: Stage) -> None:
    await stage.hear_out()
    await stage.say("Where is my order number three?")
    await stage.until(ToolAnswered)
    await stage.until(AgentSaid, 2)  # the sign of life is not all
    await stage.hear_out()


async def order_four(stage: Stage) -> None:
    await stage.hear_out()
    await stage.say("Where is my order number four?")
    await stage.until(ToolAnswered)
    await stage.until(AgentSaid, 2)  # the sign of life is not all
    await stage.hear_out()


async def two_orders(stage: Stage) -> None:
    await ask_and_leave(stage, "Where are both of my orders?")


async def ask_and_leave(stage: Stage, question: str) -> None:
    await stage.hear_out()
    await stage.say(question)
    await stage.hear_out()


SCENES = {
    "tool-failed": Scene(play=order_two, agent="shop", service="azure"),
    "tool-slow": Scene(play=order_three, agent="shop", service="preview"),
    "tool-out-of-time": Scene(play=order_four, agent="shop", more="limits: {tool_seconds: 4}"),
    "tool-unknown": Scene(
        play=order_one, agent="shop", calls={"number one": (ToolCall("find_parcel", '{"number": 1}'),)}
    ),
    "tool-bad-arguments": Scene(
        play=order_one, agent="shop", calls={"number one": (ToolCall("find_order", '{"number": "one"}'),)}
    ),
    "tools-at-once": Scene(
        play=two_orders,
        agent="shop",
        audio="pcm24k",
        calls={
            "both of my orders": (
                ToolCall("find_order", '{"number": 1}'),
                ToolCall("delivery_day", '{"town": "Salem"}'),
                ToolCall("find_order", '{"number": 2}'),
            ),
            "salem": ("One of them comes on Friday, the other one I cannot find.",),
        },
    ),
}
