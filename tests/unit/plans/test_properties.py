"""Whatever bytes come in: a plan, or problems with their place; never anything else."""

from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st

import plans
from plans import catalog

CORPUS = [catalog.example(name).read_bytes() for name in catalog.examples() if name != "piacenza"]
# What breaks plans in practice, beside single bytes.
FRAGMENTS = [
    b"\t", b": ", b"- ", b"[", b"]", b"{", b"}", b"&a ", b"*a", b"<<: ", b"!!x ", b"'", b'"',
    b"\n", b"\n  ", b"#", b"---\n", b"\xff", b"\x00", b"~", b"null", b"5 minutes", b"?", b"|\n",
    b"0777", b"steps:", b"vm: ", b"vm: 101", b"depends_on: [app]", b"password: x", b"\xef\xbb\xbf",
    b"1e999", b"-1", b"99999999999999999999", b"true", b"%", b"@", b"`", b",", b"\r",
]  # fmt: skip


def refused_properly(raw: bytes | str) -> bool:
    """Load *raw*; whatever is refused is refused with problems that have their place."""
    try:
        loaded = plans.read(raw)
    except plans.InvalidPlanError as error:
        found = error.problems
    else:
        _is_usable(loaded)
        return False
    assert found
    assert all(p.line >= 1 and p.column >= 1 for p in found)
    assert all(p.code and p.message and p.hint for p in found)
    assert all(str(p).isprintable() for p in found)
    return True


def _is_usable(loaded: plans.LoadedPlan) -> None:
    """Fail unless what was accepted can be worked with."""
    plans.lint(loaded.plan, loaded.positions, loaded.file)


@given(st.binary(max_size=400))
@settings(max_examples=300, deadline=None)
def test_random_bytes(raw: bytes) -> None:
    assert refused_properly(raw)


@given(st.text(max_size=400))
@settings(max_examples=300, deadline=None)
def test_random_text(text: str) -> None:
    assert refused_properly(text)


@given(st.lists(st.sampled_from(FRAGMENTS), max_size=60))
@settings(max_examples=300, deadline=None)
def test_fragments_of_yaml(parts: list[bytes]) -> None:
    refused_properly(b"".join(parts))
    refused_properly(b"drorch: 1\nplan: p\nsteps:\n  a: " + b"".join(parts))


@given(st.integers(min_value=0, max_value=2**32), st.integers(min_value=1, max_value=6))
@settings(max_examples=400, deadline=None)
def test_mutations_of_good_plans(seed: int, wounds: int) -> None:
    chance = random.Random(seed)
    raw = bytearray(chance.choice(CORPUS))
    for _ in range(wounds):
        at = chance.randrange(len(raw))
        match chance.randrange(4):
            case 0:
                raw[at] = chance.randrange(256)
            case 1:
                del raw[at : at + chance.randrange(1, 30)]
            case 2:
                raw[at:at] = chance.choice(FRAGMENTS)
            case _:
                end = at + chance.randrange(1, 60)
                raw[at:at] = raw[at:end]
        if not raw:
            break
    refused_properly(bytes(raw))


def test_good_plans_are_not_refused() -> None:
    assert not any(refused_properly(raw) for raw in CORPUS)
