"""Keys that the caller presses, or the agent."""

from collections.abc import Mapping

from tests.calls.scenes.stage import Scene, Stage
from voice_agent.call.commands import CallEnded, ToolAnswered
from voice_agent.emulator.brain import Thought, ToolCall
from voice_agent.emulator.caller import PATIENCE_S
from voice_agent.sim.carrier import Switches

BALANCE = "How much money is on my account?"


async def keys(stage: Stage) -> None:
    await stage.hear_out()
    for digit in "12#":
        stage.call.press(digit)
        await stage.wait(0.3)
    await stage.hear_out()


async def type_in(stage: Stage, request: str, keys: str) -> None:
    """Ask for something, hear the question out, and type."""
    await stage.hear_out()
    await stage.say(request)
    await stage.hear_out()
    for digit in keys:
        stage.call.press(digit)
        await stage.wait(0.4)
    await stage.hear_out()


async def type_account(stage: Stage) -> None:
    await type_in(stage, BALANCE, "1204")


async def type_short_account(stage: Stage) -> None:
    await type_in(stage, BALANCE, "12#")


async def type_nothing(stage: Stage) -> None:
    await type_in(stage, BALANCE, "")


async def type_pin(stage: Stage) -> None:
    await type_in(stage, "I want to tell you my secret number.", "4071")


async def open_door(stage: Stage) -> None:
    await stage.hear_out()
    await stage.say("Please open the door for me.")
    await stage.until(ToolAnswered)
    await stage.hear_out()


async def open_door_by_carrier(stage: Stage) -> None:
    await stage.hear_out()
    await stage.say("Please open the door for me.")
    await stage.until(CallEnded)
    await stage.call.streaming(PATIENCE_S)
    await stage.hear_out()
    await stage.say("reception-3")
    await stage.until_hung_up()


DOOR: Mapping[str, tuple[Thought, ...]] = {
    "door": ("One moment, I open it.", ToolCall("send_digits", '{"digits": "12#"}')),
    '"sent":"12#"': ("It is open now.",),
}


DOOR_AND_GOODBYE = {**DOOR, "goodbye": ("Thank you, goodbye.", ToolCall("hang_up", "{}"))}


BY_CARRIER = "tools: [hang_up, send_digits: {by: call}]"


BANK: Mapping[str, tuple[Thought, ...]] = {
    "money": ("Please type the number of your account.", ToolCall("account", "{}")),
    '"digits":"1204"': ("Thank you. There are twelve pounds on it.",),
    '"digits":"12"': ("That is too short, it has four digits.",),
    '"digits":""': ("You have typed nothing.",),
    "secret": ("Please type it.", ToolCall("pin", "{}")),
    '"received":4': (ToolCall("check_pin", '{"pin": "${digits_1}"}'),),
    '"right":true': ("That is right, thank you.",),
    **DOOR,
}
"""What the model of the bank does when the caller says these, or a tool answers them."""


SCENES = {
    "keys": Scene(play=keys),
    "digits-by-length": Scene(play=type_account, agent="bank", calls=BANK, switches=Switches(keys_audible=True)),
    "digits-by-terminator": Scene(play=type_short_account, agent="bank", calls=BANK, service="preview"),
    "digits-out-of-time": Scene(play=type_nothing, agent="bank", calls=BANK, service="azure"),
    "digits-secret": Scene(
        play=type_pin, agent="bank", calls=BANK, switches=Switches(keys_audible=True), audio="pcm24k"
    ),
    "digits-sent": Scene(play=open_door, agent="bank", calls=BANK),
    "keys-by-carrier": Scene(play=open_door_by_carrier, agent="front", more=BY_CARRIER, calls=DOOR_AND_GOODBYE),
    "keys-by-carrier-back": Scene(
        play=open_door_by_carrier, agent="front", more=BY_CARRIER, calls=DOOR_AND_GOODBYE, nth=1
    ),
}
