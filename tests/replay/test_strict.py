import msgspec
import pytest

from tests.support.recorded import write
from tests.support.simulated import header_of, setup, simulated_call, steps_of
from voice_agent.agent import Agent
from voice_agent.call.events import TimerFired, ToolFinished
from voice_agent.live.recorded import describe
from voice_agent.recording.cutting import seal
from voice_agent.recording.entries import Entry, Step
from voice_agent.recording.format import Header
from voice_agent.recording.reader import Recording
from voice_agent.recording.telling import clock
from voice_agent.replay.strict import Difference, replay


def recorded(steps: list[Step], header: Header | None = None) -> Recording:
    return Recording(write(header or header_of(setup()), steps))


def steps() -> list[Step]:
    return steps_of(simulated_call(), setup())


def first(fed: list[Step], part: str) -> tuple[int, int]:
    """Find the first output that holds `part`: its step and its place there."""
    return next(
        (number, place) for number, step in enumerate(fed) for place, sent in enumerate(step.sent) if part in sent.text
    )


def changed(fed: list[Step], number: int, place: int, *instead: Entry) -> list[Step]:
    sent = fed[number].sent
    step = msgspec.structs.replace(fed[number], sent=(*sent[:place], *instead, *sent[place + 1 :]))
    return [*fed[:number], step, *fed[number + 1 :]]


def difference(fed: list[Step]) -> Difference:
    found = replay(recorded(fed), {})
    assert found.difference is not None
    assert not found.same
    return found.difference


@pytest.mark.parametrize("audio", ["g711", "pcm24k"])
@pytest.mark.parametrize("kept", ["kept", "digests"])
def test_a_call_that_nothing_changed_is_the_same(audio: str, kept: str) -> None:
    fed = steps_of(simulated_call(audio), setup(audio))
    found = replay(recorded(fed, header_of(setup(audio), kept)), {})

    assert found.difference is None
    assert found.same
    assert found.steps == len(fed)
    assert found.duration_ms == fed[-1].now_ms


def test_a_millisecond_of_a_cut_is_a_difference_shown_with_the_call_before_it() -> None:
    fed = steps()
    number, place = first(fed, "conversation.item.truncate")
    text = fed[number].sent[place].text
    cut = msgspec.json.decode(text)["audio_end_ms"]
    other = text.replace(f'"audio_end_ms":{cut}', f'"audio_end_ms":{cut + 1}')
    found = difference(changed(fed, number, place, Entry("model", other)))
    lines = str(found).splitlines()

    assert found.step == number
    assert found.now_ms == fed[number].now_ms
    assert lines[0].startswith(f"differs at 00:0{found.now_ms // 1000}.")
    assert lines[0].endswith("conversation.item.truncate (the model's memory of an answer is cut to what was heard)")
    marked = [line[1:] for line in lines if line.startswith("  > ")]
    assert [line.split()[2] for line in marked] == ["Interrupted", "AgentSaid"]
    after = lines[lines.index(f" {marked[-1]}") + 1]
    assert after > f"    {clock(found.now_ms)}"
    assert any("CallerBegan" in line for line in lines)
    assert any(line.startswith("  was sent then: model") and f'"audio_end_ms":{cut + 1}' in line for line in lines)
    assert any(line.startswith("  would be now:  model") and f'"audio_end_ms":{cut}' in line for line in lines)
    assert lines[-1] == f"  that is:       audio_end_ms: {cut + 1} -> {cut}"


def test_an_output_too_few_or_too_many_is_a_difference() -> None:
    fed = steps()
    number, place = first(fed, '"clear"')

    missing = difference(changed(fed, number, place))
    assert missing.today is not None
    sent = fed[number].sent[place]
    more = difference(changed(fed, number, len(fed[number].sent) - 1, fed[number].sent[-1], sent))
    assert (more.recorded, more.today) == (sent, None)
    assert "would be now:  nothing" in str(more)


def test_derived_audio_is_compared_by_length_and_digest() -> None:
    fed = steps()
    number, place = first(fed, "input_audio_buffer.append")
    sealed = seal("model", fed[number].sent[place].text)
    zero = sealed[: sealed.rindex(":") + 1] + "0" * 16 + '"}'
    found = difference(changed(fed, number, place, Entry("model", zero)))

    assert found.recorded is not None
    assert found.today == Entry("model", sealed)


def test_without_kept_audio_only_its_length_counts() -> None:
    fed = steps()
    number, place = first(fed, "input_audio_buffer.append")
    text = fed[number].sent[place].text
    shorter = changed(fed, number, place, Entry("model", text.replace('"audio":"', '"audio":"AAAA')))

    found = replay(recorded(shorter, header_of(setup(), "digests")), {}).difference
    assert found is not None
    assert found.step == number
    other = changed(fed, *first(fed, "response.create"), Entry("model", "{}"))
    assert not replay(recorded(other, header_of(setup(), "digests")), {}).same


def test_order_of_fields_and_spaces_are_no_difference_and_other_text_is() -> None:
    fed = steps()
    number, place = first(fed, "response.create")
    message = msgspec.json.decode(fed[number].sent[place].text)
    backwards = msgspec.json.format(msgspec.json.encode(dict(reversed(message.items()))), indent=2).decode()

    assert replay(recorded(changed(fed, number, place, Entry("model", backwards))), {}).same
    assert "the text:" in str(difference(changed(fed, number, place, Entry("model", "no json"))))
    assert difference(changed(fed, number, place, Entry("phone", backwards))).step == number


def test_a_field_that_a_later_version_adds_with_its_default_is_no_difference() -> None:
    fed = steps()
    number, place = first(fed, '"Interrupted"')
    older = fed[number].sent[place].text
    assert '"basis":' in older

    fewer = changed(fed, 0, 0, Entry("fact", '{"type": "ConnectModel"}'))
    assert replay(recorded(fewer), {}).same
    wrong = changed(fed, number, place, Entry("fact", '{"type":"Unheard"}'))
    assert "Unheard" in str(difference(wrong))


def test_what_differs_in_lists_is_named_and_long_values_are_cut() -> None:
    fed = steps()
    number, place = first(fed, "session.update")
    message = msgspec.json.decode(fed[number].sent[place].text)
    message["session"]["instructions"] = "x" * 200
    message["session"]["output_modalities"] = ["text"]
    told = str(difference(changed(fed, number, place, Entry("model", msgspec.json.encode(message).decode()))))

    assert f'session.instructions: "{"x" * 79}… -> "Be kind."' in told
    assert 'session.output_modalities[0]: "text" -> "audio"' in told


def test_the_beginning_is_compared_too() -> None:
    found = difference(changed(steps(), 0, 0))

    assert "  then came:     the call began" in str(found).splitlines()


def test_a_core_that_fails_is_shown_where_it_fails() -> None:
    fed = steps()[:20]
    early = Step(0, describe(ToolFinished("call_1", "{}")), (Entry("fact", "{}"),))
    found = difference([*fed, early])

    assert found.step == 20
    assert "would be now:  the core fails: AssertionError: time runs backwards" in str(found)
    silent = difference([*fed, Step(0, early.received)])
    assert silent.recorded is None


def test_a_file_that_is_cut_short_is_compared_up_to_there() -> None:
    data = write(header_of(setup()), steps())
    found = replay(Recording(data[: len(data) // 2]), {})

    assert found.difference is None
    assert found.steps > 100
    assert found.cut_at is not None
    assert not found.same


def test_a_damaged_file_is_compared_up_to_there() -> None:
    data = bytearray(write(header_of(setup()), steps()))
    data[len(data) // 2] ^= 1
    found = replay(Recording(bytes(data)), {})

    assert found.difference is None
    assert found.steps > 100
    assert "damaged at byte" in found.damage
    assert not found.same


def test_another_agent_gives_another_call() -> None:
    other = msgspec.structs.replace(setup(), agent=Agent(name="reception", instructions="Be brief.", greeting="Hi."))
    found = replay(recorded(steps(), header_of(other)), {})

    assert found.difference is not None
    assert 'session.instructions: "Be kind." -> "Be brief."' in str(found.difference)


def woken(fed: list[Step]) -> int:
    return next(number for number, step in enumerate(fed) if step.received == describe(TimerFired()))


def test_a_core_that_waits_longer_than_the_recorded_one_is_a_difference() -> None:
    fed = steps()
    number = woken(fed)
    earlier = msgspec.structs.replace(fed[number], now_ms=fed[number].now_ms - 1)
    found = difference([*fed[:number], earlier, *fed[number + 1 :]])

    assert found.step == number
    slept = f"the core's own clock woke it then; today's core sleeps there, and waits until {clock(fed[number].now_ms)}"
    assert str(found).splitlines()[0].endswith(f": {slept}")


def test_a_core_that_waits_less_long_than_the_recorded_one_is_a_difference() -> None:
    fed = steps()
    number = woken(fed)
    due_ms = fed[number].now_ms
    found = difference([*fed[:number], *fed[number + 1 :]])

    assert due_ms + 1000 < found.now_ms < due_ms + 1100
    assert found.waking.startswith("the core slept on then; today's core would have been woken at 00:")
    assert clock(due_ms) in found.waking
