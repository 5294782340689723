"""Recorded callers spoken to a real session: sockets and time of life, tones for speech."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest

from tests.support import spoken_calls
from tests.support.fake_speech import fake_speech
from voice_agent.call.commands import AgentSaid, CallEnded, CallerSaid, Report
from voice_agent.call.conversation import CallerTurn, Conversation, Resumption
from voice_agent.call.summary import Line
from voice_agent.config.expectations import Expectations
from voice_agent.config.settings import Provider
from voice_agent.emulator.brain import Echo
from voice_agent.emulator.realtime import serve_realtime
from voice_agent.errors import ConfigError, PeerError, VoiceAgentError
from voice_agent.live.clips import load_clips
from voice_agent.recording.reader import read
from voice_agent.replay.against import against, failures_of, settings_against
from voice_agent.replay.held_call import HeldCall
from voice_agent.replay.judging import Verdict
from voice_agent.replay.talk import Talk

AGENT = "name: reception\ninstructions: Be kind.\ngreeting: Hello!\nrecording: off\n"
NIGHT = "name: night\ninstructions: Take messages.\ngreeting: We are closed.\nrecording: off\n"
CLOSED = "timezone: Europe/Berlin\nhours: {open: {monday: closed}, closed: {agent: night}}\n"
WORDS = "Are you open today?"


EXPECTED = "heard: [open today]\nsaid: [Hello, 'You said: Are you open today']\nended: caller_hung_up\n"


class Held(msgspec.Struct):
    """What came of the calls of this module: all of them are held at once, for each takes seconds."""

    folder: Path
    files: dict[str, Verdict | BaseException]
    providers: dict[str, Verdict | BaseException]
    closed: dict[str, Verdict | BaseException]
    """By how the agent that is closed is named."""


def environment(folder: Path, **more: str) -> dict[str, str]:
    return {"AGENTS": str(folder / "agents"), "DATA": str(folder / "data"), **more}


async def judge(
    provider: Provider, environ: dict[str, str], paths: Sequence[Path], agent: Path | None = None
) -> list[Verdict | BaseException]:
    """Hold all calls at once."""
    settings = settings_against(provider, environ)
    speech = fake_speech(*[WORDS] * len(paths))
    async with (
        asyncio.timeout(30),
        against(provider, settings, load_clips(), agent=agent, tell=lambda _: None, speech=speech) as model,
    ):
        return await asyncio.gather(*(model.judge_file(path) for path in paths), return_exceptions=True)


def a_folder(folder: Path) -> Path:
    """An agent that wants no recordings, and a recorded call with what is expected of it."""
    (folder / "agents").mkdir()
    (folder / "agents" / "a.yaml").write_text(AGENT, encoding="utf-8")
    greets = msgspec.structs.replace(spoken_calls.AGENT, greeting="Hello, who is it?")
    turn = spoken_calls.Turn(WORDS, answers=("Hello, who is it?", "Yes."))
    (folder / "closed").mkdir()
    (folder / "closed" / "a.yaml").write_text(AGENT + CLOSED, encoding="utf-8")
    (folder / "closed" / "night.yaml").write_text(NIGHT, encoding="utf-8")
    (folder / "closed" / "broken.yaml").write_text("name: broken\n", encoding="utf-8")
    (folder / "hours.call").write_bytes(spoken_calls.spoken_file(turn, agent=greets))
    (folder / "hours.expect.yaml").write_text(EXPECTED, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory) -> Held:
    folder = a_folder(tmp_path_factory.mktemp("against"))
    for name, expected in {"wrong": "sayd: [a]\n", "unmet": "said: [closed]\n"}.items():
        (folder / f"{name}.call").write_bytes((folder / "hours.call").read_bytes())
        (folder / f"{name}.expect.yaml").write_text(expected, encoding="utf-8")
    (folder / "no.call").write_bytes(b"RIFF")
    came_back = spoken_calls.spoken_file(
        spoken_calls.Turn(WORDS, answers=("The line was busy.", "Yes.")),
        resumed=Resumption(Conversation("reception", (CallerTurn("u1", "Is Ana there?"),)), "The line of Ana is busy."),
    )
    (folder / "back.call").write_bytes(came_back)
    names = ("no", "hours", "wrong", "unmet", "gone", "back")

    async def hold() -> Held:
        async with serve_realtime("127.0.0.1", 0, fake_speech(WORDS, WORDS), Echo()) as server:
            base = f"http://127.0.0.1:{server.port}"
            openai = environment(folder, OPENAI_API_KEY="sk-test", OPENAI_BASE_URL=f"{base}/v1")
            azure = environment(
                folder,
                AZURE_OPENAI_ENDPOINT=base,
                AZURE_OPENAI_DEPLOYMENT="gpt-realtime-2.1",
                AZURE_OPENAI_API_KEY="key",
            )
            nowhere = openai | {"OPENAI_BASE_URL": "http://127.0.0.1:9/v1"}
            one, closed = [folder / "hours.call"], folder / "closed" / "a.yaml"
            files, *others = await asyncio.gather(
                judge("emulator", environment(folder), [folder / f"{name}.call" for name in names]),
                judge("openai", openai, one),
                judge("azure", azure, one),
                judge("openai", nowhere, one),
                judge("emulator", environment(folder, AGENTS=str(closed.parent)), one),
                judge("emulator", environment(folder, AGENTS=str(closed)), one),
                judge("emulator", environment(folder), one, closed),
            )
        verdicts = [verdict for (verdict,) in others]
        return Held(
            folder,
            files=dict(zip(names, files, strict=True)),
            providers=dict(zip(("openai", "azure", "nowhere"), verdicts[:3], strict=True)),
            closed=dict(zip(("folder", "file", "--agent"), verdicts[3:], strict=True)),
        )

    return asyncio.run(hold())


def recording_of(verdict: Verdict) -> Path:
    return Path(next(note for note in verdict.notes if note.startswith("recording: ")).partition(": ")[2])


def test_a_recorded_caller_is_heard_by_the_agent_of_today(held: Held) -> None:
    hours = held.files["hours"]

    assert isinstance(hours, Verdict)
    assert hours.passed, hours.failures
    assert hours.result == "held"
    assert hours.call.heard == [WORDS]
    # The agent wants no recording, but who replays wants to look at what came of it.
    kept = recording_of(hours)
    assert kept.is_relative_to(held.folder / "data" / "talks")
    assert read(kept).header.audio == "kept"


def test_an_unmet_expectation_is_told_with_the_whole_conversation(held: Held) -> None:
    unmet = held.files["unmet"]

    assert isinstance(unmet, Verdict)
    assert unmet.result == "unmet"
    assert unmet.failures[0] == "unmet.expect.yaml:"
    assert 'the caller did not hear "closed", from there on but "Hello!"' in unmet.failures[1]
    assert any(line.endswith(f"Caller  {WORDS}") for line in unmet.failures)


def test_files_that_are_no_good_are_told_and_the_rest_of_a_run_goes_on(held: Held) -> None:
    assert isinstance(held.files["no"], PeerError)
    assert isinstance(held.files["gone"], PeerError)
    assert isinstance(held.files["wrong"], ConfigError)
    assert 'wrong.expect.yaml:1:1: unknown key "sayd"; write "said"' in str(held.files["wrong"])


def test_a_call_that_went_on_from_another_one_goes_on_from_it_again(held: Held) -> None:
    back = held.files["back"]

    assert isinstance(back, Verdict)
    # Not the greeting: this model repeats what it was told last.
    assert back.call.said[0] == "The line of Ana is busy."
    kept = read(recording_of(back)).header.setup
    assert kept.resumed is not None
    assert kept.resumed.conversation.turns == (CallerTurn("u1", "Is Ana there?"),)


@pytest.mark.parametrize("named", ["folder", "file", "--agent"])
def test_another_agent_takes_the_call_wherever_its_file_stands_beside_today_s(held: Held, named: str) -> None:
    verdict = held.closed[named]

    assert isinstance(verdict, Verdict), verdict
    assert verdict.call.said[0] == "We are closed."


@pytest.mark.parametrize("provider", ["openai", "azure"])
def test_every_provider_is_spoken_to_by_the_same_code_at_its_own_address(held: Held, provider: str) -> None:
    verdict = held.providers[provider]

    assert isinstance(verdict, Verdict)
    assert verdict.passed, verdict.failures
    assert read(recording_of(verdict)).header.setup.model.provider == provider


def test_a_model_that_cannot_be_reached_fails_the_call_readably(held: Held) -> None:
    verdict = held.providers["nowhere"]

    assert isinstance(verdict, Verdict)
    assert "the call ended as model_failed, expected caller_hung_up" in " ".join(verdict.failures)
    assert any("cannot reach ws://127.0.0.1:9/" in line for line in verdict.failures), verdict.failures


def test_an_agent_that_is_not_there_is_named_with_where_it_was_looked_for(tmp_path: Path) -> None:
    folder = a_folder(tmp_path)
    (folder / "agents" / "a.yaml").write_text(AGENT.replace("reception", "desk"), encoding="utf-8")
    (missing,) = asyncio.run(judge("emulator", environment(folder), [folder / "hours.call"]))
    assert str(missing) == (
        f'{folder / "agents"}: no agent is named "reception" here; there are desk; '
        "set AGENTS to where its file is, or name another by --agent, in a test in Python by agent="
    )

    (folder / "agents" / "a.yaml").write_text("name: reception\nsay: hi\n", encoding="utf-8")
    (broken,) = asyncio.run(judge("emulator", environment(folder), [folder / "hours.call"]))
    assert isinstance(broken, ConfigError)
    assert 'unknown key "say"' in str(broken)


def test_an_agent_file_that_is_named_wins(tmp_path: Path) -> None:
    folder = a_folder(tmp_path)
    gone = folder / "gone.yaml"
    (missing,) = asyncio.run(judge("emulator", environment(folder), [folder / "hours.call"], gone))

    assert isinstance(missing, VoiceAgentError)
    assert str(missing) == f"{gone}: cannot be read: No such file or directory"


# --- settings --------------------------------------------------------------------------------------------------------


def test_a_model_without_its_settings_is_told_what_is_missing() -> None:
    with pytest.raises(ConfigError, match="AZURE_OPENAI_ENDPOINT"):
        settings_against("azure", {"OPENAI_API_KEY": "sk-test"})
    with pytest.raises(ConfigError, match="OPENAI_API_KEY"):
        settings_against("openai", {})


def test_the_model_that_is_named_is_meant_whatever_answers_the_phone() -> None:
    both = {"OPENAI_API_KEY": "sk", "AZURE_OPENAI_ENDPOINT": "https://a.example", "AZURE_OPENAI_DEPLOYMENT": "d"}

    assert settings_against("openai", both).realtime_provider == "openai"
    assert settings_against("azure", both | {"REALTIME_PROVIDER": "openai"}).realtime_provider == "azure"
    elsewhere = both | {"REALTIME_PROVIDER": "openai", "REALTIME_URL": "wss://gateway.example/v1/realtime"}
    assert settings_against("openai", elsewhere).realtime_url == "wss://gateway.example/v1/realtime"
    assert settings_against("emulator", elsewhere).realtime_url is None


# --- judging ---------------------------------------------------------------------------------------------------------


def a_talk(ended: CallEnded, problem: str = "", errors: tuple[tuple[int, str], ...] = ()) -> Talk:
    reports: list[tuple[int, Report]] = [
        (1000, AgentSaid("i1", "Hello!", 500, 500, False)),
        (3000, CallerSaid("i2", WORDS)),
        (9000, ended),
    ]
    return Talk(
        call=HeldCall(reports, ""),
        recording=Path("a.call"),
        lines=[Line(9000, "end", ended.outcome)],
        problem=problem,
        errors=errors,
        unplayed=0,
        remarks=(),
    )


def test_an_ending_that_is_no_call_s_fails_unless_it_is_expected() -> None:
    failed = a_talk(CallEnded("model_failed", "no answer", 9000))

    assert failures_of(failed, None, "") == (["at 00:09.000 the call ended as model_failed"], 9000)
    assert failures_of(failed, Expectations(said=("hello",)), "x")[1] == 9000
    assert failures_of(failed, Expectations(ended="model_failed"), "x") == ([], 0)


def test_a_model_that_was_lost_fails_a_caller_who_hung_up_as_recorded() -> None:
    lost = a_talk(CallEnded("caller_hung_up", "", 9000), errors=((20, "the model is gone (reason: 401)"),))

    assert failures_of(lost, None, "") == (["at 00:00.020 the model is gone (reason: 401)"], 20)
    assert failures_of(lost, Expectations(ended="caller_hung_up"), "x") == ([], 0)


def test_a_part_that_could_not_be_played_fails_whatever_is_expected() -> None:
    silent = a_talk(CallEnded("caller_hung_up", "", 9000), "turn 2: the agent said nothing for 20 s")

    assert failures_of(silent, Expectations(), "x") == (["at 00:09.000 turn 2: the agent said nothing for 20 s"], 9000)


def test_what_is_unmet_is_told_with_its_place_and_the_earliest_second() -> None:
    lines, at_ms = failures_of(
        a_talk(CallEnded("completed", "", 9000)), Expectations(said=("goodbye",), interruptions=1), "hours.expect.yaml"
    )

    assert lines[0] == "hours.expect.yaml:"
    assert at_ms == 1000
    assert len(lines) == 3
