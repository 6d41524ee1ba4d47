"""Runs just before a supervised program: ties its life to the launcher's; knows nothing of what it starts.

usage: guard.py LAUNCHER_PID SIGNAL USER|- COMMAND [ARGUMENT …]

It stands alone (standard library only), so that it starts in milliseconds, and leaves no process of its own behind.
"""

from __future__ import annotations

import ctypes
import os
import pwd
import signal
import sys

PR_SET_PDEATHSIG = 1


def main(launcher: int, death_signal: int, user: str, command: list[str]) -> None:
    """Become `command`, which the kernel signals when the launcher dies; run as `user` unless it is `-`."""
    if user != "-":
        become(user)
    # After the change of user: the kernel forgets the death signal when credentials change.
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_PDEATHSIG, death_signal, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
    if os.getppid() != launcher:  # it died before we asked to be told
        sys.exit(1)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    os.execvp(command[0], command)  # noqa: S606 - no shell is the point


def become(user: str) -> None:
    """Give up root for good."""
    entry = pwd.getpwnam(user)
    os.setgroups([])
    os.setgid(entry.pw_gid)
    os.setuid(entry.pw_uid)
    os.environ["HOME"] = "/"
    os.umask(0o077)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4:])
