# ruff: noqa: E501 - a table of faults is read a line each
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voice_agent.config.password import Password
from voice_agent.config.secret import Secret
from voice_agent.config.settings import PACKAGED_AGENTS, Settings, doubtful_names, read_settings
from voice_agent.errors import ConfigError

EXAMPLE = Path(__file__).parent.parent.parent / ".env.example"
SID = "AC" + "0" * 32
KEY_SID = "SK" + "0" * 32
NAMES = [name.upper() for name in Settings.__struct_fields__]

STORES = "https://ACCOUNT.blob.core.windows.net/CONTAINER, az://CONTAINER, s3://BUCKET, gs://BUCKET or file:///FOLDER"


def faults(**environ: str) -> list[str]:
    with pytest.raises(ConfigError) as raised:
        read_settings(environ)
    return str(raised.value).splitlines()


def lines_of(environ: dict[str, str], file: Path | None = None) -> list[str]:
    """Read settings that may be right: then there are no lines."""
    try:
        read_settings(environ, file)
    except ConfigError as error:
        return str(error).split("\n")
    return []


def test_nothing_set_is_the_emulator_on_this_machine() -> None:
    settings = read_settings({})

    assert settings == Settings()
    assert (settings.realtime_provider, settings.public_url) == ("emulator", "http://127.0.0.1:8080")
    assert settings.agents == PACKAGED_AGENTS
    assert (settings.is_public, settings.has_rest) == (False, False)


def test_the_local_public_url_follows_the_port() -> None:
    assert read_settings({"PORT": "9090"}).public_url == "http://127.0.0.1:9090"


def test_every_variable_is_read() -> None:
    settings = read_settings(
        {
            "PUBLIC_URL": "https://phone.example/",
            "HOST": "0.0.0.0",
            "PORT": "0",
            "TWILIO_ACCOUNT_SID": SID,
            "TWILIO_AUTH_TOKEN": "token",
            "TWILIO_AUTH_TOKEN_SECONDARY": "other",
            "TWILIO_API_KEY": KEY_SID,
            "TWILIO_API_SECRET": "secret",
            "TWILIO_API_BASE_URL": "http://127.0.0.1:9001",
            "TWILIO_PHONE_NUMBER": "+14255550100",
            "DIAL_COUNTRIES": "+1, +44 +423",
            "DIAL_PER_SECOND": "5",
            "API_TOKEN": "token",
            "METRICS_TOKEN": "token",
            "TRACES_URL": "http://127.0.0.1:4318/v1/traces",
            "REALTIME_PROVIDER": "Azure",
            "PRECONNECT": "off",
            "REALTIME_URL": "wss://x.example/v1/realtime?model=m",
            "REALTIME_DIALECT": "ga",
            "REALTIME_AUDIO": "g711",
            "AZURE_OPENAI_ENDPOINT": "https://res.openai.azure.com/openai/v1/",
            "AZURE_OPENAI_DEPLOYMENT": "phone",
            "AZURE_OPENAI_API_KEY": "azure-key",
            "OPENAI_API_KEY": "openai-key",
            "OPENAI_BASE_URL": "https://eu.api.openai.com/v1",
            "OPENAI_REALTIME_MODEL": "gpt-realtime-2",
            "AGENTS": "./agents",
            "DATA": "/var/lib/voice-agent",
            "REDACT": "on",
            "REDACT_WORDS": "words.txt",
            "LLM_URL": "http://127.0.0.1:11434/v1",
            "LLM_MODEL": "qwen",
            "LLM_API_KEY": "llm-key",
            "LOG_LEVEL": "debug",
            "LOG_FORMAT": "json",
        }
    )

    assert settings == Settings(
        public_url="https://phone.example",
        host="0.0.0.0",
        port=0,
        twilio_account_sid=SID,
        twilio_auth_token=Secret("token"),
        twilio_auth_token_secondary=Secret("other"),
        twilio_api_key=KEY_SID,
        twilio_api_secret=Secret("secret"),
        twilio_api_base_url="http://127.0.0.1:9001",
        twilio_phone_number="+14255550100",
        dial_countries=("+1", "+44", "+423"),
        dial_per_second=5,
        api_token=Secret("token"),
        metrics_token=Secret("token"),
        traces_url="http://127.0.0.1:4318/v1/traces",
        realtime_provider="azure",
        preconnect=False,
        realtime_url="wss://x.example/v1/realtime?model=m",
        realtime_dialect="ga",
        realtime_audio="g711",
        azure_openai_endpoint="https://res.openai.azure.com/openai/v1",
        azure_openai_deployment="phone",
        azure_openai_api_key=Secret("azure-key"),
        openai_api_key=Secret("openai-key"),
        openai_base_url="https://eu.api.openai.com/v1",
        openai_realtime_model="gpt-realtime-2",
        agents=Path("agents"),
        data=Path("/var/lib/voice-agent"),
        redact=True,
        redact_words=Path("words.txt"),
        llm_url="http://127.0.0.1:11434/v1",
        llm_model="qwen",
        llm_api_key=Secret("llm-key"),
        log_level="debug",
        log_format="json",
    )
    assert settings.is_public
    assert settings.has_rest


def test_no_secret_is_shown_by_settings() -> None:
    settings = read_settings({"OPENAI_API_KEY": "geheim", "TWILIO_AUTH_TOKEN": "geheim"})

    assert "geheim" not in repr(settings)


@pytest.mark.parametrize(
    ("environ", "provider"),
    [
        ({"OPENAI_API_KEY": "k"}, "openai"),
        (
            {"AZURE_OPENAI_ENDPOINT": "https://r.example", "AZURE_OPENAI_DEPLOYMENT": "d", "AZURE_OPENAI_API_KEY": "k"},
            "azure",
        ),
        ({"OPENAI_API_KEY": "k", "REALTIME_PROVIDER": "emulator"}, "emulator"),
        ({"AZURE_OPENAI_API_KEY": "k", "REALTIME_URL": "wss://r.example", "REALTIME_PROVIDER": "azure"}, "azure"),
        ({"PUBLIC_URL": "https://p.example", "TWILIO_AUTH_TOKEN": "t", "REALTIME_PROVIDER": "emulator"}, "emulator"),
    ],
)
def test_the_provider_follows_the_account(environ: dict[str, str], provider: str) -> None:
    assert read_settings(environ).realtime_provider == provider


@pytest.mark.parametrize(
    ("environ", "told"),
    [
        ({"OPENAI_API_KEY": "k", "AZURE_OPENAI_ENDPOINT": "https://r.example", "AZURE_OPENAI_DEPLOYMENT": "d", "AZURE_OPENAI_API_KEY": "k"},
         ['REALTIME_PROVIDER: must be "azure" or "openai", for both AZURE_OPENAI_ENDPOINT and OPENAI_API_KEY are set']),
        ({"REALTIME_PROVIDER": "opnai"}, ['REALTIME_PROVIDER: cannot be "opnai"; write "openai"']),
        ({"REALTIME_PROVIDER": "openai"}, ["OPENAI_API_KEY: is missing; REALTIME_PROVIDER is openai"]),
        ({"REALTIME_PROVIDER": "azure"},
         ["AZURE_OPENAI_ENDPOINT: is missing; REALTIME_PROVIDER is azure",
          "AZURE_OPENAI_DEPLOYMENT: is missing; REALTIME_PROVIDER is azure"]),
        ({"OPENAI_API_KEY": "k", "OPENAI_REALTIME_MODEL": "gpt-realtime-whisper"},
         ["OPENAI_REALTIME_MODEL: gpt-realtime-whisper transcribes and holds no conversation; use gpt-realtime-2.1"]),
        ({"AZURE_OPENAI_ENDPOINT": "https://r.example", "AZURE_OPENAI_DEPLOYMENT": "d", "AZURE_OPENAI_MODEL": "gpt-live-1"},
         ["AZURE_OPENAI_MODEL: gpt-live-1 speaks another protocol; use gpt-realtime-2.1"]),
        ({"PUBLIC_URL": "http://p.example", "TWILIO_AUTH_TOKEN": "t", "OPENAI_API_KEY": "k"},
         ["PUBLIC_URL: must begin with https://, for Twilio streams to nothing else"]),
        ({"PUBLIC_URL": "https://p.example/twilio/voice/", "TWILIO_AUTH_TOKEN": "t", "OPENAI_API_KEY": "k"},
         ["PUBLIC_URL: is the address without /twilio/voice or /twilio/status, which are put behind it"]),
        ({"PUBLIC_URL": "https://p.example"},
         ["TWILIO_AUTH_TOKEN: must be set, for PUBLIC_URL can be reached by strangers",
          "REALTIME_PROVIDER: is not chosen; set AZURE_OPENAI_ENDPOINT or OPENAI_API_KEY (or name the emulator) for a public PUBLIC_URL"]),
        ({"TWILIO_AUTH_TOKEN_SECONDARY": "t"},
         ["TWILIO_AUTH_TOKEN_SECONDARY: stands beside TWILIO_AUTH_TOKEN, which is missing"]),
        ({"TWILIO_ACCOUNT_SID": SID}, ["TWILIO_AUTH_TOKEN: is missing; TWILIO_ACCOUNT_SID opens nothing without it"]),
        ({"TWILIO_ACCOUNT_SID": "AC1", "TWILIO_AUTH_TOKEN": "t"},
         ["TWILIO_ACCOUNT_SID: is not AC and 32 hex digits; copy it anew"]),
        ({"OPENAI_API_KEY": "k", "REALTIME_URL": "ws://gateway.example/v1/realtime?model=m"},
         ["REALTIME_URL: must begin with wss://, for the key is sent there"]),
        ({"OPENAI_API_KEY": "k", "REALTIME_FALLBACKS": "azure_2", "REALTIME_URL_2": "ws://gateway.example/v1",
          "AZURE_OPENAI_API_KEY_2": "k"},
         ["REALTIME_URL_2: must begin with wss://, for the key is sent there"]),
        ({"TWILIO_API_BASE_URL": "http://edge.example"},
         ["TWILIO_API_BASE_URL: must begin with https://, for the key is sent there"]),
        ({"TWILIO_API_KEY": KEY_SID},
         ["TWILIO_API_SECRET: is missing; it belongs to TWILIO_API_KEY",
          "TWILIO_ACCOUNT_SID: is missing; TWILIO_API_KEY is a key of that account"]),
        ({"TWILIO_PHONE_NUMBER": "4255550100"}, ['TWILIO_PHONE_NUMBER: "4255550100" is not a phone number like +14255550100']),
        ({"DIAL_COUNTRIES": "+1, 44"}, ['DIAL_COUNTRIES: "44" begins no phone number; write e.g. "+1, +44"']),
        ({"DIAL_PER_SECOND": "0"}, ['DIAL_PER_SECOND: must be a whole number from 1 to 100, not "0"']),
        (
            {"DATABASE_URL": "mysql://me:secret@db/calls"},
            ["DATABASE_URL: must begin with postgresql://, e.g. postgresql://user:password@host/database"],
        ),
        (
            {"RECORDINGS_URL": "https://me:secret@st.blob.core.windows.net/calls?sig=secret"},
            [f"RECORDINGS_URL: must be {STORES}, and hold no key: the environment says who one is there"],
        ),
        ({"MAX_CALLS": "0", "SPEND_PER_DAY": "much"},
         ['MAX_CALLS: must be a whole number from 1 to 10000, not "0"',
          'SPEND_PER_DAY: must be an amount like 20 or 0.50, not "much"']),
        ({"TWILIO_API_SECRET": "s"}, ["TWILIO_API_KEY: is missing; it belongs to TWILIO_API_SECRET"]),
        ({"AZURE_OPENAI_ENDPOINT": "http://r.example", "AZURE_OPENAI_DEPLOYMENT": "d", "AZURE_OPENAI_API_KEY": "k"},
         ["AZURE_OPENAI_ENDPOINT: must begin with https://, for the key is sent there"]),
        ({"OPENAI_API_KEY": "k", "OPENAI_BASE_URL": "http://p.example/v1"},
         ["OPENAI_BASE_URL: must begin with https://, for the key is sent there"]),
        ({"LLM_URL": "http://127.0.0.1:1"}, ["LLM_MODEL: is missing; LLM_URL needs the name of a model"]),
        ({"REALTIME_DIALECT": "beta"}, ['REALTIME_DIALECT: cannot be "beta"; known are ga, preview']),
        ({"PORT": "http", "LOG_LEVEL": "verbose", "PRECONNECT": "yes"},
         ['PORT: must be a whole number from 0 to 65535, not "http"',
          'PRECONNECT: cannot be "yes"; known are on, off',
          'LOG_LEVEL: cannot be "verbose"; known are debug, info, warning, error']),
    ],
)  # fmt: skip
def test_all_that_is_missing_or_contradictory_is_told_at_once(environ: dict[str, str], told: list[str]) -> None:
    assert faults(**environ) == told


def test_a_path_may_begin_at_home() -> None:
    assert read_settings({"DATA": "~/calls", "AGENTS": "~"}).data == Path.home() / "calls"
    assert read_settings({"AGENTS": "~"}).agents == Path.home()


def test_the_example_file_documents_every_variable_and_no_other(tmp_path: Path) -> None:
    lines = EXAMPLE.read_text(encoding="utf-8").splitlines()
    documented = [line.lstrip("#").partition("=")[0] for line in lines if "=" in line.split(" ")[0]]

    assert sorted(documented) == sorted(NAMES)


def test_the_example_file_shows_the_defaults(tmp_path: Path) -> None:
    text = EXAMPLE.read_text(encoding="utf-8")
    file = tmp_path / ".env"
    file.write_text("\n".join(line.lstrip("#") for line in text.splitlines() if "=" in line.split(" ")[0]))

    assert read_settings({}, EXAMPLE) == Settings()
    assert read_settings({}, file) == Settings()


def test_the_example_file_comes_to_the_user_without_a_value_that_must_be_undone() -> None:
    assert msgspec.structs.asdict(read_settings({}, EXAMPLE)) == msgspec.structs.asdict(Settings())


def test_names_that_look_like_a_setting_are_pointed_out(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("PUBLC_URL=x\nSOMETHING=x\n")
    environ = {
        "TWILIO_AUTHTOKEN": "x",
        "TWILIO_PHONE_NUMBER": "x",
        "HOSTT": "x",
        "OPENAI_API_KEY": "x",
    }

    assert doubtful_names(environ, file) == [
        f'PUBLC_URL ({file}:1): unknown; is it meant to be "PUBLIC_URL"?',
        'TWILIO_AUTHTOKEN: unknown; is it meant to be "TWILIO_AUTH_TOKEN"?',
    ]


@pytest.mark.parametrize(
    ("name", "meant"),
    [("MAX_CALL", "MAX_CALLS"), ("KEEP_DAY", "KEEP_DAYS"), ("SPEND_PER_DAYS", "SPEND_PER_DAY"), ("DATABASE_URI", "DATABASE_URL")],
)  # fmt: skip
def test_a_limit_that_is_misspelt_where_a_service_gets_its_settings_is_pointed_out(name: str, meant: str) -> None:
    assert doubtful_names({name: "3"}) == [f'{name}: unknown; is it meant to be "{meant}"?']


def test_what_other_programs_read_from_the_environment_is_left_alone() -> None:
    theirs = [
        "HOSTS",
        "AGENT",
        "PGPORT",
        "DATE",
        "LOG_FILE",
        "NPM_TOKEN",
        "CF_API_TOKEN",
        "XAI_API_KEY",
        "POSTGRES_URL",
    ]

    assert doubtful_names(dict.fromkeys(theirs, "x")) == []


def test_a_model_that_nobody_is_asked_for_is_pointed_out(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("LLM_MODEL=small\n")

    assert doubtful_names({}, file) == [
        f"LLM_MODEL ({file}:1): does nothing without LLM_URL, the address of who has that model"
    ]
    assert doubtful_names({"LLM_URL": "http://127.0.0.1:1/v1"}, file) == []


@given(
    st.dictionaries(
        st.sampled_from(NAMES),
        st.one_of(
            st.text(max_size=20),
            st.sampled_from(["https://x.example", "http://127.0.0.1:1", "wss://x", "http://[", "http://x:y", "on", "azure", "1", SID, KEY_SID]),
        ),
        max_size=8,
    )
)  # fmt: skip
def test_any_environment_gives_settings_or_a_line_for_each_fault(environ: dict[str, str]) -> None:
    assert all(line.split(":")[0] in NAMES for line in lines_of(environ))


@given(st.text(st.characters(codec="utf-8")))
def test_any_env_file_gives_settings_or_lines(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    file = tmp_path_factory.getbasetemp() / "any.env"
    file.write_text(text, encoding="utf-8", newline="")
    assert all("any.env:" in line for line in lines_of({}, file))


@pytest.mark.parametrize(
    ("settings", "model"),
    [
        (Settings(), ""),
        (Settings(realtime_provider="openai"), "gpt-realtime-2.1"),
        (Settings(realtime_provider="openai", realtime_url="wss://proxy.example/v1/realtime?model=m%202"), "m 2"),
        (Settings(realtime_provider="azure", azure_openai_deployment="desk"), "desk"),
        (Settings(realtime_provider="azure", azure_openai_deployment="desk", azure_openai_model="m"), "m"),
        (Settings(realtime_provider="azure", realtime_url="wss://r.example/openai/realtime?deployment=d"), "d"),
        (Settings(realtime_provider="azure", realtime_url="wss://r.example/any"), ""),
    ],
)
def test_the_model_s_name_is_known_as_far_as_somebody_wrote_it(settings: Settings, model: str) -> None:
    assert settings.model == model


AZURE = {
    "AZURE_OPENAI_ENDPOINT": "https://one.openai.azure.com",
    "AZURE_OPENAI_DEPLOYMENT": "rt",
    "AZURE_OPENAI_API_KEY": "key-1",
}


def test_further_endpoints_have_what_differs_under_a_number_of_their_own() -> None:
    settings = read_settings(
        AZURE
        | {
            "REALTIME_FALLBACKS": "azure_2, azure_3 openai EMULATOR emulator_2",
            "AZURE_OPENAI_ENDPOINT_2": "https://two.openai.azure.com",
            "AZURE_OPENAI_API_KEY_2": "key-2",
            "AZURE_OPENAI_DEPLOYMENT_3": "rt-mini",
            "OPENAI_API_KEY": "key-3",
            "REALTIME_URL_2": "ws://127.0.0.1:9001/v1/realtime?model=m",
            "REALTIME_PROVIDER": "azure",
        }
    )
    named = {each.name: each.settings for each in settings.realtime_fallbacks}

    assert list(named) == ["azure_2", "azure_3", "openai", "emulator", "emulator_2"]
    assert {name: each.realtime_provider for name, each in named.items()} == {
        "azure_2": "azure", "azure_3": "azure", "openai": "openai", "emulator": "emulator", "emulator_2": "emulator",
    }  # fmt: skip
    second, third = named["azure_2"], named["azure_3"]
    assert (second.azure_openai_endpoint, second.azure_openai_deployment) == ("https://two.openai.azure.com", "rt")
    assert second.azure_openai_api_key == Secret("key-2")
    assert (third.azure_openai_endpoint, third.azure_openai_deployment) == ("https://one.openai.azure.com", "rt-mini")
    assert third.azure_openai_api_key == Secret("key-1")
    assert (named["emulator"].realtime_url, named["emulator_2"].realtime_url) == (
        None,
        "ws://127.0.0.1:9001/v1/realtime?model=m",
    )
    assert {secret.reveal() for secret in settings.secrets.values()} == {"key-1", "key-2", "key-3"}
    assert "key-" not in repr(settings)


@pytest.mark.parametrize("name", ["PUBLIC_URL", "OPENAI_BASE_URL", "AZURE_OPENAI_ENDPOINT"])
def test_an_address_in_the_clear_is_refused_in_capital_letters_too(name: str) -> None:
    told = faults(**{name: "HTTP://phone.example", "REALTIME_PROVIDER": "emulator", "TWILIO_AUTH_TOKEN": "t" * 32})

    assert [line.partition(",")[0] for line in told] == [f"{name}: must begin with https://"]


@pytest.mark.parametrize(
    "environ",
    [
        {"REALTIME_PROVIDER": "openai", "REALTIME_URL": "ws://gateway.example/v1?model=m"},
        {"REALTIME_PROVIDER": "azure", "REALTIME_URL": "ws://gateway.example/v1?model=m"},
        {"REALTIME_PROVIDER": "emulator", "REALTIME_URL": "ws://other.example/v1"},
        {"OPENAI_API_KEY": "k", "REALTIME_URL": "ws://127.0.0.1:9000/v1?model=m"},
    ],
)
def test_where_no_key_leaves_the_machine_an_address_may_be_in_the_clear(environ: dict[str, str]) -> None:
    assert read_settings(environ).realtime_url == environ["REALTIME_URL"]


@pytest.mark.parametrize("password", ["50%zz", "pa/ss", "p@ss", "pa?ss", "pa#ss", "pa ss", "pa[ss", "pa]ss", "100%"])
def test_a_database_s_password_that_is_not_encoded_is_not_told_to_anybody(password: str) -> None:
    (line,) = faults(DATABASE_URL=f"postgresql://me:{password}@db.example/calls")

    assert line.startswith("DATABASE_URL: holds a character that means something else in a URL; write it as its code")
    assert password not in line


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://",
        "postgres://me@db.example",
        'postgresql://me:p%40s%25$^"ü:s@db.example:5432/calls?sslmode=verify-full',
        "postgresql://me:s@one.example:5432,two.example:5433/calls?target_session_attrs=read-write",
        "postgresql:///calls?host=/var/run/postgresql&user=me",
        "postgresql://me@%2Fvar%2Frun/calls",
        "postgresql://me:s@[::1]:5432/calls",
    ],
)
def test_all_forms_of_a_database_s_url_that_libpq_takes_are_left_to_it(url: str) -> None:
    read = read_settings({"DATABASE_URL": url}).database_url

    assert read is not None
    assert read.reveal() == url


def test_a_key_and_a_secret_that_are_mixed_up_are_not_shown() -> None:
    mixed = faults(TWILIO_ACCOUNT_SID="b" * 32, TWILIO_API_KEY="s" * 32, TWILIO_API_SECRET=f"SK{'1' * 32}")

    assert mixed == [
        "TWILIO_ACCOUNT_SID: is not AC and 32 hex digits; copy it anew",
        "TWILIO_API_KEY: is not SK and 32 hex digits; copy it anew",
    ]


def test_a_console_s_password_may_be_of_any_letters() -> None:
    password = read_settings({"CONSOLE_PASSWORD": "Grüße an alle"}).console_password

    assert password is not None
    assert Password(password.reveal()).is_("Grüße an alle")


def test_the_key_of_one_address_is_not_sent_to_another() -> None:
    settings = read_settings(
        AZURE | {"REALTIME_FALLBACKS": "azure_2", "AZURE_OPENAI_ENDPOINT_2": "https://two.openai.azure.com"}
    )

    assert settings.realtime_fallbacks[0].settings.azure_openai_api_key is None


@pytest.mark.parametrize(
    ("name", "environ"),
    [
        ("azure_2", AZURE | {"REALTIME_URL_2": "wss://gateway.example/v1/realtime?model=m"}),
        ("openai_2", {"OPENAI_API_KEY": "key-1", "REALTIME_URL_2": "wss://gateway.example/v1/realtime?model=m"}),
    ],
)
def test_the_key_of_one_address_is_not_sent_to_a_whole_url(name: str, environ: dict[str, str]) -> None:
    (fallback,) = read_settings(environ | {"REALTIME_FALLBACKS": name}).realtime_fallbacks

    assert fallback.settings.secrets == {}


def test_openai_s_key_is_not_sent_to_another_base_url() -> None:
    openai = {"OPENAI_API_KEY": "key-1", "REALTIME_FALLBACKS": "openai_2", "OPENAI_BASE_URL_2": "https://gw.example/v1"}

    assert faults(**openai) == ["OPENAI_API_KEY_2: is missing; REALTIME_FALLBACKS names that endpoint"]
    (fallback,) = read_settings(openai | {"OPENAI_API_KEY_2": "key-2"}).realtime_fallbacks
    assert fallback.settings.openai_api_key == Secret("key-2")


def test_a_further_model_that_holds_no_conversation_is_refused_where_it_is_named() -> None:
    openai = {
        "OPENAI_API_KEY": "k",
        "REALTIME_FALLBACKS": "openai_2",
        "OPENAI_REALTIME_MODEL_2": "gpt-realtime-whisper",
    }

    assert faults(**openai) == [
        "OPENAI_REALTIME_MODEL_2: gpt-realtime-whisper transcribes and holds no conversation; use gpt-realtime-2.1"
    ]


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("azure_1", '"azure_1" is no endpoint; write e.g. "azure_2, openai"'),
        ("azure", "names azure, which is the first endpoint already; a second one is azure_2"),
        ("emulator emulator", "names emulator, which is in it already; a second one is emulator_2"),
        ("openai", "is missing; REALTIME_FALLBACKS names that endpoint"),
    ],
)
def test_a_further_endpoint_that_cannot_be_is_refused_in_a_line(written: str, told: str) -> None:
    (line,) = faults(**AZURE, REALTIME_FALLBACKS=written)

    assert told in line


def test_a_setting_that_stands_twice_in_the_file_is_doubtful(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_text("API_TOKEN=one\nPORT=\nPORT=9000\nHOST=::1\nHOST=::1\nAPI_TOKEN=two\n")

    assert doubtful_names({}, path) == [
        f"API_TOKEN ({path}:6): set before, API_TOKEN ({path}:1); this one counts",
    ]
    assert doubtful_names({"API_TOKEN": "three"}, path) == []


def test_a_number_behind_a_variable_of_an_endpoint_is_no_typing_error() -> None:
    assert doubtful_names({"AZURE_OPENAI_ENDPOINT_2": "x", "REALTIME_URL_3": "x"}) == []


@pytest.mark.parametrize(
    "url",
    [
        "https://st1.blob.core.windows.net/calls/line/",
        "az://calls",
        "s3://calls/line",
        "gs://calls",
        "file:///srv/calls",
    ],
)
def test_recordings_go_to_any_usual_object_store(url: str) -> None:
    assert read_settings({"RECORDINGS_URL": url}).recordings_url == url.rstrip("/")
