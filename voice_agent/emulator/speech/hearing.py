"""Recognition with Moonshine tiny (English), whose weights come inside `moonshine-voice` 0.1.0.

An encoder runs once over the whole turn, then a decoder makes one token at a time. It is no streaming model. On audio
without speech it invents words ("Thank you for watching."), so a detector of voice stands before it.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voice_agent.emulator.speech.interfaces import Hearing
from voice_agent.emulator.speech.models import open_model, package_folder
from voice_agent.sim.realtime import CHUNK_BYTES, VoiceActivity

DISTRIBUTION = "moonshine-voice==0.1.0"
"""Later releases come without weights."""

_RATE_HZ = 16_000
_SHORTEST_SAMPLES = _RATE_HZ // 2
"""The encoder's strides need some length; shorter turns are filled up with silence."""
_LONGEST_SAMPLES = 20 * _RATE_HZ
"""Longer turns are cut at a quiet place: attention costs the square of the length."""
_SEARCH_SAMPLES = 5 * _RATE_HZ
"""How far back from the longest a quiet place is looked for."""
_HOP_SAMPLES = _RATE_HZ // 10

_FIRST_TOKEN, _LAST_TOKEN = 1, 2
_TOKENS_PER_SECOND = 6.5
"""Moonshine's own bound; without it noise can make the decoder repeat itself."""
_HEADS, _HEAD_SIZE = 8, 36
_SPACE = "\u2581".encode()

_SPEECH_PROBABILITY = 0.5
_SPEECH_CHUNKS = 3
"""Some 100 ms of voice: the shortest "yes"."""


class MoonshineHearing:
    """Recognises one turn at a time; may be called from several threads."""

    def __init__(self) -> None:
        """Load the models, some 0.3 s; raises `ModelMissingError`."""
        folder = package_folder("moonshine_voice", DISTRIBUTION) / "assets" / "tiny-en"
        self._encoder = open_model(folder / "encoder_model.ort", DISTRIBUTION)
        self._decoder = open_model(folder / "decoder_model_merged.ort", DISTRIBUTION)
        self._tokens = read_tokens((folder / "tokenizer.bin").read_bytes())
        self._past_names = [entry.name for entry in self._decoder.get_inputs() if entry.name.startswith("past")]
        self._output_names = [entry.name for entry in self._decoder.get_outputs()]

    def recognise(self, pcm: bytes) -> str:
        """Turn PCM16 at 16 kHz into words."""
        samples = np.frombuffer(pcm, "<i2").astype(np.float32) / np.float32(32768)
        texts = [self._recognise_piece(piece) for piece in cut_at_silence(samples)]
        return " ".join(text for text in texts if text)

    def _recognise_piece(self, samples: NDArray[np.float32]) -> str:
        padded = np.pad(samples, (0, max(0, _SHORTEST_SAMPLES - len(samples))))[None]
        ones = np.ones(padded.shape, np.int64)
        states = self._encoder.run(None, {"input_values": padded, "attention_mask": ones})[0]
        tokens = self._decode(states, ones, int(padded.shape[1] / _RATE_HZ * _TOKENS_PER_SECOND) + 4)
        return b"".join(self._tokens[token] for token in tokens).replace(_SPACE, b" ").decode(errors="replace").strip()

    def _decode(self, states: NDArray[np.float32], mask: NDArray[np.int64], longest: int) -> list[int]:
        """Take the likeliest token each time, until the text ends. The mask has the audio's length."""
        past: dict[str, Any] = {name: np.zeros((1, _HEADS, 0, _HEAD_SIZE), np.float32) for name in self._past_names}
        constant = {"encoder_hidden_states": states, "encoder_attention_mask": mask}
        tokens: list[int] = []
        while len(tokens) < longest:
            given = {
                "input_ids": np.array([[tokens[-1] if tokens else _FIRST_TOKEN]], np.int64),
                "use_cache_branch": np.array([bool(tokens)]),
            }
            results = dict(zip(self._output_names, self._decoder.run(None, {**constant, **given, **past}), strict=True))
            token = int(results["logits"][0, -1].argmax())
            if token == _LAST_TOKEN:
                break
            for name in self._past_names:
                # What was computed of the encoder's states in the first step stays; later steps return it empty.
                if not tokens or ".decoder." in name:
                    past[name] = results[name.replace("past_key_values", "present")]
            tokens.append(token)
        return tokens


class GatedHearing:
    """Recognises only what holds speech."""

    def __init__(self, hearing: Hearing, new_activity: Callable[[], VoiceActivity]) -> None:
        self._hearing = hearing
        self._new_activity = new_activity

    def recognise(self, pcm: bytes) -> str:
        """Turn PCM16 at 16 kHz into words; empty when nobody speaks in it."""
        activity = self._new_activity()
        chunks = (pcm[start : start + CHUNK_BYTES] for start in range(0, len(pcm) - CHUNK_BYTES + 1, CHUNK_BYTES))
        voiced = sum(activity.feed(chunk) > _SPEECH_PROBABILITY for chunk in chunks)
        return self._hearing.recognise(pcm) if voiced >= _SPEECH_CHUNKS else ""


def read_tokens(content: bytes) -> list[bytes]:
    """Read `tokenizer.bin`: each token is its length (one byte, or two from 128 on) and its bytes."""
    tokens = []
    place = 0
    while place < len(content):
        length = content[place]
        place += 1
        if length >= 128:
            length += 128 * (content[place] - 1)
            place += 1
        tokens.append(content[place : place + length])
        place += length
    return tokens


def cut_at_silence(samples: NDArray[np.float32]) -> list[NDArray[np.float32]]:
    """Cut a long turn into pieces of 20 s at most, each at the quietest tenth of a second of its last 5 s."""
    pieces = []
    while len(samples) > _LONGEST_SAMPLES:
        start = _LONGEST_SAMPLES - _SEARCH_SAMPLES
        tail = samples[start:_LONGEST_SAMPLES].reshape(-1, _HOP_SAMPLES)
        quietest = int(np.square(tail).sum(axis=1).argmin())
        end = start + quietest * _HOP_SAMPLES + _HOP_SAMPLES // 2
        pieces.append(samples[:end])
        samples = samples[end:]
    return [*pieces, samples]
