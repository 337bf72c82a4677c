"""Every kind of check of the plan language, by its key."""

from __future__ import annotations

from collections.abc import Mapping

from connectors.checks import (
    callout,
    dns,
    http,
    icmp,
    ldap,
    mysql,
    ntp,
    postgres,
    redis,
    smb,
    smtp,
    ssh,
    tcp,
    tls,
)
from connectors.checks.attempt import Kind

KINDS: Mapping[str, Kind] = {
    "callout": callout.check,
    "dns": dns.check,
    "http": http.check,
    "icmp": icmp.check,
    "ldap": ldap.check,
    "mysql": mysql.check,
    "ntp": ntp.check,
    "postgres": postgres.check,
    "redis": redis.check,
    "smb": smb.check,
    "smtp": smtp.check,
    "ssh": ssh.check,
    "tcp": tcp.check,
    "tls": tls.check,
}
"""All but ``agent``, which the prober makes for the machine at hand."""
