import asyncio

from hypothesis import given
from hypothesis import strategies as st

from voice_agent.live.outbox import Outbox


async def drain(outbox: Outbox) -> list[str]:
    outbox.close()
    texts = []
    while (text := await outbox.take()) is not None:
        texts.append(text)
    return texts


def test_texts_come_out_in_the_order_in_which_they_went_in() -> None:
    outbox = Outbox(10)
    for text in "abc":
        assert outbox.put(text) == 0

    assert len(outbox) == 3
    assert asyncio.run(drain(outbox)) == ["a", "b", "c"]


def test_whoever_takes_waits_for_the_next_text() -> None:
    async def main() -> str | None:
        outbox = Outbox(10)
        async with asyncio.timeout(30), asyncio.TaskGroup() as tasks:
            taking = tasks.create_task(outbox.take())
            await asyncio.sleep(0)
            outbox.put("late")
        return taking.result()

    assert asyncio.run(main()) == "late"


def test_closing_wakes_whoever_takes() -> None:
    async def main() -> str | None:
        outbox = Outbox(10)
        async with asyncio.timeout(30), asyncio.TaskGroup() as tasks:
            taking = tasks.create_task(outbox.take())
            await asyncio.sleep(0)
            outbox.close()
        return taking.result()

    assert asyncio.run(main()) is None


def test_after_closing_nothing_goes_in() -> None:
    outbox = Outbox(10)
    outbox.put("a")
    outbox.close()

    assert outbox.put("b") == 0
    assert asyncio.run(drain(outbox)) == ["a"]


def test_a_full_outbox_without_expendable_texts_refuses() -> None:
    outbox = Outbox(2)
    outbox.put("a")
    outbox.put("b")

    assert outbox.put("c") is None
    assert asyncio.run(drain(outbox)) == ["a", "b"]


def test_the_older_half_of_what_is_expendable_makes_room() -> None:
    outbox = Outbox(5, lambda text: text.startswith("audio"))
    for text in ("audio 1", "update", "audio 2", "audio 3", "audio 4"):
        outbox.put(text)

    assert outbox.put("audio 5") == 2
    assert asyncio.run(drain(outbox)) == ["update", "audio 3", "audio 4", "audio 5"]


@given(st.lists(st.booleans(), max_size=60), st.integers(1, 10))
def test_only_audio_is_ever_dropped_and_the_rest_keeps_its_order(kinds: list[bool], limit: int) -> None:
    outbox = Outbox(limit, lambda text: text.startswith("audio"))
    accepted: list[str] = []
    dropped = 0
    for number, audio in enumerate(kinds):
        text = f"{'audio' if audio else 'order'} {number}"
        result = outbox.put(text)
        if result is None:
            break
        accepted.append(text)
        dropped += result
        assert len(outbox) <= limit
    left = asyncio.run(drain(outbox))

    assert len(left) == len(accepted) - dropped
    assert left == [text for text in accepted if text in left]
    assert [text for text in accepted if text not in left] == [
        text for text in accepted if text.startswith("audio") and text not in left
    ]
