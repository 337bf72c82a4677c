"""Plans that nobody would write: real ones mutated by bytes, by tokens and by structure."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from drorch.model.graph import Graph
from plans import InvalidPlanError, lint, read
from plans.catalog import example, examples

_BAD = Path(__file__).parents[1] / "bad_plans"
_MB = 1024 * 1024
LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
DUMPER: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)

ODD_WORDS = (
    *("", "~", "null", "true", "yes", "0", "-1", "08", "0x1f", "1_000", "1e999", "-1e-999", ".inf"),
    *(".nan", "9" * 400, "1" * 18, "1:30", "2026-13-45", "25:61", "5", "5m5m", "1h 30m", "-5s"),
    *("<<: *a", "*a", "&a x", "!!python/object/apply:os.system [id]", "!x y", "%YAML 9.9", "---"),
    *("...", "? x", "- - - -", "[[[[", "}}}}", "{a: b, a: c}", "|", ">", "|9", "'", '"', "`", "@x"),
    *("# x", ": ", ":", "-", "\t", "\r", "\0", "\x07", "\x1b[31m", "\x85", "\u2028", "\ufeff"),
    *(
        "\u200b",
        "\u202e",
        "\ufdfa" * 50,
        "e\u0301" * 40,
        "città",
        "日本",
        "\U0001f525",
        "\U0010ffff",
    ),
    *(
        '"\\ud800"',
        '"\\x00"',
        '"\\u202e"',
        '"\\U00110000"',
        "../../etc/passwd",
        "${HOME}",
        "{{7*7}}",
    ),
    *("'; drop table runs; --", "<script>alert(1)</script>", "http://169.254.169.254/", "a" * 64),
)
TOKENS = (
    *("drorch: 1", "plan: x", "steps:", "vm: 1", "vm: pve/1", "gate: {}", "wait: 30s", "manual:"),
    *("depends_on: [a]", "verify:", "- tcp: a:1", "- http: https://x/", "group: g", "limits:"),
    *(
        "services:",
        "contacts:",
        "defaults: {connector: pve}",
        "retry: {attempts: 3}",
        "external: true",
    ),
    *(
        "callout: x",
        "with: {a: b}",
        "open_by: '08:15'",
        "when: started",
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
    ),
)


@cache
def corpus() -> tuple[tuple[bytes, ...], tuple[bytes, ...]]:
    """Return the examples and the bad plans, small and large."""
    good = tuple(example(name).read_bytes() for name in examples())
    return good, tuple(path.read_bytes() for path in sorted(_BAD.glob("*.yaml")))


def plan_case(seed: int) -> bytes:
    """Return the plan of this seed: the same in every process."""
    chance = random.Random(f"plan {seed}")
    good, bad = corpus()
    source = chance.choice(good if chance.random() < 0.7 else bad)
    kinds: Sequence[Callable[[random.Random, bytes], bytes]]
    kinds = (_bytes, _bytes, _lines, _lines, _tokens, _tokens, _words, _words, _tree, _tree, _large)
    if chance.random() < 0.1:
        return _mild(chance, chance.choice(good))
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        source = chance.choice(kinds)(chance, source)
    return source[: 5 * _MB + 1]


def judge_plan(source: bytes) -> str:
    """Load *source* as the API does; an answer, or a refusal that names places, and nothing else."""
    try:
        loaded = read(source, "plan.yaml")
    except InvalidPlanError as error:
        refusal = error
    else:
        for advice in lint(loaded.plan, loaded.positions, loaded.file):
            _sendable(advice.message + advice.hint)
        Graph(loaded.plan).expected_duration()
        _sendable(repr(loaded.plan))
        return "valid"
    assert refusal.problems
    for problem in refusal.problems:
        assert problem.line >= 1
        assert problem.column >= 1
        assert problem.message
        _sendable(problem.message + problem.hint)
    return "refused"


def _sendable(text: str) -> None:
    json.dumps(text, ensure_ascii=False).encode("utf-8")


def _mild(chance: random.Random, source: bytes) -> bytes:
    """Change digits and letters of words: what comes out is often a plan all the same."""
    data = bytearray(source)
    for at in chance.sample(range(len(data)), 3):
        if chr(data[at]).isdigit():
            data[at] = chance.choice(b"123456789")
        elif chr(data[at]).isalpha() and chance.random() < 0.3:
            data[at] = chance.choice(b"abcdefghijklmnopqrstuvwxyz")
    return bytes(data)


def _bytes(chance: random.Random, source: bytes) -> bytes:
    """Flip, drop, double and cut bytes."""
    data = bytearray(source or b"a: 1\n")
    for _ in range(chance.choice((1, 1, 3, 10, 60))):
        at = chance.randrange(len(data) + 1)
        match chance.randrange(5):
            case 0 if at < len(data):
                data[at] ^= 1 << chance.randrange(8)
            case 1:
                data[at:at] = chance.randbytes(chance.randrange(1, 5))
            case 2:
                del data[at : at + chance.randrange(1, 9)]
            case 3:
                data[at:at] = data[at : at + chance.randrange(1, 200)]
            case _ if chance.random() < 0.1:
                del data[at:]
            case _:
                data[at:at] = bytes([chance.choice(b"\0\t\r\n\"'[]{}:,&*!|>%@`#- ")])
        if not data:
            data += b"x"
    return bytes(data)


def _lines(chance: random.Random, source: bytes) -> bytes:
    """Move, drop, double and indent lines, and take some from another plan."""
    lines = source.split(b"\n")
    for _ in range(chance.choice((1, 2, 5, 20))):
        at = chance.randrange(len(lines))
        match chance.randrange(5):
            case 0 if len(lines) > 1:
                del lines[at]
            case 1:
                lines.insert(at, chance.choice(lines))
            case 2:
                lines[at] = b" " * chance.randrange(1, 9) + lines[at]
            case 3:
                other = chance.choice(chance.choice(corpus())).split(b"\n")
                begin = chance.randrange(len(other))
                lines[at:at] = other[begin : begin + chance.randrange(1, 12)]
            case _:
                lines[at] = lines[at].lstrip()
    return b"\n".join(lines)


def _tokens(chance: random.Random, source: bytes) -> bytes:
    """Splice words of the language in, wherever."""
    text = source.decode("utf-8", "surrogateescape")
    for _ in range(chance.choice((1, 2, 4, 16))):
        at = chance.randrange(len(text) + 1)
        glue = chance.choice((" ", "\n", "\n  ", "\n    ", ""))
        text = text[:at] + glue + chance.choice(TOKENS) + glue + text[at:]
    return text.encode("utf-8", "surrogateescape")


def _words(chance: random.Random, source: bytes) -> bytes:
    """Put odd words where values or keys were."""
    words = source.decode("utf-8", "surrogateescape").split(" ")
    for _ in range(chance.choice((1, 1, 2, 5, 15))):
        at = chance.randrange(len(words))
        end = "\n" if words[at].endswith("\n") else ""
        words[at] = chance.choice(ODD_WORDS) + end
    return " ".join(words).encode("utf-8", "surrogateescape")


def _tree(chance: random.Random, source: bytes) -> bytes:
    """Replace, rename, drop and double parts of what was meant."""
    try:
        tree = yaml.load(source, Loader=LOADER)
    except (yaml.YAMLError, ValueError, RecursionError, UnicodeDecodeError):
        return _tokens(chance, source)
    for _ in range(chance.choice((1, 2, 5, 12))):
        tree = _altered(chance, tree)
    try:
        if chance.random() < 0.3:
            return json.dumps(tree, default=str).encode()
        return yaml.dump(tree, Dumper=DUMPER, allow_unicode=chance.random() < 0.5).encode()
    except (yaml.YAMLError, ValueError, TypeError, RecursionError):
        return _bytes(chance, source)


def _altered(chance: random.Random, node: Any) -> Any:
    deeper = chance.random() < 0.8
    if isinstance(node, dict) and node and deeper:
        key = chance.choice(list(node))
        match chance.randrange(7):
            case 0:
                return {k: v for k, v in node.items() if k != key}
            case 1:
                odd = chance.choice(ODD_WORDS)
                return {(odd if k == key else k): v for k, v in node.items()}
            case 2:
                return {**node, str(chance.choice(ODD_WORDS)): node[key]}
            case _:
                return {**node, key: _altered(chance, node[key])}
    if isinstance(node, list) and node and deeper:
        at = chance.randrange(len(node))
        match chance.randrange(4):
            case 0:
                return node[:at] + node[at + 1 :]
            case 1:
                return node + [node[at]] * chance.randrange(1, 30)
            case _:
                return [*node[:at], _altered(chance, node[at]), *node[at + 1 :]]
    return odd_value(chance)


def odd_value(chance: random.Random, depth: int = 3) -> Any:
    """Return something that stands in the place of something else."""
    match chance.randrange(9 if depth else 6):
        case 0 | 1 | 2:
            return chance.choice(ODD_WORDS)
        case 3:
            return chance.choice((None, True, False, 0, -1, 1, 10**30, -(2**63), 1.5, 1e300, -0.0))
        case 4:
            return "x" * chance.choice((1, 63, 64, 300, 2001, 70_000))
        case 5:
            return chance.choice(
                ("30s", "5m", "pve/101", "https://10.0.0.1/", "10.0.0.1:80", "core")
            )
        case 6:
            return [odd_value(chance, depth - 1) for _ in range(chance.randrange(5))]
        case _:
            return {
                str(chance.choice(ODD_WORDS)): odd_value(chance, depth - 1)
                for _ in range(chance.randrange(5))
            }


def _large(chance: random.Random, source: bytes) -> bytes:
    """Add much of something: depth, length, aliases, lines, steps, wrong references."""
    many = chance.choice((50, 1000, 5000, 20_000))
    made = chance.choice(LARGE)(chance, many)
    if chance.random() < 0.4:
        return made
    at = chance.randrange(len(source) + 1)
    return source[:at] + chance.choice((b"", b"\n", b" ")) + made + b"\n" + source[at:]


def _repeated(*parts: bytes) -> Callable[[random.Random, int], bytes]:
    return lambda chance, many: chance.choice(parts) * many


def _steps(chance: random.Random, many: int) -> bytes:
    """Return a plan of many steps that need each other in one of several ways."""
    many = min(many, 4000)
    needs = chance.choice(("s{before}", "s{first}", "s{after}", "stpe{n}", "s{any}", "S{n}", "x y"))
    action = chance.choice(("gate: {{}}", "vm: {n}", "vm: 7", "wait: {n}", "wait: 5m", "vmm: 1"))
    lines = ["drorch: 1", "plan: large", "defaults: {connector: pve}", "steps:"]
    for n in range(many):
        words = {"n": n, "before": max(n - 1, 0), "first": 0, "after": (n + 1) % many}
        words["any"] = chance.randrange(many)
        on = needs.format(**words)
        lines.append(f"  s{n}: {{{action.format(**words)}, depends_on: [{on}]}}")
    return "\n".join(lines).encode()


def _bomb(chance: random.Random, many: int) -> bytes:
    width, depth = chance.randrange(2, 12), chance.randrange(2, 26)
    lines = [f"a0: &a0 [{', '.join(['x'] * width)}]"]
    for n in range(1, depth):
        lines.append(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * width)}]")
    return "\n".join(lines).encode()


def _aliased_steps(chance: random.Random, many: int) -> bytes:
    checks = ", ".join(["{tcp: 'a:1'}"] * chance.randrange(1, 60))
    lines = ["drorch: 1", "plan: aliased", "steps:", f"  s: &s {{gate: {{}}, verify: [{checks}]}}"]
    lines += [f"  s{n}: *s" for n in range(min(many, 1500))]
    return "\n".join(lines).encode()


def _keys(chance: random.Random, many: int) -> bytes:
    name = chance.choice(("k{n}", "step{n}", "same", "é{n}", "{n}", "k" * 300 + "{n}"))
    return "".join(f"{name.format(n=n)}: {n}\n" for n in range(many)).encode()


def _scalar(chance: random.Random, many: int) -> bytes:
    unit = chance.choice(
        ("x", "\ufdfa", "e\u0301", "1", "1h ", "a.", "\\u0041", " ", "ß", "-", "9m")
    )
    key = chance.choice(("plan", "title", "rto", "owner", "drorch", "x" * many))
    return f'{key}: "{unit * (many * chance.choice((1, 5, 40)))}"\n'.encode()


LARGE: tuple[Callable[[random.Random, int], bytes], ...] = (
    _repeated(
        b"[", b"{", b"- ", b"? ", b"a: ", b"{a: ", b"[a, ", b"!x ", b"&a ", b"*a ", b"|\n", b"> "
    ),
    _repeated(
        b"\n", b"\r", b"\r\n", b" ", b"\t", b"#\n", b"---\n", b"...\n", b"%A b\n", b"\xc2\x85"
    ),
    _repeated(
        b":", b"'", b'"', b",", b"x", b"\xff", b"\0", b"\xef\xbb\xbf", b"\\", b"%", b"1,", b"a: 1\n"
    ),
    _steps,
    _steps,
    _bomb,
    _aliased_steps,
    _keys,
    _scalar,
)
