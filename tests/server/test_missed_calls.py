"""Callers whom no agent took are found in the history."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.server.test_run import AGENT, a_server
from tests.support.tiny_twilio import FIELDS, webhook
from voice_agent.server.missed_calls import REMEMBERED, MissedCalls
from voice_agent.store.database import FILE_NAME, Database
from voice_agent.store.history import History, PastCall, call_not_taken

BEGAN = datetime(2026, 11, 27, 10, tzinfo=UTC)


def missed(call_sid: str = "CA1", caller: str = "+14255550199") -> PastCall:
    return call_not_taken(
        call_sid, "refused", "too many calls", BEGAN, agent="reception", caller=caller, called="+14255550100"
    )


def kept(*calls: PastCall, redacts: bool = False) -> list[PastCall]:
    rows: list[PastCall] = []

    async def keep(call: PastCall) -> None:
        rows.append(call)

    async def main() -> None:
        them = MissedCalls(keep, redacts=redacts)
        for call in calls:
            await them.take(call)

    asyncio.run(main())
    return rows


def test_a_webhook_that_is_replayed_makes_one_row() -> None:
    assert kept(missed(), missed("CA2"), missed()) == [missed(), missed("CA2")]


def test_what_is_remembered_is_bounded() -> None:
    many = [missed(f"CA{number}") for number in range(REMEMBERED + 1)]

    assert len(kept(*many, many[1], many[0])) == len(many) + 1


def test_where_calls_are_redacted_the_numbers_of_these_are_too() -> None:
    (row,) = kept(missed(), redacts=True)
    (without_number,) = kept(missed(caller="sip:anna@example.com"), redacts=True)

    assert (row.caller, row.called) == ("+00000000000", "+00000000000")
    assert "anna" not in without_number.caller


FULL = {"max_calls": 1}
VOICEMAIL = AGENT + "last_resort: {say: Sorry., then: voicemail}\n"
TRANSFER = AGENT + 'last_resort: {then: {transfer: "+14255550101"}}\n'


@pytest.mark.parametrize(
    ("agent", "limits", "reason"),
    [
        (AGENT, FULL, "too many calls"),
        (VOICEMAIL, FULL, "too many calls; sent to voicemail; a message of 12 s was left: recording RE1"),
        (TRANSFER, FULL, "too many calls; passed on to somebody"),
        (AGENT, {"number_calls_per_minute": 1}, "number called too often"),
        (AGENT, {"caller_calls_per_minute": 1}, "caller calls too often; heard a busy line"),
    ],
)
def test_who_is_turned_away_is_in_the_history_with_what_became_of_them(
    tmp_path: Path, agent: str, limits: dict[str, Any], reason: str
) -> None:
    async def main() -> list[PastCall]:
        async with a_server(tmp_path, agent, **limits) as call:
            url = f"{call.serving.url}/twilio"
            await call.answer()
            late = {**FIELDS, "CallSid": "CA" + "7" * 32}
            for _ in range(2):
                assert (await webhook(f"{url}/voice", late))[0] == 200
            if "message" in reason:
                await webhook(f"{url}/after-stream", {**late, "RecordingSid": "RE1", "RecordingDuration": "12"})
            async with Database(call.serving.settings.data / FILE_NAME) as database:
                return await History(database).find(late["CallSid"])

    (row,) = asyncio.run(main())
    assert (row.outcome, row.reason) == ("refused", reason)
    assert (row.caller, row.recording, row.duration_ms) == (FIELDS["From"], None, 0)
