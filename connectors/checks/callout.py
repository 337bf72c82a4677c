"""``callout``: a command or web hook of the configuration says whether it is well."""

from __future__ import annotations

from connectors.checks.attempt import Attempt, UnwellError
from drorch.errors import ConfigurationError


async def check(attempt: Attempt) -> str:
    """Call it once; a check is repeated by nature, so name only call-outs that may be."""
    name = attempt.text("name")
    if not attempt.world.callouts.knows(name):
        raise ConfigurationError(
            f"the callout {name!r} is not in the configuration",
            hint=f"describe it in [callouts.{name}] in drorch.toml",
        )
    attempt.asked = f"callout {name}"
    attempt.reached = True
    arguments = {str(k): str(v) for k, v in (attempt.params.get("with") or {}).items()}
    result = await attempt.world.callouts.call(name, arguments)
    if not result.ok:
        raise UnwellError(attempt.quote(result.evidence, 400))
    return attempt.quote(result.evidence, 400)
