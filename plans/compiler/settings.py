"""Defaults and who overrides them: step before group before ``defaults`` before built-in."""

from __future__ import annotations

from typing import Any, TypeVar

from drorch.model.plan import RetryPolicy
from plans.language.document import PlanDocument
from plans.language.settings import SettingsDocument
from plans.language.steps import StepDocument

T = TypeVar("T")

OVERRIDABLE = ("start_timeout", "verify_timeout", "on_unhealthy", "on_failure", "expect")
SETTINGS = frozenset({*OVERRIDABLE, "retry"})


class Settings:
    """Looks a setting of a step up along its chain."""

    def __init__(self, document: PlanDocument) -> None:
        self._defaults = document.defaults
        self._groups = {group.id: group.value for group in document.groups or []}
        self._common: dict[str | None, dict[str, Any]] = {}

    def connector(self, step: StepDocument) -> str | None:
        names = (layer.connector for layer in self._chain(step))
        return next((name.id for name in names if name is not None), None)

    def connector_refused(self, step: StepDocument) -> bool:
        """Tell that a connector is named somewhere, wrongly, so that its lack is no news."""
        return any("connector" in (x.written.keys() | x.meant) for x in self._chain(step)) or (
            self._defaults is not None and "connector" in self._defaults.meant
        )

    def overrides(self, step: StepDocument) -> dict[str, Any]:
        """Return the settings that somebody gave, ready for the model; the rest is built in."""
        if step.written.keys().isdisjoint(SETTINGS):
            group = step.group.id if step.group else None
            if group not in self._common:
                self._common[group] = self._look_up(self._chain(step))
            return self._common[group]
        return self._look_up(self._chain(step))

    def _look_up(self, chain: list[SettingsDocument]) -> dict[str, Any]:
        found = {name: _first(chain, name) for name in OVERRIDABLE}
        given = {name: value for name, value in found.items() if value is not None}
        return given | {"retry": self._retry(chain)}

    def _chain(self, step: StepDocument) -> list[SettingsDocument]:
        group = None if step.group is None else self._groups.get(step.group.id)
        return [layer for layer in (step, group, self._defaults) if layer is not None]

    def _retry(self, chain: list[SettingsDocument]) -> RetryPolicy:
        policies = [layer.retry for layer in chain if layer.retry is not None]
        found = {name: _first(policies, name) for name in ("attempts", "wait", "max_wait")}
        return RetryPolicy(**{name: value for name, value in found.items() if value is not None})


def _first(layers: list[Any], name: str) -> Any:
    values = (getattr(layer, name) for layer in layers)
    return next((value for value in values if value is not None), None)
