"""Which dialect an address and its headers ask for, as the services decide it. It must not know sockets."""

from collections.abc import Mapping
from typing import Literal

AZURE_PATH = "/openai/v1/realtime"

GA_PATHS = ("/v1/realtime", AZURE_PATH)
"""OpenAI's and Azure's form of the GA address."""

PREVIEW_PATH = "/openai/realtime"
"""Azure's older form, with `api-version` and `deployment` in the query."""

BETA = ("OpenAI-Beta", "realtime=v1")
"""The header that selected the preview dialect at OpenAI's address."""


def dialect_asked_for(path: str, headers: Mapping[str, str], *, openai_beta: bool) -> Literal["ga", "preview"] | None:
    """Give the dialect of a session; `None`: the header asks for OpenAI's beta, which is switched off.

    `openai_beta`: it is not. Azure's clients send the header, too, where it changes nothing.
    """
    if path.rstrip("/") == PREVIEW_PATH:
        return "preview"
    name, value = BETA
    if headers.get(name) != value:
        return "ga"
    return "preview" if openai_beta else None
