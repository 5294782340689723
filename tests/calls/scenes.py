"""The calls of this folder as scenes: what their callers do, and what happens to them meanwhile.

`make.py` holds them. Whoever adds one adds its expectations and its line in README.md.
"""

from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Literal

import msgspec

from voice_agent.call.commands import AgentSaid, CallEnded, HandedOver, Interrupted, Report, ToolAnswered, ToolStarted
from voice_agent.emulator.brain import Thought, ToolCall
from voice_agent.emulator.caller import LISTEN_MS, PATIENCE_S
from voice_agent.emulator.speech.recorded import utterance
from voice_agent.emulator.twilio import Callee, EmulatedCall
from voice_agent.sim.carrier import Switches

COUGH_MS = 300
"""Enough for a detector of voice, and shorter than any word that is meant."""

BALANCE = "How much money is on my account?"

PACKAGED = ("reception-1", "reception-2", "reception-3", "table-1", "table-2")
"""Utterances that come with the package; any other text is said by the local voice."""


class Stage:
    """One call in progress, as its caller sees it."""

    def __init__(self, call: EmulatedCall, reports: list[Report], voice: Callable[[str], bytes]) -> None:
        """`reports` grows while the call lasts; `voice` makes mu-law of a text."""
        self.call = call
        self._reports = reports
        self._voice = voice

    async def hear_out(self) -> None:
        """Let the agent begin and finish."""
        await self.call.agent_began(PATIENCE_S)
        await self.call.agent_silent(LISTEN_MS, PATIENCE_S)

    async def hear(self, ms: int) -> None:
        """Listen to the agent for so long."""
        await self.call.agent_spoke(ms, PATIENCE_S)

    async def say(self, text: str) -> None:
        """Say it to its end."""
        self.call.say(self.sound(text))
        await self.call.caller_finished(PATIENCE_S)

    def sound(self, text: str) -> bytes:
        """Give the sound of a packaged utterance, or of any text."""
        return utterance(text) if text in PACKAGED else self._voice(text)

    async def wait(self, seconds: float) -> None:
        """Do nothing; ends with the call."""
        await self.call.wait_until(lambda: False, seconds)

    async def until(self, kind: type[Report], count: int = 1) -> None:
        """Wait until the call has reported so many of a kind."""
        await self.call.wait_until(lambda: sum(isinstance(one, kind) for one in self._reports) >= count, PATIENCE_S)

    async def until_hung_up(self, within_s: float = PATIENCE_S) -> None:
        """Wait for the agent to end the call."""
        await self.call.wait_until(lambda: self.call.over, within_s)


class Scene(msgspec.Struct, frozen=True, kw_only=True):
    """One call."""

    play: Callable[[Stage], Awaitable[None]]
    """The caller's part; who is still there at its end hangs up."""
    before: Callable[[Stage], Awaitable[None]] | None = None
    """What the caller does in a call before, which leaves its greeting for this one."""
    agent: str = "reception"
    """`shop` stands beside this file, the others are packaged."""
    more: str = ""
    """Lines for the agent's file."""
    service: Literal["openai", "azure", "preview"] = "openai"
    """Whose form the local server is spoken to in: OpenAI's, Azure's of today, Azure's preview."""
    audio: Literal["g711", "pcm24k"] = "g711"
    faults: str = ""
    """Of the model's server, see `sim.realtime.faults`."""
    switches: Switches = Switches()
    """Of the carrier."""
    calls: Mapping[str, tuple[Thought, ...]] = {}
    """What the model does when these words were said to it, instead of what the dialogue file says."""
    placed: Literal["", "human", "machine"] = ""
    """Who takes a call that the agent places; empty: the call comes in."""
    answered_with: str = ""
    """What they say first."""
    dialled: Callee = Callee()
    """Who is at the number that the caller is transferred to."""
    colleague: Callable[[Stage], Awaitable[None]] | None = None
    """What they do when they are asked."""
    nth: int = 0
    """Which of the recordings is kept, in the order in which they ended: a caller who comes back has two."""
    at: datetime | None = None
    """What agents take for the time when the call comes; `None`: the time."""
    customer: Mapping[str, str] = {}
    """What is found of a caller who is looked up, at the address `CUSTOMERS`."""
    spend_per_call: float | None = None
    """What a call may cost, see SPEND_PER_CALL."""
    stopped: bool = False
    """The server is stopped at the end of the caller's part."""
    connected: str = ""
    """Whom somebody at the console connects the caller with then."""


# --- how calls end ---------------------------------------------------------------------------------------------------


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


async def into_the_first_words(stage: Stage) -> None:
    await stage.hear_out()
    await stage.say("reception-1")
    await stage.hear(800)


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


# --- how agents are interrupted --------------------------------------------------------------------------------------


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


# --- what becomes of tools -------------------------------------------------------------------------------------------


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


# --- transfers -------------------------------------------------------------------------------------------------------


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


# --- and else --------------------------------------------------------------------------------------------------------


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


async def one_question(stage: Stage) -> None:
    await stage.hear_out()
    await stage.say("reception-2")
    await stage.hear_out()


async def out_of_a_broken_answer(stage: Stage) -> None:
    await stage.hear_out()
    await stage.say("reception-2")
    await stage.hear(1500)
    await stage.wait(14)


async def an_invoice(stage: Stage) -> None:
    await stage.hear_out()
    await stage.say("I have a question about my invoice.")
    await stage.until(HandedOver)
    await stage.hear_out()
    await stage.say("It is number three.")
    await stage.hear_out()
    await stage.say("reception-3")
    await stage.until_hung_up()


async def a_long_answer(stage: Stage) -> None:
    await stage.hear_out()
    await stage.say("reception-1")
    await stage.hear_out()


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

# --- calls that the agent places -------------------------------------------------------------------------------------

MACHINE = "Hello, you have reached Ana. I cannot take your call right now. Please leave a message after the tone."


async def an_answer_to_a_reminder(stage: Stage) -> None:
    await stage.hear_out()
    await stage.say("Yes, I will be there.")
    await stage.hear_out()
    await stage.say("Thank you, goodbye.")
    await stage.until_hung_up()


async def until_hung_up(stage: Stage) -> None:
    await stage.until_hung_up(40)


# --- who takes a call ------------------------------------------------------------------------------------------------

CUSTOMERS = "http://customers.example"

LOOKED_UP = f"""\
variables: {{name: dear caller}}
greeting: "Alder Books. Hello {{{{ name }}}}, how can I help?"
lookup:
  url: {CUSTOMERS}/callers/{{{{ caller }}}}
  allow_private: true
  variables: {{name: customer.name}}"""

ON_WEEKDAYS = """\
timezone: America/Los_Angeles
hours: {open: {monday-friday: "09:00-17:00"}, closed: {agent: night}}"""

A_SUNDAY = datetime(2026, 11, 29, 20, tzinfo=UTC)


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
    "interrupted": Scene(play=interrupted),
    "interrupted-twice": Scene(play=twice_in_a_row, agent="shop", service="azure"),
    "interrupted-goodbye": Scene(play=into_the_goodbye, agent="shop"),
    "interrupted-tool": Scene(play=into_a_waiting_tool, agent="shop", audio="pcm24k"),
    "interrupted-late-marks": Scene(play=interrupted, switches=Switches(marks_at_frame_edges=True), audio="pcm24k"),
    "interrupted-no-frames": Scene(play=interrupted, switches=Switches(silent_gaps=True)),
    "preview-tool": Scene(play=one_question, service="preview", audio="pcm24k"),
    "preview-interrupted-greeting": Scene(play=into_the_greeting, service="preview"),
    "hello-in-the-greeting": Scene(play=hello_into_the_greeting),
    "kept-greeting": Scene(play=into_the_greeting, before=one_question),
    "protected-greeting": Scene(play=into_a_protected_greeting, agent="table"),
    "cough": Scene(play=with_a_cough, agent="shop", more="barge_in: {after_ms: 500}"),
    "interrupted-after-a-while": Scene(
        play=after_a_while, agent="shop", more="barge_in: {after_ms: 500}", service="preview"
    ),
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
    "handed-over": Scene(play=an_invoice, agent="desk"),
    "looked-up": Scene(play=goodbye, agent="front", more=LOOKED_UP, customer={"name": "Ana"}),
    "closed-hours": Scene(play=goodbye, agent="front", more=ON_WEEKDAYS, at=A_SUNDAY),
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
    "placed-person": Scene(play=an_answer_to_a_reminder, agent="reminder", placed="human", answered_with="Hello?"),
    "placed-machine-left": Scene(play=until_hung_up, agent="reminder", placed="machine", answered_with=MACHINE),
    "placed-machine-hung-up": Scene(
        play=until_hung_up, agent="reminder", placed="machine", answered_with=MACHINE, more="on_machine: hang_up"
    ),
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
    "semantic-vad": Scene(play=one_question, more="turn_detection: {type: semantic_vad, eagerness: high}"),
    "no-transcription": Scene(play=one_question, more="transcription: off", service="preview"),
    "text-only": Scene(play=interrupted, more="recording: text", audio="pcm24k"),
    "answer-failed-once": Scene(play=one_question, faults="fail=server_error*1"),
    "answer-withheld": Scene(play=a_long_answer, faults="incomplete=content_filter*2,midway"),
    "odd-chunks": Scene(play=one_question, faults="chunks=1111,late-audio=200", audio="pcm24k"),
}
