"""Calls that the agent places."""

from tests.calls.scenes.stage import Scene, Stage

MACHINE = "Hello, you have reached Ana. I cannot take your call right now. Please leave a message after the tone."


async def an_answer_to_a_reminder(stage: Stage) -> None:
    await stage.hear_out()
    await stage.say("Yes, I will be there.")
    await stage.hear_out()
    await stage.say("Thank you, goodbye.")
    await stage.until_hung_up()


async def until_hung_up(stage: Stage) -> None:
    await stage.until_hung_up(40)


SCENES = {
    "placed-person": Scene(play=an_answer_to_a_reminder, agent="reminder", placed="human", answered_with="Hello?"),
    "placed-machine-left": Scene(play=until_hung_up, agent="reminder", placed="machine", answered_with=MACHINE),
    "placed-machine-hung-up": Scene(
        play=until_hung_up, agent="reminder", placed="machine", answered_with=MACHINE, more="on_machine: hang_up"
    ),
}
