"""Run a command as an ordinary user of this machine, who may do all that such a user may: `ordinary.py UID -- COMMAND…`, started by root.

Unlike in a pod (see pods.py) nothing else is taken away. Where the interpreter that runs the tests lies in root's own folder, that shows nothing else.
"""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path

_NEW_MOUNTS, _BIND, _RECURSIVE, _PRIVATE = 0x00020000, 4096, 16384, 1 << 18


def main() -> None:
    """Become that user, for good, and the command."""
    libc, uid, command = ctypes.CDLL(None, use_errno=True), int(sys.argv[1]), sys.argv[3:]

    def must(result: int) -> None:
        if result < 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))

    prefix = os.path.realpath(sys.base_prefix)
    if prefix.startswith("/root/"):
        must(libc.unshare(_NEW_MOUNTS))
        must(libc.mount(b"none", b"/", None, _RECURSIVE | _PRIVATE, None))
        kept = os.open(prefix, os.O_PATH)
        must(libc.mount(b"tmpfs", b"/root", b"tmpfs", 0, b"mode=755"))
        Path(prefix).mkdir(parents=True)
        must(libc.mount(f"/proc/self/fd/{kept}".encode(), prefix.encode(), None, _BIND, None))
        os.close(kept)
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)
    os.execvp(command[0], command)


if __name__ == "__main__":
    main()
