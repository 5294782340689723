"""`<Dial>` on an emulated call: who answers, and what the `action` is told."""

import asyncio
from typing import Any

import pytest

from tests.support.tiny_customer import ACCOUNT_SID, CALLED, CALLER, TOKEN, customer, xml
from voice_agent.emulator.twilio import Callee, EmulatedTwilio

DIAL = '<Dial action="/after" timeout="1"><Number>+14255550111</Number></Dial>'


def dialled(callee: Callee, twiml: str = DIAL, leaves: str = "") -> tuple[dict[str, str], list[str]]:
    """Dial; gives what the `action` was told (nothing, if nobody asked it), and the call's moments."""

    async def main() -> tuple[dict[str, str], list[str]]:
        asked_for: list[str] = []

        def callees(address: str) -> Callee:
            asked_for.append(address)
            return callee

        async with (
            asyncio.timeout(30),
            customer({"/voice": xml(twiml), "/after": xml("<Hangup/>")}) as server,
            EmulatedTwilio(ACCOUNT_SID, TOKEN, callees=callees) as twilio,
        ):
            moments: asyncio.Queue[str] = asyncio.Queue()
            call = twilio.place_call(
                f"{server.url}/voice", CALLER, CALLED, on_moment=lambda moment: moments.put_nowait(moment.what)
            )
            while leaves and await moments.get() != leaves:
                pass
            if leaves:
                call.hang_up()
            await call.ended()
            assert call.dialled == asked_for
            after = server.at("/after")
            fields = (
                {name: value for name, value in after[0].fields.items() if name.startswith("Dial")} if after else {}
            )
            return fields, [moment.what for moment in call.timeline]

    return asyncio.run(main())


def test_two_talk_until_the_dialled_hangs_up() -> None:
    fields, moments = dialled(Callee(talks_ms=60))

    assert fields.pop("DialCallSid").startswith("CA")
    assert fields == {"DialCallStatus": "completed", "DialBridged": "true", "DialCallDuration": "0"}
    assert (
        moments.index("the carrier dials")
        < moments.index("the dialled answers")
        < moments.index("the dialled hangs up")
    )


@pytest.mark.parametrize("becomes", ["busy", "no-answer", "failed"])
def test_who_cannot_be_had_is_told_to_the_action(becomes: Any) -> None:
    fields, _ = dialled(Callee(becomes=becomes))

    assert (fields["DialCallStatus"], fields["DialBridged"]) == (becomes, "false")
    assert "DialCallDuration" not in fields


@pytest.mark.parametrize(
    ("becomes", "code"), [("answers", "200"), ("busy", "486"), ("no-answer", "480"), ("failed", "404")]
)
def test_of_a_sip_address_the_reply_is_told(becomes: Any, code: str) -> None:
    fields, _ = dialled(Callee(becomes=becomes), '<Dial action="/after"><Sip>sip:desk@pbx.example.com</Sip></Dial>')

    assert fields["DialSipResponseCode"] == code


def test_a_phone_that_rings_for_longer_than_wanted_is_not_answered() -> None:
    fields, moments = dialled(Callee(rings_ms=60_000))

    assert fields["DialCallStatus"] == "no-answer"
    assert "the dialled answers" not in moments


@pytest.mark.parametrize(
    ("callee", "leaves"),
    [
        (Callee(rings_ms=60_000), "the carrier dials"),
        (Callee(talks_ms=60_000), "the dialled answers"),
    ],
)
def test_a_caller_who_leaves_meanwhile_ends_it_and_no_action_is_asked(callee: Callee, leaves: str) -> None:
    fields, moments = dialled(callee, leaves=leaves)

    assert fields == {}
    assert "the caller hangs up" in moments
    assert "the dialled hangs up" not in moments


# --- conferences -----------------------------------------------------------------------------------------------------

ROOM = '<Dial action="/after"><Conference endConferenceOnExit="{}">room</Conference></Dial>'


@pytest.mark.parametrize(("ends", "left"), [("true", 0), ("false", 1)])
def test_calls_meet_in_a_conference_until_one_who_ends_it_leaves(ends: str, left: int) -> None:
    async def main() -> None:
        async with (
            asyncio.timeout(30),
            customer({"/voice": xml(ROOM.format(ends)), "/after": xml("<Hangup/>")}) as server,
            EmulatedTwilio(ACCOUNT_SID, TOKEN) as twilio,
        ):
            moments: asyncio.Queue[str] = asyncio.Queue()
            calls = [
                twilio.place_call(
                    f"{server.url}/voice", CALLER, CALLED, on_moment=lambda moment: moments.put_nowait(moment.what)
                )
                for _ in range(2)
            ]
            entered = 0
            while entered < 2:
                entered += await moments.get() == "the call enters a conference"
            (room,) = twilio.conferences["room"]
            assert len(room.visits) == 2
            calls[0].hang_up()
            await calls[0].ended()
            if ends == "true":
                await calls[1].ended()
            assert sum(visit.to_s is None for visit in room.visits) == left
            calls[1].hang_up()
            await calls[1].ended()
            assert room.ended.is_set()
            assert room.longest_alone_s() < 5
        # Who left by hanging up is asked nothing any more.
        assert len(server.at("/after")) == (1 if ends == "true" else 0)

    asyncio.run(main())
