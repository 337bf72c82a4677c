"""What people have to do about a run, and what whoever looks may decide."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from starlette.requests import HTTPConnection

from api.locale import _, noted
from drorch.access.principal import Means, Principal
from drorch.access.roles import LEAST, Permission, Role, is_allowed, to_abort
from drorch.run.state import RunState
from drorch.run.status import Ask, StepStatus
from drorch.run.views import Json, needs_attention, shown_status, step_json

MOST_CARDS = 4
MOST_LISTED = 40
_SETTLED = frozenset({StepStatus.HEALTHY, StepStatus.SKIPPED, StepStatus.CANCELLED})
_ROLE_WORDS = {
    Role.VIEWER: noted("viewer"),
    Role.OPERATOR: noted("operator"),
    Role.RESPONDER: noted("responder"),
    Role.ADMIN: noted("admin"),
}


class Rights(NamedTuple):
    """What whoever looks may do with this run; ``is_asker``: they asked for it themselves.

    ``says_name``: nobody is authenticated here, so that people write their names themselves.
    """

    decide: bool
    pause: bool
    abort: bool
    approve: bool
    is_asker: bool
    says_name: bool
    role: str

    def least(self, permission: str) -> str:
        """Return the word for the role that *permission* takes."""
        return role_word(LEAST[Permission(permission)])


def role_word(role: Role) -> str:
    """Return the word for a role."""
    return _(_ROLE_WORDS[role])


def rights_of(request: HTTPConnection, state: RunState) -> Rights:
    """Return what whoever sent *request* may do with a run: nothing, where nobody is known."""
    principal = request.scope.get("state", {}).get("principal")
    if not isinstance(principal, Principal):
        return Rights(*(False,) * 6, role="")
    may = {p: is_allowed(principal.role, p) for p in Permission}
    return Rights(
        decide=may[Permission.DECIDE],
        pause=may[Permission.PAUSE],
        abort=may[to_abort(state.mode)],
        approve=may[Permission.APPROVE_LIVE],
        is_asker=principal.identity == state.requested_as and principal.means is not Means.OPEN,
        says_name=principal.means is Means.OPEN,
        role=role_word(principal.role),
    )


def names_of(request: HTTPConnection) -> frozenset[str]:
    """Return by which names whoever sent *request* is known, in lower case; none if by none."""
    principal = request.scope.get("state", {}).get("principal")
    if not isinstance(principal, Principal) or principal.means is Means.OPEN:
        return frozenset()
    return frozenset(name.lower() for name in (principal.id, principal.name) if name)


class Choice(NamedTuple):
    """A decision that a person may take: its words, and what follows from it.

    ``final``: it cannot be taken back, and takes a second press.
    """

    verb: str
    words: str
    tone: str
    follows: str
    final: bool = True


_ANSWERS = (
    Choice("approve", noted("Yes, go on"), "yes", "", final=False),
    Choice(
        "reject",
        noted("No, it fails"),
        "no",
        noted("The step fails, and what needs it waits or is left out, as the plan says."),
    ),
)
_CURES = (
    Choice("retry", noted("Try again"), "yes", "", final=False),
    Choice(
        "accept",
        noted("Accept: I vouch for it"),
        "plain",
        noted("It counts as healthy with your name, and what needs it starts."),
    ),
    Choice(
        "skip",
        noted("Skip: go on without it"),
        "plain",
        noted("It is left as it is, and what needs it starts all the same."),
    ),
    Choice(
        "reject",
        noted("Leave it failed"),
        "no",
        noted("It stays failed, and what needs it never starts in this run."),
    ),
)


class Cards(NamedTuple):
    """The most blocking first; ``more`` have a line each, ``left`` are not even listed."""

    cards: list[Json]
    more: list[Json]
    left: int
    total: int


def cards(state: RunState) -> Cards:
    """Return the cards of a run."""
    asked = needs_attention(state)
    weighed = sorted(asked[: MOST_CARDS + MOST_LISTED], key=lambda n: -len(behind(state, n)))
    shown = [card(state, number) for number in weighed]
    left = max(0, len(asked) - MOST_CARDS - MOST_LISTED)
    return Cards(shown[:MOST_CARDS], shown[MOST_CARDS:], left, len(asked))


def card(state: RunState, number: int) -> Json:
    """Return what a person has to know to act on a step, and what they may decide.

    ``acts`` is whether anybody has to.
    """
    step, own = state.step(number), state.steps[number]
    obstacle = state.obstacle(number)
    shown = step_json(state, number)
    choices: Sequence[Choice] = ()
    if own.ask is Ask.MANUAL:
        choices, question = _ANSWERS, own.question
    elif own.ask is Ask.FAILURE:
        choices, question = _CURES, own.error or "It failed."
    else:
        question = obstacle.reason if obstacle else own.error
    waiting = behind(state, number)
    return {
        **shown,
        "manual": own.ask is Ask.MANUAL,
        "acts": own.status is StepStatus.WAITING or state.held(number),
        "question": question,
        "hint": own.hint or (obstacle.hint if obstacle else ""),
        "choices": choices,
        "since": own.asked_at or (obstacle.since if obstacle else None),
        "behind": len(waiting),
        "machines_behind": sum(state.step(n).machine is not None for n in waiting),
        "bad_checks": _bad_checks(shown, question),
        "title": step.title or step.id,
    }


def _bad_checks(shown: Json, question: str) -> list[Json]:
    """Return the checks that do not hold, except those whose evidence is the error itself."""
    bad = [check for check in shown["checks"] if check["healthy"] is False]
    return [check for check in bad if not check["evidence"] or check["evidence"] not in question]


def behind(state: RunState, number: int) -> list[int]:
    """Return the steps that wait behind this one, directly or not."""
    graph = state.graph
    seen: set[int] = set()
    stack = [number]
    while stack:
        after = graph.successors(stack.pop())
        stack += (n for n in after if n not in seen)
        seen.update(after)
    steps = (node for node in seen if not graph.is_group(node))
    return [node for node in steps if shown_status(state, node) not in _SETTLED]
