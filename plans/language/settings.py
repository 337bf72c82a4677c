"""The keys of ``defaults``, which groups and steps may override."""

# `key` declares a field, as dataclasses.field does
from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from drorch.model.plan import OnFailure, OnUnhealthy
from drorch.model.soundness import MOST_ATTEMPTS
from plans.shapes.keys import key
from plans.shapes.quantities import Duration, Integer
from plans.shapes.record import Document, Record
from plans.shapes.words import Choice, Identifier, Name


@dataclass(slots=True, kw_only=True)
class RetryDocument(Document):
    attempts: int | None = key(
        Integer("a number of attempts", least=1, most=MOST_ATTEMPTS),
        "How often it is tried, the first included.",
        default_text="3",
    )
    wait: timedelta | None = key(
        Duration(zero=True),
        "Pause after the first failed attempt; doubles each time.",
        default_text="5s",
    )
    max_wait: timedelta | None = key(
        Duration(zero=True), "Longest pause between two attempts.", default_text="1m"
    )


@dataclass(slots=True, kw_only=True)
class SettingsDocument(Document):
    connector: Name | None = key(
        Identifier("the name of a connector"),
        "The connector of machines that are given by id alone.",
    )
    start_timeout: timedelta | None = key(
        Duration(), "From the start order until the machine runs.", default_text="3m"
    )
    verify_timeout: timedelta | None = key(
        Duration(), "From running until every check holds.", default_text="10m"
    )
    retry: RetryDocument | None = key(
        Record(RetryDocument, "a retry policy", part="retry"),
        "How often and how fast a failed step is tried again.",
    )
    on_unhealthy: OnUnhealthy | None = key(
        Choice(OnUnhealthy),
        "What the next attempt does when the machine runs but its checks fail: verify again, or "
        "restart it first.",
        default_text="verify",
    )
    on_failure: OnFailure | None = key(
        Choice(OnFailure),
        "When all attempts failed: ask a person, continue without it, or stop the run.",
        default_text="ask",
    )
    expect: timedelta | None = key(
        Duration(),
        "Expected time from the order to healthy, as long as nothing was learned.",
        default_text="1m",
    )


DEFAULTS = Record(
    SettingsDocument,
    "the defaults",
    about="What holds for every step unless its group or the step itself says otherwise.",
)
