"""Where the Realtime endpoint is, and what its refusals mean: addresses, headers and explanations as plain text.

It opens nothing and reads no environment. Keys stand in `Endpoint.headers` only (and in `url` if the user wrote them
there); `repr` and every explanation leave them out.
"""

import json
import re
from typing import Literal
from urllib.parse import SplitResult, quote, unquote, urlsplit

import msgspec

from voice_agent.errors import ConfigError, printable

Provider = Literal["azure", "openai", "emulator"]
DialectName = Literal["ga", "preview"]

OPENAI = "https://api.openai.com/v1"
"""The default of `OPENAI_BASE_URL`."""

DEFAULT_MODEL = "gpt-realtime-2.1"
"""The default of `OPENAI_REALTIME_MODEL`."""

PREVIEW_VERSION = "2025-04-01-preview"
"""The last dated version of Azure's preview form: an example for `AZURE_OPENAI_API_VERSION`."""

EMULATOR = "ws://127.0.0.1:9000"
"""Where `voice-agent emulate realtime` listens."""

_VARIABLES: dict[Provider, tuple[str, str, str]] = {
    "azure": ("AZURE_OPENAI_ENDPOINT", "AZURE_OPENAI_DEPLOYMENT", "AZURE_OPENAI_API_KEY"),
    "openai": ("OPENAI_BASE_URL", "OPENAI_REALTIME_MODEL", "OPENAI_API_KEY"),
    "emulator": ("REALTIME_URL", "OPENAI_REALTIME_MODEL", "REALTIME_PROVIDER"),
}
"""What the user calls the address, the model and the key of each provider."""

_SCHEMES = {"ws": "ws", "wss": "wss", "http": "ws", "https": "wss"}

_LINE = 300
"""Characters of a peer's answer that are quoted."""

_SECRET = re.compile("key|token|secret|sig|pass|auth", re.IGNORECASE)
"""In the name of a query's field: its value opens something."""


class Endpoint(msgspec.Struct, frozen=True):
    """An address to open a WebSocket to. Must not be written to a recording: it holds the key."""

    url: str
    headers: dict[str, str]
    provider: Provider = "emulator"
    dialect: DialectName = "ga"
    set_by: str = "REALTIME_URL"
    """The variable that the address came from."""
    entra: bool = False
    """The headers lack a token of Entra ID, to be had anew for each connection."""

    @property
    def shown(self) -> str:
        """The address without anything secret, for logs: scheme, host, path, version and the model's name."""
        parts = urlsplit(self.url)
        host = parts.netloc.rpartition("@")[2]
        told = [pair for pair in parts.query.split("&") if pair.startswith(("model=", "deployment=", "api-version="))]
        return f"{parts.scheme}://{host}{parts.path}{'?' if told else ''}{'&'.join(told)}"

    @property
    def secrets(self) -> tuple[str, ...]:
        """What nobody may read: the values of the headers, and what opens something in the address."""
        parts = urlsplit(self.url)
        pairs = (pair.partition("=") for pair in parts.query.split("&"))
        written = [parts.password or "", *(value for name, _, value in pairs if _SECRET.search(name))]
        found = [value.removeprefix("Bearer ") for value in self.headers.values()]
        # A peer may quote an address as it stands there, or what it has read in it.
        return tuple(filter(None, [*found, *written, *map(unquote, written)]))

    def __repr__(self) -> str:
        return f"Endpoint({self.shown}, headers {sorted(self.headers)}, {self.provider}, {self.dialect})"


def endpoint(
    provider: Provider,
    *,
    model: str = "",
    key: str = "",
    base_url: str = "",
    url: str = "",
    dialect: DialectName | None = None,
    api_version: str = "",
) -> Endpoint:
    """Build the address and headers of a provider's endpoint.

    `model`: at Azure the name of a deployment. `base_url`: `AZURE_OPENAI_ENDPOINT`, `OPENAI_BASE_URL` or the emulator's
    address, each with or without a path. `url`: `REALTIME_URL`, which is taken as it is and wins over model and base.
    `dialect`: `REALTIME_DIALECT`; by default it follows the form of the URL. `api_version`: Azure's preview form.
    Raises `ConfigError`, which names the variable.
    """
    if url:
        address, set_by = _given(url), "REALTIME_URL"
        form = _form(address)
        _examine_whole(address, form, dialect)
    else:
        form = _wanted_form(provider, dialect, api_version.strip())
        version = api_version.strip() or PREVIEW_VERSION
        address = _built(provider, model.strip(), base_url.strip(), version if form == "preview" else "")
        set_by = _VARIABLES[provider][0]
    spoken = dialect or form
    headers = _headers(provider, key.strip(), required=not url)
    entra = provider == "azure" and not headers and _wants_token(address, own=not url)
    if spoken == "preview" and form == "ga":
        # At an address of OpenAI's form the dialect was chosen by this header.
        headers = {**headers, "OpenAI-Beta": "realtime=v1"}
    return Endpoint(address, headers, provider, spoken, set_by, entra)


def _given(url: str) -> str:
    url = url.strip()
    parts = _split(url, "REALTIME_URL")
    if parts.scheme not in ("ws", "wss"):
        raise ConfigError("must begin with wss:// (or ws:// for a server on this machine)", "REALTIME_URL")
    if "#" in url:
        raise ConfigError("holds a #, which no WebSocket address may; within a name or a key it is %23", "REALTIME_URL")
    return url


def _form(url: str) -> DialectName:
    """Tell the old form by its path and its deployment. Mixing forms is the API's most common integration error."""
    parts = urlsplit(url)
    old = parts.path.rstrip("/").endswith("/openai/realtime") or "deployment=" in parts.query
    return "preview" if old else "ga"


def _examine_whole(url: str, form: DialectName, dialect: DialectName | None) -> None:
    """Refuse what is known not to work at Azure's own hosts; a gateway may speak anything anywhere."""
    parts = urlsplit(url)
    if not _is_azure(parts):
        return
    if dialect not in (None, form):
        raise ConfigError(
            f"is {dialect}, but at the path {parts.path} Azure speaks {form}; remove it", "REALTIME_DIALECT"
        )
    if form == "preview" and not ("api-version=" in parts.query and "deployment=" in parts.query):
        raise ConfigError(
            f"lacks a part: Azure's preview form is …/openai/realtime?api-version={PREVIEW_VERSION}&deployment=…",
            "REALTIME_URL",
        )
    if form == "ga" and "api-version=" in parts.query:
        raise ConfigError(
            f"has an api-version, which {parts.path} refuses; remove it (or use the preview's path, /openai/realtime)",
            "REALTIME_URL",
        )


def _wanted_form(provider: Provider, dialect: DialectName | None, api_version: str) -> DialectName:
    """Choose the form of an address that is built here."""
    if provider == "openai" and dialect == "preview":
        raise ConfigError(
            "preview was switched off by OpenAI on 12 May 2026; remove it, or name another server in REALTIME_URL",
            "REALTIME_DIALECT",
        )
    if provider != "azure":
        return dialect or "ga"
    if api_version and not _PREVIEW_VERSION.fullmatch(api_version):
        raise ConfigError(
            f'"{api_version[:40]}" is no version of the Realtime preview; remove it to use /openai/v1, which has none',
            "AZURE_OPENAI_API_VERSION",
        )
    if api_version and dialect == "ga":
        raise ConfigError(
            "is ga, but AZURE_OPENAI_API_VERSION asks for preview; remove one of them", "REALTIME_DIALECT"
        )
    if dialect == "preview" and not api_version:
        raise ConfigError(
            f"must be set for REALTIME_DIALECT=preview, e.g. to {PREVIEW_VERSION}", "AZURE_OPENAI_API_VERSION"
        )
    return "preview" if api_version else "ga"


_PREVIEW_VERSION = re.compile(r"20\d\d-\d\d-\d\d-preview")


def _built(provider: Provider, model: str, base_url: str, preview_version: str) -> str:
    """Build an address; `preview_version`: in the preview form, otherwise empty."""
    base_name, model_name, _ = _VARIABLES[provider]
    if provider == "azure" and not base_url:
        raise ConfigError("must be set, e.g. https://my-resource.openai.azure.com", base_name)
    if provider == "azure" and not model:
        raise ConfigError("must be set to the name of your realtime deployment", model_name)
    base = base_url or (OPENAI if provider == "openai" else EMULATOR)
    parts = _split(base if "://" in base else f"https://{base}", base_name)
    if parts.scheme not in _SCHEMES:
        raise ConfigError(f"must begin with https://, not {parts.scheme}://", base_name)
    name = quote(model or DEFAULT_MODEL, safe="")
    if preview_version:
        path = f"{_azure_prefix(parts) if provider == 'azure' else ''}/openai/realtime"
        query = f"api-version={preview_version}&deployment={name}"
    else:
        path = f"{_azure_prefix(parts)}/openai/v1/realtime" if provider == "azure" else _openai_path(parts)
        query = f"model={name}"
    return f"{_SCHEMES[parts.scheme]}://{parts.netloc}{path}?{query}"


def _azure_prefix(parts: SplitResult) -> str:
    """Give what stands before `/openai`, whatever the portal shows: bare, with `/openai/...` or `/api/projects/...`.

    Only in front of a host that is not Azure's own (a gateway) does a path of its own stay.
    """
    return "" if _is_azure(parts) else parts.path.partition("/openai")[0].rstrip("/")


def _is_azure(parts: SplitResult) -> bool:
    return (parts.hostname or "").endswith(".azure.com")


def _openai_path(parts: SplitResult) -> str:
    path = parts.path.rstrip("/").removesuffix("/realtime") or "/v1"
    return f"{path}/realtime"


def _split(url: str, variable: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        # Reading the port is what checks it.
        good = bool(parts.hostname) and parts.port != 0
    except ValueError:
        good = False
    if not good or not url.isprintable() or " " in url:
        raise ConfigError("is not an address; expected something like https://host/path", variable)
    return parts


def _wants_token(url: str, *, own: bool) -> bool:
    """Say whether a login takes the place of Azure's key: at its own hosts, or where a resource was named."""
    parts = urlsplit(url)
    return (own or _is_azure(parts)) and "api-key=" not in parts.query


def _headers(provider: Provider, key: str, *, required: bool) -> dict[str, str]:
    variable = _VARIABLES[provider][2]
    if not key:
        if required and provider == "openai":
            raise ConfigError("must be set: the endpoint wants a key", variable)
        return {}
    if not key.isascii() or not key.isprintable() or " " in key:
        raise ConfigError("holds a character that no key has; copy it again", variable)
    return {"api-key": key} if provider == "azure" else {"Authorization": f"Bearer {key}"}


# --- what went wrong -------------------------------------------------------------------------------------------------


def explain_refusal(status: int, body: str, endpoint: Endpoint, retry_after: str = "") -> str:
    """Say in one line what an HTTP answer to the upgrade means and what to check; quotes the body without the key.

    `retry_after`: that header, in seconds or as a date (RFC 9110, 10.2.3); empty: there is none.
    """
    said = _said(body, endpoint)
    wait = _wait(retry_after)
    return f"HTTP {status}: {_meaning(status, body, endpoint)}{wait}{f' ({said})' if said else ''}"


def _wait(retry_after: str) -> str:
    when = _one_line(retry_after)
    if not when:
        return ""
    return f"; the service asks to wait {f'{when} s' if when.isdecimal() else f'until {when}'}"


def explain_silence(problem: str, endpoint: Endpoint) -> str:
    """Say in one line that no HTTP answer came at all: name resolution, TCP, TLS, a timeout, or no WebSocket there."""
    said = _said(problem, endpoint) or "no answer"
    return f"cannot reach {endpoint.shown}: {said}; check {endpoint.set_by} and the network"


def explain_close(code: int, reason: str) -> str:
    """Say in one line what the server's close code means; quotes the reason."""
    meaning = _CLOSES.get(code, "closed by the server")
    if code == _GOING_AWAY and "maximum duration" in reason:
        meaning = "the session reached the API's longest duration (60 minutes)"
    said = _one_line(reason)
    return f"close {code}: {meaning}{f' ({said})' if said else ''}"


_GOING_AWAY = 1001

_CLOSES = {
    1000: "closed in order",
    _GOING_AWAY: "the server is going away; a new session may work at once",
    1006: "the connection broke; a new session may work at once",
    1007: "the server could not read our message",
    1008: "refused by a rule of the server; check the key and the model",
    1009: "our message was too large for the server",
    1011: "the server failed; a new session may work at once",
    1012: "the server restarts; a new session may work at once",
    1013: "the server is overloaded; try again later",
    # Seen as "invalid_request_error.invalid_api_key" (twilio-samples/speech-assistant-openai-realtime-api-python#4).
    3000: "the server refused the session; check the key and the model",
    4000: "the preview dialect is switched off there; use a …/v1/realtime URL and the ga dialect",
}
"""Close codes of RFC 6455 and of the API."""


def _meaning(status: int, body: str, endpoint: Endpoint) -> str:
    _, model, key = _VARIABLES[endpoint.provider]
    # A whole URL names the model too.
    model = "REALTIME_URL" if endpoint.set_by == "REALTIME_URL" else model
    both = " and ".join(dict.fromkeys((model, endpoint.set_by)))
    match status:
        # The first word is Azure's own spelling.
        case 400 if "OpperationNotSupported" in body or "OperationNotSupported" in body:
            return f"{model} names no realtime conversation model; deploy one such as {DEFAULT_MODEL}"
        case 400:
            return f"the endpoint did not understand the request; check {both}"
        case 401 | 403 if endpoint.entra:
            role = 'has the role "Cognitive Services OpenAI User" on the resource'
            return f"the Entra ID token was refused; check that its login {role}, and AZURE_OPENAI_SCOPE"
        case 401 | 403:
            version = "" if endpoint.dialect == "preview" else ", and that the URL has no api-version"
            return f"the key was refused; check {key}, that it fits the resource{version}"
        case 404 if endpoint.dialect == "preview":
            version = "remove AZURE_OPENAI_API_VERSION to use /openai/v1"
            return f"no such deployment, or the preview is switched off there; check {both}, or {version}"
        case 404:
            young = " (a new deployment needs some minutes)" if endpoint.provider == "azure" else ""
            return f"no such model or address{young}; check {both}"
        case 429:
            return "the quota is exhausted; wait, or raise the account's limit"
        case _ if status >= 500:
            return "the service failed; try again, and if it stays so look at the provider's status page"
        case _:
            return f"no WebSocket there; check {endpoint.set_by}"


def _said(text: str, endpoint: Endpoint) -> str:
    """Quote a peer: the message of a JSON error, otherwise the text; one line, without our keys."""
    try:
        error = json.loads(text)["error"]
        text = ": ".join(str(error[name]) for name in ("code", "message") if error.get(name))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        text = text if not text.lstrip().startswith("<") else ""  # a proxy's HTML page says nothing in one line
    for secret in endpoint.secrets:
        text = text.replace(secret, "…")
    return _one_line(text)


def _one_line(text: str) -> str:
    return printable(" ".join(text.split())[:_LINE])
