from voice_agent.live.counters import Counters


def test_things_are_counted_by_name_and_labels_whatever_their_order() -> None:
    counters = Counters()
    counters.add("tokens", 5, kind="input", model="a")
    counters.add("tokens", 2, model="a", kind="input")
    counters.add("calls")

    assert counters.get("tokens", kind="input", model="a") == 7
    assert counters.get("tokens", kind="output") == 0
    assert list(counters) == [("calls", {}, 1), ("tokens", {"kind": "input", "model": "a"}, 7)]
