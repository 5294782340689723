"""What is fuzzed: functions of bytes, from which nothing but the declared error may come; that one they swallow."""

from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path

from tests.support.agent_files import agent_of
from tests.support.every_event import AGENT
from voice_agent.agent import Agent
from voice_agent.call.commands import CallEnded
from voice_agent.call.events import ModelOpened, TimerFired
from voice_agent.call.setup import CallSetup, ModelSetup
from voice_agent.errors import PeerError
from voice_agent.recording.format import END, MAGIC, VERSION, blocks, pack
from voice_agent.recording.loose import bare
from voice_agent.recording.reader import Recording
from voice_agent.wire import realtime, twilio
from voice_agent.wire.bridge import Bridge
from voice_agent.wire.model_codec import ModelCodec
from voice_agent.wire.phone_codec import PhoneCodec
from voice_agent.wire.texts import ModelText, PhoneText

Target = Callable[[bytes], None]

TESTS = Path(__file__).resolve().parent.parent
CORPUS = Path(__file__).resolve().parent / "corpus"

MOST_STEPS = 2000
"""Of a recording: what a forged file can say in few bytes may be long to read."""

_START = (TESTS / "wire/samples/twilio/start.json").read_text(encoding="utf-8")
_AGENT: Agent = agent_of(AGENT)


def read_twilio(data: bytes) -> None:
    """Read a message of either direction; what was read is written so that it reads the same."""
    text = data.decode("utf-8", "surrogateescape")
    phone = PhoneCodec()
    phone.receive(_START)
    phone.receive(text)
    for parse in (twilio.parse, twilio.parse_outgoing):
        try:
            message = parse(text)
        except PeerError as error:
            _is_one_line(error)
            continue
        if not isinstance(message, twilio.Unknown):
            assert parse(twilio.encode(message)) == message


def read_realtime(data: bytes) -> None:
    """Read an event of either side; a client's is written so that it reads the same."""
    text = data.decode("utf-8", "surrogateescape")
    ModelCodec(ModelSetup(audio="g711")).receive(text)
    try:
        realtime.parse(text)
    except PeerError as error:
        _is_one_line(error)
    try:
        message = realtime.parse_client(text)
    except PeerError:
        return
    if not isinstance(message, realtime.Unknown):
        assert realtime.parse_client(realtime.encode(message)) == message


def read_recording(data: bytes) -> None:
    """Read a recording to its end, or to where it is damaged; every second one without its audio, too."""
    try:
        recording = Recording(data)
        if len(data) % 2:
            for step in islice(recording.loose_steps(audio=False), MOST_STEPS):
                assert all(isinstance(bare(part), str) for part in step.sent)
        for _ in islice(recording.steps(), MOST_STEPS):
            pass
        assert recording.cut_at is None or recording.cut_at <= len(data)
    except PeerError as error:
        _is_one_line(error)


def _is_one_line(error: PeerError) -> None:
    assert str(error).isprintable(), repr(str(error))


def hold_call(data: bytes) -> None:
    """Hold a call whose peers say these lines: `P` and a text of the phone, `M` of the model, `T` for a second.

    Nothing at all may be raised, and nothing comes out after the end.
    """
    bridge = Bridge(CallSetup(call_sid="CA1", agent=_AGENT, rest=bool(len(data) & 1)), {})
    bridge.start()
    bridge.feed(0, ModelOpened())
    now_ms, ended = 0, False
    for line in data.split(b"\n")[:60]:
        text = line[1:].decode("utf-8", "replace")
        now_ms += 20
        while (deadline := bridge.deadline()) is not None and deadline <= now_ms:
            ended = _look(bridge.feed(now_ms, TimerFired()), ended)
        if line[:1] == b"T":
            now_ms += 1000
        else:
            ended = _look(bridge.feed(now_ms, PhoneText(text) if line[:1] == b"P" else ModelText(text)), ended)


def _look(outputs: Sequence[object], ended: bool) -> bool:
    assert not (ended and outputs), "something came out after the end"
    return ended or any(isinstance(output, CallEnded) for output in outputs)


TARGETS: dict[str, Target] = {
    "twilio": read_twilio,
    "realtime": read_realtime,
    "recording": read_recording,
    "call": hold_call,
}


def samples(target: str) -> list[bytes]:
    """Give inputs that make sense: the published messages, recordings of the format, a call made of the former."""
    phone = [path.read_bytes() for path in sorted((TESTS / "wire/samples/twilio").glob("*.json"))]
    model = [path.read_bytes() for path in sorted((TESTS / "wire/samples/realtime").glob("*/*.json"))]
    match target:
        case "twilio":
            return phone
        case "realtime":
            return model
        case "recording":
            whole = [path.read_bytes() for path in sorted((TESTS / "recording/samples").glob("*.call"))]
            return [*whole, *map(_beginning, whole)]
        case _:
            lines = [b"P" + b" ".join(text.split()) for text in phone] + [
                b"M" + b" ".join(text.split()) for text in model
            ]
            return [b"\n".join(lines[start : start + 20]) for start in range(0, len(lines), 10)]


def _beginning(recording: bytes) -> bytes:
    """Give a recording of a call of which there is but the header."""
    header = next(blocks(recording))
    return MAGIC + bytes([VERSION]) + pack(header.kind, header.content) + pack(END, b"")


def corpus(target: str) -> list[bytes]:
    """Give the inputs that were kept, because they reach what others do not, or once broke something."""
    return [path.read_bytes() for path in sorted((CORPUS / target).glob("*"))]
