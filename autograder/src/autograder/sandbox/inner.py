"""The first program inside: sets the bounds, makes the index's listener, becomes the learner's command.

Run by the system Python with `-I -S`, outside the package; so it imports nothing that takes time, and nothing of ours.
Its one argument is a file descriptor with a `marshal`led dictionary (`json` would take as long to import as all the rest):

    argv, environment, cwd   what to become
    limits                   {name of a resource: (soft, hard)}
    counted                  how many processes of this user there seem to be, with those of this program; None in the strong tier,
                             where the kernel counts those inside only
    descriptors              {descriptor inside: descriptor now}
    listener                 (descriptor of a socket to pass the listener out by, port, 0 for none); not in the basic tier
    terminal                 whether standard input is to become the controlling terminal of a new session
    ignore                   signals to go on ignoring; all others get their default action
    supervise                descriptor of a pipe; not in the strong tier: wait for a byte, stay as supervisor, and when the
                             command or the pipe has ended, kill whatever descends from it
    own_session              with `supervise`: whether the command gets a session of its own
    confine                  what to give up for good: (descriptor of a Landlock ruleset, system call filter), or None
"""

# pathlib and contextlib take too long to import:
# ruff: noqa: PTH123, SIM105

from __future__ import annotations

import _signal  # type: ignore[import-not-found]
import array
import marshal
import os
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:  # typing takes longest of all
    from typing import Any

__all__ = ["main"]

_FREE_DESCRIPTORS = 100
_PR_SET_SECCOMP, _PR_CAPBSET_DROP, _PR_SET_CHILD_SUBREAPER, _PR_SET_NO_NEW_PRIVS = 22, 24, 36, 38
_LANDLOCK_RESTRICT_SELF = 446
_MOST_PROCESSES = 1 << 22
"""That Linux has numbers for (proc(5), pid_max)."""
_TERMINAL_REQUEST = {"linux": 0x540E, "darwin": 0x20007461}  # TIOCSCTTY


def _say(sentence: str, status: int) -> Any:
    os.write(2, f"wheelhouse: {sentence}\n".encode("utf-8", "replace"))
    os._exit(status)


def _set_limits(limits: dict[str, tuple[int, int]]) -> None:
    import resource

    for name, wanted in limits.items():
        number = getattr(resource, name, None)
        if number is None:
            continue
        try:
            _, hard = resource.getrlimit(number)
            if hard != resource.RLIM_INFINITY:
                wanted = (min(wanted[0], hard), min(wanted[1], hard))
            resource.setrlimit(number, wanted)
        except (OSError, ValueError):  # macOS knows some of these names and refuses to set them
            continue


def _allow_for_others(limits: dict[str, tuple[int, int]], counted: int) -> None:
    """Raise the limit on processes by those that can't be seen: all containers of a machine may run as the same user.

    The kernel counts them together (setrlimit(2), RLIMIT_NPROC), and tells nobody how many they are: so it is tried.
    They may become four times as many while the command runs; that it doesn't start more than it may is seen to by `watch.py`, too.
    """
    import resource

    before = resource.getrlimit(resource.RLIMIT_NPROC)
    most = _MOST_PROCESSES if before[1] == resource.RLIM_INFINITY else before[1]
    tried = counted
    while tried < most:
        resource.setrlimit(resource.RLIMIT_NPROC, (tried, before[1]))
        try:
            child = os.fork()
        except OSError:
            tried *= 2
            continue
        if child == 0:
            os._exit(0)
        os.waitpid(child, 0)
        break
    resource.setrlimit(resource.RLIMIT_NPROC, before)
    if tried > counted:
        more = 4 * tried
        limits["RLIMIT_NPROC"] = (limits["RLIMIT_NPROC"][0] + more, limits["RLIMIT_NPROC"][1] + more)


def _pass_listener_out(descriptor: int, port: int) -> None:
    """Listen inside, unless that was done from outside, hand the socket to the server there, and wait until it serves."""
    import _socket

    channel = _socket.socket(fileno=descriptor)
    if port:
        listener = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM)
        listener.setsockopt(_socket.SOL_SOCKET, _socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        listener.listen(128)
        descriptors = array.array("i", [listener.fileno()])
        channel.sendmsg([b"l"], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, descriptors)])
        listener.close()
    else:
        channel.send(b"l")
    if channel.recv(1) != b"g":  # whoever started us is gone
        os._exit(1)
    channel.close()


def _confine(ruleset: int, program: bytes) -> None:
    """Give up files, networks, signals and system calls, and what root may do beyond others; or end."""
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    if os.getuid() == 0:
        for capability in range(64):
            libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0)
    steps = ctypes.create_string_buffer(program, len(program))
    described = (ctypes.c_uint64 * 2)(len(program) // 8, ctypes.addressof(steps))  # struct sock_fprog
    if (
        libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0
        or libc.syscall(_LANDLOCK_RESTRICT_SELF, ruleset, 0) != 0
        or libc.prctl(_PR_SET_SECCOMP, 2, described, 0, 0) != 0
    ):
        _say(f"the sandbox can't be closed: {os.strerror(ctypes.get_errno())}", 126)


def _become(order: dict[str, Any]) -> Any:
    """Replace this program by the command."""
    import fcntl

    if order["terminal"]:
        if os.getsid(0) != os.getpid():
            os.setsid()
        fcntl.ioctl(0, _TERMINAL_REQUEST[sys.platform], 0)
    if order.get("confine"):
        _confine(*order["confine"])
    for name in ("SIGINT", "SIGQUIT", "SIGTSTP", "SIGTTIN", "SIGTTOU", "SIGPIPE", "SIGXFSZ"):
        if name not in order["ignore"]:
            _signal.signal(getattr(_signal, name), _signal.SIG_DFL)
    moved = {  # out of the way first: a number wanted may be one that another has now
        inside: fcntl.fcntl(now, fcntl.F_DUPFD, _FREE_DESCRIPTORS) for inside, now in order["descriptors"].items()
    }
    for inside, now in moved.items():
        os.dup2(now, inside)
    kept = sorted({0, 1, 2, *moved})
    for below, above in zip(kept, [*kept[1:], 65536], strict=True):
        os.closerange(below + 1, above)
    if order["counted"] is not None and sys.platform == "linux":
        _allow_for_others(order["limits"], order["counted"])
    _set_limits(order["limits"])
    argv, environment = order["argv"], order["environment"]
    try:
        os.chdir(order["cwd"])
    except OSError as error:
        _say(f"the folder {order['cwd']} can't be entered: {error.strerror}", 126)
    try:
        os.execvpe(argv[0], argv, environment)
    except (FileNotFoundError, NotADirectoryError):
        _say(f"{argv[0]}: command not found", 127)
    except OSError as error:
        _say(f"{argv[0]}: {error.strerror}", 126)


def _parents() -> dict[int, list[int]]:
    children: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", "rb") as file:
                    parent = int(file.read().rpartition(b")")[2].split()[1])
            except (OSError, ValueError, IndexError):
                continue
            children.setdefault(parent, []).append(int(name))
    return children


def _none_left() -> bool:
    """Bury who has ended; True if no child is left, and so nobody at all below: orphans become children of ours."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return True
    return False


def _kill_descendants(first: int) -> None:
    """Stop them all, so that none can fork meanwhile, then kill and reap them, until none is left."""
    if sys.platform == "linux" and _none_left():
        return
    end = time.monotonic() + 20
    while time.monotonic() < end:
        if sys.platform == "linux":
            children, found, waiting = _parents(), [], [os.getpid()]
            while waiting:
                for child in children.get(waiting.pop(), []):
                    found.append(child)
                    waiting.append(child)
        else:  # without a subreaper only the command's own process group can be found
            found = []
            try:
                os.killpg(first, _signal.SIGKILL)
            except OSError:
                pass
        for number in (_signal.SIGSTOP, _signal.SIGKILL):
            for child in found:
                try:
                    os.kill(child, number)
                except OSError:
                    pass
        if _none_left():
            return
        time.sleep(0.002)


def _be_as_nice_as(level: int) -> None:
    try:
        if os.getuid() == 0:
            os.setpriority(os.PRIO_PROCESS, 0, level)
    except OSError:  # a container's root, who may not
        pass


def _supervise(order: dict[str, Any]) -> None:
    """Start the command as a child; when it or whoever started us has ended, leave no process behind."""
    import select

    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    lifeline = order["supervise"]
    if os.read(lifeline, 1) != b"g":  # whoever started us is gone
        os._exit(1)
    _be_as_nice_as(-10)  # root may have no bound on its processes: keep ahead of them
    child = os.fork()
    if child == 0:
        os.close(lifeline)
        if order["own_session"]:
            os.setsid()
        _be_as_nice_as(0)
        _become(order)
    for number in (_signal.SIGHUP, _signal.SIGTERM):  # it is the pipe that says when to end
        _signal.signal(number, _signal.SIG_IGN)
    nothing = os.open("/dev/null", os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(nothing, number)
    for number in order["descriptors"].values():
        os.close(number)
    watched: list[int] = [lifeline]
    patience: float | None = 0.02
    if hasattr(os, "pidfd_open"):
        try:
            watched.append(os.pidfd_open(child))
            patience = None
        except OSError:  # a kernel before 5.3
            pass
    status = 128 + _signal.SIGKILL
    while True:
        ready, _, _ = select.select(watched, [], [], patience)
        number, raw = os.waitpid(child, os.WNOHANG)
        if number == child:
            code = os.waitstatus_to_exitcode(raw)
            status = code if code >= 0 else 128 - code
            break
        if lifeline in ready:
            break
    _kill_descendants(child)
    os._exit(status)


def main() -> None:
    """Do as ordered."""
    descriptor = int(sys.argv[1])
    with open(descriptor, "rb") as file:
        order = marshal.load(file)  # noqa: S302  written by our own process
    if order["listener"]:
        _pass_listener_out(*order["listener"])
    if order["supervise"] is None:
        _become(order)
    else:
        _supervise(order)


if __name__ == "__main__":
    main()
