# ruff: noqa: E501 - a table of faults is read a line each
import pytest

from tests.support.agent_files import agent_of, faults_of
from voice_agent.agent import BargeIn, SemanticVad, ServerVad, Transcription, TurnDetection


@pytest.mark.parametrize(
    ("added", "read"),
    [
        ("", ServerVad()),
        ("turn_detection: {type: server_vad}\n", ServerVad()),
        (
            "turn_detection: {type: server_vad, threshold: 0.7, prefix_padding_ms: 200, silence_duration_ms: 700}\n",
            ServerVad(threshold=0.7, prefix_padding_ms=200, silence_duration_ms=700),
        ),
        ("turn_detection: {type: server_vad, idle_timeout_ms: 6000}\n", ServerVad(idle_timeout_ms=6000)),
        ("turn_detection: {type: semantic_vad}\n", SemanticVad()),
        ("turn_detection:\n  type: semantic_vad\n  eagerness: high\n", SemanticVad(eagerness="high")),
    ],
)
def test_turn_detection_is_read_by_its_type(added: str, read: TurnDetection) -> None:
    assert agent_of(added).turn_detection == read


@pytest.mark.parametrize(
    ("added", "read"),
    [
        ("", BargeIn()),
        ("barge_in: at_once\n", BargeIn()),
        ("barge_in: {after_ms: 300}\n", BargeIn(after_ms=300)),
        ("barge_in: {greeting: protected}\n", BargeIn(protect_greeting=True)),
        ("barge_in: {greeting: at_once, after_ms: 0}\n", BargeIn()),
    ],
)
def test_barge_in_has_three_forms(added: str, read: BargeIn) -> None:
    assert agent_of(added).barge_in == read


def test_the_caller_is_expected_to_speak_the_agents_language() -> None:
    assert agent_of("language: pt-BR\n").transcription == Transcription(language="pt")
    assert agent_of("transcription: {language: es}\n").transcription == Transcription(language="es")


def test_transcription_can_be_off() -> None:
    assert agent_of("transcription: off\n").transcription is None


def test_no_noise_is_removed_unless_asked_for() -> None:
    assert agent_of().noise_reduction is None
    assert agent_of("noise_reduction: off\n").noise_reduction is None
    assert agent_of("noise_reduction: near_field\n").noise_reduction == "near_field"


def test_a_voice_that_nobody_here_knows_is_left_to_the_api() -> None:
    assert agent_of("voice: voice_68a1b2c3\n").voice == "voice_68a1b2c3"


@pytest.mark.parametrize(
    ("added", "fault"),
    [
        ("voice: marine\n", '3:8: unknown voice "marine"; write "marin"'),
        ("voice: ''\n", '3:8: unknown voice ""; known are alloy, ash, ballad, cedar, coral, echo, marin, sage, shimmer, verse'),
        ("turn_detection: semantic\n", '3:17: "turn_detection" cannot be "semantic"; write "{type: semantic_vad}"'),
        ("turn_detection: [x]\n", '3:17: "turn_detection" cannot be a list; write "{type: server_vad}"'),
        ("turn_detection: {threshold: 0.5}\n", '3:17: key "type" is missing; write e.g. "type: server_vad"'),
        ("turn_detection: {type: vad}\n", '3:24: "type" cannot be "vad"; known are server_vad, semantic_vad'),
        ("turn_detection: {type: server_vad, threshold: 2}\n", '3:47: "threshold" must be a number from 0.0 to 1.0, not "2"'),
        ("turn_detection: {type: server_vad, eagerness: low}\n", '3:36: unknown key "eagerness"; known are type, threshold, prefix_padding_ms, silence_duration_ms, idle_timeout_ms'),
        ("turn_detection: {type: server_vad, idle_timeout_ms: 2000}\n", '3:53: "idle_timeout_ms" must be a whole number from 5000 to 30000, not "2000"'),
        ("turn_detection: {type: semantic_vad, idle_timeout_ms: 6000}\n", '3:38: unknown key "idle_timeout_ms"; known are type, eagerness'),
        ("turn_detection: {type: semantic_vad, eagerness: hi}\n", '3:49: "eagerness" cannot be "hi"; write "high"'),
        ("barge_in: never\n", '3:11: "barge_in" cannot be "never"; write "at_once", "{after_ms: 300}" or "{greeting: protected}"'),
        ("barge_in: [at_once]\n", '3:11: "barge_in" cannot be a list; write "at_once", "{after_ms: 300}" or "{greeting: protected}"'),
        ("barge_in: {after: 300}\n", '3:12: unknown key "after"; write "after_ms"'),
        ("transcription: whisper-1\n", '3:16: "transcription" must be a mapping, not "whisper-1"; write e.g. {language: en}, or off'),
        ("noise_reduction: near\n", '3:18: "noise_reduction" cannot be "near"; write "near_field"'),
    ],
)  # fmt: skip
def test_a_fault_is_told_with_its_place_and_its_remedy(added: str, fault: str) -> None:
    assert faults_of(added) == [f"a.yaml:{fault}"]
