from hypothesis import given
from hypothesis import strategies as st

from voice_agent.call.events import ModelAudio
from voice_agent.wire.item_audio import ITEMS_KEPT, AudioKey, ItemAudio, Unchanged

A = AudioKey("resp_1", "item_a", 0)
B = AudioKey("resp_1", "item_b", 0)
NEXT = AudioKey("resp_2", "item_c", 0)


class Holding:
    """A resampler that holds back the last two bytes it was given."""

    def __init__(self) -> None:
        self.held = b""

    def feed(self, data: bytes) -> bytes:
        data = self.held + data
        self.held = data[-2:]
        return data[:-2]

    def flush(self) -> bytes:
        tail, self.held = self.held, b""
        return tail

    def reset(self) -> None:
        self.held = b""


def holding() -> ItemAudio:
    return ItemAudio(Holding(), bytes_per_ms=2)


def audio(key: AudioKey, data: bytes, sent_ms: int, *, done: bool = False) -> ModelAudio:
    return ModelAudio(key.response_id, key.item_id, key.content_index, data, sent_ms, done)


def test_what_was_held_back_comes_with_the_end_of_the_item() -> None:
    item = holding()

    assert item.delta(A, b"abcdef") == [audio(A, b"abcd", 3)]
    assert item.done(A) == [audio(A, b"ef", 3, done=True)]


def test_a_delta_that_is_held_back_whole_still_tells_how_much_was_sent() -> None:
    assert holding().delta(A, b"ab") == [audio(A, b"", 1)]


def test_only_whole_milliseconds_count_as_sent() -> None:
    item = ItemAudio(Unchanged(), bytes_per_ms=48)

    assert [event.sent_ms for size in (47, 1, 95, 1) for event in item.delta(A, bytes(size))] == [0, 1, 2, 3]


def test_an_empty_delta_is_nothing() -> None:
    item = holding()
    item.delta(A, b"abcd")

    assert item.delta(B, b"") == []
    assert item.done(A) == [audio(A, b"cd", 2, done=True)]


def test_the_tail_of_an_item_comes_before_the_next_item_begins() -> None:
    item = holding()
    item.delta(A, b"abcd")

    assert item.delta(B, b"efgh") == [audio(A, b"cd", 2), audio(B, b"ef", 2)]
    assert item.done(A) == [audio(A, b"", 2, done=True)]
    assert item.done(B) == [audio(B, b"gh", 2, done=True)]


def test_an_item_that_held_nothing_back_leaves_no_empty_tail_behind() -> None:
    item = ItemAudio(Unchanged(), bytes_per_ms=8)
    item.delta(A, bytes(8))

    assert item.delta(B, bytes(8)) == [audio(B, bytes(8), 1)]


def test_the_parts_of_an_item_are_counted_apart() -> None:
    item, second = holding(), AudioKey("resp_1", "item_a", 1)
    item.delta(A, b"abcd")

    assert item.delta(second, b"efgh")[-1].sent_ms == 2


def test_nothing_of_a_cut_response_is_heard_in_the_next() -> None:
    item = holding()
    item.delta(A, b"abcd")

    assert item.response_done("resp_1", completed=False) == []
    assert item.delta(NEXT, b"efgh") == [audio(NEXT, b"ef", 2)]


def test_the_end_of_another_response_cuts_nothing() -> None:
    item = holding()
    assert item.response_done("resp_0", completed=False) == []
    item.delta(A, b"abcd")

    assert item.response_done("resp_0", completed=False) == []
    assert item.done(A) == [audio(A, b"cd", 2, done=True)]


def test_a_whole_response_without_an_audio_end_gets_its_tail() -> None:
    item = holding()
    item.delta(A, b"abcd")

    assert item.response_done("resp_1", completed=True) == [audio(A, b"cd", 2, done=True)]
    assert item.response_done("resp_1", completed=True) == []


def test_the_end_of_an_item_without_audio_is_told() -> None:
    assert holding().done(A) == [audio(A, b"", 0, done=True)]


def test_long_ago_items_are_forgotten() -> None:
    item = ItemAudio(Unchanged(), bytes_per_ms=8)
    keys = [AudioKey("resp", f"item_{number}", 0) for number in range(ITEMS_KEPT + 1)]
    for key in keys:
        item.delta(key, bytes(80))

    assert item.done(keys[0]) == [audio(keys[0], b"", 0, done=True)]
    assert item.done(keys[1]) == [audio(keys[1], b"", 10, done=True)]


@given(st.lists(st.tuples(st.sampled_from([A, B, NEXT]), st.binary(max_size=5) | st.none()), max_size=30))
def test_all_audio_comes_out_once_and_in_order(steps: list[tuple[AudioKey, bytes | None]]) -> None:
    item = holding()
    events = [event for key, data in steps for event in (item.done(key) if data is None else item.delta(key, data))]
    events += [event for key in (A, B, NEXT) for event in item.done(key)]

    assert b"".join(event.audio for event in events) == b"".join(data or b"" for _, data in steps)
    for key in (A, B, NEXT):
        sent = sum(len(data or b"") for other, data in steps if other == key)
        assert b"".join(event.audio for event in events if event.item_id == key.item_id) == b"".join(
            data or b"" for other, data in steps if other == key
        )
        assert [event.sent_ms for event in events if event.item_id == key.item_id][-1] == sent // 2
