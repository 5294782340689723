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


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> int | None:
    """Run the tests of the mutant's own module by themselves, and only if they pass all others.

    It takes longer to collect hundreds of tests than to run the few that see the difference.
    """
    mutant = os.environ.get("MUTANT_UNDER_TEST", "")
    if (found := MODULE.match(mutant)) is None:
        return None  # no mutant: mutmut looks which tests there are, and what they reach
    _call_directly(mutant)
    own = [test for test in config.args if f"/test_{found[1]}" in test]
    others = [test for test in config.args if test not in own]
    if not own or not others:
        return None
    tests = set(config.args)
    options = [argument for argument in config.invocation_params.args if argument not in tests]
    config.args = others
    return int(pytest.main([*map(str, options), *own])) or None


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put whole recorded calls last."""
    items.sort(key=lambda item: item.path.suffix == ".call")


def _call_directly(mutant: str) -> None:
    """Undo mutmut's look at every call for the mutant that is meant: it takes longer than most functions do."""
    for name, module in list(sys.modules.items()):
        if name.startswith("voice_agent.call."):
            classes = [one for one in vars(module).values() if isinstance(one, type) and one.__module__ == name]
            _undo(module, mutant.removeprefix(f"{name}."))
            for one in classes:
                _undo(one, mutant.removeprefix(f"{name}."))


def _undo(owner: ModuleType | type, mutant: str) -> None:
    for name in list(vars(owner)):
        if (found := ORIGINAL.fullmatch(name)) is not None:
            is_meant = mutant.rpartition("_")[0] == name.rpartition("_")[0]
            setattr(owner, found[1], getattr(owner, mutant if is_meant else name))
