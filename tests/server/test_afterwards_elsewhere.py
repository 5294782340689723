"""Callers who come back from a transfer, or from keys that were pressed, to another server than they were with."""

import asyncio
from pathlib import Path

import msgspec
import pytest

from tests.support.pump import settle
from tests.support.reception import PUBLIC_URL, Desk, a_desk, connect_of, started
from tests.support.tiny_twilio import CALL_SID, FIELDS
from voice_agent.agent import Agent, LastResort
from voice_agent.call.commands import CallEnded, Destination
from voice_agent.call.conversation import CallerTurn, Conversation, Resumption
from voice_agent.call.events import EndRequested
from voice_agent.call.setup import CallSetup
from voice_agent.live.checkpointing import Checkpointing
from voice_agent.live.clock import utc_now, wall_seconds
from voice_agent.live.metrics import Metrics
from voice_agent.live.session import Session
from voice_agent.server import last_resort as lines
from voice_agent.server.continuing import Continuing
from voice_agent.store.checkpoints import Checkpoint, Checkpoints
from voice_agent.store.database import Database
from voice_agent.store.history import History, PastCall, call_not_taken
from voice_agent.wire import twiml
from voice_agent.wire.bridge import Input, Output

SAID = Resumption(Conversation("reception", (CallerTurn("u1", "Is Ana there?"),)), left_ms=60_000, pressed=1)
DESK = Destination("front_desk", "+14255550101", 15)
ON_THE_LINE = {**FIELDS, "CallStatus": "in-progress"}
BUSY = {**ON_THE_LINE, "DialCallStatus": "busy"}


def asked_elsewhere(
    folder: Path,
    ended: CallEnded,
    fields: dict[str, str],
    *,
    handing_over: bool = False,
    others: tuple[Agent, ...] = (),
    had_by: str = "",
) -> tuple[Desk, list[twiml.Verb]]:
    """Have another server hold a call to its end; then ask this one, which never heard of it, and may be replaced."""

    async def main() -> tuple[Desk, list[twiml.Verb]]:
        async with asyncio.timeout(60), Database(folder / "calls.sqlite") as database:
            store = Checkpoints(database)
            agent = Agent(name="reception", instructions="Be kind.", last_resort=LastResort(say="Reception is sorry."))
            setup = CallSetup(call_sid=CALL_SID, agent=agent, others=others, rest=True)
            before = Checkpoint(setup=setup, webhook={})
            await store.add(CALL_SID, before, wall_seconds())
            over = msgspec.structs.replace(before, resumption=SAID, ended=ended, had_by=had_by)
            await store.write(CALL_SID, 0, "over", over, wall_seconds())
            metrics = Metrics()
            history = History(database)
            continuing = Continuing(Checkpointing(store, metrics), history, metrics, history.add)
            async with a_desk(folder, continuing=continuing) as desk:
                desk.reception.stopping.last = "hands over" if handing_over else ""
                ask = (
                    desk.reception.afterwards.after_dial
                    if "DialCallStatus" in fields
                    else desk.reception.afterwards.after_stream
                )
                verbs = twiml.parse(await ask(fields))
                await settle()
            return desk, verbs

    return asyncio.run(main())


def test_who_was_not_put_through_is_back_with_an_agent_that_knows_why(tmp_path: Path) -> None:
    desk, (connect,) = asked_elsewhere(tmp_path, CallEnded("transferred", "", 1, DESK), BUSY)
    (call,) = desk.calls

    assert isinstance(connect, twiml.Connect)
    assert call.setup.resumed is not None
    assert call.setup.resumed.conversation == SAID.conversation
    assert call.setup.resumed.reason.startswith("The transfer to front_desk came to nothing: the line is busy.")
    # The other server's account is not this one's.
    assert call.setup.rest is False


@pytest.mark.parametrize(("status", "noted"), [("canceled", True), ("no-answer", True), ("completed", False)])
def test_that_a_caller_gave_up_while_it_rang_stands_with_their_call(tmp_path: Path, status: str, noted: bool) -> None:
    gone = {**FIELDS, "CallStatus": "completed", "DialCallStatus": status}
    _, verbs = asked_elsewhere(tmp_path, CallEnded("transferred", "", 1, DESK), gone)

    async def kept() -> PastCall:
        async with Database(tmp_path / "calls.sqlite") as database:
            history = History(database)
            call = call_not_taken(CALL_SID, "refused", "", utc_now(), agent="reception", caller="", called="")
            await history.add(msgspec.structs.replace(call, outcome="transferred"))
            return (await history.find(CALL_SID))[0]

    told = [each.what for each in asyncio.run(kept()).trouble if each.kind == "transfer failed"]
    assert verbs == [twiml.Hangup()]
    assert told == (["the caller hung up before anybody answered"] if noted else [])


def test_a_server_that_is_replaced_hands_on_who_was_not_put_through_with_why(tmp_path: Path) -> None:
    fields = {**BUSY, "DialCallSid": "CA" + "9" * 32, "DialSipResponseCode": "486", "Whatever": "else"}
    desk, (pause, redirect) = asked_elsewhere(
        tmp_path, CallEnded("transferred", "", 1, DESK), fields, handing_over=True
    )
    query = f"DialCallStatus=busy&DialCallSid=CA{'9' * 32}&DialSipResponseCode=486"

    assert desk.calls == []
    assert pause == twiml.Pause(1)
    assert redirect == twiml.Redirect(f"{PUBLIC_URL}/twilio/after-dial?{query}")


def test_a_call_is_put_through_and_its_keys_are_pressed_whoever_is_asked(tmp_path: Path) -> None:
    (tmp_path / "dial").mkdir()
    _, (dialled,) = asked_elsewhere(tmp_path / "dial", CallEnded("transferred", "", 1, DESK), ON_THE_LINE)
    desk, (play, connect) = asked_elsewhere(tmp_path, CallEnded("keys_sent", "", 1, keys="12#"), ON_THE_LINE)
    (call,) = desk.calls

    assert isinstance(dialled, twiml.Dial)
    assert dialled.number == DESK.address
    assert play == twiml.Play(digits="12#")
    assert isinstance(connect, twiml.Connect)
    assert call.setup.resumed == SAID


def test_a_caller_hears_the_last_resort_of_the_agent_that_had_the_call_whoever_is_asked(tmp_path: Path) -> None:
    billing = Agent(name="billing", instructions="Be exact.", last_resort=LastResort(say="Billing is sorry."))
    failed = CallEnded("model_failed", "", 1)
    (tmp_path / "first").mkdir()
    _, verbs = asked_elsewhere(tmp_path, failed, ON_THE_LINE, others=(billing,), had_by="billing")
    _, first = asked_elsewhere(tmp_path / "first", failed, ON_THE_LINE, others=(billing,))

    assert verbs == [twiml.Say("Billing is sorry.", "en"), twiml.Hangup()]
    assert first == [twiml.Say("Reception is sorry.", "en"), twiml.Hangup()]


def test_a_server_that_stops_leaves_the_keys_to_whoever_takes_its_place(tmp_path: Path) -> None:
    pressing = CallEnded("keys_sent", "", 1, keys="12#")
    desk, verbs = asked_elsewhere(tmp_path, pressing, ON_THE_LINE, handing_over=True)

    assert verbs == [twiml.Redirect(f"{PUBLIC_URL}/twilio/after-stream?sent=1")]
    assert desk.calls == []


def test_a_call_that_is_over_stays_over(tmp_path: Path) -> None:
    desk, verbs = asked_elsewhere(tmp_path, CallEnded("completed", "", 1), BUSY)

    assert verbs == [twiml.Say(lines.NOT_CONNECTED), twiml.Hangup()]
    assert desk.calls == []


@pytest.mark.parametrize(
    "here", [CallEnded("transferred", "", 1, DESK), CallEnded("stream_lost", "", 1), CallEnded("no_stream", "", 1)]
)
def test_what_became_of_a_stream_that_was_here_is_old_once_the_call_was_elsewhere(
    tmp_path: Path, here: CallEnded
) -> None:
    """The caller was with another server when they came back, or from the first, and that has put them through."""
    billing = Destination("billing", "+14255550102", 15)

    async def main() -> list[list[twiml.Verb]]:
        async with asyncio.timeout(60), Database(tmp_path / "calls.sqlite") as database:
            store, metrics = Checkpoints(database), Metrics()
            history = History(database)
            continuing = Continuing(Checkpointing(store, metrics), history, metrics, history.add)

            def answer(received: Input) -> list[Output]:
                return [here] if isinstance(received, EndRequested) else []

            async with a_desk(tmp_path, answer=answer, continuing=continuing) as desk:
                connect = connect_of(await desk.reception.receive(FIELDS))
                if here.outcome != "no_stream":
                    assert isinstance(await desk.reception.streams.let_in(started(connect.parameters)), Session)
                desk.calls[0].session.end("")
                await settle()
                over = Checkpoint(
                    setup=desk.calls[0].setup,
                    webhook={},
                    ended=CallEnded("transferred", "", 2, billing),
                    resumption=SAID,
                )
                number = 0 if here.outcome == "no_stream" else 1
                assert number == 0 or await store.take_up(CALL_SID, 0, over, wall_seconds())
                assert await store.write(CALL_SID, number, "over", over, wall_seconds())
                asked = [await desk.reception.afterwards.after_stream(ON_THE_LINE)]
                asked.append(await desk.reception.afterwards.after_dial(BUSY))
                await settle()
                resumed = desk.calls[-1].setup.resumed
                assert resumed is not None
                assert resumed.reason.startswith("The transfer to billing came to nothing")
                return list(map(twiml.parse, asked))

    (dialled,), (connect,) = asyncio.run(main())

    assert isinstance(dialled, twiml.Dial)
    assert dialled.number == billing.address
    assert isinstance(connect, twiml.Connect)


def test_a_session_that_waited_here_for_a_stream_that_was_elsewhere_is_not_the_next_stream_s(tmp_path: Path) -> None:
    async def main() -> None:
        async with asyncio.timeout(60), Database(tmp_path / "calls.sqlite") as database:
            store, history, metrics = Checkpoints(database), History(database), Metrics()
            continuing = Continuing(Checkpointing(store, metrics), history, metrics, history.add)
            async with a_desk(tmp_path, continuing=continuing) as desk:
                await desk.reception.receive(FIELDS)
                await settle()
                pressing = CallEnded("keys_sent", "", 1, keys="12#")
                over = Checkpoint(setup=desk.calls[0].setup, webhook={}, ended=pressing, resumption=SAID)
                assert await store.write(CALL_SID, 0, "over", over, wall_seconds())

                _, connect = twiml.parse(await desk.reception.afterwards.after_stream(ON_THE_LINE))
                assert isinstance(connect, twiml.Connect)
                session = await desk.reception.streams.let_in(started(connect.parameters))

                assert session is desk.calls[-1].session
                assert desk.calls[-1].setup.resumed == SAID

    asyncio.run(main())
