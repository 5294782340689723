from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Frame
from websockets.protocol import CLIENT, SERVER, Protocol, Side

from voice_agent.text_frames import (
    ClientFrames,
    FrameCutter,
    client_text,
    server_frame,
    server_text,
)

TEXTS = st.one_of(st.text(max_size=200), st.sampled_from(["x" * length for length in (125, 126, 65_535, 65_536)]))


def read_by_the_library(side: Side, data: bytes) -> list[str]:
    protocol = Protocol(side, max_size=None)
    protocol.receive_data(data)
    assert protocol.parser_exc is None
    return [bytes(event.data).decode() for event in protocol.events_received() if isinstance(event, Frame)]


@given(st.lists(TEXTS, max_size=5))
def test_a_library_reads_a_clients_frames(texts: list[str]) -> None:
    frames = ClientFrames()

    assert read_by_the_library(SERVER, b"".join(map(frames.text, texts))) == texts


@given(st.lists(TEXTS, max_size=5))
def test_a_library_reads_a_servers_frames(texts: list[str]) -> None:
    assert read_by_the_library(CLIENT, b"".join(map(server_frame, texts))) == texts


@given(st.text(max_size=200))
def test_a_servers_frame_gives_its_text_back(text: str) -> None:
    assert server_text(server_frame(text)) == text


def test_every_frame_has_a_mask_of_its_own() -> None:
    frames = ClientFrames()

    masks = {frames.text("x")[2:6] for _ in range(1000)}

    assert len(masks) > 990


@given(st.lists(st.text(max_size=200), max_size=5), st.data())
def test_frames_are_cut_out_however_they_arrive(texts: list[str], data: st.DataObject) -> None:
    frames = ClientFrames()
    sent = b"".join(map(frames.text, texts))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(sent)), max_size=8)))
    cutter = FrameCutter(masked=True, most=1000)

    came = [frame for start, end in pairwise([0, *cuts, len(sent)]) for frame in cutter.cut(sent[start:end])]

    assert [client_text(frame) for _, frame in came] == texts
    assert all(is_text for is_text, _ in came)
    assert not cutter.refused


@pytest.mark.parametrize(
    "refused", [ClientFrames().text("x" * 65_536), server_frame("x"), ClientFrames().text("x" * 1001)[:4]]
)
def test_what_no_server_of_ours_takes_is_told_by_its_head(refused: bytes) -> None:
    cutter = FrameCutter(masked=True, most=1000)
    good = ClientFrames().text("good")

    assert cutter.cut(good + refused) == [(True, good), (False, refused)]
    assert cutter.refused
    assert cutter.cut(good) == [(False, good)]


SERVER_FRAMES = st.one_of(
    st.text(max_size=60).map(server_frame),
    st.sampled_from([125, 126, 65_535, 65_536]).map(lambda length: server_frame("x" * length)),
    st.builds(lambda head, data: bytes([head, len(data)]) + data, st.integers(0, 255), st.binary(max_size=125)),
)


@given(st.lists(SERVER_FRAMES, max_size=6), st.data())
def test_a_servers_frames_are_cut_however_they_arrive_and_nothing_is_lost(
    frames: list[bytes], data: st.DataObject
) -> None:
    sent = b"".join(frames)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(sent)), max_size=8)))
    cutter = FrameCutter(masked=False)

    came = [piece for start, end in pairwise([0, *cuts, len(sent)]) for piece in cutter.cut(sent[start:end])]

    assert b"".join(piece for _, piece in came) == sent
    short = [frame for frame in frames if frame[0] == 0x81 and frame[1] != 127]
    assert [piece for is_text, piece in came if is_text] == short


def test_what_no_server_sends_is_told_and_nothing_is_cut_behind_it() -> None:
    cutter = FrameCutter(masked=False)
    masked = ClientFrames().text("masked")

    assert cutter.cut(server_frame("good") + masked) == [(True, server_frame("good")), (False, masked)]
    assert cutter.refused
    assert cutter.cut(server_frame("late")) == [(False, server_frame("late"))]
