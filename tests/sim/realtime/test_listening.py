from hypothesis import given
from hypothesis import strategies as st

from voice_agent.sim.realtime.formats import PCM, PCMU, AudioFormat
from voice_agent.sim.realtime.listening import InputBuffer, SpeechBegan, SpeechEnded, TurnRules, Turns, turn_rules

RULES = TurnRules(0.5, 300, 96, create_response=True, interrupt_response=True, idle_timeout_ms=None)


CHUNK = bytes(32 * PCMU.bytes_per_ms)


class Script:
    """A detector that gives the probabilities of a script, a chunk each."""

    def __init__(self, *probabilities: float) -> None:
        self.probabilities = list(probabilities)
        self.begun = 0

    def begin(self, audio_format: AudioFormat) -> None:
        assert audio_format is PCMU
        self.begun += 1

    def feed(self, audio: bytes) -> list[float]:
        assert len(audio) % len(CHUNK) == 0
        return [self.probabilities.pop(0) for _ in range(len(audio) // len(CHUNK))]


def found(*probabilities: float) -> list[SpeechBegan | SpeechEnded]:
    return Turns(Script(*probabilities), PCMU).feed(CHUNK * len(probabilities), RULES)


def test_one_loud_chunk_is_a_click_and_two_are_speech() -> None:
    assert found(0.9, 0.1, 0.9, 0.1) == []
    assert found(0.1, 0.9, 0.9) == [SpeechBegan(32)]


def test_the_threshold_itself_is_not_above_it() -> None:
    assert found(0.5, 0.5, 0.5) == []


def test_speech_ends_after_the_silence_whole() -> None:
    assert found(0.9, 0.9, 0.1, 0.1) == [SpeechBegan(0)]
    assert found(0.9, 0.9, 0.1, 0.1, 0.1) == [SpeechBegan(0), SpeechEnded(160)]


def test_a_weaker_voice_keeps_the_turn() -> None:
    assert found(0.9, 0.9, 0.1, 0.1, 0.36, 0.1, 0.1) == [SpeechBegan(0)]


def test_a_pause_of_no_length_needs_at_least_one_silent_chunk() -> None:
    rules = TurnRules(0.5, 0, 0, create_response=True, interrupt_response=True, idle_timeout_ms=None)

    assert Turns(Script(0.9, 0.9, 0.9, 0.1), PCMU).feed(CHUNK * 4, rules) == [SpeechBegan(0), SpeechEnded(128)]


def test_a_restart_begins_the_detector_anew_at_another_place() -> None:
    script = Script(0.9, 0.1, 0.9, 0.9)
    turns = Turns(script, PCMU)
    turns.feed(CHUNK, RULES)
    turns.restart(1000, PCMU)

    assert script.begun == 2
    assert turns.feed(CHUNK * 3, RULES) == [SpeechBegan(1032)]


@given(st.lists(st.integers(0, 700), max_size=12))
def test_a_buffer_counts_all_that_was_ever_appended(sizes: list[int]) -> None:
    buffer = InputBuffer(PCMU)
    taken = b""
    for size in sizes:
        buffer.append(bytes(size))
        taken += buffer.take(buffer.end_ms - 20)

    assert buffer.end_ms == sum(sizes) // 8
    assert len(taken) == 8 * buffer.start_ms


def test_taking_more_than_there_is_takes_all() -> None:
    buffer = InputBuffer(PCM)
    buffer.append(bytes(480))

    assert len(buffer.take(1000)) == 480
    assert buffer.take(-5) == b""


def test_semantic_vad_has_no_threshold_of_its_own() -> None:
    rules = turn_rules(
        {"type": "semantic_vad", "eagerness": "low", "create_response": True, "interrupt_response": False}
    )

    assert rules == TurnRules(0.5, 300, 1200, create_response=True, interrupt_response=False, idle_timeout_ms=None)
    assert turn_rules(None) is None
