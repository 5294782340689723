from datetime import date
from pathlib import Path

import msgspec
import pytest

from voice_agent.call.setup import ModelSetup
from voice_agent.config.agents import load_agent
from voice_agent.config.references import NOTHING
from voice_agent.config.secret import Secret
from voice_agent.config.settings import Fallback, Settings
from voice_agent.errors import ConfigError
from voice_agent.live.endpoints import demands_of, endpoint_of, model_setup, reachable, remarks

AZURE = Settings(
    realtime_provider="azure",
    azure_openai_endpoint="https://res.openai.azure.com",
    azure_openai_deployment="rt",
    azure_openai_api_key=Secret("k1"),
)
OPENAI = Settings(realtime_provider="openai", openai_api_key=Secret("k2"), realtime_audio="g711")


def test_each_provider_has_its_address_and_its_key() -> None:
    azure, openai = endpoint_of(AZURE), endpoint_of(OPENAI)

    assert (azure.url, azure.headers) == ("wss://res.openai.azure.com/openai/v1/realtime?model=rt", {"api-key": "k1"})
    assert openai.url == "wss://api.openai.com/v1/realtime?model=gpt-realtime-2.1"
    assert openai.headers == {"Authorization": "Bearer k2"}


def test_the_emulator_is_where_it_was_started_and_a_whole_url_wins() -> None:
    assert endpoint_of(Settings(), "ws://127.0.0.1:5/v1/realtime").url.startswith("ws://127.0.0.1:5/v1/realtime?")
    assert endpoint_of(Settings(realtime_url="ws://127.0.0.1:6/x"), "ws://127.0.0.1:5").url == "ws://127.0.0.1:6/x"


def test_a_recording_learns_how_the_model_is_spoken_to_but_no_address() -> None:
    assert model_setup(AZURE, endpoint_of(AZURE)) == ModelSetup(provider="azure", model="rt")
    assert model_setup(OPENAI, endpoint_of(OPENAI)) == ModelSetup(
        provider="openai", model="gpt-realtime-2.1", audio="g711"
    )
    assert model_setup(Settings(), endpoint_of(Settings())).model == ""


def test_all_endpoints_are_reached_in_their_order_and_named_where_there_are_several() -> None:
    (alone,) = reachable(AZURE)
    several = reachable(
        msgspec.structs.replace(AZURE, realtime_fallbacks=(Fallback("openai", OPENAI),)), "ws://127.0.0.1:5"
    )

    assert alone.setup.name == ""
    assert [(each.setup.name, each.setup.audio, each.endpoint.headers) for each in several] == [
        ("azure", "pcm24k", {"api-key": "k1"}),
        ("openai", "g711", {"Authorization": "Bearer k2"}),
    ]


def test_what_is_missing_is_named() -> None:
    with pytest.raises(ConfigError, match="OPENAI_API_KEY"):
        endpoint_of(Settings(realtime_provider="openai"))


def test_an_agent_must_get_along_with_the_model_of_every_endpoint(tmp_path: Path) -> None:
    old = msgspec.structs.replace(OPENAI, openai_realtime_model="gpt-realtime")
    first = msgspec.structs.replace(OPENAI, realtime_fallbacks=(Fallback("openai_2", old), Fallback("openai_3", old)))
    path = tmp_path / "desk.yaml"
    path.write_text("name: desk\ninstructions: Be brief.\nmodel: {reasoning_effort: low}\n")

    assert load_agent(path, demands_of(OPENAI, NOTHING)).name == "desk"
    with pytest.raises(ConfigError) as raised:
        load_agent(path, demands_of(first, NOTHING))
    assert str(raised.value).splitlines()[0] == (
        f'{path}:3:27: gpt-realtime knows no "model.reasoning_effort"; remove it, or use gpt-realtime-2.1; '
        "calls may get there: REALTIME_FALLBACKS names openai_2"
    )


def test_a_model_that_is_retired_is_told_of_every_endpoint_once() -> None:
    old = msgspec.structs.replace(AZURE, azure_openai_deployment="gpt-realtime-mini")
    first = msgspec.structs.replace(OPENAI, realtime_fallbacks=(Fallback("azure_2", old), Fallback("azure_3", old)))

    assert list(remarks(first, date(2027, 1, 1))) == [
        "Azure retired gpt-realtime-mini on 2026-12-15; use gpt-realtime-2.1-mini"
    ]
