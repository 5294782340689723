"""The mistakes that `make infra-check` plants: each must find its place, which a change of a template may take away."""

import ast

import pytest

from tests.infra.templates import INFRA

CALLS = [node for node in ast.walk(ast.parse((INFRA / "check.py").read_text())) if isinstance(node, ast.Call)]
PLANTS = [call for call in CALLS if isinstance(call.func, ast.Name) and call.func.id == "Plant"]


@pytest.mark.parametrize("plant", PLANTS, ids=lambda plant: f"line {plant.lineno}")
def test_a_mistake_that_is_planted_finds_its_place(plant: ast.Call) -> None:
    file, old = (ast.literal_eval(argument) for argument in plant.args[1:3])

    assert old in (INFRA / file).read_text(encoding="utf-8")
