"""Where the Realtime endpoint is, and what its refusals mean: addresses, headers and explanations as plain text.

It opens nothing and reads no environment. Keys stand in `Endpoint.headers` only (and in `url` if the user wrote them
there); `repr` and every explanation leave them out.
"""

import json
from typing import Literal
from urllib.parse import SplitResult, quote, urlsplit

import msgspec

from voice_agent.errors import ConfigError
from voice_agent.wire.dialects import DIALECTS

Provider = Literal["azure", "openai", "emulator"]

OPENAI = "https://api.openai.com/v1"
"""The default of `OPENAI_BASE_URL`."""

DEFAULT_MODEL = "gpt-realtime-2.1"
"""The default of `OPENAI_REALTIME_MODEL`."""

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


class Endpoint(msgspec.Struct, frozen=True):
    """An address to open a WebSocket to. Must not be written to a recording: it holds the key."""

    url: str
    headers: dict[str, str]
    provider: Provider = "emulator"
    dialect: Literal["ga", "preview"] = "ga"
    set_by: str = "REALTIME_URL"
    """The variable that the address came from."""

    @property
    def shown(self) -> str:
        """The address without anything secret, for logs: scheme, host, path and the model's name."""
        parts = urlsplit(self.url)
        host = parts.netloc.rpartition("@")[2]
        model = [pair for pair in parts.query.split("&") if pair.startswith("model=")]
        return f"{parts.scheme}://{host}{parts.path}{'?' if model else ''}{'&'.join(model)}"

    def __repr__(self) -> str:
        return f"Endpoint({self.shown}, headers {sorted(self.headers)}, {self.provider}, {self.dialect})"


def endpoint(
    provider: Provider, *, model: str = "", key: str = "", base_url: str = "", url: str = "", dialect: str = ""
) -> Endpoint:
    """Build the address and headers of a provider's endpoint.

    `model`: at Azure the name of a deployment. `base_url`: `AZURE_OPENAI_ENDPOINT`, `OPENAI_BASE_URL` or the emulator's
    address, each with or without a path. `url`: `REALTIME_URL`, which is taken as it is and wins over model and base.
    `dialect`: `REALTIME_DIALECT`; by default it follows the form of the URL.
    Raises `ConfigError`, which names the variable.
    """
    address = _given(url) if url else _built(provider, model.strip(), base_url.strip())
    spoken = dialect or ("preview" if _is_preview(address) else "ga")
    if spoken not in DIALECTS:
        raise ConfigError(
            f"the {spoken} dialect is not spoken; use a URL of the form …/v1/realtime?model=… "
            f"and one of: {', '.join(DIALECTS)}",
            "REALTIME_DIALECT" if dialect else "REALTIME_URL",
        )
    headers = _headers(provider, key.strip(), required=not url)
    set_by = "REALTIME_URL" if url else _VARIABLES[provider][0]
    return Endpoint(address, headers, provider, DIALECTS[spoken].name, set_by)


def _given(url: str) -> str:
    url = url.strip()
    parts = _split(url, "REALTIME_URL")
    if parts.scheme not in ("ws", "wss"):
        raise ConfigError("must begin with wss:// (or ws:// for a server on this machine)", "REALTIME_URL")
    return url


def _built(provider: Provider, model: str, base_url: str) -> str:
    base_name, model_name, _ = _VARIABLES[provider]
    if provider == "azure" and not base_url:
        raise ConfigError("must be set, e.g. https://my-resource.openai.azure.com", base_name)
    if provider == "azure" and not model:
        raise ConfigError("must be set to the name of your realtime deployment", model_name)
    base = base_url or (OPENAI if provider == "openai" else EMULATOR)
    parts = _split(base if "://" in base else f"https://{base}", base_name)
    if parts.scheme not in _SCHEMES:
        raise ConfigError(f"must begin with https://, not {parts.scheme}://", base_name)
    path = _azure_path(parts) if provider == "azure" else _openai_path(parts)
    return f"{_SCHEMES[parts.scheme]}://{parts.netloc}{path}?model={quote(model or DEFAULT_MODEL, safe='')}"


def _azure_path(parts: SplitResult) -> str:
    """Build the path from whatever the portal shows as endpoint: bare, with `/openai/...`, or with `/api/projects/...`.

    Only in front of a host that is not Azure's own (a gateway) does a path of its own stay.
    """
    own = (parts.hostname or "").endswith(".azure.com")
    prefix = "" if own else parts.path.partition("/openai")[0].rstrip("/")
    return f"{prefix}/openai/v1/realtime"


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


def _is_preview(url: str) -> bool:
    """Tell the old form by its path and its dated version. Mixing forms is the API's most common integration error."""
    parts = urlsplit(url)
    return parts.path.rstrip("/").endswith("/openai/realtime") or "deployment=" in parts.query


def _headers(provider: Provider, key: str, *, required: bool) -> dict[str, str]:
    variable = _VARIABLES[provider][2]
    if not key:
        if required and provider != "emulator":
            raise ConfigError("must be set: the endpoint wants a key", variable)
        return {}
    if not key.isascii() or not key.isprintable() or " " in key:
        raise ConfigError("holds a character that no key has; copy it again", variable)
    return {"api-key": key} if provider == "azure" else {"Authorization": f"Bearer {key}"}


# --- what went wrong -------------------------------------------------------------------------------------------------


def explain_refusal(status: int, body: str, endpoint: Endpoint) -> str:
    """Say in one line what an HTTP answer to the upgrade means and what to check; quotes the body without the key."""
    said = _said(body, endpoint)
    return f"HTTP {status}: {_meaning(status, body, endpoint)}{f' ({said})' if said else ''}"


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
        case 401 | 403:
            return f"the key was refused; check {key}, that it fits the resource, and that the URL has no api-version"
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
    """Quote a peer: the message of a JSON error, otherwise the text; one line, without our key."""
    try:
        error = json.loads(text)["error"]
        text = ": ".join(str(error[name]) for name in ("code", "message") if error.get(name))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        text = text if not text.lstrip().startswith("<") else ""  # a proxy's HTML page says nothing in one line
    for value in endpoint.headers.values():
        text = text.replace(value.removeprefix("Bearer "), "…")
    return _one_line(text)


def _one_line(text: str) -> str:
    return " ".join(text.split())[:_LINE]
