from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Frame
from websockets.protocol import CLIENT, SERVER, Protocol, Side

from voice_agent.live.text_frames import REFUSED, ClientFrames, client_frame_end, client_text, server_frame

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


def test_every_frame_has_a_mask_of_its_own() -> None:
    frames = ClientFrames()

    masks = {frames.text("x")[2:6] for _ in range(1000)}

    assert len(masks) > 990


@given(st.text(max_size=200), st.binary(max_size=10))
def test_a_frame_is_cut_out_of_whatever_stands_around_it(text: str, around: bytes) -> None:
    frame = ClientFrames().text(text)
    data = around + frame + around

    end = client_frame_end(data, len(around))

    assert end == len(around) + len(frame)
    assert client_text(data, len(around), end) == text


@given(TEXTS.filter(lambda text: len(text) < 65_536), st.data())
def test_the_end_of_a_frame_is_known_as_soon_as_its_head_is_whole(text: str, data: st.DataObject) -> None:
    frame = ClientFrames().text(text)
    head = 2 if len(text.encode()) < 126 else 4
    have = data.draw(st.integers(0, len(frame)))

    assert client_frame_end(frame[:have], 0) == (len(frame) if have >= head else None)


def test_what_no_server_of_ours_takes_is_told_by_its_head() -> None:
    assert client_frame_end(ClientFrames().text("x" * 65_536), 0) == REFUSED
    assert client_frame_end(server_frame("x"), 0) == REFUSED
