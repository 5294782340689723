"""Two workers of one `serve` in one process, each with a socket of its own, so that a test says who is asked.

What one process has to do with another's death is in `tests/cli/test_serve_workers.py`.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, closing
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest

from tests.server.test_run_limits import priced
from tests.support import tiny_twilio
from tests.support.tiny_realtime import tiny_realtime
from tests.support.tiny_twilio import ACCOUNT_SID, FIELDS, TOKEN, request, webhook
from voice_agent.config.agents import AgentFolder
from voice_agent.config.secret import Secret
from voice_agent.config.settings import Settings
from voice_agent.emulator.twilio import EmulatedTwilio
from voice_agent.emulator.twilio.call import EmulatedCall
from voice_agent.server.console.phone import NO_ACCOUNT
from voice_agent.server.listening_socket import listen
from voice_agent.server.neighbours import Neighbours, Office
from voice_agent.server.run import Serving
from voice_agent.wire import twiml
from voice_agent.wire.signature import sign

AGENT = """
name: reception
default: true
instructions: Be brief.
greeting: Hello!
recording: off
tools:
  - transfer: {to: {desk: "+14255550101"}}
"""


class Pair:
    """Both, and a Twilio whose number leads to the first one's socket."""

    def __init__(self, workers: list[Serving], twilio: EmulatedTwilio) -> None:
        self.workers = workers
        self.first, self.second = workers
        self.twilio = twilio

    async def stop_second(self) -> None:
        """What a signal to it alone does: the number leads to the first one."""
        self.second.alone = True
        self.second.close_to_new_calls()
        await self.second.drain(asyncio.Event())
        await self.second.__aexit__(None, None, None)

    def call(self, **more: Any) -> EmulatedCall:
        return self.twilio.place_call(f"{self.first.url}/twilio/voice", "+14255550199", "+14255550100", **more)

    async def talking(self) -> EmulatedCall:
        one, before = self.call(), self.started
        assert await one.wait_until(lambda: self.started > before, 8)
        return one

    @property
    def started(self) -> int:
        """How many streams have begun."""
        return sum(worker.metrics.get("calls_started") for worker in self.workers)

    @property
    def held(self) -> list[int]:
        """How many calls each has."""
        return [len(worker.reception.lobby.sessions) for worker in self.workers]

    def having(self, call_sid: str) -> tuple[Serving, Serving]:
        """Who has a call, and the other one."""
        has, other = sorted(self.workers, key=lambda each: call_sid not in each.reception.lobby.sessions)
        return has, other


@asynccontextmanager
async def a_pair(folder: Path, **settings: Any) -> AsyncIterator[Pair]:
    (folder / "reception.yaml").write_text(AGENT)
    async with AsyncExitStack() as stack:
        office = stack.enter_context(closing(Office(2)))
        await stack.enter_async_context(asyncio.timeout(60))
        model = await stack.enter_async_context(tiny_realtime())
        sockets = [stack.enter_context(listen("127.0.0.1", 0)) for _ in range(2)]
        url = f"http://127.0.0.1:{sockets[0].getsockname()[1]}"
        twilio = await stack.enter_async_context(EmulatedTwilio(ACCOUNT_SID, TOKEN))
        usual = Settings(
            port=1,
            public_url=url,
            data=folder / "data",
            twilio_auth_token=Secret(TOKEN),
            realtime_url=model.url,
            realtime_audio="g711",
            max_lag_ms=10_000,
        )
        configured = msgspec.structs.replace(usual, **settings)
        workers = [
            await stack.enter_async_context(
                Serving(
                    configured, AgentFolder(folder / "reception.yaml"), clips={}, listening=listening,
                    neighbours=Neighbours(office, number),
                )
            )
            for number, listening in enumerate(sockets)
        ]  # fmt: skip
        yield Pair(workers, twilio)


def with_pair(folder: Path, work: Callable[[Pair], Awaitable[None]], **settings: Any) -> None:
    async def main() -> None:
        async with a_pair(folder, **settings) as pair:
            await work(pair)

    asyncio.run(main())


async def streams(worker: Serving, connect: twiml.Connect, call_sid: str) -> None:
    """Bring a worker the stream that was ordered; it has begun when the agent's first mark comes."""
    path = connect.url[connect.url.index("/twilio/") :]
    signature = {"X-Twilio-Signature": sign(TOKEN, connect.url)}
    async with aiohttp.ClientSession(worker.url) as http, http.ws_connect(path, headers=signature) as stream:
        await stream.send_str(tiny_twilio.connected())
        await stream.send_str(tiny_twilio.start(connect.parameters, call_sid))
        assert json.loads(await stream.receive_str())["event"] == "mark"


# --- calls -----------------------------------------------------------------------------------------------------------


def test_calls_are_spread_and_each_has_its_stream_where_its_webhook_was_answered(tmp_path: Path) -> None:
    async def work(pair: Pair) -> None:
        calls = [await pair.talking() for _ in range(4)]
        assert pair.held == [2, 2]
        for worker in pair.workers:
            # A session that was opened at the webhook waits where the stream comes.
            assert worker.metrics.get("preconnect", outcome="adopted") == 2
        for one in calls:
            one.hang_up()
            await one.ended()

    with_pair(tmp_path, work)


def test_together_they_take_no_more_calls_than_one_may(tmp_path: Path) -> None:
    async def work(pair: Pair) -> None:
        answers = await asyncio.gather(*(
            webhook(f"{pair.first.url}/twilio/voice", {**FIELDS, "CallSid": f"CA{number:032}"}) for number in range(9)
        ))  # fmt: skip
        assert sum("<Stream" in text for _, text in answers) == 3

    with_pair(tmp_path, work, max_calls=3)


def test_a_caller_who_calls_too_often_is_known_to_both(tmp_path: Path) -> None:
    async def work(pair: Pair) -> None:
        answers = [
            await webhook(f"{pair.first.url}/twilio/voice", {**FIELDS, "CallSid": f"CA{number:032}"})
            for number in range(4)
        ]
        assert ["<Stream" in text for _, text in answers] == [True, True, False, False]
        assert all(worker.metrics.get("webhooks") for worker in pair.workers)

    with_pair(tmp_path, work, caller_calls_per_minute=2)


def test_what_one_spends_the_other_does_not_spend_again(tmp_path: Path) -> None:
    async def work(pair: Pair) -> None:
        pair.second.spending.add(9)
        assert pair.first.spending.is_exhausted
        _, text = await webhook(f"{pair.first.url}/twilio/voice", FIELDS)
        assert "<Stream" not in text

    with_pair(tmp_path, work, spend_per_day=9.0, **priced(tmp_path))


def test_what_twilio_asks_and_tells_of_a_call_reaches_whoever_has_it(tmp_path: Path) -> None:
    async def work(pair: Pair) -> None:
        calls = [await pair.talking() for _ in range(2)]
        for one in calls:
            has, other = pair.having(one.sid)
            fields = {**FIELDS, "CallSid": one.sid, "CallStatus": "completed"}
            url = f"{other.url}/twilio/status"
            signed = sign(TOKEN, url.replace(other.url, pair.first.url), list(fields.items()))
            status, _ = await request(url, fields, {"X-Twilio-Signature": signed})
            assert status == 204
            assert await has.reception.lobby.outcome(one.sid, 5) is not None

    with_pair(tmp_path, work)


def test_a_stream_that_a_dead_worker_has_ordered_is_taken_by_the_other(tmp_path: Path) -> None:
    async def work(pair: Pair) -> None:
        _, text = await webhook(f"{pair.first.url}/twilio/voice", FIELDS)
        (connect, *_) = twiml.parse(text)
        assert isinstance(connect, twiml.Connect)
        has, other = pair.having(FIELDS["CallSid"])
        # As its parent does when it has died.
        assert has.reception.seat is not None
        has.reception.seat.leave()
        await streams(other, connect, FIELDS["CallSid"])
        assert other.metrics.get("calls_started") == 1

    with_pair(tmp_path, work)


def test_whoever_takes_a_call_up_has_it_though_another_was_told_of_it_meanwhile(tmp_path: Path) -> None:
    """Twilio tells that a stream has ended while it asks what becomes of the call; each may come to another worker."""

    async def work(pair: Pair) -> None:
        await webhook(f"{pair.first.url}/twilio/voice", FIELDS)
        has, other = pair.having(FIELDS["CallSid"])
        assert has.reception.seat is not None
        assert other.reception.seat is not None
        other.reception.seat.enter(FIELDS["CallSid"])
        answer = await has.reception.afterwards.after_stream({**FIELDS, "CallStatus": "in-progress"})

        assert "<Stream" in answer
        assert has.reception.seat.find(FIELDS["CallSid"]) == has.reception.seat.number

    with_pair(tmp_path, work)


def test_the_calls_of_a_worker_that_stops_alone_go_on_with_the_other_at_once(tmp_path: Path) -> None:
    async def work(pair: Pair) -> None:
        calls = [await pair.talking() for _ in range(2)]
        before, after = sorted(calls, key=lambda one: one.sid in pair.second.reception.lobby.sessions)
        await pair.stop_second()
        assert await after.wait_until(lambda: len(after.streams) == 2, 8)
        assert pair.first.reception.lobby.sessions.keys() == {before.sid, after.sid}
        moments = [moment.what for moment in after.timeline]
        # Nobody sends Twilio elsewhere: whoever is asked takes the call up.
        assert moments[-3:] == ["the stream ends", "webhook", "the stream starts"]
        assert len(before.streams) == 1
        assert (await page(pair.first, "/readyz"))[0] == 200
        for one in calls:
            one.hang_up()
            await one.ended()

    with_pair(tmp_path, work, drain_seconds=29)


def test_a_stream_that_was_ordered_by_a_worker_which_stopped_alone_meanwhile_is_taken(tmp_path: Path) -> None:
    async def work(pair: Pair) -> None:
        ordered = {}
        for number in range(2):
            _, text = await webhook(f"{pair.first.url}/twilio/voice", {**FIELDS, "CallSid": f"CA{number:032}"})
            (connect, *_) = twiml.parse(text)
            assert isinstance(connect, twiml.Connect)
            ordered[f"CA{number:032}"] = connect
        (call_sid,) = pair.second.reception.lobby.sessions
        await pair.stop_second()
        await streams(pair.first, ordered[call_sid], call_sid)
        assert pair.first.metrics.get("calls_started") == 1

    with_pair(tmp_path, work, drain_seconds=0)


def test_unsigned_requests_say_nothing_of_who_has_which_call(tmp_path: Path) -> None:
    async def work(pair: Pair) -> None:
        for worker in pair.workers:
            status, _ = await request(f"{worker.url}/twilio/voice", FIELDS)
            assert status == 403
        assert pair.first.reception.seat is not None
        assert pair.first.reception.seat.find(FIELDS["CallSid"]) is None

    with_pair(tmp_path, work)


def test_a_placed_call_gives_its_room_back_wherever_its_end_is_told(tmp_path: Path) -> None:
    async def work(pair: Pair) -> None:
        capacity = pair.first.reception.capacity
        assert capacity is not None
        capacity.placed(FIELDS["CallSid"])
        assert capacity.full() is not None
        assert pair.second.reception.capacity is not None
        pair.second.reception.capacity.arrived(FIELDS["CallSid"])
        async with asyncio.timeout(60):
            while capacity.full() is not None:  # noqa: ASYNC110 - what is told comes by a socket
                await asyncio.sleep(0.01)

    with_pair(tmp_path, work, max_calls=1)


# --- what is asked of any --------------------------------------------------------------------------------------------


async def page(worker: Serving, path: str) -> tuple[int, str]:
    return await request(f"{worker.url}{path}", host="127.0.0.1")


def test_either_tells_the_counts_of_both_and_how_things_stand_together(tmp_path: Path) -> None:
    async def work(pair: Pair) -> None:
        for _ in range(3):
            await pair.talking()
        for worker in pair.workers:
            _, text = await page(worker, "/metrics")
            lines = text.splitlines()
            started = [line for line in lines if line.startswith("voice_agent_calls_started_total")]
            assert sorted(line[-3:] for line in started) == ["1.0", "2.0"]
            assert sorted(line.split('"')[1] for line in started) == ["1", "2"]
            for told in ("calls 3.0", "calls_limit 7.0", "ready 1.0", "calls_in_store 3.0"):
                assert f"voice_agent_{told}" in lines

    with_pair(tmp_path, work, max_calls=7)


def test_ready_is_who_can_have_a_call_taken(tmp_path: Path) -> None:
    async def work(pair: Pair) -> None:
        pair.first.close_to_new_calls()
        one = await page(pair.first, "/readyz")
        _, text = await webhook(f"{pair.first.url}/twilio/voice", FIELDS)
        assert pair.second.close_to_new_calls() == 1
        both = [await page(worker, "/readyz") for worker in pair.workers]

        assert (one[0], "<Stream" in text) == (200, True)
        assert both == [(503, "stopping\n")] * 2

    with_pair(tmp_path, work)


# --- the console -----------------------------------------------------------------------------------------------------


@asynccontextmanager
async def a_browser(worker: Serving) -> AsyncIterator[tuple[aiohttp.ClientSession, dict[str, str]]]:
    async with aiohttp.ClientSession(worker.url) as http:
        token = (await (await http.get("/console/api/session")).json())["token"]
        yield http, {"X-Console-Token": token, "Origin": worker.url}


async def rows(worker: Serving, count: int) -> set[str]:
    """The CallSids that a page of Live has been told, once there are so many."""
    found: set[str] = set()
    async with aiohttp.ClientSession(worker.url) as http, http.get("/console/api/live") as events:
        async for line in events.content:
            if line.startswith(b"data: "):
                told = json.loads(line.removeprefix(b"data: "))
                found |= {row["call_sid"] for row in told.get("all", told.get("changed", []))}
                if len(found) >= count:
                    return found
    raise AssertionError("the page was let go")


def test_a_page_of_either_shows_the_calls_of_both(tmp_path: Path) -> None:
    async def work(pair: Pair) -> None:
        calls = [await pair.talking() for _ in range(2)]
        for worker in pair.workers:
            assert await rows(worker, 2) == {one.sid for one in calls}

    with_pair(tmp_path, work)


def test_a_call_is_hung_up_heard_and_handed_over_by_a_page_of_the_other(tmp_path: Path) -> None:
    async def work(pair: Pair) -> None:
        one = await pair.talking()
        _, other = pair.having(one.sid)
        async with a_browser(other) as (http, headers):
            sound = f"/console/api/live/{one.sid}/sound?token={headers['X-Console-Token']}"
            async with http.ws_connect(sound, origin=other.url) as listening:
                assert (await listening.receive_bytes())[:1] in {b"\0", b"\1"}
            # One connection for several requests, each where it belongs.
            refused = await http.post(f"/console/api/live/{one.sid}/hand-over", json={"to": "nobody"}, headers=headers)
            assert (refused.status, (await refused.json())["detail"]) == (422, "the caller can be handed over to: desk")
            assert (await http.get("/console/api/session")).status == 200
            done = await http.post(f"/console/api/live/{one.sid}/hang-up", headers=headers)
            assert done.status == 204
        await one.ended()

    with_pair(tmp_path, work)


def test_a_browser_telephones_whoever_answers_its_requests(tmp_path: Path) -> None:
    async def work(pair: Pair) -> None:
        # The session's token is the same with both, and so are the pages.
        async with a_browser(pair.first) as (one, headers), a_browser(pair.second) as (other, others):
            assert headers["X-Console-Token"] == others["X-Console-Token"]
            async with one.post("/console/api/phone/calls", json={"agent": "reception"}, headers=headers) as answer:
                begun = await answer.json()
            call_sid, token = begun["call_sid"], headers["X-Console-Token"]
            stream_at = f"/twilio/media/{call_sid}?token={token}"
            async with other.ws_connect(stream_at, origin=pair.second.url) as stream:
                start = tiny_twilio.start(begun["verbs"][-1]["parameters"], call_sid)
                await stream.send_str(tiny_twilio.connected())
                await stream.send_str(start.replace(ACCOUNT_SID, NO_ACCOUNT))
                assert json.loads(await stream.receive_str())["event"] == "mark"
            after = await other.post(
                f"/console/api/phone/calls/{call_sid}/next", json={"after": "stream"}, headers=others
            )
            assert after.status == 200

    with_pair(tmp_path, work)


def test_wrong_passwords_are_counted_by_one_for_both(tmp_path: Path) -> None:
    async def work(pair: Pair) -> None:
        statuses = []
        for tried in range(12):
            worker = pair.workers[tried % 2]
            async with aiohttp.ClientSession(worker.url) as http:
                answer = await http.post("/console/login", json={"password": "no"}, headers={"Origin": worker.url})
                statuses.append(answer.status)
        assert statuses == [403] * 10 + [429] * 2

    with_pair(tmp_path, work, console_password=Secret("correct horse"))


@pytest.mark.parametrize("asked", [0, 1])
def test_what_is_no_call_s_is_answered_by_whoever_is_asked(tmp_path: Path, asked: int) -> None:
    async def work(pair: Pair) -> None:
        worker = pair.workers[asked]
        assert (await page(worker, "/healthz"))[0] == 200
        assert (await page(worker, "/console"))[0] == 200
        assert (await page(worker, f"/console/api/live/CA{'0' * 32}/x"))[0] == 404

    with_pair(tmp_path, work)
