"""What the environment and `.env` decide: addresses, accounts, folders. `.env.example` documents every variable.

All faults are raised at once, a line each, before anything starts. It must not know what the settings are used for,
nor read the process's environment by itself: `read_settings(os.environ, ENV_FILE)`.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal
from urllib.parse import parse_qs, urlsplit

import msgspec

from voice_agent.config.faults import nearest, raise_all
from voice_agent.config.models import problem_of_kind
from voice_agent.config.password import Password
from voice_agent.config.schema_forms import E164, PREFIX
from voice_agent.config.secret import Secret
from voice_agent.config.variables import Variables, is_loopback
from voice_agent.errors import ConfigError

ENV_FILE = Path(".env")
"""Where every command looks for settings, in the folder it was started from."""

PACKAGED_AGENTS = Path(__file__).resolve().parent.parent / "examples"

Provider = Literal["azure", "openai", "emulator"]

_LOOKALIKE = ("TWILIO_", "OPENAI_", "AZURE_OPENAI_", "REALTIME_", "DIAL_")


_OF_AN_ENDPOINT = (
    "REALTIME_URL",
    "REALTIME_DIALECT",
    "AZURE_OPENAI_ENDPOINT",
    "AZURE_OPENAI_DEPLOYMENT",
    "AZURE_OPENAI_MODEL",
    "AZURE_OPENAI_API_KEY",
    "AZURE_OPENAI_API_VERSION",
    "OPENAI_API_KEY",
    "OPENAI_BASE_URL",
    "OPENAI_REALTIME_MODEL",
)
"""What a second endpoint of a provider has under its own number."""


class Fallback(msgspec.Struct, frozen=True):
    """A further endpoint."""

    name: str
    """A provider, with a number if it is not its first: `openai`, `azure_2`."""
    settings: "Settings"
    """Those that lead there."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """One field a variable, by its name in lower case. `None`: not set."""

    public_url: str = "http://127.0.0.1:8080"
    """The address Twilio reaches, without a final slash: the base of signatures and of the stream's URL."""
    host: str = "127.0.0.1"
    port: int = 8080
    """0: any free one."""
    twilio_account_sid: str | None = None
    twilio_auth_token: Secret | None = None
    twilio_auth_token_secondary: Secret | None = None
    """Valid beside the other one while tokens are rotated."""
    twilio_api_key: str | None = None
    """For REST instead of the Auth Token; it signs no webhook."""
    twilio_api_secret: Secret | None = None
    twilio_api_base_url: str | None = None
    """Another REST host than Twilio's own."""
    twilio_phone_number: str | None = None
    """What calls are placed from; `None`: the agent's own number."""
    dial_countries: tuple[str, ...] = ()
    """How numbers begin that may be called; none: no number may."""
    dial_per_second: int = 1
    """How many calls are placed in a second at most."""
    api_token: Secret | None = None
    """Opens `POST /calls` and `GET /metrics`; `None`: the one is closed, the other for this machine only."""
    metrics_token: Secret | None = None
    """Opens `GET /metrics` alone, for whoever collects metrics and need not place calls."""
    realtime_provider: Provider = "emulator"
    realtime_fallbacks: tuple[Fallback, ...] = ()
    """Where calls go when no session can be had there, in this order."""
    preconnect: bool = True
    realtime_url: str | None = None
    """A whole `ws(s)://` URL that wins over what the provider would build."""
    realtime_dialect: Literal["ga", "preview"] | None = None
    """`None`: as the URL's form says."""
    realtime_audio: Literal["pcm24k", "g711"] = "pcm24k"
    azure_openai_endpoint: str | None = None
    """As the portal shows it, with or without a path."""
    azure_openai_deployment: str | None = None
    azure_openai_model: str | None = None
    """What is behind the deployment; `None`: its name says so, or nobody knows."""
    azure_openai_api_key: Secret | None = None
    """`None`: Entra ID."""
    azure_openai_scope: str = "https://cognitiveservices.azure.com/.default"
    """What a token of Entra ID is asked for."""
    azure_openai_api_version: str | None = None
    """Given: Azure's preview form, which speaks the preview dialect."""
    openai_api_key: Secret | None = None
    openai_base_url: str | None = None
    openai_realtime_model: str = "gpt-realtime-2.1"
    agents: Path = PACKAGED_AGENTS
    data: Path = Path("data")
    database_url: Secret | None = None
    """A PostgreSQL that several servers share, as libpq writes it; `None`: a SQLite file in `data`."""
    recordings_url: str | None = None
    """Where in which object store recordings lie when their calls are over; `None`: in `data`."""
    keep_days: int | None = None
    """After so many days a call's recording and its row of the history are deleted; `None`: never."""
    redact: bool = False
    """Recordings are redacted when their calls are over, and the history with them."""
    redact_words: Path | None = None
    """A list of words and patterns that are taken out beside numbers and secrets where recordings are redacted."""
    llm_url: str | None = None
    """An OpenAI-compatible chat endpoint as the local Realtime server's brain; `None`: dialogue files."""
    llm_model: str | None = None
    llm_api_key: Secret | None = None
    prices: Path | None = None
    """A table over the packaged one."""
    max_calls: int | None = None
    """At once; `None`: as many as this machine holds."""
    max_lag_ms: int = 100
    """How late the event loop may be, see `live.loop_lag`, before calls are turned away."""
    caller_calls_per_minute: int | None = None
    number_calls_per_minute: int | None = None
    spend_per_call: float | None = None
    """What the model's tokens of a call may cost before it says goodbye."""
    spend_per_day: float | None = None
    """What those of all calls of a day may cost before no more are taken."""
    console_password: Secret | None = None
    """Opens the console to browsers elsewhere, or its hash; `None`: to this machine's only."""
    console_edit: bool = False
    """Whoever may use the console may change the agents' files, too."""
    drain_seconds: int = 240
    """How long a stop waits for the calls in progress."""
    traces_url: str | None = None
    """Where spans of OpenTelemetry go, by OTLP over HTTP; `None`: none are made."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["text", "json"] = "text"

    def __repr__(self) -> str:
        """Show all but the query of an address that may hold a key."""
        address, _, query = (self.realtime_url or "").partition("?")
        shown = {"realtime_url": f"{address}?…"} if query else {}
        fields = {name: getattr(self, name) for name in self.__struct_fields__} | shown
        return f"Settings({', '.join(f'{name}={value!r}' for name, value in fields.items())})"

    @property
    def secrets(self) -> dict[str, Secret]:
        """All that are set, by the names of their variables."""
        fields = {name.upper(): getattr(self, name) for name in self.__struct_fields__}
        of_others = {
            f"{name} of {fallback.name}": secret
            for fallback in self.realtime_fallbacks
            for name, secret in fallback.settings.secrets.items()
        }
        return {name: value for name, value in fields.items() if isinstance(value, Secret)} | of_others

    @property
    def model(self) -> str:
        """The realtime model that answers, as far as its name is known; empty: the local Realtime server's own."""
        match self.realtime_provider:
            case "azure":
                name = self.azure_openai_model or self._named_in_url("deployment", "model")
                return name or self.azure_openai_deployment or ""
            case "openai":
                return self._named_in_url("model") or self.openai_realtime_model
            case "emulator":
                return ""

    def _named_in_url(self, *parameters: str) -> str:
        query = parse_qs(urlsplit(self.realtime_url or "").query)
        return next((query[name][0] for name in parameters if name in query), "")

    @property
    def has_rest(self) -> bool:
        """Whether Twilio's REST API can be used: a call can be ended from here."""
        token_or_key = self.twilio_auth_token is not None or self.twilio_api_secret is not None
        return self.twilio_account_sid is not None and token_or_key

    @property
    def is_public(self) -> bool:
        """Whether strangers can reach the server, so that only Twilio's real token may sign."""
        return not is_loopback(self.public_url)


def read_settings(environ: Mapping[str, str], env_file: Path | None = None) -> Settings:
    """Read `environ` and, where it is silent, `env_file` (which need not exist).

    Raises `ConfigError`, or `ConfigErrors` with a line for each fault: values that cannot be, and what is missing.
    """
    variables = Variables(environ, env_file)
    usual = Settings()
    drain = variables.integer("DRAIN_SECONDS", 0, 3600)
    port = variables.integer("PORT", 0, 65535)
    port = usual.port if port is None else port
    settings = Settings(
        public_url=_public_url(variables) or f"http://127.0.0.1:{port}",
        host=variables.text("HOST") or usual.host,
        port=port,
        twilio_account_sid=variables.matching("TWILIO_ACCOUNT_SID", "AC[0-9a-fA-F]{32}", "AC and 32 hex digits", True),
        twilio_auth_token=variables.secret("TWILIO_AUTH_TOKEN"),
        twilio_auth_token_secondary=variables.secret("TWILIO_AUTH_TOKEN_SECONDARY"),
        twilio_api_key=variables.matching("TWILIO_API_KEY", "SK[0-9a-fA-F]{32}", "SK and 32 hex digits", True),
        twilio_api_secret=variables.secret("TWILIO_API_SECRET"),
        twilio_api_base_url=_address_of_key(variables, "TWILIO_API_BASE_URL"),
        twilio_phone_number=variables.matching("TWILIO_PHONE_NUMBER", E164, "a phone number like +14255550100"),
        dial_countries=_countries(variables),
        dial_per_second=variables.integer("DIAL_PER_SECOND", 1, 100) or usual.dial_per_second,
        api_token=variables.secret("API_TOKEN"),
        metrics_token=variables.secret("METRICS_TOKEN"),
        realtime_provider=_provider(variables),
        preconnect=variables.choice("PRECONNECT", ("on", "off")) != "off",
        realtime_url=variables.url("REALTIME_URL", ("wss", "ws"), query=True),
        realtime_dialect=variables.choice("REALTIME_DIALECT", ("ga", "preview")),
        realtime_audio=variables.choice("REALTIME_AUDIO", ("pcm24k", "g711")) or usual.realtime_audio,
        azure_openai_endpoint=_address_of_key(variables, "AZURE_OPENAI_ENDPOINT"),
        azure_openai_deployment=variables.text("AZURE_OPENAI_DEPLOYMENT"),
        azure_openai_model=variables.text("AZURE_OPENAI_MODEL"),
        azure_openai_api_key=variables.secret("AZURE_OPENAI_API_KEY"),
        azure_openai_scope=variables.text("AZURE_OPENAI_SCOPE") or usual.azure_openai_scope,
        azure_openai_api_version=variables.text("AZURE_OPENAI_API_VERSION"),
        openai_api_key=variables.secret("OPENAI_API_KEY"),
        openai_base_url=_address_of_key(variables, "OPENAI_BASE_URL"),
        openai_realtime_model=variables.text("OPENAI_REALTIME_MODEL") or usual.openai_realtime_model,
        agents=_path(variables, "AGENTS") or usual.agents,
        data=_path(variables, "DATA") or usual.data,
        database_url=_database_url(variables),
        recordings_url=_recordings_url(variables),
        keep_days=variables.integer("KEEP_DAYS", 1, 36_500),
        redact=variables.choice("REDACT", ("on", "off")) == "on",
        redact_words=_path(variables, "REDACT_WORDS"),
        llm_url=variables.url("LLM_URL", ("https", "http")),
        llm_model=variables.text("LLM_MODEL"),
        llm_api_key=variables.secret("LLM_API_KEY"),
        prices=_path(variables, "PRICES"),
        max_calls=variables.integer("MAX_CALLS", 1, 10_000),
        max_lag_ms=variables.integer("MAX_LAG_MS", 1, 10_000) or usual.max_lag_ms,
        caller_calls_per_minute=variables.integer("CALLER_CALLS_PER_MINUTE", 1, 10_000),
        number_calls_per_minute=variables.integer("NUMBER_CALLS_PER_MINUTE", 1, 10_000),
        spend_per_call=variables.amount("SPEND_PER_CALL"),
        spend_per_day=variables.amount("SPEND_PER_DAY"),
        console_password=_console_password(variables),
        console_edit=variables.choice("CONSOLE_EDIT", ("on", "off")) == "on",
        drain_seconds=usual.drain_seconds if drain is None else drain,
        traces_url=variables.url("TRACES_URL", ("https", "http")),
        log_level=variables.choice("LOG_LEVEL", ("debug", "info", "warning", "error")) or usual.log_level,
        log_format=variables.choice("LOG_FORMAT", ("text", "json")) or usual.log_format,
    )
    _examine_twilio(variables, settings)
    _examine_model(variables, settings)
    settings = msgspec.structs.replace(settings, realtime_fallbacks=tuple(_fallbacks(variables, settings)))
    raise_all(variables.errors)
    return settings


def agents_path(environ: Mapping[str, str], env_file: Path | None = None) -> Path:
    """Read `AGENTS` alone, for whoever goes on with the agents though other settings are wrong."""
    return _path(Variables(environ, env_file), "AGENTS") or PACKAGED_AGENTS


def doubtful_names(environ: Mapping[str, str], env_file: Path | None = None) -> list[str]:
    """List, a line each, names that look like a setting but are none, that do nothing, or that `.env` sets twice."""
    variables = Variables(environ, env_file)
    known = [name.upper() for name in Settings.__struct_fields__]
    known += [f"{name}_{number}" for name in _OF_AN_ENDPOINT for number in _NUMBERS]
    lines = list(variables.doubled.values())
    for name in variables.names:
        # The environment is others', too: there a name is meant for us if it hardly differs from one of several words.
        ours = name.startswith(_LOOKALIKE) or name not in environ
        alike = 0.8 if ours else 0.9
        if name not in known and (ours or "_" in name) and (near := nearest(name, known, cutoff=alike)):
            lines.append(f'{variables.where(name)}: unknown; is it meant to be "{near}"?')
    if "LLM_MODEL" in variables.names and "LLM_URL" not in variables.names:
        lines.append(f"{variables.where('LLM_MODEL')}: does nothing without LLM_URL, the address of who has that model")
    return lines


_WEBHOOKS = ("/twilio/voice", "/twilio/status")
"""What is copied from Twilio's console along with the address."""


def _public_url(variables: Variables) -> str | None:
    url = variables.url("PUBLIC_URL", ("https", "http"))
    if url is not None and url.startswith("http:") and not is_loopback(url):
        variables.fault("PUBLIC_URL", "must begin with https://, for Twilio streams to nothing else")
    elif url is not None and url.endswith(_WEBHOOKS):
        variables.fault("PUBLIC_URL", "is the address without /twilio/voice or /twilio/status, which are put behind it")
    return url


def _address_of_key(variables: Variables, name: str) -> str | None:
    """Read an address that a key is sent to: in the clear only within this machine."""
    url = variables.url(name, ("https", "http"))
    if url is not None and url.startswith("http:") and not is_loopback(url):
        variables.fault(name, "must begin with https://, for the key is sent there")
    return url


def _database_url(variables: Variables) -> Secret | None:
    """Read it as libpq does, which alone knows all its forms; it may hold a password.

    One that is not encoded would be cut to pieces, of which libpq's errors quote some.
    """
    url = variables.text("DATABASE_URL")
    if url is None:
        return None
    if not re.match("postgres(ql)?://", url):
        variables.fault("DATABASE_URL", "must begin with postgresql://, e.g. postgresql://user:password@host/database")
    elif not _POSTGRES_URL.fullmatch(url):
        what = 'holds a character that means something else in a URL; write it as its code: "%" as %25, "@" as %40'
        variables.fault("DATABASE_URL", f'{what}, "/" as %2F, "?" as %3F, "#" as %23, " " as %20')
    return Secret(url)


_CODE = "%[0-9A-Fa-f]{2}"
_POSTGRES_URL = re.compile(
    rf"postgres(ql)?://(([^/?#\[\]@% ]|{_CODE})*@)?([^/?#\[\]@% ]|{_CODE}|\[[0-9A-Fa-f:.]*\])*"
    rf"(/([^?#@% ]|{_CODE})*)?(\?([^#@% ]|{_CODE})*)?"
)


_OBJECT_STORES = (
    r"(?:az|abfss?|s3|gs)://[A-Za-z0-9][A-Za-z0-9._-]*(?:/[A-Za-z0-9._/-]*)?",
    r"https://[a-z0-9]+\.blob\.core\.windows\.net/[a-z0-9-]+(?:/[A-Za-z0-9._/-]*)?",
    r"file:///[^?#]+",
)


def _recordings_url(variables: Variables) -> str | None:
    url = variables.text("RECORDINGS_URL")
    if url is not None and not any(re.fullmatch(form, url) for form in _OBJECT_STORES):
        forms = "https://ACCOUNT.blob.core.windows.net/CONTAINER, az://CONTAINER, s3://BUCKET, gs://BUCKET or file:///FOLDER"
        variables.fault("RECORDINGS_URL", f"must be {forms}, and hold no key: the environment says who one is there")
        return None
    return None if url is None else url.rstrip("/")


def _console_password(variables: Variables) -> Secret | None:
    """Read it, which may be a hash, or hold characters that no token has: it is typed into a page."""
    password = variables.text("CONSOLE_PASSWORD")
    if password is None:
        return None
    try:
        Password(password)
    except ConfigError as error:
        variables.fault("CONSOLE_PASSWORD", error.what)
        return None
    return Secret(password)


def _countries(variables: Variables) -> tuple[str, ...]:
    text = variables.text("DIAL_COUNTRIES") or ""
    found = tuple(part for part in re.split(r"[\s,]+", text) if part)
    for part in found:
        if not re.fullmatch(PREFIX, part):
            variables.fault("DIAL_COUNTRIES", f'"{part[:20]}" begins no phone number; write e.g. "+1, +44"')
            return ()
    return found


def _path(variables: Variables, name: str) -> Path | None:
    text = variables.text(name)
    if text is None:
        return None
    home = Path.home() if text == "~" or text.startswith("~/") else None
    return Path(text) if home is None else home / text[2:]


def _provider(variables: Variables) -> Provider:
    """Choose who speaks: the one that is named, else the one that there is an account for, else the emulator."""
    kinds: tuple[Provider, ...] = ("azure", "openai", "emulator")
    if "REALTIME_PROVIDER" in variables.names:
        return variables.choice("REALTIME_PROVIDER", kinds) or "emulator"
    azure = "AZURE_OPENAI_ENDPOINT" in variables.names
    openai = "OPENAI_API_KEY" in variables.names
    if azure and openai:
        variables.fault(
            "REALTIME_PROVIDER",
            'must be "azure" or "openai", for both AZURE_OPENAI_ENDPOINT and OPENAI_API_KEY are set',
        )
    if azure:
        return "azure"
    return "openai" if openai else "emulator"


_NUMBERS = "23456789"
_FALLBACK = re.compile(rf"(azure|openai|emulator)(?:_([{_NUMBERS}]))?")


def _fallbacks(variables: Variables, first: Settings) -> Iterator[Fallback]:
    seen: dict[str, str] = {first.realtime_provider: "the first endpoint"}
    for written in filter(None, re.split(r"[\s,]+", variables.text("REALTIME_FALLBACKS") or "")):
        form = _FALLBACK.fullmatch(written.lower())
        if form is None:
            variables.fault("REALTIME_FALLBACKS", f'"{written[:40]}" is no endpoint; write e.g. "azure_2, openai"')
        elif form[0] in seen:
            what = f"names {form[0]}, which is {seen[form[0]]} already; a second one is {form[1]}_2"
            variables.fault("REALTIME_FALLBACKS", what)
        else:
            seen[form[0]] = "in it"
            yield Fallback(form[0], _elsewhere(variables, first, form[1], form[2] or ""))


def _elsewhere(variables: Variables, first: Settings, provider: str, number: str) -> Settings:
    """Give the settings of another endpoint: what has no number of its own is the provider's first one's.

    But for the whole URL, which is the first endpoint's alone, and for the key of an address with a number.
    """

    def own(name: str) -> str:
        return f"{name}_{number}" if number else ""

    def named(name: str) -> str:
        return own(name) if own(name) in variables.names else name

    def key_of(name: str, address: str) -> Secret | None:
        elsewhere = any(own(other) in variables.names for other in (address, "REALTIME_URL"))
        return variables.secret((own if elsewhere else named)(name))

    elsewhere = msgspec.structs.replace(
        first,
        realtime_provider=msgspec.convert(provider, Provider),
        realtime_url=variables.url(own("REALTIME_URL"), ("wss", "ws"), query=True),
        realtime_dialect=variables.choice(own("REALTIME_DIALECT"), ("ga", "preview")),
        azure_openai_endpoint=_address_of_key(variables, named("AZURE_OPENAI_ENDPOINT")),
        azure_openai_deployment=variables.text(named("AZURE_OPENAI_DEPLOYMENT")),
        azure_openai_model=variables.text(named("AZURE_OPENAI_MODEL")),
        azure_openai_api_key=key_of("AZURE_OPENAI_API_KEY", "AZURE_OPENAI_ENDPOINT"),
        azure_openai_api_version=variables.text(named("AZURE_OPENAI_API_VERSION")),
        openai_api_key=key_of("OPENAI_API_KEY", "OPENAI_BASE_URL"),
        openai_base_url=_address_of_key(variables, named("OPENAI_BASE_URL")),
        openai_realtime_model=variables.text(named("OPENAI_REALTIME_MODEL")) or first.openai_realtime_model,
    )
    for name in _NEEDED[elsewhere.realtime_provider]:
        if getattr(elsewhere, name.lower()) is None and elsewhere.realtime_url is None:
            variables.fault(own(name) or name, "is missing; REALTIME_FALLBACKS names that endpoint")
    _examine_endpoint(variables, elsewhere, number)
    return elsewhere


def _examine_twilio(variables: Variables, settings: Settings) -> None:
    names = variables.names
    token = "TWILIO_AUTH_TOKEN" in names
    if settings.is_public and not token:
        variables.fault("TWILIO_AUTH_TOKEN", "must be set, for PUBLIC_URL can be reached by strangers")
    if "TWILIO_AUTH_TOKEN_SECONDARY" in names and not token:
        variables.fault("TWILIO_AUTH_TOKEN_SECONDARY", "stands beside TWILIO_AUTH_TOKEN, which is missing")
    for name, other in (("TWILIO_API_KEY", "TWILIO_API_SECRET"), ("TWILIO_API_SECRET", "TWILIO_API_KEY")):
        if name in names and other not in names:
            variables.fault(other, f"is missing; it belongs to {name}")
    if "TWILIO_API_KEY" in names and "TWILIO_ACCOUNT_SID" not in names:
        variables.fault("TWILIO_ACCOUNT_SID", "is missing; TWILIO_API_KEY is a key of that account")
    if "TWILIO_ACCOUNT_SID" in names and not token and "TWILIO_API_KEY" not in names:
        variables.fault("TWILIO_AUTH_TOKEN", "is missing; TWILIO_ACCOUNT_SID opens nothing without it")


_NEEDED: dict[Provider, tuple[str, ...]] = {
    "azure": ("AZURE_OPENAI_ENDPOINT", "AZURE_OPENAI_DEPLOYMENT"),
    "openai": ("OPENAI_API_KEY",),
    "emulator": (),
}


def _examine_model(variables: Variables, settings: Settings) -> None:
    names = variables.names
    provider = settings.realtime_provider
    for name in _NEEDED[provider]:
        # A whole URL may lead to a server that wants none of them.
        if name not in names and "REALTIME_URL" not in names:
            variables.fault(name, f"is missing; REALTIME_PROVIDER is {provider}")
    if provider == "emulator" and "REALTIME_PROVIDER" not in names and settings.is_public:
        variables.fault(
            "REALTIME_PROVIDER",
            "is not chosen; set AZURE_OPENAI_ENDPOINT or OPENAI_API_KEY (or name the emulator) for a public PUBLIC_URL",
        )
    _examine_endpoint(variables, settings)
    if "LLM_URL" in names and "LLM_MODEL" not in names:
        variables.fault("LLM_MODEL", "is missing; LLM_URL needs the name of a model")


def _examine_endpoint(variables: Variables, settings: Settings, number: str = "") -> None:
    """Refuse an address that a key goes to in the clear, and a model that holds no conversation.

    Each at the variable that names it. `number`: of a further endpoint.
    """
    url = settings.realtime_url or ""
    keys = {"azure": settings.azure_openai_api_key, "openai": settings.openai_api_key}
    if url.startswith("ws:") and keys.get(settings.realtime_provider) is not None and not is_loopback(url):
        name = f"REALTIME_URL_{number}" if number else "REALTIME_URL"
        variables.fault(name, "must begin with wss://, for the key is sent there")
    if problem := problem_of_kind(settings.model):
        named = {"azure": ("AZURE_OPENAI_MODEL", "AZURE_OPENAI_DEPLOYMENT"), "openai": ("OPENAI_REALTIME_MODEL",)}
        usual = (*named.get(settings.realtime_provider, ()), "REALTIME_URL")
        own = [f"{name}_{number}" for name in usual] if number else []
        variables.fault(next(name for name in (*own, *usual) if name in variables.names), problem)
