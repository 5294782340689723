import msgspec
import pytest

from tests.sim.test_world_mcp import ASKING, CALENDAR, held
from tests.support.faulty_calls import CLIPS, FaultyCall
from tests.support.recorded import write
from tests.support.scenes import an_agent, asked_call, interrupted_call
from tests.support.simulated import header_of, setup, simulated_call, steps_of
from voice_agent.agent import Agent, BargeIn
from voice_agent.call.commands import RunTool
from voice_agent.call.events import ToolFinished
from voice_agent.call.setup import CallSetup, ModelSetup
from voice_agent.errors import PeerError
from voice_agent.live.recorded import describe
from voice_agent.recording.entries import Entry, Step
from voice_agent.recording.reader import Recording
from voice_agent.replay.resimulated import Resimulated, resimulate
from voice_agent.replay.strict import replay
from voice_agent.sim.realtime import Think, ThoughtCall, ThoughtText
from voice_agent.sim.world import World
from voice_agent.wire.bridge import Bridge


def recorded(audio: str = "g711", kept: str = "kept", jitter_ms: int = 0) -> Recording:
    return Recording(write(header_of(setup(audio), kept), steps_of(simulated_call(audio, jitter_ms), setup(audio))))


def with_agent(**changes: object) -> CallSetup:
    agent = msgspec.convert({**msgspec.to_builtins(setup().agent), **changes}, Agent)
    return msgspec.structs.replace(setup(), agent=agent)


def without(part: str) -> Recording:
    """Take the received texts with some part out of the recording."""
    steps = [
        step
        for step in steps_of(simulated_call(), setup())
        if step.received is None or part not in step.received.text or '"media"' in step.received.text
    ]
    return Recording(write(header_of(setup()), steps))


def seen(found: Resimulated) -> tuple[object, ...]:
    now = found.now
    return now.heard, now.said, now.tools, now.interruptions, now.responses, now.ended


@pytest.mark.parametrize("audio", ["g711", "pcm24k"])
@pytest.mark.parametrize("kept", ["kept", "digests"])
def test_a_call_that_nothing_changed_is_held_to_the_millisecond(audio: str, kept: str) -> None:
    found = resimulate(recorded(audio, kept), {})

    assert (found.changed, found.diverged, found.broken) == ((), (), ())
    then = found.then
    assert seen(found) == (then.heard, then.said, then.tools, then.interruptions, then.responses, then.ended)
    assert found.now.interruptions
    assert found.now.ended == "caller_hung_up"


def test_jitter_of_the_network_changes_no_word() -> None:
    found = resimulate(recorded(jitter_ms=15), {})

    assert found.now.said == found.then.said
    assert found.broken == ()


@pytest.mark.parametrize("audio", ["g711", "pcm24k"])
def test_the_call_of_today_is_a_recording_that_is_the_same_strictly(audio: str) -> None:
    today = Recording(resimulate(recorded(audio), {}).log.write())

    assert replay(today, {}).same
    assert resimulate(today, {}).changed == ()


def test_a_change_of_the_agent_is_told_and_keeps_what_must_hold() -> None:
    found = resimulate(recorded(), {}, with_agent(barge_in={"after_ms": 700}))

    assert found.broken == ()
    assert any("cut after" in line for line in found.changed)
    later, then = found.now.interruptions[0], found.then.interruptions[0]
    assert 300 < later.heard_ms - then.heard_ms < 1000


def test_an_agent_that_no_longer_greets_leaves_its_recorded_greeting_unsaid() -> None:
    found = resimulate(recorded(), {}, with_agent(greeting=None))

    assert len(found.now.said) < len(found.then.said)
    assert found.broken == ()


def test_a_request_without_a_counterpart_gets_silence_and_is_told() -> None:
    found = resimulate(without("resp_1"), {})

    assert found.broken == ()
    assert found.diverged == (
        "diverged at 00:00.360: asked for a greeting (greeting-1), which the recording has no answer to",
    )


@pytest.mark.parametrize("metadata", ['{"request":[]}', '{"request":{"greeting-1":1}}', "[]"])
def test_a_response_of_any_form_is_held_again(metadata: str) -> None:
    def changed(step: Step) -> Step:
        if step.received is None or '"response.created"' not in step.received.text:
            return step
        message = msgspec.json.decode(step.received.text)
        message["response"]["metadata"] = msgspec.Raw(metadata.encode())
        return Step(step.now_ms, Entry("model", msgspec.json.encode(message).decode()), step.sent)

    before = recorded()

    assert resimulate(Recording(write(before.header, map(changed, before.steps()))), {}).recorded_ms > 0


def test_a_caller_whose_recording_ends_hangs_up_in_the_end() -> None:
    steps = [step for step in steps_of(simulated_call(), setup()) if "Closed" not in str(step.received)]
    stays = [step for step in steps if '"stop"' not in str(step.received)]
    found = resimulate(Recording(write(header_of(setup()), stays)), {})

    assert "the call goes on where the recording has ended; the caller hangs up" in found.diverged[-1]
    assert found.now.ended == "caller_hung_up"


def test_a_file_that_is_cut_short_is_held_up_to_the_cut() -> None:
    data = write(header_of(setup()), steps_of(simulated_call(), setup()))
    found = resimulate(Recording(data[: len(data) // 2]), {})

    assert found.cut_at is not None
    assert 1000 < found.recorded_ms < 15_000
    # What would have become of it nobody knows.
    assert found.duration_ms == found.recorded_ms
    assert (found.changed, found.diverged, found.broken) == ((), (), ())
    assert found.now.said[0] == "this is an answer that takes about three seconds to say"


def test_a_damaged_file_is_held_up_to_the_damage() -> None:
    data = bytearray(write(header_of(setup()), steps_of(simulated_call(), setup())))
    data[len(data) // 2] ^= 1
    found = resimulate(Recording(bytes(data)), {})

    assert "damaged at byte" in found.damage
    assert found.now.said


def test_a_recording_without_a_call_is_refused() -> None:
    forged = Recording(write(header_of(setup()), [Step(0, None, (Entry("fact", "{}"),))]))
    with pytest.raises(PeerError):
        resimulate(forged, {})


def again(world: World, of: CallSetup, clips: dict[str, bytes] | None = None) -> Resimulated:
    began = Step(0, None, tuple(map(describe, Bridge(of, clips or {}).start())))
    log = [Step(ms, describe(received), tuple(map(describe, outputs))) for ms, received, outputs in world.log]
    return resimulate(Recording(write(header_of(of), [began, *log])), clips or {})


def setup_of(agent: Agent, seed: int = 0, *, rest: bool = False) -> CallSetup:
    return CallSetup(call_sid=f"CA{seed:032}", agent=agent, rest=rest, model=ModelSetup(audio="g711"))


@pytest.mark.parametrize(
    "fault",
    [
        "close=1011@5", "drop@6", "fail=server_error*1", "fail=rate_limit_exceeded*2", "incomplete=content_filter*1",
        "status-429,retry-after=2", "error=oops@4", "unknown@3,malformed@4", "refuse=response.create:oops*1", "mute",
        "deaf", "late-audio=400", "chunks=777", "silence@5", "refuse=session.update:oops*1",
    ],
)  # fmt: skip
def test_a_call_in_which_something_went_wrong_goes_wrong_again(fault: str) -> None:
    found = again(FaultyCall(fault).world, setup_of(an_agent()), CLIPS)

    assert found.broken == ()
    assert found.now.said == found.then.said
    assert found.now.heard == found.then.heard
    assert found.then.ended in {found.now.ended, ""}


@pytest.mark.parametrize("seed", range(6))
def test_calls_full_of_interruptions_keep_what_must_hold(seed: int) -> None:
    agent = an_agent(barge_in=BargeIn(after_ms=400 * (seed % 2)))
    world = interrupted_call(seed, times=6, barge_in=agent.barge_in)
    found = again(world, setup_of(agent, seed))

    assert found.broken == ()
    assert found.now.ended == found.then.ended


def uses_a_tool(asked: Think) -> list[ThoughtText | ThoughtCall]:
    if asked.conversation and asked.conversation[-1].kind == "output":
        return [ThoughtText(asked.response_id, "It is forty-two.")]
    if any(line.kind == "user" for line in asked.conversation):
        return [ThoughtCall(asked.response_id, "look_up", "{}")]
    return [ThoughtText(asked.response_id, "Hello.")]


def test_a_tool_that_outlasted_its_call_does_so_again() -> None:
    world = asked_call(3, uses_a_tool, agent=an_agent())
    place = next(place for place, (_, received, _) in enumerate(world.log) if isinstance(received, ToolFinished))
    world.log = world.log[:place]
    found = again(world, setup_of(an_agent(), 3))

    assert [(use.name, use.output) for use in found.now.tools] == [("look_up", "")]
    assert not any("tool" in line for line in found.diverged)


def test_tools_answer_as_recorded_and_are_missed_where_they_were_not_used() -> None:
    agent = an_agent()
    world = asked_call(3, uses_a_tool, agent=agent)
    found = again(world, setup_of(agent, 3))
    assert [(use.name, use.output) for use in found.now.tools] == [("look_up", '{"answer": 42}')]
    assert not any("tool" in line for line in found.diverged)

    world.log = [
        (ms, received, [output for output in outputs if not isinstance(output, RunTool)])
        for ms, received, outputs in world.log
        if not isinstance(received, ToolFinished)
    ]
    missed = again(world, setup_of(agent, 3))
    assert any(
        "asked for the tool look_up {}, which the recording has no answer of" in line for line in missed.diverged
    )
    assert missed.now.tools[0].failed
    assert missed.broken == ()


# --- MCP -------------------------------------------------------------------------------------------------------------


def mcp_call(*, asking: bool, seed: int = 1) -> Recording:
    """Record a call in which an MCP server was asked."""
    world = held(seed, ASKING if asking else CALENDAR)
    of = CallSetup(
        call_sid=f"CA{seed:032}",
        agent=an_agent(mcp=(ASKING if asking else CALENDAR,)),
        model=ModelSetup(audio="g711"),
    )
    return Recording(write(header_of(of), steps_of(world, of)))


@pytest.mark.parametrize("asking", [False, True])
def test_a_call_with_an_mcp_server_is_held_again_as_it_was(asking: bool) -> None:
    recording = mcp_call(asking=asking)
    found = resimulate(recording, CLIPS)

    assert replay(recording, CLIPS).same
    assert (found.changed, found.diverged, found.broken) == ((), (), ())
    assert [use.output for use in found.now.tools][:1] == ["nine"]


def test_an_mcp_call_is_answered_in_its_turn_where_today_s_agent_is_later() -> None:
    recording = mcp_call(asking=False)
    today = msgspec.structs.replace(
        recording.header.setup,
        agent=msgspec.structs.replace(recording.header.setup.agent, barge_in=BargeIn(after_ms=700)),
    )
    found = resimulate(recording, CLIPS, today)

    assert found.broken == ()
    assert [(use.name, use.output) for use in found.now.tools][:1] == [("free_slots", "nine")]
