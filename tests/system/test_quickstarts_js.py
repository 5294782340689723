"""The vendor's first steps in JavaScript and TypeScript, by its own npm package, against the local Realtime server.

The scripts are as they would be for the real service: `OPENAI_BASE_URL` and `OPENAI_API_KEY` say where. They print
what they receive; here every event is held against the types of the Python package.
"""

import asyncio
import base64
import json
import os
import shutil
import subprocess
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest

from tests.support.openai_types import faults
from tests.support.realtime_client import silence, tone
from tests.system.talking_server import hear, talking_server
from voice_agent.emulator.realtime import RealtimeServer
from voice_agent.emulator.speech.loading import load_speech
from voice_agent.emulator.tls import own_certificate, tls_front
from voice_agent.wire.dialects import PREVIEW_NAMES

Event = dict[str, Any]
FOLDER = Path(__file__).parent / "js"
SECONDS = 30.0

SCRIPTS = pytest.mark.parametrize("kind", ["mjs", "ts"])
AT_AZURE = pytest.mark.parametrize("dialect", ["ga", "preview"])
OLD_NAMES = {new: old for old, new in PREVIEW_NAMES.items()}


async def run(server: RealtimeServer, folder: Path, script: str, *arguments: str, dialect: str = "ga") -> list[Event]:
    """Run a script against a server, through TLS; gives the events that it received, all found faultless.

    What begins with `azure` is told Azure's variables and the dialect, and nothing else.
    """
    certificate = own_certificate(folder)
    node = shutil.which("node")
    assert node is not None, "node is missing"
    async with tls_front("127.0.0.1", 0, (server.host, server.port), certificate) as port:
        openai = {"OPENAI_BASE_URL": f"https://127.0.0.1:{port}/v1", "OPENAI_API_KEY": "sk-local"}
        azure = {"AZURE_OPENAI_ENDPOINT": f"https://127.0.0.1:{port}", "AZURE_OPENAI_API_KEY": "local"}
        environment = {
            "PATH": os.environ["PATH"],
            "NODE_EXTRA_CA_CERTS": str(certificate),
            **(azure if script.startswith("azure") else openai),
        }
        # Node has the standard WebSocket behind a flag up to version 21; later ones take the flag and need it not.
        process = await asyncio.create_subprocess_exec(
            node,
            "--no-warnings",
            "--experimental-websocket",
            "--import",
            "tsx",
            script,
            *([dialect] if script.startswith("azure") else []),
            *arguments,
            cwd=FOLDER,
            env=environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip - one argument a line would hide the command
        try:
            async with asyncio.timeout(SECONDS):
                out, err = await process.communicate()
        except TimeoutError:
            process.kill()
            out, err = await process.communicate()
            raise AssertionError(f"{script} did not end: {types(parse(out))[-5:]} {err.decode()[-2000:]}") from None
    events = parse(out)
    assert process.returncode == 0, err.decode()
    assert [fault for event in events for fault in faults(event, dialect)] == []
    return events


def parse(out: bytes) -> list[Event]:
    return [json.loads(line) for line in out.decode().splitlines()]


def types(events: list[Event]) -> list[str]:
    return [event["type"] for event in events]


def the(events: list[Event], event_type: str) -> Event:
    found = [event for event in events if event["type"] == event_type]
    assert found, f"no {event_type} among {types(events)}"
    return found[0]


def audio_of(events: list[Event], event_type: str = "response.output_audio.delta") -> bytes:
    return b"".join(base64.b64decode(event["delta"]) for event in events if event["type"] == event_type)


def named(event_type: str, dialect: str) -> str:
    """Give a server event's name in a dialect."""
    return OLD_NAMES[event_type] if dialect == "preview" else event_type


def against(
    server: AbstractAsyncContextManager[RealtimeServer],
    folder: Path,
    script: str,
    *arguments: str,
    dialect: str = "ga",
) -> list[Event]:
    async def main() -> list[Event]:
        async with server as it:
            return await run(it, folder, script, *arguments, dialect=dialect)

    return asyncio.run(main())


@SCRIPTS
def test_a_written_turn(kind: str, tmp_path: Path) -> None:
    events = against(talking_server(), tmp_path, f"text.{kind}")

    text = "".join(event["delta"] for event in events if event["type"] == "response.output_text.delta")
    assert types(events)[:2] == ["session.created", "session.updated"]
    assert text == the(events, "response.output_text.done")["text"] == "You said: Hello, who is there?"
    assert events[-1]["response"]["status"] == "completed"
    assert audio_of(events) == b""


@AT_AZURE
def test_a_written_turn_at_azure(dialect: str, tmp_path: Path) -> None:
    events = against(talking_server(), tmp_path, "azure_text.mjs", dialect=dialect)

    assert the(events, named("response.output_text.done", dialect))["text"] == "You said: Hello, who is there?"
    assert events[-1]["response"]["status"] == "completed"


@AT_AZURE
def test_a_spoken_turn_at_azure(dialect: str, tmp_path: Path) -> None:
    speech = tmp_path / "speech.pcm"
    speech.write_bytes(silence(300) + tone(600) + silence(1000))
    events = against(talking_server("good morning"), tmp_path, "azure_audio.mjs", str(speech), dialect=dialect)

    heard = the(events, "conversation.item.input_audio_transcription.completed")["transcript"]
    said = the(events, named("response.output_audio_transcript.done", dialect))["transcript"]
    assert (heard, said) == ("good morning", "You said: good morning")
    assert len(audio_of(events, named("response.output_audio.delta", dialect))) == 48 * 10 * len(said)


@AT_AZURE
def test_a_function_call_at_azure(dialect: str, tmp_path: Path) -> None:
    events = against(talking_server(), tmp_path, "azure_function_call.mjs", dialect=dialect)

    assert the(events, "response.function_call_arguments.done")["arguments"] == '{"day": "today"}'
    responses = [event["response"] for event in events if event["type"] == "response.done"]
    assert [[item["type"] for item in response["output"]] for response in responses] == [
        ["message", "function_call"],
        ["message"],
    ]
    assert responses[1]["output"][0]["content"][0]["transcript"] == "It is blue."


@AT_AZURE
def test_an_interruption_at_azure_is_truncated_to_what_was_played(dialect: str, tmp_path: Path) -> None:
    speech = tmp_path / "speech.pcm"
    speech.write_bytes(tone(400))
    events = against(talking_server(), tmp_path, "azure_interruption.mjs", str(speech), dialect=dialect)

    audio = audio_of(events, named("response.output_audio.delta", dialect))
    truncated = the(events, "conversation.item.truncated")
    assert the(events, "response.done")["response"]["status_details"]["reason"] == "turn_detected"
    assert truncated["item_id"] == the(events, named("response.output_audio.delta", dialect))["item_id"]
    assert 300 <= truncated["audio_end_ms"] <= len(audio) // 48


@SCRIPTS
def test_a_spoken_turn(kind: str, tmp_path: Path) -> None:
    speech = tmp_path / "speech.pcm"
    speech.write_bytes(silence(300) + tone(600) + silence(1000))
    events = against(talking_server("good morning"), tmp_path, f"audio.{kind}", str(speech))

    heard = the(events, "conversation.item.input_audio_transcription.completed")["transcript"]
    said = the(events, "response.output_audio_transcript.done")["transcript"]
    assert (heard, said) == ("good morning", "You said: good morning")
    assert len(audio_of(events)) == 48 * 10 * len(said)


@SCRIPTS
def test_a_function_call(kind: str, tmp_path: Path) -> None:
    events = against(talking_server(), tmp_path, f"function_call.{kind}")

    call = the(events, "response.function_call_arguments.done")
    assert (call["name"], call["arguments"]) == ("weather", '{"day": "today"}')
    responses = [event["response"] for event in events if event["type"] == "response.done"]
    assert [[item["type"] for item in response["output"]] for response in responses] == [
        ["message", "function_call"],
        ["message"],
    ]
    assert responses[1]["output"][0]["content"][0]["transcript"] == "It is blue."


@SCRIPTS
def test_an_interruption_is_truncated_to_what_was_played(kind: str, tmp_path: Path) -> None:
    speech = tmp_path / "speech.pcm"
    speech.write_bytes(tone(400))
    events = against(talking_server(), tmp_path, f"interruption.{kind}", str(speech))

    response = the(events, "response.done")["response"]
    item_id = the(events, "response.output_audio.delta")["item_id"]
    truncated = the(events, "conversation.item.truncated")
    assert response["status_details"] == {"type": "cancelled", "reason": "turn_detected"}
    assert truncated["item_id"] == item_id
    assert 300 <= truncated["audio_end_ms"] <= len(audio_of(events)) // 48
    assert types(events).index("input_audio_buffer.speech_started") < types(events).index("response.done")


def test_the_typescript_fits_the_types_of_the_package() -> None:
    compiler = FOLDER / "node_modules" / "typescript" / "bin" / "tsc"
    options = [
        "--noEmit",
        "--strict",
        "--skipLibCheck",
        "--module",
        "nodenext",
        "--target",
        "es2022",
        "--types",
        "node",
    ]
    scripts = sorted(map(str, FOLDER.glob("*.ts")))
    result = subprocess.run(
        ["node", str(compiler), *options, *scripts], cwd=FOLDER, capture_output=True, text=True, check=False, timeout=60
    )

    assert len(scripts) == 4
    assert (result.returncode, result.stdout) == (0, "")


def test_a_turn_in_real_speech_is_understood_and_answered(tmp_path: Path) -> None:
    told: list[str] = []
    speech = load_speech(told.append)
    spoken = b"".join(speech.speaking.speak("Good morning, I would like a table for two."))
    file = tmp_path / "speech.pcm"
    file.write_bytes(silence(300) + spoken + silence(1200))
    events = against(talking_server(speech=speech, pace=0), tmp_path, "audio.mjs", str(file))

    heard = the(events, "conversation.item.input_audio_transcription.completed")["transcript"].lower()
    answer = hear(speech.hearing.recognise, audio_of(events))
    assert "table for two" in heard, told
    assert "said" in answer, answer
    assert "table for two" in answer, answer
