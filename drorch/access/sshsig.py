"""The format of OpenSSH's signatures (``ssh-keygen -Y sign``): read strictly, one spelling only."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa, utils
from cryptography.hazmat.primitives.serialization import SSHPublicKeyTypes, load_ssh_public_key

MOST_BYTES = 64 * 1024
"""A signature has about 300 bytes, with the largest of RSA keys two thousand."""

_MAGIC = b"SSHSIG"
_BEGIN, _END = "-----BEGIN SSH SIGNATURE-----", "-----END SSH SIGNATURE-----"
_HASHES: Mapping[bytes, Callable[[bytes], bytes]] = {
    b"sha256": lambda data: hashlib.sha256(data).digest(),
    b"sha512": lambda data: hashlib.sha512(data).digest(),
}
_RSA: Mapping[bytes, hashes.HashAlgorithm] = {
    b"rsa-sha2-256": hashes.SHA256(),
    b"rsa-sha2-512": hashes.SHA512(),
}
_NAME = re.compile(r"[a-z0-9@.-]{1,64}")
_LEAST_RSA_BITS = 2048
_TOUCHED = 0x01
_SECURITY_KEY = ("sk-ssh-ed25519@openssh.com", "sk-ecdsa-sha2-nistp256@openssh.com")
KEY_TYPES = (
    "ssh-ed25519",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "ssh-rsa",
    *_SECURITY_KEY,
)
"""Keys that a signature is accepted from; those that begin with sk- live in a security key."""


class FormatError(ValueError):
    """What was given is no signature of OpenSSH's, or one of a kind that is not taken."""


class UntouchedError(ValueError):
    """The security key was not touched when it signed: nobody need have been there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SshSignature:
    """A signature taken apart; nothing of it has been verified yet."""

    key: bytes
    key_type: str
    namespace: bytes
    hash_name: bytes
    signature: bytes

    def covers(self, message: bytes) -> bool:
        """Tell whether `key` made this signature over *message*.

        Raises `FormatError` when key and signature do not fit each other or are of a kind that
        is not taken, `UntouchedError` when a security key signed by itself.
        """
        return _covers(self, _signed_bytes(self, message))


def parsed(armor: bytes) -> SshSignature:
    """Take the text of a ``.sig`` file apart. Raises `FormatError`.

    What ssh-keygen writes has one spelling (line ends and widths apart), and no other is read.
    """
    fields = _Fields(_unwrapped(armor))
    if fields.take(len(_MAGIC)) != _MAGIC:
        raise FormatError("it does not begin with SSHSIG")
    if (version := fields.number()) != 1:
        raise FormatError(f"it is of version {version}; only version 1 is known")
    key, namespace, reserved = fields.string(), fields.string(), fields.string()
    hash_name, signature = fields.string(), fields.string()
    fields.end()
    if reserved:
        raise FormatError("it holds something in a field that has to be empty")
    if hash_name not in _HASHES:
        raise FormatError("it hashes with something else than sha256 or sha512")
    return SshSignature(
        key=key,
        key_type=key_type(key),
        namespace=namespace,
        hash_name=hash_name,
        signature=signature,
    )


def key_type(key: bytes) -> str:
    """Return the type that a public key says it is of. Raises `FormatError`."""
    name = _Fields(key).string().decode("ascii", "replace")
    if not _NAME.fullmatch(name):
        raise FormatError("the type of its key is unreadable")
    return name


def fingerprint(key: bytes) -> str:
    """Return ``SHA256:...`` of a public key, as ``ssh-keygen -l`` prints it."""
    return "SHA256:" + base64.b64encode(hashlib.sha256(key).digest()).decode().rstrip("=")


def _unwrapped(armor: bytes) -> bytes:
    """Return the bytes between the first line and the last, which have to be the known ones."""
    if len(armor) > MOST_BYTES:
        raise FormatError(f"it has {len(armor)} bytes, a signature at most {MOST_BYTES}")
    lines = armor.decode("ascii", "replace").replace("\r\n", "\n").rstrip("\n").split("\n")
    if len(lines) < 3 or lines[0] != _BEGIN or lines[-1] != _END:
        raise FormatError(f"it does not begin with {_BEGIN} and end with {_END}")
    text = "".join(lines[1:-1]).encode("ascii", "replace")
    try:
        blob = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise FormatError("what stands between its first and last line is no base64") from error
    if base64.b64encode(blob) != text:
        raise FormatError("its base64 is not spelled as ssh-keygen spells it")
    return blob


class _Fields:
    """The fields of a blob in SSH's encoding (RFC 4251), one after the other."""

    def __init__(self, blob: bytes) -> None:
        self._rest = blob

    def take(self, count: int) -> bytes:
        if len(self._rest) < count:
            raise FormatError("it ends in the middle")
        taken, self._rest = self._rest[:count], self._rest[count:]
        return taken

    def number(self) -> int:
        return int.from_bytes(self.take(4), "big")

    def string(self) -> bytes:
        return self.take(self.number())

    def positive(self) -> int:
        """Return a number of any size; it has one spelling."""
        raw = self.string()
        spelled_long = raw[:1] == b"\0" and raw[1:2] < b"\x80"
        if not raw or raw[0] & 0x80 or spelled_long:
            raise FormatError("a number in it is not spelled as it should be")
        return int.from_bytes(raw, "big")

    def end(self) -> None:
        if self._rest:
            raise FormatError("something follows its end")


def _signed_bytes(sig: SshSignature, message: bytes) -> bytes:
    """Return what ssh-keygen has really signed: the namespace and the hash of the message."""
    digest = _HASHES[sig.hash_name](message)
    return _MAGIC + b"".join(_string(part) for part in (sig.namespace, b"", sig.hash_name, digest))


def _string(data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + data


def _covers(sig: SshSignature, signed: bytes) -> bool:
    public = _public_key(sig)
    fields = _Fields(sig.signature)
    algorithm, made = fields.string(), fields.string()
    if sig.key_type in _SECURITY_KEY:
        signed = _by_security_key(sig.key, fields, signed)
    fields.end()
    try:
        _verify(public, sig.key_type.encode(), algorithm, made, signed)
    except InvalidSignature:
        return False
    return True


def _public_key(sig: SshSignature) -> SSHPublicKeyTypes:
    if sig.key_type not in KEY_TYPES:
        raise FormatError(f"keys of the type {sig.key_type} are not taken")
    try:
        return load_ssh_public_key(sig.key_type.encode() + b" " + base64.b64encode(sig.key))
    except (ValueError, UnsupportedAlgorithm) as error:
        raise FormatError("its key is unreadable") from error


def _by_security_key(key: bytes, fields: _Fields, signed: bytes) -> bytes:
    """Return what a security key (FIDO) signs in place of *signed*; *fields* go on behind it."""
    application = _last_string(key)
    flags, counter = fields.take(1), fields.take(4)
    if not flags[0] & _TOUCHED:
        raise UntouchedError
    sha256 = _HASHES[b"sha256"]
    return sha256(application) + flags + counter + sha256(signed)


def _last_string(key: bytes) -> bytes:
    fields = _Fields(key)
    kind = fields.string()
    for _ in range(2 if kind.startswith(b"sk-ecdsa") else 1):
        fields.string()
    application = fields.string()
    fields.end()
    return application


def _verify(
    public: SSHPublicKeyTypes, kind: bytes, algorithm: bytes, made: bytes, signed: bytes
) -> None:
    match public:
        case ed25519.Ed25519PublicKey() if algorithm == kind:
            public.verify(made, signed)
        case ec.EllipticCurvePublicKey() if algorithm == kind:
            public.verify(_ecdsa(made), signed, ec.ECDSA(_hash_of_curve(public)))
        case rsa.RSAPublicKey() if algorithm in _RSA:
            if public.key_size < _LEAST_RSA_BITS:
                raise FormatError(
                    f"its RSA key has {public.key_size} bits; {_LEAST_RSA_BITS} are the least"
                )
            public.verify(made, signed, padding.PKCS1v15(), _RSA[algorithm])
        case _:
            raise FormatError("its algorithm does not fit its key, or is not taken")


def _ecdsa(made: bytes) -> bytes:
    """Return SSH's pair of numbers in the encoding that everybody else uses."""
    fields = _Fields(made)
    r, s = fields.positive(), fields.positive()
    fields.end()
    return utils.encode_dss_signature(r, s)


def _hash_of_curve(public: ec.EllipticCurvePublicKey) -> hashes.HashAlgorithm:
    if public.key_size <= 256:
        return hashes.SHA256()
    return hashes.SHA384() if public.key_size <= 384 else hashes.SHA512()
