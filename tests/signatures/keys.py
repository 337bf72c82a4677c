"""Signers of every type: real ``ssh-keygen`` where it can make the key, else a security key of ours."""

from __future__ import annotations

import base64
import hashlib
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, utils
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.lab_gate import need

NAMESPACE = "drorch-plan"
MADE_BY_SSH_KEYGEN = {
    "ed25519": ("-t", "ed25519"),
    "ecdsa-256": ("-t", "ecdsa", "-b", "256"),
    "ecdsa-384": ("-t", "ecdsa", "-b", "384"),
    "ecdsa-521": ("-t", "ecdsa", "-b", "521"),
    "rsa": ("-t", "rsa", "-b", "2048"),
}
SECURITY_KEYS = ("sk-ed25519", "sk-ecdsa")
ALL = (*MADE_BY_SSH_KEYGEN, *SECURITY_KEYS)


@dataclass(frozen=True, slots=True)
class Signer:
    """``public`` is the two words of a line in an allowed signers file."""

    public: str
    sign: Callable[..., bytes]

    def allowed(self, principal: str = "anna@comune.example", options: str = "") -> bytes:
        return " ".join(part for part in (principal, options, self.public) if part).encode() + b"\n"


def ssh_keygen() -> str:
    return need("ssh-keygen", why="real signatures", install="apt-get install openssh-client")


def made(kind: str, folder: Path) -> Signer:
    """Return a signer with a new key of *kind*."""
    if kind in SECURITY_KEYS:
        return _security_key(kind)
    path = folder / f"id-{kind}"
    if not path.exists():
        make = [ssh_keygen(), "-q", *MADE_BY_SSH_KEYGEN[kind], "-N", "", "-f", str(path)]
        subprocess.run(make, check=True)
    public = " ".join(path.with_suffix(".pub").read_text().split()[:2])

    def sign(message: bytes, namespace: str = NAMESPACE, *options: str) -> bytes:
        command = [ssh_keygen(), "-q", "-Y", "sign", "-n", namespace, "-f", str(path), *options]
        return subprocess.run(command, input=message, check=True, capture_output=True).stdout

    return Signer(public, sign)


def string(data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + data


def armored(blob: bytes) -> bytes:
    text = base64.b64encode(blob).decode()
    lines = [text[i : i + 70] for i in range(0, len(text), 70)]
    begin, end = "-----BEGIN SSH SIGNATURE-----", "-----END SSH SIGNATURE-----"
    return "\n".join([begin, *lines, end, ""]).encode()


def _number(value: int) -> bytes:
    return string(value.to_bytes(value.bit_length() // 8 + 1, "big"))


def _security_key(kind: str) -> Signer:
    """Play a FIDO key: what it signs and how is in OpenSSH's PROTOCOL.u2f."""
    application = b"ssh:"
    if kind == "sk-ed25519":
        name = b"sk-ssh-ed25519@openssh.com"
        secret = ed25519.Ed25519PrivateKey.generate()
        raw = secret.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        blob = string(name) + string(raw) + string(application)

        def sign_raw(data: bytes) -> bytes:
            return secret.sign(data)
    else:
        name = b"sk-ecdsa-sha2-nistp256@openssh.com"
        other = ec.generate_private_key(ec.SECP256R1())
        point = other.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        blob = string(name) + string(b"nistp256") + string(point) + string(application)

        def sign_raw(data: bytes) -> bytes:
            signature = other.sign(data, ec.ECDSA(hashes.SHA256()))
            r, s = utils.decode_dss_signature(signature)
            return _number(r) + _number(s)

    def sign(message: bytes, namespace: str = NAMESPACE, *, touched: bool = True) -> bytes:
        parts = (namespace.encode(), b"", b"sha512", hashlib.sha512(message).digest())
        signed = b"SSHSIG" + b"".join(string(part) for part in parts)
        tail = bytes([touched]) + (7).to_bytes(4, "big")
        digest = hashlib.sha256(application).digest(), hashlib.sha256(signed).digest()
        signature = string(name) + string(sign_raw(digest[0] + tail + digest[1])) + tail
        fields = (blob, namespace.encode(), b"", b"sha512", signature)
        head = b"SSHSIG" + (1).to_bytes(4, "big")
        return armored(head + b"".join(string(field) for field in fields))

    return Signer(f"{name.decode()} {base64.b64encode(blob).decode()}", sign)
