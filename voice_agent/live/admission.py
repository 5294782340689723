"""Who may talk to an agent: the one-time token that ties a media stream to a voice webhook that Twilio signed.

A signature can be replayed, it holds no time; so the webhook's TwiML carries a token as a `<Parameter>`, and the stream
must bring it in `start` before audio flows. No clock and no chance of its own: seconds and nonces are arguments. It
must not know about sockets, nor what a call costs.
"""

import hashlib
import hmac
from collections import OrderedDict
from enum import StrEnum

from voice_agent.wire import twilio

TOKEN_PARAMETER = "token"  # noqa: S105 - the parameter's name, no secret
"""The `<Parameter>` that brings the token."""

TOKEN_SECONDS = 120
"""How long a token is good: a webhook's answer and a consent line lie between its making and the stream."""

NONCE_BYTES = 16
"""What a nonce should have: it keeps the tokens of one call's webhooks apart, the secret makes them unforgeable."""

REMEMBERED = 20_000
"""Calls whose claim is remembered. The oldest is forgotten first, when its token has long been stale unless more than
166 calls a second begin; a stranger cannot fill this, because only good tokens are remembered."""


class Claim(StrEnum):
    """What became of the attempt to use a token."""

    OK = "ok"
    USED = "used"
    """A stream of this call was admitted before, by this token or by that of a repeated webhook."""
    STALE = "stale"
    FORGED = "forged"
    """Not made with our secret, or no token at all."""
    OTHER_CALL = "another call's"


class Refusal(StrEnum):
    """Why a webhook or a stream was turned away: the whole set, as labels of a counter."""

    WEBHOOK_UNSIGNED = "webhook unsigned"
    WEBHOOK_WRONGLY_SIGNED = "webhook wrongly signed"
    WEBHOOK_REPLAYED = "webhook replayed"
    UPGRADE_UNSIGNED = "upgrade unsigned"
    UPGRADE_WRONGLY_SIGNED = "upgrade wrongly signed"
    NO_REQUEST = "no request in time"
    ANSWER_NOT_READ = "answer not read"
    CROWD = "too many strangers"
    NO_HTTP = "no HTTP"
    NO_START = "no start in time"
    BROKEN_START = "broken start"
    TOKEN_MISSING = "token missing"  # noqa: S105 - a reason, no secret
    TOKEN_USED = "token used"  # noqa: S105 - a reason, no secret
    TOKEN_STALE = "token stale"  # noqa: S105 - a reason, no secret
    TOKEN_FORGED = "token forged"  # noqa: S105 - a reason, no secret
    TOKEN_OF_OTHER_CALL = "token of another call"  # noqa: S105 - a reason, no secret
    CALL_UNKNOWN = "call unknown"
    TOO_MANY_CALLS = "too many calls"
    TOO_BUSY = "event loop too late"
    CALLER_CALLS_TOO_OFTEN = "caller calls too often"
    NUMBER_CALLED_TOO_OFTEN = "number called too often"
    DAY_IS_SPENT = "the day's money is spent"
    STOPPING = "stopping"


class StreamTokens:
    """Makes and takes tokens. Any process with the secret can check one; that it is used once is kept per process."""

    def __init__(self, secret: bytes) -> None:
        """`secret`: at least 16 random bytes, kept from strangers."""
        if len(secret) < 16:
            raise ValueError("a secret of less than 16 bytes can be guessed")
        self._secret = secret
        self._claimed: OrderedDict[tuple[str, str], None] = OrderedDict()

    def issue(self, call_sid: str, now_s: int, nonce: bytes, occasion: str = "") -> str:
        """Make a token for one stream of one call; a repeated webhook gets another, of which one can be claimed.

        `nonce`: `NONCE_BYTES` random bytes. `occasion`: what a further stream of the call is for, without a
        dot; of its tokens, too, one can be claimed.
        """
        body = f"{call_sid}.{occasion}.{now_s}.{nonce.hex()}"
        return f"{body}.{self._seal(body)}"

    def claim(self, token: str, call_sid: str, now_s: int) -> Claim:
        """Use a token. Only `Claim.OK` admits, and of all tokens of one occasion it comes once."""
        body, _, seal = token.rpartition(".")
        # Before the seal has been checked nothing else is looked at: a stranger learns nothing from the outcome.
        if not hmac.compare_digest(_bytes(seal), self._seal(body).encode()):
            return Claim.FORGED
        sealed_sid, occasion, issued_s, _ = body.rsplit(".", 3)
        if sealed_sid != call_sid:
            return Claim.OTHER_CALL
        # Of a token from the future the clock was set back; how far it reaches then nobody knows.
        if abs(now_s - int(issued_s)) > TOKEN_SECONDS:
            return Claim.STALE
        if (call_sid, occasion) in self._claimed:
            return Claim.USED
        self._claimed[call_sid, occasion] = None
        if len(self._claimed) > REMEMBERED:
            self._claimed.popitem(last=False)
        return Claim.OK

    def used(self, call_sid: str, occasion: str = "") -> bool:
        """Tell whether a stream of the call was admitted by a token of that occasion."""
        return (call_sid, occasion) in self._claimed

    def _seal(self, body: str) -> str:
        return hmac.new(self._secret, _bytes(body), hashlib.sha256).hexdigest()


_REFUSALS = {
    Claim.USED: Refusal.TOKEN_USED,
    Claim.STALE: Refusal.TOKEN_STALE,
    Claim.FORGED: Refusal.TOKEN_FORGED,
    Claim.OTHER_CALL: Refusal.TOKEN_OF_OTHER_CALL,
}


def examine_start(tokens: StreamTokens, message: twilio.Start, now_s: int) -> Refusal | None:
    """Admit a stream by its `start`, using its token up; `None`: it may go on."""
    token = message.start.custom_parameters.get(TOKEN_PARAMETER, "")
    if not token:
        return Refusal.TOKEN_MISSING
    return _REFUSALS.get(tokens.claim(token, message.start.call_sid, now_s))


def _bytes(text: str) -> bytes:
    # What a peer sends may hold anything, lone surrogates included.
    return text.encode("utf-8", "surrogatepass")
