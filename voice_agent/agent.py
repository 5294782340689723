"""What an agent is: plain data, made by `config` from a YAML file and read by everything else.

It must not know where it came from nor which provider will speak it.
"""

from typing import Any, Literal

import msgspec


class ServerVad(msgspec.Struct, frozen=True, tag="server_vad", tag_field="type"):
    """The server ends a turn after a silence. https://platform.openai.com/docs/guides/realtime-vad."""

    threshold: float = 0.5
    """0.0 to 1.0; higher needs louder speech."""
    prefix_padding_ms: int = 300
    """Audio before the detected start that belongs to the turn."""
    silence_duration_ms: int = 500
    """Silence that ends the turn. The API's default is documented as 500 and observed as 200, so it is always sent."""
    idle_timeout_ms: int | None = None
    """Silence after an answer, 5000 to 30000, at which the server has the model speak again; `None`: never."""


class SemanticVad(msgspec.Struct, frozen=True, tag="semantic_vad", tag_field="type"):
    """The server ends a turn when the words sound finished."""

    eagerness: Literal["low", "medium", "high", "auto"] = "auto"
    """Longest wait: low 8 s, medium (auto) 4 s, high 2 s."""


TurnDetection = ServerVad | SemanticVad


class BargeIn(msgspec.Struct, frozen=True):
    """When the caller's voice stops the agent's."""

    after_ms: int = 0
    """0: at once, decided by the server. N: only speech that lasts N ms counts, decided here."""
    protect_greeting: bool = False
    """The greeting is played to its end whatever the caller says."""


class OnMachine(msgspec.Struct, frozen=True):
    """What becomes of a call that we placed and an answering machine takes."""

    do: Literal["hang_up", "leave", "continue"]
    """`continue`: the detection only tells who answered."""
    text: str = ""
    """What is left on it."""


class Transcription(msgspec.Struct, frozen=True):
    """How the caller's words become text."""

    model: str = "gpt-4o-mini-transcribe"
    """A model id at OpenAI; at Azure the name of a transcription deployment in the same resource."""
    language: str | None = None
    prompt: str | None = None


class Retention(msgspec.Struct, frozen=True):
    """What is kept of a conversation that has grown too long: its newest part, cut rarely, so that caching pays."""

    ratio: float
    """0.0 to 1.0 of the limit is kept when the limit is passed."""
    tokens: int | None = None
    """The limit, counted after the instructions; `None`: the model's own, which a phone call hardly reaches."""


class Prompt(msgspec.Struct, frozen=True):
    """Instructions that are kept at the provider under an id."""

    id: str
    version: str | None = None
    """`None`: the one that is current there."""
    variables: dict[str, str] = {}
    """Values for what the kept text leaves open."""


class ModelOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How the model answers. `None`: nothing is asked for, so that the model does as it is used to."""

    reasoning_effort: Literal["minimal", "low", "medium", "high", "xhigh"] | None = None
    """More of it answers better and later; only reasoning models know it."""
    speed: float | None = None
    """Of speech: 0.25 to 1.5; 1.0 is usual."""
    max_output_tokens: int | Literal["inf"] | None = None
    """The most that one response may produce, tool calls included; a second of speech is 20 tokens."""
    truncation: Literal["auto", "disabled"] | Retention | None = None
    """What happens to a conversation that is longer than the model's context; `disabled` makes that an error."""
    prompt: Prompt | None = None
    """Kept instructions. Those of the agent, where there are any, are sent beside them and win."""


class Limits(msgspec.Struct, frozen=True):
    """What ends a call that nobody ends."""

    minutes: int = 15
    """Longest call; the agent says goodbye before it."""
    idle_seconds: int = 20
    """Mutual silence before the agent asks whether anybody is there; a second one ends the call. 0: never."""
    tool_seconds: int = 20
    """Longest run of one tool call."""
    transfers: int = 3
    """So often one caller may be put through, or a colleague be asked, until there is no further try."""


class Span(msgspec.Struct, frozen=True, array_like=True):
    """A part of a day, in minutes since its midnight: from `begin` to before `end`, which may lie on the next day."""

    begin: int
    end: int


class Hours(msgspec.Struct, frozen=True, kw_only=True):
    """When an agent takes calls, by the clock of its time zone, and what becomes of them otherwise."""

    week: dict[str, tuple[Span, ...]]
    """By `monday` to `sunday`; a day that is not there is closed."""
    days: dict[str, tuple[Span, ...]] = {}
    """By ISO dates: what holds on them instead; nothing: closed."""
    agent: str = ""
    """Takes the calls then."""
    message: str = ""
    """Said by the carrier, which then hangs up, where no agent does."""


class HttpRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What an `http` tool sends; `{{ name }}` in `url` and `body` stands for an argument or for one of `values`."""

    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
    url: str
    """Its scheme and host are fixed."""
    headers: dict[str, str] = {}
    """`${NAME}` stands for a variable of the environment, which is filled in where the header leaves this program."""
    body: Any = None
    """A JSON value; `None`: the arguments that no template names, as an object."""
    seconds: int | None = None
    """Longest wait; `None`: as any tool."""
    take: tuple[str, ...] = ()
    """Paths of what the model gets of a JSON answer, e.g. `slots.0.time`; none: all of it."""
    allow_private: bool = False
    """The host may be this machine or in an inner network."""
    values: dict[str, str] = {}
    """The call's variables, as far as templates name them; filled in for one call."""


class Lookup(msgspec.Struct, frozen=True, kw_only=True):
    """A request before the call is answered, from whose JSON answer variables and the agent itself may come."""

    request: HttpRequest
    """Templates name `caller`, `called` and the agent's variables."""
    variables: dict[str, str] = {}
    """The path of each variable's value in the answer, e.g. `customer.name`."""
    agent: str = ""
    """The path of the name of the agent that takes the call; empty: this one does."""


class TextMessage(msgspec.Struct, frozen=True, kw_only=True):
    """What a `send_sms` tool sends, and to whom: never to a number that the model made up."""

    sender: str = ""
    """A number of the account (E.164); empty: the called one."""
    to: dict[str, str] = {}
    """Numbers by the names that the model knows them by; empty: the caller."""
    text: str | None = None
    """`{{ name }}` stands for an argument or for one of `values`; `None`: the model writes it."""
    countries: tuple[str, ...] = ()
    """How the recipient's number must begin, e.g. `+1`; none: anyhow."""
    values: dict[str, str] = {}
    """The call's variables, `caller` and `called` among them; filled in for one call."""


class DigitCollection(msgspec.Struct, frozen=True, kw_only=True):
    """When a `collect_digits` tool has got what it waits for."""

    length: int | None = None
    """So many keys are enough; `None`: any number."""
    terminator: str = "#"
    """The key that ends the number and is no part of it; empty: none does."""
    timeout_seconds: int = 8
    """Without a key, while neither side speaks."""
    secret: bool = False
    """The model learns how many there are, and a reference to them; no recording holds them."""


class Handoff(msgspec.Struct, frozen=True, kw_only=True):
    """Whom a `handoff` tool hands the call over to."""

    to: tuple[str, ...]
    """Names of other agents; of several the model chooses one."""


RUN_HERE = frozenset({"python", "http", "send_sms"})
"""Kinds of tools whose work is done outside of the call; the others act on the line."""


class Transfer(msgspec.Struct, frozen=True, kw_only=True):
    """Whom a `transfer` tool connects the caller with: never a number that the model made up."""

    to: dict[str, str]
    """Numbers (E.164) and SIP addresses (`sip:...`) by the names that the model knows them by."""
    seconds: int = 20
    """How long it may ring."""
    caller_id: str = ""
    """The number that they see (E.164); empty: the caller's, and of a warm transfer the called one."""
    warm: bool = False
    """They are called while the caller holds, hear what it is about, and take the call or not."""
    announcement: str = ""
    """What a colleague hears of a warm transfer; `{{ summary }}` stands for what the model wrote. Empty: the usual."""


class DigitsToSend(msgspec.Struct, frozen=True, kw_only=True):
    """What a `send_digits` tool may press."""

    named: dict[str, str] = {}
    """By the names that the model knows them by; empty: what the model writes."""
    by: Literal["tones", "call"] = "tones"
    """`tones`: in the agent's audio. `call`: the carrier presses them, while there is no stream."""


class Tool(msgspec.Struct, frozen=True):
    """One function that the model may call."""

    name: str
    description: str
    parameters: dict[str, Any]
    """A JSON Schema object."""
    kind: Literal[
        "hang_up",
        "python",
        "http",
        "send_sms",
        "collect_digits",
        "send_digits",
        "transfer",
        "handoff",
        "take_call",
        "decline_call",
    ]
    target: str = ""
    """For `python`: `package.module:function`, looked up on the import path and in `Agent.folder`."""
    http: HttpRequest | None = None
    """For `http`."""
    sms: TextMessage | None = None
    """For `send_sms`."""
    digits: DigitCollection | None = None
    """For `collect_digits`."""
    keys: DigitsToSend | None = None
    """For `send_digits`."""
    transfer: Transfer | None = None
    """For `transfer`."""
    handoff: Handoff | None = None
    """For `handoff`."""


class McpServer(msgspec.Struct, frozen=True, kw_only=True):
    """A server of the Model Context Protocol, whose tools the model's server lists and calls by itself.

    The fields are those of the Realtime API's tool of type `mcp`. Texts may hold `${NAME}`, a variable of the
    environment, which is filled in where the text leaves this program and nowhere before.
    """

    server_label: str
    """The model's server and we call it by this name."""
    server_url: str
    authorization: str | None = None
    """An OAuth token; always of the environment."""
    headers: dict[str, str] = {}
    server_description: str | None = None
    """For the model."""
    allowed_tools: tuple[str, ...] | None = None
    """`None`: all that it lists."""
    require_approval: Literal["never", "always"] = "never"
    """`always`: we are asked before each call."""
    approve: tuple[str, ...] | Literal["all"] = "all"
    """What we then say yes to."""

    @property
    def referring(self) -> tuple[str, ...]:
        """The texts that may hold references."""
        return (self.server_url, self.authorization or "", *self.headers.values())

    def approves(self, tool: str) -> bool:
        """Whether a call that we are asked about may be made."""
        return self.approve == "all" or tool in self.approve


class LastResort(msgspec.Struct, frozen=True, kw_only=True):
    """What becomes of a caller when no model can be had."""

    say: str = ""
    """Said by the carrier in the agent's language."""
    clip: bytes = b""
    """Heard before that, mu-law 8 kHz; none: the packaged apology, unless something is said."""
    then: Literal["hang_up", "voicemail"] = "hang_up"
    """Unless there is a `transfer`."""
    transfer: Transfer | None = None
    """To one address."""


class Agent(msgspec.Struct, frozen=True, kw_only=True):
    """One agent. Texts may still hold `{{ variables }}`; `config.render` fills them in for one call."""

    name: str
    instructions: str
    """Empty only with `model.prompt`."""
    numbers: tuple[str, ...] = ()
    """Called numbers (E.164) that reach this agent."""
    default: bool = False
    """Takes calls to numbers that no agent names."""
    voice: str = "marin"
    language: str = "en"
    languages: tuple[str, ...] = ()
    """Further ones that the agent may speak, when the caller does."""
    variables: dict[str, str] = {}
    lookup: Lookup | None = None
    greeting: str | None = None
    """What the agent says first; `None`: the caller speaks first."""
    consent: str | None = None
    """Said by the carrier (`<Say>`) before the stream begins."""
    turn_detection: TurnDetection = ServerVad()
    barge_in: BargeIn = BargeIn()
    on_machine: OnMachine | None = None
    """`None`: nobody asks who answered."""
    transcription: Transcription | None = Transcription()
    noise_reduction: Literal["near_field", "far_field"] | None = None
    tools: tuple[Tool, ...] = ()
    mcp: tuple[McpServer, ...] = ()
    """In the file they stand among the tools."""
    limits: Limits = Limits()
    model: ModelOptions = ModelOptions()
    last_resort: LastResort | None = None
    hold_sound: bool = True
    """Who waits in silence is told that somebody is there."""
    hours: Hours | None = None
    """`None`: always. Needs `timezone`."""
    timezone: str | None = None
    """An IANA name."""
    recording: Literal["audio", "text", "off"] = "audio"
    folder: str = ""
    """Where the file stands; on the import path of its `python` tools. Not part of a recording."""

    @property
    def has_secrets(self) -> bool:
        """Whether callers may be asked for digits that no record may hold."""
        return any(tool.digits is not None and tool.digits.secret for tool in self.tools)
