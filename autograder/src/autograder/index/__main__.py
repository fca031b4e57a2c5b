"""Look at the index by hand: `python -m autograder.index --port 8080`."""

from __future__ import annotations

__all__ = ["main"]

import argparse
import signal
import socket
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from autograder.exceptions import CourseError, UsageError
from autograder.index import PackageIndex
from autograder.index.mirror_lock import lock_mirror

EXAMPLE = """\
example:
  python -m autograder.index --port 8080
  pip install --index-url http://127.0.0.1:8080/pypi/simple/ leftpad
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve the index until interrupted, or fetch the mirror; gives the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m autograder.index",
        description="Serve the course's package index on this machine's loopback.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--port", type=int, default=8080, help="0 takes a free one (default: 8080)")
    parser.add_argument("--cache", type=Path, help="where its files are kept (default: the course's)")
    parser.add_argument("--fetch-mirror", action="store_true", help="fetch the real distributions and stop")
    parser.add_argument("--lock-mirror", action="store_true", help="for authors: choose them anew and stop (needs uv)")
    options = parser.parse_args(arguments)
    try:
        if options.fetch_mirror:
            PackageIndex.fetch_mirror(options.cache)
            return 0
        if options.lock_mirror:
            lock_mirror()
            return 0
        return _serve(options.port, options.cache)
    except CourseError as error:
        print(error, file=sys.stderr)
        return error.exit_status


def _serve(port: int, cache: Path | None) -> int:
    with _listener(port) as listener:
        index = PackageIndex.open(cache)
        stop = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: stop.set())
        with index.serve(listener):
            address = f"http://127.0.0.1:{listener.getsockname()[1]}/pypi/simple/"
            print(f"{len(index.projects)} projects at {address} (stop with Ctrl+C)", flush=True)
            if index.missing:
                print(
                    f"{len(index.missing)} real distributions are missing: "
                    "`python -m autograder.index --fetch-mirror` fetches them.",
                    flush=True,
                )
            stop.wait()
    return 0


def _listener(port: int) -> socket.socket:
    try:
        return socket.create_server(("127.0.0.1", port))
    except OSError as error:
        raise UsageError(
            f"Port {port} can't be used: {error.strerror}.",
            "Take another one, or `--port 0` for any that is free.",
        ) from error
    except OverflowError:
        raise UsageError(f"{port} is no port.", "Ports go from 0 to 65535.") from None


if __name__ == "__main__":
    sys.exit(main())
