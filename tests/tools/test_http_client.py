"""Against real servers on this machine: what is sent, what is followed, and whom nothing is sent to."""

import asyncio

import pytest
from aiohttp import web

from tests.support.http_server import Handler, server
from voice_agent.tools.http_answer import Answer
from voice_agent.tools.http_client import MAX_ANSWER_BYTES, HttpFailure, ask
from voice_agent.tools.http_request import Prepared

SECRET = {"X-Api-Key": "not-for-others"}


def asked(handler: Handler, path: str = "/", method: str = "GET", body: bytes | None = None) -> Answer:
    """Send one request to a server of this machine, which is allowed."""

    async def main() -> Answer:
        async with asyncio.timeout(60), server(handler) as url:
            return await ask(Prepared(method, url + path, body), SECRET, allow_private=True)

    return asyncio.run(main())


def refused(url: str, *, allow_private: bool = False) -> HttpFailure:
    async def main() -> None:
        async with asyncio.timeout(60):
            await ask(Prepared("GET", url, None), {}, allow_private=allow_private)

    with pytest.raises(HttpFailure) as caught:
        asyncio.run(main())
    return caught.value


async def echo(request: web.Request) -> web.StreamResponse:
    """Tell what was asked."""
    names = ("Accept", "Accept-Encoding", "Content-Type", "User-Agent", "X-Api-Key")
    sent = {name: request.headers.get(name) for name in names}
    text = (await request.read()).decode()
    return web.json_response({"method": request.method, "path": request.raw_path, "headers": sent, "body": text})


def test_a_request_arrives_as_it_was_prepared() -> None:
    got = asked(echo, "/a%2Fb/%C3%A9?x=%2B1&y=a%20b", "POST", b'{"a":1}')

    assert (got.status, got.content_type, got.charset) == (200, "application/json", "utf-8")
    assert got.body.decode() == (
        '{"method": "POST", "path": "/a%2Fb/%C3%A9?x=%2B1&y=a%20b", "headers": '
        '{"Accept": "application/json, text/plain;q=0.9, */*;q=0.1", "Accept-Encoding": "identity", '
        '"Content-Type": "application/json", "User-Agent": "voice-agent", "X-Api-Key": "not-for-others"}, '
        '"body": "{\\"a\\":1}"}'
    )


def test_any_status_is_an_answer() -> None:
    async def fails(_: web.Request) -> web.StreamResponse:
        return web.Response(status=503, text="later")

    assert asked(fails) == Answer(503, "text/plain", "utf-8", b"later")


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "localhost", "2130706433", "0x7f.1", "0177.0.0.1", "127.1", "[::ffff:127.0.0.1]", "[::1]"],
)
def test_this_machine_is_not_reached_however_it_is_written(host: str) -> None:
    # Some of these aiohttp refuses before there is an address.
    assert refused(f"http://{host}:1/").detail in {
        f'{address} is a private address; "allow_private: true" would allow it'
        for address in ("127.0.0.1", "::ffff:127.0.0.1", "::1")
    } | {f"{host} - is not a canonical IPv4 address"}


@pytest.mark.parametrize("host", ["169.254.169.254", "[::ffff:169.254.169.254]", "0.0.0.0", "168.63.129.16"])
def test_metadata_is_not_reached_even_by_leave(host: str) -> None:
    failure = refused(f"http://{host}:1/", allow_private=True)

    assert failure.detail.endswith("is an address that no tool may reach")


def test_nothing_is_sent_to_a_private_address_without_leave() -> None:
    seen: list[str] = []

    async def note(request: web.Request) -> web.StreamResponse:
        seen.append(request.path)
        return web.Response()

    async def main() -> None:
        async with server(note) as url:
            await ask(Prepared("GET", url, None), {})

    with pytest.raises(HttpFailure):
        asyncio.run(main())
    assert seen == []


def test_a_server_that_is_not_there_cannot_be_reached() -> None:
    failure = refused("http://127.0.0.1:1/", allow_private=True)

    assert str(failure) == "its server cannot be reached now"
    assert "127.0.0.1" in failure.detail


def test_a_name_that_nobody_has_cannot_be_reached() -> None:
    assert str(refused("https://nobody.invalid/")) == "its server cannot be reached now"


# --- redirects -------------------------------------------------------------------------------------------------------


def redirecting(location: str, status: int = 302) -> Handler:
    async def redirect(request: web.Request) -> web.StreamResponse:
        if request.path == "/there":
            return await echo(request)
        return web.Response(status=status, headers={"Location": location})

    return redirect


@pytest.mark.parametrize(
    ("status", "method", "then", "body"),
    [
        (302, "GET", "GET", ""),
        (301, "GET", "GET", ""),
        (303, "POST", "GET", ""),
        (303, "DELETE", "GET", ""),
        (307, "POST", "POST", "{}"),
        (308, "PUT", "PUT", "{}"),
    ],
)
def test_a_redirect_on_the_same_server_is_followed(status: int, method: str, then: str, body: str) -> None:
    got = asked(redirecting("/there", status), "/", method, None if method == "GET" else b"{}").body.decode()

    assert got.startswith(f'{{"method": "{then}", "path": "/there"')
    assert '"X-Api-Key": "not-for-others"' in got
    assert got.endswith(f'"body": "{body}"}}')


def failed_redirect(location: str, method: str = "GET", status: int = 302) -> HttpFailure:
    with pytest.raises(HttpFailure) as caught:
        asked(redirecting(location, status), "/", method, None if method == "GET" else b"{}")
    return caught.value


@pytest.mark.parametrize(
    "location",
    ["http://localhost:1/", "http://[::1]:1/", "http://10.0.0.1/", "http://169.254.169.254/latest/meta-data"],
)
def test_a_redirect_leads_to_no_other_private_address(location: str) -> None:
    failure = failed_redirect(location)

    assert str(failure) == "it is not available now"
    assert "is a private address" in failure.detail or "no tool may reach" in failure.detail


@pytest.mark.parametrize(
    "location", ["file:///etc/passwd", "ftp://example.com/", "http://user:word@example.com/", "http://"]
)
def test_a_redirect_to_something_odd_is_not_followed(location: str) -> None:
    assert "redirect" in failed_redirect(location).detail


@pytest.mark.parametrize("status", [301, 302])
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_what_was_asked_to_be_changed_is_not_taken_for_done_where_a_redirect_drops_it(method: str, status: int) -> None:
    failure = failed_redirect("/there", method, status)

    assert str(failure) == "it is not available now"
    assert failure.detail.startswith(f"a redirect ({status}) of {method} from http://127.0.0.1:")
    assert failure.detail.endswith(" to /there is not followed; write where it leads into the file")


def test_a_body_is_not_carried_to_another_server() -> None:
    detail = failed_redirect("https://example.com/", "POST", 307).detail

    assert detail.endswith("to https://example.com is not followed; write where it leads into the file")


def test_redirects_that_do_not_end_are_given_up() -> None:
    assert failed_redirect("/again").detail.startswith("more than 3 redirects")


def test_secrets_stay_with_their_own_server() -> None:
    async def main() -> bytes:
        async with server(echo) as other, server(redirecting(f"{other}/there")) as url:
            return (await ask(Prepared("GET", url, None), SECRET, allow_private=True)).body

    assert b'"X-Api-Key": null' in asyncio.run(main())


# --- answers ---------------------------------------------------------------------------------------------------------


def test_an_answer_without_end_is_not_read_to_its_end() -> None:
    async def pours(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(2 * MAX_ANSWER_BYTES // 65536):
            await response.write(b"x" * 65536)
        return response

    with pytest.raises(HttpFailure, match=r"^its answer is too long$"):
        asked(pours)


def test_a_packed_answer_is_not_unpacked() -> None:
    async def packs(_: web.Request) -> web.StreamResponse:
        return web.Response(body=b"\x1f\x8b", headers={"Content-Encoding": "gzip"})

    with pytest.raises(HttpFailure, match=r"^its answer cannot be read$"):
        asked(packs)


def test_a_server_that_breaks_off_cannot_be_reached() -> None:
    async def breaks(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.close()
        return web.Response()

    with pytest.raises(HttpFailure, match=r"^its server cannot be reached now$"):
        asked(breaks)
