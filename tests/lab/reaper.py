"""Run a program and collect the processes that it leaves behind, as a good first process does.

Usage: reaper.py UID GID PROGRAM [ARGUMENT...]; prints the program's process id. Ends when the
program and all its orphans have ended. Where the machine's first process is slow to collect the
dead, libvirtd would take seconds to believe that a QEMU which it killed is gone.
"""

from __future__ import annotations

import ctypes
import os
import sys

_PR_SET_CHILD_SUBREAPER = 36


def main(uid: int, gid: int, command: list[str]) -> None:
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    child = os.fork()
    if child == 0:
        if os.geteuid() == 0 and uid != 0:
            os.setgroups([])
            os.setgid(gid)
            os.setuid(uid)
        os.closerange(3, 256)
        os.dup2(2, 1)
        os.execv(command[0], command)
    print(child, flush=True)
    while True:
        try:
            os.wait()
        except ChildProcessError:
            return


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:])
