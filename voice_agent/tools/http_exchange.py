"""One request of an agent's file and what is taken from its answer, with secrets filled in on the way out only.

It must not know whose the request is.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from voice_agent.agent import HttpRequest
from voice_agent.config.references import References, names_in
from voice_agent.tools.http_answer import taken
from voice_agent.tools.http_client import HttpFailure, ask
from voice_agent.tools.http_request import prepare


def secrets_of(request: HttpRequest, references: References) -> References:
    """Give those that the request names, and no others."""
    return references.only(names_in(request.headers.values()))


async def exchange(request: HttpRequest, values: Mapping[str, Any], references: References) -> str:
    """Ask and give the answer, JSON or text; it holds none of the request's secrets.

    Raises `HttpFailure`, `AnswerError`, `ArgumentsError`; waits as long as it is let.
    """
    prepared = prepare(request, values)
    for name in names_in(request.headers.values()):
        if problem := references.problem(name):
            raise HttpFailure("it is not available now", problem)
    secrets = secrets_of(request, references)
    headers = {name: secrets.filled(value) for name, value in request.headers.items()}
    answer = taken(await ask(prepared, headers, allow_private=request.allow_private), request.take)
    # A server may send back what it was sent; a key must not get to the model nor into a recording.
    text = answer if isinstance(answer, str) else msgspec.json.encode(answer).decode()
    return secrets.covered(text)
