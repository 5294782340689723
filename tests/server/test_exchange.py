"""Requests as one worker writes them down for another; who gets which is in `test_run_workers.py`."""

import h11
from hypothesis import given
from hypothesis import strategies as st

from voice_agent.server.exchange import request_bytes

TOKENS = st.text("abcdefghij-", min_size=1, max_size=12).map(str.encode)
VALUES = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), max_size=30).map(str.encode)
HEADERS = st.lists(st.tuples(TOKENS.map(lambda name: b"x-" + name), VALUES), max_size=5)
PATHS = st.text("abc/%20._~", max_size=20).map(lambda path: b"/" + path.encode())


@given(
    st.sampled_from(["GET", "POST", "PUT"]), PATHS, st.sampled_from([b"", b"a=b&c"]), HEADERS, st.binary(max_size=99)
)
def test_a_request_is_read_again_as_it_came(
    method: str, path: bytes, query: bytes, headers: list[tuple[bytes, bytes]], body: bytes
) -> None:
    framing = [(b"host", b"phone.example"), (b"transfer-encoding", b"chunked"), (b"expect", b"100-continue")]
    scope = {"method": method, "raw_path": path, "query_string": query, "http_version": "1.1"}

    reader = h11.Connection(h11.SERVER)
    reader.receive_data(request_bytes({**scope, "headers": [*framing, *headers]}, body))
    request, read = reader.next_event(), b""
    while isinstance(event := reader.next_event(), h11.Data):
        read += event.data

    assert isinstance(request, h11.Request)
    assert isinstance(event, h11.EndOfMessage)
    assert (request.method, request.target) == (method.encode(), path + (b"?" + query if query else b""))
    own = [each for each in request.headers if each[0] != b"content-length"]
    assert own == [(b"host", b"phone.example"), *headers]
    assert read == body
