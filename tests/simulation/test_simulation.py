"""A sample of the disasters that `make simulate` plays, and the proof that its checks can fail."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import structlog

from tests.simulation.disaster import imagine
from tests.simulation.promises import broken
from tests.simulation.sabotage import SABOTAGES
from tests.simulation.stage import perform
from tests.simulation.telling import story
from tests.simulation.verdicts import digest, judge

_SAMPLE = 60
_ENOUGH = 120
"""Seeds within which every sabotage has to be found."""


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """The engine logs what the disasters do to it, thousands of lines."""
    before = structlog.get_config()
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(50),
        logger_factory=structlog.ReturnLoggerFactory(),
        cache_logger_on_first_use=False,
    )
    yield
    structlog.configure(**before)


@pytest.mark.parametrize("tens", range(_SAMPLE // 10))
def test_no_disaster_breaks_a_promise(tens: int) -> None:
    for seed in range(tens * 10, tens * 10 + 10):
        verdict = judge(seed)
        told = f"replay with: make simulate SEED={seed}\n{verdict.story}"
        assert verdict.broken == [], told


def test_the_same_seed_is_the_same_disaster() -> None:
    assert digest(perform(imagine(7))) == digest(perform(imagine(7)))
    assert digest(perform(imagine(7))) != digest(perform(imagine(8)))


@pytest.mark.parametrize("name", SABOTAGES)
def test_a_sabotaged_engine_is_found_out(name: str) -> None:
    promise, cast, sabotage = SABOTAGES[name]
    for seed in range(_ENOUGH):
        with sabotage():
            found = {check for check, _ in broken(perform(imagine(seed), cast))}
        if promise in found:
            return
    pytest.fail(f"{name}: {promise} was not found broken in {_ENOUGH} seeds")


def test_a_failing_seed_tells_its_story() -> None:
    """Whoever reads it has the plan, the orders, the events and the blows before them."""
    told = story(perform(imagine(3)), last=10_000)
    for word in ("seed 3:", "steps:", "journal  #1 ", "order    start", "truth ", "disaster "):
        assert word in told
