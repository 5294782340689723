"""A voice: Hibari, an English model of 8 MB whose weights come inside `hibari-tts`.

It reads prices, times and dates well, but not telephone numbers and internet addresses: `spell_out` does those.
"""

import re
import threading
import unicodedata
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voice_agent.emulator.speech.models import ModelMissingError

DISTRIBUTION = "hibari-tts"

_GAIN = 1.8
"""Brings the voice from -27 dBFS to the level of a telephone speaker, some -22; its peaks stay below full scale."""

_DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_PHONE_NUMBER = re.compile(
    r"(?<![\d-])(?!\d{4}-\d\d-\d\d\b)\+?\(?\d{1,4}\)?(?:[ .-]\(?\d{2,4}\)?){2,4}\b|\+\d{7,15}\b|\b911\b"
)
_ADDRESS = re.compile(
    r"\b(?:https?://)?(?:[\w-]+\.)+(?:com|org|net|edu|gov|io)\b(?:/[\w./-]*)?|\b[\w.-]+@[\w.-]+\.\w+\b"
)


class HibariSpeaking:
    """Says texts; may be called from several threads, which then take turns by the sentence."""

    def __init__(self) -> None:
        """Load the model and say something once, some 0.8 s together; raises `ModelMissingError`."""
        try:
            import hibari  # noqa: PLC0415 - only a machine that speaks needs it
        except ImportError:
            raise ModelMissingError(DISTRIBUTION) from None
        self._model: Any = hibari.Hibari()
        self._lock = threading.Lock()
        # The first call is twenty times slower than the next.
        self._model("Good morning.")

    def speak(self, text: str) -> Iterator[bytes]:
        """Yield PCM16 at 24 kHz for each sentence. The same text always sounds the same."""
        for audio in self.synthesise(text):
            yield (np.clip(audio * _GAIN, -1, 1) * 32767).astype("<i2").tobytes()

    def synthesise(self, text: str, speed: float = 1.0) -> Iterator[NDArray[np.float32]]:
        """Yield samples at 24 kHz for each sentence, at the model's own level; `speed` 2 is twice as fast."""
        sentences = self._model.stream(spell_out(text), speed=speed, seed=0)
        while True:
            with self._lock:
                audio = next(sentences, None)
            if audio is None:
                return
            yield audio


def spell_out(text: str) -> str:
    """Write telephone numbers digit by digit, and internet addresses as they are said."""
    # What is a digit and no decimal, as in "H₂O", the model's own normaliser takes for a number and cannot read.
    odd = {sign for sign in text if sign.isdigit() and not sign.isdecimal()} - set("²³")
    for sign in odd:
        text = text.replace(sign, f" {unicodedata.digit(sign)} ")
    text = _PHONE_NUMBER.sub(lambda found: _say_digits(found[0]), text)
    return _ADDRESS.sub(lambda found: _say_address(found[0]), text)


def _say_digits(number: str) -> str:
    groups = re.findall(r"\d+", number)
    said = ", ".join(" ".join(_DIGITS[int(digit)] for digit in group) for group in groups)
    return f"plus {said}" if number.startswith("+") else said


def _say_address(address: str) -> str:
    said = re.sub(r"^https?://", "", address)
    said = re.sub(r"\bwww\b", "w w w", said)
    for mark, word in ((".", "dot"), ("@", "at"), ("/", "slash"), ("-", "dash")):
        said = said.replace(mark, f" {word} ")
    return " ".join(said.split())
