import base64
import json
import zlib
from collections.abc import Callable
from functools import cache

import msgspec
import pytest

from tests.sim.test_world_mcp import ASKING, held
from tests.support.recorded import write
from tests.support.scenes import an_agent
from tests.support.simulated import header_of, steps_of
from tests.support.spoken_calls import AGENT, Turn, spoken_call, spoken_file
from voice_agent.agent import Agent, DigitsToSend, HttpRequest, Lookup, Tool
from voice_agent.audio.dtmf import keys_in
from voice_agent.call.conversation import AgentTurn, CallerTurn, Conversation, KeysTurn, Resumption, ToolTurn
from voice_agent.call.events import ToolFinished
from voice_agent.call.setup import CallSetup, ModelSetup
from voice_agent.errors import CommandError
from voice_agent.live.recorded import describe
from voice_agent.recording.entries import Entry, Step
from voice_agent.recording.format import STEPS, WIDE, blocks, join_wide
from voice_agent.recording.reader import Recording
from voice_agent.recording.redact import REDACTED, Wanted
from voice_agent.recording.redacting import REDACTED_ARGUMENTS
from voice_agent.recording.telling import summarise, transcript
from voice_agent.replay.resimulated import resimulate
from voice_agent.replay.strict import replay
from voice_agent.review.course import course_of
from voice_agent.review.redacted import BEFORE_MS, redact
from voice_agent.review.sound import sound
from voice_agent.sim.realtime import Think, ThoughtCall, ThoughtText

WANTED = Wanted(("Anna Jones",))

SCENE = (
    Turn("What are your opening hours?"),
    Turn("my number is four two five triple five oh one two three", answers=("So 425 555 0123, right?",)),
    Turn("I am Anna Jones", asks='{"number":"4255550123"}'),
    Turn(keys="8642#"),
    Turn("thank you"),
)

SPEECH_STARTED = "input_audio_buffer.speech_started"

HEARD = ["What are your opening hours?", "[redacted]", "[redacted]", "thank you"]


@cache
def scene_file(audio: str = "g711", dialect: str = "ga", kept: str = "kept") -> bytes:
    return spoken_file(*SCENE, audio=audio, dialect=dialect, kept=kept, tool_output='{"mail":"anna@example.com"}')


def scene(audio: str = "g711", dialect: str = "ga", kept: str = "kept") -> Recording:
    return Recording(scene_file(audio, dialect, kept))


def redacted(recording: Recording, wanted: Wanted = WANTED) -> Recording:
    return Recording(redact(recording, {}, wanted))


def heard(recording: Recording) -> list[str]:
    return [line.text for line in summarise(recording).lines if line.who == "caller"]


def said(recording: Recording) -> list[str]:
    return [line.text for line in summarise(recording).lines if line.who == "agent"]


def sent_to_model(recording: Recording) -> list[str]:
    return [entry.text for step in recording.steps() for entry in step.sent if entry.way == "model"]


def raw_and_decompressed(data: bytes) -> bytes:
    """Everything that somebody finds in a file."""
    stream = zlib.decompressobj()
    found = [data]
    for block in blocks(data):
        if block.kind == STEPS:
            found.append(stream.decompress(block.content))
        elif block.content and block.kind != b"D":
            content = zlib.decompress(block.content)
            found += [content, join_wide(content)] if block.kind == WIDE else [content]
    return b"\n".join(found).lower()


def caller_frames(recording: Recording) -> dict[int, bytes]:
    """The caller's sound by its time on the stream."""
    texts = [step.received.text for step in recording.steps() if step.received and step.received.way == "phone"]
    media = [json.loads(text)["media"] for text in texts if '"media"' in text]
    return {int(part["timestamp"]): base64.b64decode(part["payload"]) for part in media}


def tools(recording: Recording) -> list[str]:
    return [line.text for line in summarise(recording).lines if line.who == "tool"]


def received_in(step: Step, *parts: str) -> bool:
    return step.received is not None and all(part in step.received.text for part in parts)


def is_silent(sound: bytes) -> bool:
    return not sound.strip(b"\xff")


def loud_ms(recording: Recording) -> list[tuple[int, int]]:
    """When the caller is heard, from and to."""
    stretches: list[tuple[int, int]] = []
    for at_ms, frame in caller_frames(recording).items():
        if is_silent(frame):
            continue
        if stretches and stretches[-1][1] == at_ms:
            stretches[-1] = (stretches[-1][0], at_ms + 20)
        else:
            stretches.append((at_ms, at_ms + 20))
    return stretches


def agent_sounds(recording: Recording) -> list[bytes]:
    texts = [step.received.text for step in recording.steps() if step.received and step.received.way == "model"]
    return [base64.b64decode(json.loads(text)["delta"]) for text in texts if 'audio.delta"' in text]


@pytest.mark.parametrize("kept", ["kept", "digests"])
@pytest.mark.parametrize("dialect", ["ga", "preview"])
@pytest.mark.parametrize("audio", ["g711", "pcm24k"])
def test_a_redacted_call_replays_strictly_and_can_be_held_again(audio: str, dialect: str, kept: str) -> None:
    recording = redacted(scene(audio, dialect, kept))
    again = resimulate(recording, {})

    assert replay(recording, {}).same
    assert (again.changed, again.diverged, again.broken) == ((), (), ())
    assert heard(recording) == HEARD
    assert said(recording) == ["All right.", "[redacted]", "All right.", "All right.", "All right."]


@pytest.mark.parametrize("audio", ["g711", "pcm24k"])
def test_no_byte_of_what_was_found_is_in_the_file(audio: str) -> None:
    # Long enough to be no accident in what is packed.
    secrets = [b"jones", b"4255550123", b"425 555", b"555-0123", b"triple five", b"example.com", b"8 6 4 2", b"seattle"]
    before = raw_and_decompressed(scene_file(audio))
    after = raw_and_decompressed(redact(scene(audio), {}, WANTED))

    assert [secret for secret in secrets if secret not in before] == []
    assert [secret for secret in secrets if secret in after] == []
    assert b"opening hours" in after


def test_only_harmless_turns_are_heard_afterwards() -> None:
    before, after = scene(), redacted(scene())
    first, _, _, last = loud_ms(before)

    assert loud_ms(after) == [first, last]
    assert caller_frames(after).keys() == caller_frames(before).keys()
    assert caller_frames(after)[first[0]] == caller_frames(before)[first[0]]


@pytest.mark.parametrize("audio", ["g711", "pcm24k"])
def test_the_agent_s_secret_item_is_silence_of_its_length(audio: str) -> None:
    before, after = agent_sounds(scene(audio)), agent_sounds(redacted(scene(audio)))

    assert list(map(len, before)) == list(map(len, after))
    assert 0 < sum(one != other for one, other in zip(before, after, strict=True)) < len(before)
    assert all(set(other) <= {0, 0xFF} for one, other in zip(before, after, strict=True) if one != other)


def test_what_is_heard_between_turns_has_no_words_and_is_silent() -> None:
    agent = msgspec.structs.replace(AGENT, transcription=None)
    recording = redacted(spoken_call(Turn("my number"), Turn("thank you"), agent=agent))

    assert loud_ms(recording) == []
    assert replay(recording, {}).same


def test_a_turn_whose_transcription_failed_is_silent() -> None:
    recording = redacted(spoken_call(Turn("my number"), Turn("thank you"), faults=["deaf"]))

    assert loud_ms(recording) == []


def test_a_turn_whose_words_ended_in_the_middle_goes_whole() -> None:
    def without_the_end(steps: list[Step]) -> list[Step]:
        return [step for step in steps if not received_in(step, "completed", "four two")]

    cut = spoken_call(Turn("my number is four two"), Turn("thank you"), edit=without_the_end)

    assert any(received_in(step, "four") for step in cut.steps())
    assert not any(received_in(step, "four") for step in redacted(cut).steps())
    assert len(loud_ms(redacted(cut))) == 1


def test_what_is_heard_long_before_a_turn_was_detected_is_silent() -> None:
    before = spoken_call(Turn("thank you"))
    ((began_ms, ended_ms),) = loud_ms(before)
    told_ms = began_ms + BEFORE_MS + 100

    def detected_late(steps: list[Step]) -> list[Step]:
        return [
            step if not received_in(step, "speech_started") else Step(step.now_ms, told, step.sent) for step in steps
        ]

    told = Entry("model", f'{{"type":"{SPEECH_STARTED}","item_id":"item_1","audio_start_ms":{told_ms}}}')
    after = redacted(spoken_call(Turn("thank you"), edit=detected_late))

    assert loud_ms(redacted(before)) == [(began_ms, ended_ms)]
    assert loud_ms(after) == [(began_ms + 100, ended_ms)]


@pytest.mark.parametrize(
    "turns",
    [
        (Turn("it is four two five"), Turn("five five five"), Turn("oh one two three")),
        (Turn("four two five", answers=("Four two five. And then?",)), Turn("five five five oh one two three")),
    ],
)
def test_a_number_in_pieces_is_found_over_turns(turns: tuple[Turn, ...]) -> None:
    recording = redacted(spoken_call(*turns, Turn("thank you"), caller=""))

    assert heard(recording) == [*["[redacted]"] * len(turns), "thank you"]
    assert len(loud_ms(recording)) == 1


def test_what_was_told_in_full_once_is_known_in_parts() -> None:
    turns = (Turn("my order is 98765432", answers=("The one that ends in 5432?",)), Turn("it is the 5432"))
    recording = redacted(spoken_call(*turns, caller=""))

    assert heard(recording) == ["[redacted]", "[redacted]"]
    assert said(recording)[0] == "[redacted]"


def test_keys_are_known_when_somebody_says_them() -> None:
    recording = redacted(spoken_call(Turn(keys="8642"), Turn("I pressed eight six four two"), caller=""))
    keys = [line.text for line in summarise(recording).lines if line.who == "keys"]

    assert keys == ["0000"]
    assert heard(recording) == ["[redacted]"]
    assert b"0 0 0 0" in raw_and_decompressed(redact(recording, {}, WANTED))


def test_keys_of_three_are_known_though_others_were_pressed_before() -> None:
    for keys in ((Turn(keys="1"), Turn(keys="432")), (Turn(keys="1#432#"),)):
        recording = redacted(spoken_call(*keys, Turn("I pressed four three two"), caller=""))

        assert heard(recording) == ["[redacted]"]


def pressing(**named: str) -> Agent:
    """An agent that presses keys."""
    tool = Tool("press", "Opens a door.", {"type": "object"}, "send_digits", keys=DigitsToSend(named=named))
    return msgspec.structs.replace(AGENT, tools=(tool,))


@pytest.mark.parametrize(
    ("agent", "arguments"),
    [(pressing(), '{"digits": "w86-42#", "why": "Anna"}'), (pressing(gate_2="w8642#"), '{"digits": "gate_2"}')],
)
def test_keys_that_the_agent_presses_are_others_as_many_and_nobody_hears_which(agent: Agent, arguments: str) -> None:
    turns = (Turn("open the door", asks=arguments, tool="press"), Turn("it was eight six four two"))
    before = spoken_call(*turns, agent=agent, caller="")
    after = redacted(before)
    channels = sound(before, {}), sound(after, {})
    (tool,) = (line for line in summarise(after).lines if line.who == "tool")

    assert ["".join(heard.key for heard in keys_in(channel.agent)) for channel in channels] == ["8642#", "0000#"]
    assert [len(channel.agent) for channel in channels] == [len(channels[0].agent)] * 2
    assert tool.text in {'press {"digits": "w00-00#"}', 'press {"digits": "gate_2"}'}
    assert '{"sent":"w0000#"}' in tool.remark
    assert heard(after) == ["open the door", REDACTED]
    assert replay(after, {}).same


def test_keys_that_the_model_made_up_go_though_no_tool_presses_them() -> None:
    turn = Turn("open the door", asks='{"digits": "8642#"}', tool="press")
    after = redacted(spoken_call(turn, agent=pressing(gate="1"), caller=""))

    assert tools(after) == ['press {"digits": "0000#"}']


def test_a_turn_in_which_keys_were_pressed_is_silent_for_their_tones_tell_them() -> None:
    before = spoken_call(Turn("Thank you very much."), Turn("goodbye"))
    (began_ms, ended_ms), last = loud_ms(before)

    def pressed(steps: list[Step]) -> list[Step]:
        middle = next(
            number
            for number, step in enumerate(steps)
            if received_in(step, f'"timestamp":"{(began_ms + ended_ms) // 40 * 20}"')
        )
        key = Entry("phone", '{"event":"dtmf","streamSid":"MZ","dtmf":{"track":"inbound_track","digit":"7"}}')
        return [*steps[: middle + 1], Step(steps[middle].now_ms, key), *steps[middle + 1 :]]

    after = redacted(spoken_call(Turn("Thank you very much."), Turn("goodbye"), edit=pressed))

    assert heard(after) == ["Thank you very much.", "goodbye"]
    assert loud_ms(after) == [last]


@pytest.mark.parametrize(
    ("found", "said", "goes"),
    [
        ("Ana Miller", "Hello Ana!", True),
        ("Ana Miller", "Is that Mrs. Miller?", True),
        ("order 4711", "Is it about 4711?", True),
        ("the caller", "I know the caller.", False),
    ],
)
def test_what_was_looked_up_about_the_caller_goes_like_a_listed_word(found: str, said: str, goes: bool) -> None:
    lookup = Lookup(request=HttpRequest(method="GET", url="http://crm"), variables={"who": "customer.name"})
    agent = msgspec.structs.replace(AGENT, lookup=lookup, variables={"who": found, "company": "Alder Dental"})
    after = redacted(spoken_call(Turn("hello", answers=(said,)), agent=agent, caller=""), Wanted())

    assert [line.text for line in summarise(after).lines if line.who == "agent"] == [REDACTED if goes else said]
    assert after.header.setup.agent.variables == {"who": REDACTED if goes else found, "company": "Alder Dental"}
    assert replay(after, {}).same


def test_what_a_call_was_placed_with_goes_likewise_and_what_its_agent_has_of_itself_stays() -> None:
    agent = msgspec.structs.replace(AGENT, variables={"name": "Ana Miller", "company": "Alder Dental"})
    turns = Turn("hello", answers=("Is that Mrs. Miller?",)), Turn("Who is it?", answers=("Alder Dental.",))
    after = redacted(spoken_call(*turns, agent=agent, caller="", given=("name",)), Wanted())

    assert [line.text for line in summarise(after).lines if line.who == "agent"] == [REDACTED, "Alder Dental."]
    assert after.header.setup.agent.variables == {"name": REDACTED, "company": "Alder Dental"}
    assert replay(after, {}).same


def test_a_tool_s_answer_goes_with_its_question() -> None:
    turn = Turn("look me up", asks='{"id":"77"}')
    known = spoken_file(turn, tool_output='{"phone":"4255550123","city":"Seattle"}')
    harmless = spoken_call(turn, tool_output='{"free":"at nine"}')

    assert tools(redacted(Recording(known))) == ['look_up {"redacted":true}']
    assert b"city" in raw_and_decompressed(known)
    assert b"city" not in raw_and_decompressed(redact(Recording(known), {}, WANTED))
    assert tools(redacted(harmless)) == ['look_up {"id":"77"}']


def inserted(entries: list[Entry]) -> Callable[[list[Step]], list[Step]]:
    """Let further texts come in the middle of the call, which a bridge makes nothing of."""

    def edit(steps: list[Step]) -> list[Step]:
        middle = len(steps) // 2
        further = [Step(steps[middle].now_ms, entry) for entry in entries]
        return [*steps[: middle + 1], *further, *steps[middle + 1 :]]

    return edit


def test_why_a_tool_failed_goes_like_its_answer_where_something_is_found() -> None:
    def failing(cause: str) -> Callable[[list[Step]], list[Step]]:
        def edit(steps: list[Step]) -> list[Step]:
            for at, step in enumerate(steps):
                if step.received is not None and '"ToolFinished"' in step.received.text[:40]:
                    finished = msgspec.json.decode(step.received.text, type=ToolFinished)
                    received = describe(msgspec.structs.replace(finished, cause=cause))
                    steps[at] = msgspec.structs.replace(step, received=received)
            return steps

        return edit

    def causes(cause: str) -> list[str]:
        file = spoken_file(Turn("can you look it up", asks='{"number":"A7"}'), edit=failing(cause))
        assert replay(Recording(file), {}).same, "the core passes over it"
        return [run.cause for run in course_of(redacted(Recording(file)))[0].tools]

    assert causes("KeyError: 'A7'") == ["KeyError: 'A7'"]
    assert causes("LookupError: nobody has 425-555-0123") == [REDACTED]
    assert causes("LookupError: Anna Jones is not known") == [REDACTED]


def test_whatever_else_came_in_is_searched_too() -> None:
    strange = (
        {"type": "conversation.item.retrieved", "item": {"id": "x", "content": [{"transcript": "Anna Jones"}]}},
        {"type": "conversation.item.input_audio_transcription.segment", "item_id": "y", "text": "425 555"},
        {"type": "conversation.item.input_audio_transcription.segment", "item_id": "y", "text": " 0123"},
        {"type": "response.function_call_arguments.delta", "item_id": "z", "call_id": "c", "delta": '{"a":"Anna'},
        {"type": "response.function_call_arguments.delta", "item_id": "z", "call_id": "c", "delta": ' Jones"}'},
        {"type": "error", "error": {"message": "sip:anna@10.0.0.1"}},
        {"type": "input_audio_buffer.speech_started", "item_id": 7},
        {"type": "response.output_audio.delta", "delta": "QW5uYSBKb25lcw=="},
        "Anna Jones",
    )
    entries = [Entry("model", json.dumps(message)) for message in strange]
    entries += [Entry("model", '{"item_id":"x","text":"Anna Jones')]
    entries += [Entry("remark", '{"what":"dropped: Anna Jones"}'), Entry("phone", '{"event":"Anna Jones"')]
    data = redact(spoken_call(Turn("hello"), edit=inserted(entries)), {}, WANTED)

    assert not [
        word for word in (b"anna ", b"jones", b"425 555", b" 0123", b"qw5uysbk") if word in raw_and_decompressed(data)
    ]
    assert any(step.received is not None and step.received.way == "remark" for step in Recording(data).steps())


def test_a_redacted_call_says_so_and_is_redacted_again_to_the_same() -> None:
    once = redact(scene(), {"apology": b"\xff"}, WANTED)
    header = Recording(once).header

    assert header.redacted
    assert not scene().header.redacted
    assert header.made_by != scene().header.made_by
    assert redact(Recording(once), {}, WANTED) == once


@pytest.mark.parametrize("share", [0.4, 0.7, 0.99])
def test_a_recording_that_is_cut_short_stays_cut_short(share: float) -> None:
    data = scene_file()[: int(len(scene_file()) * share)]
    recording = redacted(Recording(data))
    found = replay(recording, {})

    assert found.difference is None
    assert found.cut_at is not None
    assert b"jones" not in raw_and_decompressed(redact(Recording(data), {}, WANTED))


def test_what_cannot_be_redacted_is_one_line() -> None:
    data = bytearray(scene_file())
    data[-200] ^= 1
    steps = [Step(0, None), Step(1, Entry("fact", '{"type":"Unheard"}'))]
    unknown = Recording(write(scene().header, steps))
    tool = Tool("look_up", "", {"type": "object"}, "hang_up")
    setup = msgspec.structs.replace(scene().header.setup, agent=msgspec.structs.replace(AGENT, tools=(tool,)))
    backwards = Recording(write(scene().header, [Step(0, None), Step(-1, Entry("fact", '{"type":"TimerFired"}'))]))
    settled = Recording(write(msgspec.structs.replace(scene().header, setup=setup), [Step(0, None)]))
    nested = Entry("model", f'{{"type":"response.done","more":{"[" * 5000}{"]" * 5000}}}')
    deep = Recording(write(scene().header, [Step(0, None), Step(1, nested)]))

    with pytest.raises(CommandError, match="cannot be redacted: the recording is damaged at byte"):
        redact(Recording(bytes(data)), {}, WANTED)
    with pytest.raises(CommandError, match="an input that this version does not know"):
        redact(unknown, {}, WANTED)
    with pytest.raises(CommandError, match="cannot be redacted: today's bridge fails on it"):
        redact(backwards, {}, WANTED)
    with pytest.raises(CommandError, match="cannot be redacted: a message in it is nested too deeply"):
        redact(deep, {}, WANTED)
    with pytest.raises(CommandError, match="take that word out of the list"):
        redact(settled, {}, Wanted(("hang up",)))


def test_the_transcript_holds_the_rest_of_the_call() -> None:
    lines = [line.split("  ", 1)[1] for line in transcript(summarise(redacted(scene())).lines)]

    assert "Caller  What are your opening hours?" in lines
    assert "Keys    0000#" in lines
    assert lines[-1].startswith("End     caller_hung_up")


def test_what_was_said_before_a_call_went_on_is_searched_with_the_rest() -> None:
    turns = (
        CallerTurn("old_1", "my number is four two five"),
        AgentTurn("old_2", "Go on.", interrupted=False),
        CallerTurn("old_3", "triple five oh one two three"),
        CallerTurn("old_4", "and I like tea"),
        ToolTurn("old_5", "look_up", '{"number":"4255550123"}', "Anna Jones"),
        AgentTurn("old_6", "So 425 555 0123.", interrupted=False, agent="billing"),
        KeysTurn("8642"),
    )
    resumed = Resumption(Conversation("reception", turns), "The line to +14255550199 is busy.")
    before = scene()
    setup = msgspec.structs.replace(before.header.setup, resumed=resumed)
    found = redacted(Recording(write(msgspec.structs.replace(before.header, setup=setup), [*before.steps()])))

    after = found.header.setup.resumed
    assert after is not None
    assert after.conversation.turns == (
        CallerTurn("old_1", REDACTED),
        AgentTurn("old_2", "Go on.", interrupted=False),
        CallerTurn("old_3", REDACTED),
        CallerTurn("old_4", "and I like tea"),
        ToolTurn("old_5", "look_up", REDACTED_ARGUMENTS, REDACTED),
        AgentTurn("old_6", REDACTED, interrupted=False, agent="billing"),
        KeysTurn("0000"),
    )
    assert after.reason == REDACTED
    assert REDACTED in next(text for text in sent_to_model(found) if '"history-1"' in text)


# --- MCP -------------------------------------------------------------------------------------------------------------


def test_what_an_mcp_server_was_asked_and_answered_goes_with_its_numbers() -> None:
    def mind(asked: Think) -> list[ThoughtText | ThoughtCall]:
        if asked.conversation and asked.conversation[-1].kind == "user":
            return [ThoughtCall(asked.response_id, "book", '{"phone": "+1 425 555 0188"}')]
        return [ThoughtText(asked.response_id, "It is done.")]

    server = msgspec.structs.replace(ASKING, approve="all")
    world = held(4, server, {"calendar": {"book": "the code for 4255550199 is AKIA0123456789ABCDEF"}}, mind=mind)
    of = CallSetup(call_sid="CA" + "0" * 31 + "4", agent=an_agent(mcp=(server,)), model=ModelSetup(audio="g711"))
    before = write(header_of(of), steps_of(world, of))
    found = redact(Recording(before), {}, WANTED)
    (tool,) = (line for line in summarise(Recording(found)).lines if line.who == "tool")

    everything = raw_and_decompressed(found)
    assert b"0188" in raw_and_decompressed(before)
    assert [word for word in (b"0188", b"4255550199", b"akia0123456789abcdef") if word in everything] == []
    assert tool.text == 'book (calendar) {"redacted":true}'
    assert "[redacted]" in tool.remark
    assert replay(Recording(found), {}).same


@pytest.mark.parametrize("lost_s", [2.0, 6.0, 8.5, 9.0, 9.6])
def test_in_a_call_whose_session_was_lost_no_secret_is_heard_and_what_is_none_is(lost_s: float) -> None:
    """Each session counts from its own beginning, and what it is given once more lies on two clocks."""
    turns = (
        Turn("What are your opening hours?"),
        Turn("my number is four two five triple five oh one two three", answers=("Thank you.",) * 3),
        Turn("And where are you?"),
    )
    before = spoken_call(*turns, faults=[f"drop@{lost_s}"])
    after = redacted(before)
    first, secret, last = loud_ms(before)

    assert not any(began_ms < secret[1] and secret[0] < ended_ms for began_ms, ended_ms in loud_ms(after))
    assert loud_ms(after)[-1] == last
    assert first in loud_ms(after) or lost_s < 4
    assert replay(after, {}).same
