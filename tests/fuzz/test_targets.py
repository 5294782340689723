import random

import pytest

from tests.fuzz.mutating import mutate
from tests.fuzz.targets import TARGETS, corpus, samples


@pytest.mark.parametrize("target", TARGETS)
def test_what_was_kept_breaks_nothing(target: str) -> None:
    for data in (*samples(target), *corpus(target)):
        TARGETS[target](data)


@pytest.mark.parametrize("target", TARGETS)
def test_what_is_made_of_it_breaks_nothing(target: str) -> None:
    chance = random.Random(7)
    known = [data for data in (*samples(target), *corpus(target)) if 100 < len(data) < 50_000]
    made = set()
    for _ in range(200):
        data = chance.choice(known)
        for _ in range(chance.randint(1, 4)):
            data = mutate(target, data, chance, lambda part: part[: chance.randrange(len(part) + 1)])
        TARGETS[target](data)
        made.add(data)

    assert len(made) > 90
