"""Signatures of plans (``ssh-keygen -Y sign -n drorch-plan``): who signed exactly these bytes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from drorch.access.signers import AllowedSigner, read_signers
from drorch.access.sshsig import (
    KEY_TYPES,
    FormatError,
    SshSignature,
    UntouchedError,
    fingerprint,
    parsed,
)
from drorch.errors import PlanError

NAMESPACE = "drorch-plan"
"""A signature for mail, for git or for another tool is not one for a plan."""

_SIGN = f"sign it with: ssh-keygen -Y sign -n {NAMESPACE} -f KEY plan.yaml"
_CERTIFICATE = "-cert-v01@openssh.com"


class PlanSignatureError(PlanError):
    """The plan is not signed as it has to be."""

    code = "plan-signature"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanSignature:
    """A signature that was verified.

    ``principal`` is the first field of the signer's line in the allowed signers file;
    ``fingerprint`` is what ``ssh-keygen -l`` prints of the key.
    """

    principal: str
    key_type: str
    fingerprint: str


def verify_plan(source: bytes, armor: bytes, allowed: bytes, *, now: datetime) -> PlanSignature:
    """Return who signed the plan with the bytes *source*; nothing is read from anywhere.

    *armor* is the text of the ``.sig`` file, *allowed* that of the allowed signers file, *now*
    has a time zone: keys are valid from and until a time. Raises `PlanSignatureError` that says
    what is wrong: malformed, for something else than a plan, by an unknown key or one that is not
    valid now, or not over these bytes.
    """
    try:
        signature = parsed(armor)
        _for_a_plan(signature)
        signer = _signer(signature, allowed, now)
        if not signature.covers(source):
            raise PlanSignatureError(
                f"the signature of {signer.principals} is not over this plan: "
                "the plan or the signature was altered",
                hint=f"compare it with what was signed; if the change is wanted, {_SIGN}",
            )
    except FormatError as error:
        raise PlanSignatureError(
            f"the signature cannot be used: {error}",
            hint=f"give the whole .sig file as ssh-keygen wrote it, or {_SIGN}",
        ) from error
    except UntouchedError as error:
        raise PlanSignatureError(
            "the security key was not touched when it signed: nobody need have been there",
            hint="make the key without -O no-touch-required, and sign again",
        ) from error
    return PlanSignature(
        principal=signer.principals,
        key_type=signature.key_type,
        fingerprint=fingerprint(signature.key),
    )


def _for_a_plan(signature: SshSignature) -> None:
    if signature.namespace != NAMESPACE.encode():
        told = signature.namespace[:60].decode("ascii", "replace")
        raise PlanSignatureError(
            f"the signature was made for {told!r}, not for {NAMESPACE!r}", hint=_SIGN
        )
    if signature.key_type.endswith(_CERTIFICATE):
        raise PlanSignatureError(
            "the signature was made with a certificate, which is not supported",
            hint="sign with the plain key, and list that key in the allowed signers file",
        )
    if signature.key_type not in KEY_TYPES:
        raise PlanSignatureError(
            f"keys of the type {signature.key_type} are not taken",
            hint=f"sign with one of: {', '.join(KEY_TYPES)}",
        )


def _signer(signature: SshSignature, allowed: bytes, now: datetime) -> AllowedSigner:
    """Return the first line that allows the key now, or raise what stands against the others."""
    known = read_signers(allowed)
    mine = [signer for signer in known.signers if signer.key == signature.key]
    against = [(signer, _against(signer, now)) for signer in mine]
    for signer, reason in against:
        if not reason:
            return signer
    key = f"{signature.key_type} {fingerprint(signature.key)}"
    if against:
        told = "; ".join(f"line {s.line}, {s.principals}: {reason}" for s, reason in against[:5])
        raise PlanSignatureError(
            f"the key {key} may not sign this plan now ({told})",
            hint="have somebody sign who may, or correct the allowed signers file",
        )
    raise PlanSignatureError(
        f"the plan is signed with a key that is not among the allowed signers: {key}",
        hint=_unknown(known.damaged),
    )


def _unknown(damaged: Sequence[str]) -> str:
    hint = "if you know whose it is, add its public half to the allowed signers file"
    return f"{hint}; what could not be read there: {'; '.join(damaged[:3])}" if damaged else hint


def _against(signer: AllowedSigner, now: datetime) -> str:
    """Return why *signer*'s line does not allow a plan now, or nothing."""
    if signer.authority:
        return "cert-authority lines allow certificates, which are not supported"
    if not signer.takes(NAMESPACE):
        return f'its namespaces="{signer.namespaces}" do not include {NAMESPACE}'
    if signer.valid_after is not None and now < signer.valid_after:
        return f"not valid before {signer.valid_after:%Y-%m-%dT%H:%M:%SZ}"
    if signer.valid_before is not None and int(now.timestamp()) > signer.valid_before.timestamp():
        return f"expired at {signer.valid_before:%Y-%m-%dT%H:%M:%SZ}"
    return ""
