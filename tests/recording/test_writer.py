import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.recorded import (
    append,
    caller_media,
    header,
    model_delta,
    outgoing_media,
    reread,
    write,
)
from voice_agent.recording.cutting import seal
from voice_agent.recording.entries import WAYS, Entry, Step
from voice_agent.recording.format import TEMPLATES
from voice_agent.recording.reader import LONGEST_MS, Recording
from voice_agent.recording.writer import BLOCK_MS, RecordingWriter, written

AUDIO = bytes(range(160))


def sealed(entry: Entry) -> Entry:
    return Entry(entry.way, seal(entry.way, entry.text))


def payloads() -> st.SearchStrategy[str]:
    return st.one_of(
        st.binary(max_size=40).map(lambda audio: append(audio).text.split('"')[-2]),
        st.text(alphabet="ABab01+/=~", max_size=12),
        st.text(max_size=5),
    )


def texts() -> st.SearchStrategy[str]:
    """Texts that look like messages with audio, and texts that look like nothing."""
    numbers = st.one_of(st.integers(-5, 10**16).map(str), st.sampled_from(["007", "", "1e5", "0", "\x01", "\ud800"]))
    likely = st.builds(
        lambda shape, a, b, payload: shape.replace("#a", a).replace("#b", b).replace("#p", payload),
        st.sampled_from(
            [
                '{"event":"media","n":"#a","media":{"chunk":"#b","payload":"#p"}}',
                '{"event":"media","media":{"payload":"#p","timestamp":#a},"n":"#b""#a"}',
                '{"type":"response.audio.delta","delta":"#p","#a":"#b"}',
                '{"type":"input_audio_buffer.append","audio":"#p"}#a',
            ]
        ),
        numbers,
        numbers,
        payloads(),
    )
    return st.one_of(likely, st.text(st.characters(exclude_categories=[]), max_size=30))


entries = st.builds(Entry, st.sampled_from(WAYS), texts())
steps = st.lists(
    st.builds(Step, st.integers(-(2**50), LONGEST_MS), st.none() | entries, st.lists(entries, max_size=3).map(tuple)),
    max_size=12,
)


@given(steps, st.sampled_from(["g711", "pcm24k"]))
def test_whatever_is_fed_is_read_back_identically(fed: list[Step], model_audio: str) -> None:
    expected = [Step(step.now_ms, step.received, tuple(sealed(entry) for entry in step.sent)) for step in fed]

    assert reread(header(model_audio=model_audio), fed) == expected


@given(steps)
def test_without_kept_audio_every_text_comes_back_sealed(fed: list[Step]) -> None:
    expected = [
        Step(step.now_ms, step.received and sealed(step.received), tuple(sealed(entry) for entry in step.sent))
        for step in fed
    ]

    assert reread(header("digests"), fed) == expected


counting = st.lists(
    st.tuples(
        st.sampled_from([0, 1, 1, 1, 2, -7, 10**15]),
        st.sampled_from(["%", '{"event":"media","at":"#a","media":{"payload":"#p"},"n%":"#b"}'] * 2 + ["#p"]),
        st.one_of(st.sampled_from(["", "", '"', '}"', "~8:00", "AAAA", "/w=="]), payloads()),
    ),
    max_size=12,
)


@given(counting, st.booleans())
def test_a_text_that_counts_on_is_read_back_identically_whatever_comes_between(
    texts: list[tuple[int, str, str]], kept: bool
) -> None:
    fed: list[Step] = []
    at = 0
    for step, shape, payload in texts:
        at += step
        text = shape.replace("#a", str(at)).replace("#b", str(20 * at)).replace("#p", payload)
        fed.append(Step(len(fed), Entry("phone", text), (Entry("phone", text),)))

    back = reread(header() if kept else header("digests"), fed)

    received = [step.received if kept else sealed(step.received) for step in fed if step.received is not None]
    assert [step.received for step in back] == received
    assert [step.sent for step in back] == [(sealed(entry),) for step in fed for entry in step.sent]


frames = st.lists(
    st.tuples(
        st.sampled_from([0, 20, 20, 20, 127, 128, -1]),
        st.sampled_from([1, 1, 1, 1, 2]),
        st.sampled_from([AUDIO, AUDIO, AUDIO[::-1], AUDIO[:159]]),
        st.sampled_from(["same", "same", "other", "longer", "uneven", "marked", "counted", "two", "none"]),
        st.sampled_from(["phone", "phone", "phone", "phone", "model"]),
    ),
    max_size=12,
)


@given(frames, st.booleans())
def test_frames_and_what_became_of_them_are_read_back_identically_however_they_vary(
    told: list[tuple[int, int, bytes, str, str]], kept: bool
) -> None:
    fed: list[Step] = []
    now_ms = number = 0
    steady = [(20, 1, AUDIO, "same", "phone")] * 4
    for after_ms, step, audio, became, way in steady + told:
        now_ms, number = now_ms + after_ms, number + step
        payload = append(audio).text.split('"')[-2]
        received = Entry(
            way,  # type: ignore[arg-type]
            f'{{"event":"media","sequenceNumber":"{number}","media":{{"chunk":"{number}","timestamp":"{20 * number}",'
            f'"payload":"{payload}"}}}}',
        )
        sent = {
            "same": [append(audio)],
            "other": [append(audio[1:] + b"x")],
            "longer": [append(audio * 6)],
            "uneven": [Entry("model", append(audio).text.replace(payload, payload[:-1] + "!"))],
            "marked": [Entry("model", append(audio).text + " ")],
            "counted": [Entry("model", append(audio).text + f'"{number}"')],
            "two": [append(audio), append(audio)],
            "none": [],
        }[became]
        fed.append(Step(now_ms, received, tuple(sent)))

    back = reread(header() if kept else header("digests"), fed)

    assert back == [
        Step(
            step.now_ms,
            step.received if kept else sealed(step.received) if step.received else None,
            tuple(sealed(entry) for entry in step.sent),
        )
        for step in fed
    ]


def test_a_text_that_ends_within_the_place_of_its_audio_is_not_taken_for_the_expected_one() -> None:
    text = append(AUDIO).text
    cut = Entry("model", text[: text.index('"', text.index('audio":')) + 3] + "}")
    fed = [Step(0, caller_media(0, AUDIO), (append(AUDIO), cut))]

    (back,) = reread(header(), fed)

    assert back.sent == (sealed(append(AUDIO)), cut)


def test_a_template_that_lost_its_place_is_not_expected_any_more() -> None:
    others = [Step(n, model_delta(AUDIO, f"event_{n}")) for n in range(TEMPLATES)]
    fed = [*(Step(0, caller_media(n, AUDIO)) for n in range(3)), *others, Step(TEMPLATES, caller_media(3, AUDIO))]

    assert reread(header(), fed) == fed


def test_a_step_that_is_like_the_last_one_is_not_taken_for_it_when_its_templates_lost_their_places() -> None:
    others = [Step(n, model_delta(AUDIO, f"event_{n}")) for n in range(TEMPLATES)]
    frames = [Step(n, caller_media(n, AUDIO), (append(AUDIO),)) for n in range(3)]
    fed = [*frames, *others, Step(TEMPLATES, caller_media(3, AUDIO), (append(AUDIO),))]

    assert reread(header(), fed) == [Step(step.now_ms, step.received, tuple(map(sealed, step.sent))) for step in fed]


def test_templates_may_be_more_than_there_are_places() -> None:
    fed = [Step(n, model_delta(bytes([n % 7]), f"event_{n % (TEMPLATES + 3)}")) for n in range(3 * TEMPLATES)]

    assert reread(header(), fed) == fed


@given(st.lists(st.integers(0, 3 * BLOCK_MS), min_size=1, max_size=30).map(sorted))
def test_a_cut_takes_less_than_half_a_second_with_it_though_the_file_was_written_in_one_go(times: list[int]) -> None:
    fed = [Step(now_ms, caller_media(number, AUDIO)) for number, now_ms in enumerate(times)]
    whole, part = Recording(written(header(), fed)), written(header(), fed, whole=False)
    short = Recording(part[:-1])
    left = list(short.steps())

    assert list(whole.steps()) == list(Recording(part).steps()) == fed
    assert whole.cut_at is None
    assert short.cut_at is not None
    assert left == fed[: len(left)]
    assert all(times[-1] - step.now_ms < BLOCK_MS for step in fed[len(left) :])


def test_nothing_is_written_for_nothing() -> None:
    writer = RecordingWriter(header())
    assert writer.take()

    assert writer.take() == b""


def test_the_folder_of_the_agent_is_not_recorded() -> None:
    assert Recording(write(header(), [])).header.setup.agent.folder == ""


def one_minute(model_audio: str) -> list[Step]:
    """Half the time the agent speaks; all audio is noise, which cannot be compressed: worse than any speech."""
    chance = random.Random(7)
    widen = 6 if model_audio == "pcm24k" else 1
    fed = []
    for frame in range(3000):
        now_ms = frame * 20 + chance.choice([0, 0, 0, 1, 2])
        audio = chance.randbytes(160)
        fed.append(Step(now_ms, caller_media(frame, audio), (append(audio * widen),)))
        if frame % 1000 < 500 and frame % 10 == 0:
            speech = chance.randbytes(1600 * widen)
            mark = Entry("phone", f'{{"event":"mark","streamSid":"MZ1","mark":{{"name":"play-{frame}"}}}}')
            delta = model_delta(speech, f"event_{chance.randbytes(10).hex()}")
            fed.append(Step(now_ms, delta, (outgoing_media(speech[:1600]), mark)))
            fed.append(Step(now_ms, mark))
    return fed


@pytest.mark.parametrize(("model_audio", "bound"), [("g711", 800_000), ("pcm24k", 2_000_000)])
def test_a_minute_of_noise_stays_within_its_bound(model_audio: str, bound: int) -> None:
    assert len(write(header(model_audio=model_audio), one_minute(model_audio), steps_a_block=60)) < bound


def test_texts_alone_take_little() -> None:
    assert len(write(header("digests"), one_minute("g711"), steps_a_block=60)) < 80_000
