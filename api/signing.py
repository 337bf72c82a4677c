"""Whether a plan is signed as the policy asks: when it is stored, and again when it is run."""

from __future__ import annotations

from datetime import UTC, datetime

from api.settings import PolicySettings
from drorch.access.policy import UnsignedPlanError
from drorch.access.signatures import verify_plan
from drorch.errors import PlanError


def signer_of(policy: PolicySettings, source: bytes, signature: bytes) -> str:
    """Return who signed *source*; empty if nobody did, or nobody who may."""
    allowed = policy.signers()
    if not signature or allowed is None:
        return ""
    try:
        return verify_plan(source, signature, allowed, now=datetime.now(UTC)).principal
    except PlanError:
        return ""


def refuse_unsigned(policy: PolicySettings, name: str, source: str, signature: str) -> None:
    """Raise `UnsignedPlanError` for a plan that the policy does not let run live.

    Verified again, although it was on arrival: keys are withdrawn, and databases are edited.
    """
    if not policy.signed_plans:
        return
    if not signature:
        raise UnsignedPlanError(
            f"{name} is not signed, and [policy] signed_plans asks for it",
            hint="sign the file: ssh-keygen -Y sign -n drorch-plan -f KEY PLAN.yaml; 'drorch run "
            "PLAN.yaml' then finds PLAN.yaml.sig beside it (docs/plan-signatures.md)",
        )
    try:
        allowed = policy.signers() or b""
        verify_plan(source.encode(), signature.encode(), allowed, now=datetime.now(UTC))
    except PlanError as error:
        raise UnsignedPlanError(f"{name}: {error.message}", hint=error.hint) from error
