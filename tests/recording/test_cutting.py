import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.recorded import append, caller_media, model_delta, outgoing_media
from voice_agent.recording.cutting import decode_exactly, digest, find_audio, seal, sealed_length
from voice_agent.recording.entries import WAYS, Entry

AUDIO = bytes(range(160))


@pytest.mark.parametrize(
    "entry", [caller_media(0, AUDIO), model_delta(AUDIO), append(AUDIO), outgoing_media(AUDIO)], ids=str
)
def test_audio_is_found_in_every_kind_of_message_that_carries_it(entry: Entry) -> None:
    found = find_audio(entry.way, entry.text)

    assert found is not None
    assert base64.b64decode(entry.text[found[0] : found[1]]) == AUDIO


@pytest.mark.parametrize(
    ("way", "text"),
    [
        ("phone", '{"event": "media", "media": {"payload" : "/w=="}}'),
        ("model", '{"type": "response.audio.delta", "delta":\n"/w=="}'),
    ],
)
def test_spaces_and_the_preview_names_do_not_hide_audio(way: str, text: str) -> None:
    assert seal("phone" if way == "phone" else "model", text) == text.replace("/w==", "~1:a72eeed9830cbf91")


@pytest.mark.parametrize(
    ("way", "text"),
    [
        ("model", '{"type":"response.output_audio_transcript.delta","delta":"Yeah"}'),
        ("model", '{"type":"response.output_text.delta","delta":"Yeah"}'),
        ("model", '{"type":"session.update","session":{"audio":{"input":{}}}}'),
        ("model", '{"type":"response.output_audio.delta"}'),
        ("model", '{"type":"response.output_audio.delta","delta":null}'),
        ("model", '{"type":"response.output_audio.delta","delta":"AAAA'),
        ("phone", '{"event":"start","start":{"customParameters":{"payload":"AAAA"}}}'),
        ("phone", '{"event":"mark","mark":{"name":"play-1"}}'),
        ("fact", '{"media":"media","payload":"AAAA"}'),
    ],
)
def test_words_and_settings_are_never_taken_for_audio(way: str, text: str) -> None:
    for number in WAYS:
        if number == way:
            assert find_audio(number, text) is None
            assert seal(number, text) == text


@pytest.mark.parametrize("payload", ["A", "AB==CD==", "AAA", "AB==", "A\\/==", "AA A=", "é", "\ud800"])
def test_base64_that_its_bytes_do_not_give_back_is_no_audio(payload: str) -> None:
    assert decode_exactly(payload) is None
    assert digest(payload)[0] == -len(payload.encode("utf-8", "surrogatepass"))


@given(st.binary())
def test_the_seal_tells_length_and_content_of_audio(audio: bytes) -> None:
    entry = append(audio)
    sealed = seal(entry.way, entry.text)
    found = sealed_length(entry.way, sealed)

    assert found is not None
    assert found[2] == len(audio)
    assert sealed == seal(entry.way, append(audio).text)
    assert sealed != seal(entry.way, append(audio + b"\0").text)


def test_only_a_sealed_text_has_a_sealed_length() -> None:
    assert sealed_length("model", append(AUDIO).text) is None
    assert sealed_length("model", '{"type":"input_audio_buffer.append","audio":"~many:00"}') is None
    assert sealed_length("model", '{"type":"input_audio_buffer.append","audio":"~-4:00"}') == (45, 51, 0)
    assert sealed_length("fact", "{}") is None
