from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.realtime_client import VirtualClient
from voice_agent.sim.realtime import RealtimeOptions, Think
from voice_agent.sim.realtime.items import Item, Part
from voice_agent.sim.realtime.memory import Memory, Tokens, TooLong, count


def item(name: str, tokens: int) -> Item:
    return Item(id=name, type="message", content=[Part("input_text", "x" * 4 * tokens)])


def kept(memory: Memory, items: list[Item], truncation: Any = "auto", setting: int = 0) -> str:
    return "".join(item.id for item, _ in memory.retain(count(items), setting, truncation))


def ratio(share: float, limit: int | None = None) -> dict[str, Any]:
    limits = {} if limit is None else {"token_limits": {"post_instructions": limit}}
    return {"type": "retention_ratio", "retention_ratio": share, **limits}


ITEMS = [item(name, 10) for name in "abcdefghij"]


def test_what_fits_is_read_whole() -> None:
    assert kept(Memory(100), ITEMS) == "abcdefghij"
    assert kept(Memory(1000), ITEMS, ratio(0.1)) == "abcdefghij"


def test_the_oldest_go_until_the_rest_fits_beside_the_instructions() -> None:
    assert kept(Memory(100), ITEMS, setting=25) == "defghij"


def test_a_share_of_the_limit_stays_when_it_is_passed() -> None:
    assert kept(Memory(1000), ITEMS, ratio(0.5, 90)) == "ghij"
    assert kept(Memory(90), ITEMS, ratio(0.5)) == "ghij"


def test_a_limit_above_the_context_does_not_widen_it() -> None:
    assert kept(Memory(50), ITEMS, ratio(1.0, 1000)) == "fghij"


def test_what_was_dropped_stays_dropped_though_there_is_room_again() -> None:
    memory = Memory(50)
    kept(memory, ITEMS)

    assert kept(memory, ITEMS[:6]) == "f"


def test_the_newest_item_is_read_however_long_it_is() -> None:
    assert kept(Memory(50), [item("a", 10), item("b", 900)]) == "b"


def test_nothing_may_be_dropped_where_truncation_is_disabled() -> None:
    with pytest.raises(TooLong):
        kept(Memory(50), ITEMS, "disabled")

    assert kept(Memory(100), ITEMS, "disabled") == "abcdefghij"


def test_the_cache_knows_a_common_beginning() -> None:
    memory = Memory(1000)

    assert memory.read("be kind", 2, count(ITEMS[:2])) == (Tokens(22, 0), Tokens(0, 0))
    assert memory.read("be kind", 2, count(ITEMS[:4])) == (Tokens(42, 0), Tokens(22, 0))
    assert memory.read("be kind", 2, count(ITEMS[1:4])) == (Tokens(32, 0), Tokens(2, 0))
    assert memory.read("be rude", 2, count(ITEMS[1:4])) == (Tokens(32, 0), Tokens(0, 0))


@given(st.lists(st.integers(1, 50), min_size=1, max_size=30), st.integers(1, 400), st.floats(0, 1))
def test_what_is_kept_is_the_newest_part_and_within_the_limit(sizes: list[int], limit: int, share: float) -> None:
    memory = Memory(10_000)
    items = [item(f"i{number}", size) for number, size in enumerate(sizes)]
    for end in range(1, len(items) + 1):
        left = memory.retain(count(items[:end]), 0, ratio(share, limit))

        assert [item for item, _ in left] == items[end - len(left) : end]
        assert sum(tokens.total for _, tokens in left) <= limit or len(left) == 1


# --- in a session ----------------------------------------------------------------------------------------------------


def conversation(client: VirtualClient, turns: int) -> list[dict[str, Any]]:
    text = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "x" * 400}]}
    for _ in range(turns):
        client.send(type="conversation.item.create", item=text)
        client.send(type="response.create", response={"output_modalities": ["text"]})
    return [event["response"] for event in client.of("response.done")]


def test_a_session_reads_what_its_truncation_leaves() -> None:
    client = VirtualClient(RealtimeOptions(pace=0))
    client.setup(truncation=ratio(0.5, 400))
    responses = conversation(client, 12)
    read = [response["usage"]["input_tokens"] for response in responses]
    thinks = [order for order in client.orders if isinstance(order, Think)]

    assert max(read) <= 400 + read[0]
    assert len(thinks[-1].conversation) < 12
    assert client.of("session.updated")[-1]["session"]["truncation"] == ratio(0.5, 400)


def test_a_conversation_that_may_not_be_cut_fails_when_it_is_too_long() -> None:
    client = VirtualClient(RealtimeOptions(pace=0, context_tokens=500))
    client.setup(truncation="disabled")
    responses = conversation(client, 6)

    assert [response["status"] for response in responses][:2] == ["completed", "completed"]
    assert responses[-1]["status"] == "failed"
    assert responses[-1]["status_details"]["error"]["code"] == "context_length_exceeded"
    assert client.send(type="session.update", session={"type": "realtime", "truncation": "auto"})
    assert conversation(client, 1)[-1]["status"] == "completed"


@pytest.mark.parametrize(
    "truncation", ["never", {"type": "ratio"}, {"type": "retention_ratio"}, ratio(1.5), ratio(0.5, -1), 5]
)
def test_a_truncation_that_the_api_does_not_know_is_refused(truncation: Any) -> None:
    client = VirtualClient()
    events = client.send(type="session.update", session={"type": "realtime", "truncation": truncation})

    assert [event["type"] for event in events] == ["error"]
    assert events[0]["error"]["param"].startswith("session.truncation")
