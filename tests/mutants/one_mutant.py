"""How the tests meet one mutant: directly, and those first that most likely kill it.

A plug-in of pytest for mutmut, which forks for each mutant and names it in the environment.
"""

import os
import re
import sys
from types import ModuleType

import pytest

MODULE = re.compile(r"voice_agent\.call\.(\w+)\.")
ORIGINAL = re.compile(r"x(?:_|\u01c1.+\u01c1)(.+)__mutmut_orig")
"""How mutmut names the copy of a function that it left alone."""


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the tests of the mutant's own module first, and whole recorded calls last."""
    mutant = os.environ.get("MUTANT_UNDER_TEST", "")
    if (found := MODULE.match(mutant)) is None:
        return  # no mutant: mutmut looks which tests there are, and what they reach
    own = f"test_{found[1]}"
    items.sort(key=lambda item: (item.path.suffix == ".call", not item.path.name.startswith(own)))
    for name, module in list(sys.modules.items()):
        if name.startswith("voice_agent.call."):
            _call_directly(module, mutant.removeprefix(f"{name}."))
            for owner in vars(module).values():
                if isinstance(owner, type) and owner.__module__ == name:
                    _call_directly(owner, mutant.removeprefix(f"{name}."))


def _call_directly(owner: ModuleType | type, mutant: str) -> None:
    """Undo mutmut's look at every call for the mutant that is meant: it takes longer than most functions do."""
    for name in list(vars(owner)):
        if (found := ORIGINAL.fullmatch(name)) is not None:
            is_meant = mutant.rpartition("_")[0] == name.rpartition("_")[0]
            setattr(owner, found[1], getattr(owner, mutant if is_meant else name))
