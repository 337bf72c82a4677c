"""Named places at which a crash is worth trying: around every commit and every order.

They cost one comparison until somebody arms them: the simulator of disasters, which ends an
imagined process there, or ``DRORCH_FAILPOINT``, which ends or stops a real one.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from typing import Literal, TypeAlias, get_args

Name: TypeAlias = Literal[
    "run.create.before",
    "run.create.after",
    "lease.acquire.before",
    "lease.acquire.after",
    "lease.release.before",
    "resume.read.after",
    "append.before",
    "append.after",
    "observer.after",
    "order.look.after",
    "order.start.before",
    "order.start.after",
    "order.stop.before",
    "order.stop.after",
    "order.find.after",
    "callout.before",
    "callout.after",
    "outbox.send.before",
    "outbox.send.after",
]
NAMES: tuple[Name, ...] = get_args(Name)

_VARIABLE = "DRORCH_FAILPOINT"
_handler: Callable[[Name], None] | None = None


def reach(name: Name) -> None:
    """Tell that the program stands at *name*. Whoever armed it may raise, or never return."""
    if _handler is not None:
        _handler(name)


def arm(handler: Callable[[Name], None] | None) -> None:
    """Call *handler* at every failure point from now on; None disarms them."""
    global _handler  # noqa: PLW0603 (one switch for the process; a parameter would be everywhere)
    _handler = handler


def arm_from_environment() -> None:
    """Arm what ``DRORCH_FAILPOINT=NAME[:COUNT[:kill|stop]]`` asks for; for tests of crashes.

    At the COUNT-th time (default 1) this process gets SIGKILL, or SIGSTOP.
    """
    asked = os.environ.get(_VARIABLE)
    if not asked:
        return
    name, _, rest = asked.partition(":")
    count, _, how = rest.partition(":")
    if name not in NAMES:
        raise ValueError(f"{_VARIABLE}: there is no failure point {name!r}; one of {NAMES}")
    left = int(count or 1)
    deed = signal.SIGSTOP if how == "stop" else signal.SIGKILL

    def strike(reached: Name) -> None:
        nonlocal left
        if reached == name:
            left -= 1
            if left == 0:
                os.kill(os.getpid(), deed)

    arm(strike)
