"""The calls of the folder above as scenes: what their callers do, and what happens to them meanwhile.

`make.py` holds them. Whoever adds one adds its expectations and its line in README.md.
"""

from tests.calls.scenes import answers, endings, interruptions, keys, placed, tool_calls, transfers, who_answers
from tests.calls.scenes.stage import Scene

SCENES: dict[str, Scene] = {
    **endings.SCENES,
    **interruptions.SCENES,
    **answers.SCENES,
    **tool_calls.SCENES,
    **transfers.SCENES,
    **who_answers.SCENES,
    **placed.SCENES,
    **keys.SCENES,
}
