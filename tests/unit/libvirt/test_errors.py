"""Errors as libvirt 9.0.0 and QEMU 7.2 really word them, and what they mean to us."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from connectors.libvirt.errors import Phase, detail_of, is_connection_loss, translate
from drorch.errors import (
    AuthenticationError,
    BusyError,
    CertificateError,
    ConnectorError,
    MachineNotFoundError,
    OutcomeUnknownError,
    PermissionDeniedError,
    ProtocolError,
    RefusedError,
    UnreachableError,
    UnsupportedError,
)

_RPC, _QEMU, _NETWORK, _STORAGE, _TEST, _SECURITY = 7, 10, 19, 18, 12, 24


@dataclass(frozen=True)
class Fault:
    """An error as recorded: code, domain and words."""

    code: int
    domain: int
    words: str

    def get_error_code(self) -> int:
        return self.code

    def get_error_domain(self) -> int:
        return self.domain

    def get_error_message(self) -> str:
        return self.words


_CLOSED = Fault(1, _RPC, "internal error: client socket is closed")
_SILENT = Fault(1, _RPC, "internal error: connection closed due to keepalive timeout")
_RESET = Fault(38, _RPC, "Cannot recv data: Connection reset by peer")
_PORT_TAKEN = Fault(
    1,
    _QEMU,
    "internal error: qemu unexpectedly closed the monitor: 2026-11-22T03:05:01.082666Z "
    "qemu-system-x86_64: -netdev user,id=n0,hostfwd=tcp:127.0.0.1:21784-:80: Could not set up "
    "host forwarding rule 'tcp:127.0.0.1:21784-:80'",
)
_NO_KERNEL = Fault(
    1,
    _QEMU,
    "internal error: qemu unexpectedly closed the monitor: qemu: could not open kernel file "
    "'/nonexistent/vmlinuz': No such file or directory",
)
_NO_MEMORY = Fault(
    1,
    _QEMU,
    "internal error: qemu unexpectedly closed the monitor: 2026-11-22T03:05:04.375247Z "
    "qemu-system-x86_64: cannot set up guest memory 'pc.ram': Cannot allocate memory",
)


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (_CLOSED, OutcomeUnknownError),
        (_SILENT, OutcomeUnknownError),
        (_RESET, OutcomeUnknownError),
        (_PORT_TAKEN, BusyError),
        (_NO_MEMORY, BusyError),
        (_NO_KERNEL, RefusedError),
        (
            Fault(
                38,
                _STORAGE,
                "Cannot access storage file '/nonexistent/disk.img': No such file or directory",
            ),
            RefusedError,
        ),
        (
            Fault(43, _NETWORK, "Network not found: no network with matching name 'nonet'"),
            RefusedError,
        ),
        (
            Fault(55, _NETWORK, "Requested operation is not valid: network 'lan' is not active"),
            RefusedError,
        ),
        (
            Fault(55, _QEMU, "Requested operation is not valid: domain is already running"),
            RefusedError,
        ),
        (Fault(1, _TEST, "internal error: Domain 'test' is already running"), RefusedError),
        (
            Fault(
                68,
                _QEMU,
                "Timed out during operation: cannot acquire state change lock "
                "(held by monitor=remoteDispatchDomainSave)",
            ),
            BusyError,
        ),
        (
            Fault(
                67,
                _QEMU,
                "unsupported configuration: Emulator '/usr/bin/qemu-system-x86_64' does not "
                "support virt type 'kvm'",
            ),
            RefusedError,
        ),
        (
            Fault(42, _QEMU, "Domain not found: no domain with matching name 'z'"),
            MachineNotFoundError,
        ),
        (Fault(88, _SECURITY, "access denied: 'QEMU' denied access"), PermissionDeniedError),
        (
            Fault(29, _QEMU, "operation virDomainCreate forbidden for read only access"),
            PermissionDeniedError,
        ),
        (Fault(3, _TEST, "this function is not supported by the driver"), UnsupportedError),
    ],
)
def test_an_order_that_failed(fault: Fault, expected: type[ConnectorError]) -> None:
    error = translate(fault, Phase.ORDER, where="qemu:///system", machine="db")
    assert type(error) is expected
    assert "db" in error.message
    assert error.hint


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (
            Fault(38, _RPC, "unable to connect to server at '10.0.0.9:16509': Connection refused"),
            UnreachableError,
        ),
        (
            Fault(
                38,
                _RPC,
                "Failed to connect socket to '/var/run/libvirt/libvirt-sock': "
                "No such file or directory",
            ),
            UnreachableError,
        ),
        (
            Fault(
                38,
                _RPC,
                "Failed to connect socket to '/var/run/libvirt/libvirt-sock': Permission denied",
            ),
            AuthenticationError,
        ),
        (
            Fault(
                94,
                60,
                "authentication unavailable: no polkit agent available to authenticate action "
                "'org.libvirt.unix.manage'",
            ),
            AuthenticationError,
        ),
        (
            Fault(38, _RPC, "Cannot recv data: Host key verification failed.: Connection reset"),
            AuthenticationError,
        ),
        (
            Fault(
                38,
                _RPC,
                "Cannot recv data: ssh: connect to host kvm1 port 22: Connection refused: "
                "Connection reset by peer",
            ),
            UnreachableError,
        ),
        (
            Fault(
                38,
                _RPC,
                "Cannot read CA certificate '/etc/pki/CA/cacert.pem': No such file or directory",
            ),
            CertificateError,
        ),
        (
            Fault(1, 0, "internal error: unexpected qemu URI path '/system', try qemu:///session"),
            ProtocolError,
        ),
        (
            Fault(45, _RPC, "authentication failed: Failed to verify peer's certificate"),
            CertificateError,
        ),
        (
            Fault(
                39,
                _RPC,
                "packet 1213486156 bytes received from server too large, want 33554432",
            ),
            ProtocolError,
        ),
        (Fault(5, 0, "no connection driver available for quatsch:///x"), ProtocolError),
    ],
)
def test_a_connection_that_cannot_be_opened(fault: Fault, expected: type[ConnectorError]) -> None:
    error = translate(fault, Phase.CONNECT, where="qemu+ssh://kvm1/system")
    assert type(error) is expected
    assert "qemu+ssh://kvm1/system" in error.message
    assert error.hint


@pytest.mark.parametrize("fault", [_CLOSED, _SILENT, _RESET])
def test_a_reading_whose_connection_broke_did_nothing(fault: Fault) -> None:
    assert is_connection_loss(fault)
    error = translate(fault, Phase.READ, where="qemu:///system", machine="db")
    assert type(error) is UnreachableError


def test_qemu_is_heard_without_libvirts_preamble() -> None:
    assert detail_of(_NO_KERNEL) == (
        "qemu: could not open kernel file '/nonexistent/vmlinuz': No such file or directory"
    )
    assert detail_of(_NO_MEMORY) == (
        "qemu-system-x86_64: cannot set up guest memory 'pc.ram': Cannot allocate memory"
    )


def test_long_words_are_shortened_and_the_last_line_kept() -> None:
    assert detail_of(Fault(1, _QEMU, "first\nwhy " + "x" * 999)).startswith("why x")
    assert len(detail_of(Fault(1, _QEMU, "x" * 999))) == 300
