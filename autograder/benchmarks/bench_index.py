"""The index beside pypiserver and devpi, in one run: how fast each is, and what each can do, found out by trying.

`python benchmarks/bench_index.py`; `--quick` takes a quarter of the time. Requests are counted in rounds that alternate between
the servers, so that a busy machine is equally unfair to all; the last column says how many times better the course's index is.
The peers are installed into a throw-away environment, from wherever this machine's configuration says; without them only our side is shown.
"""

from __future__ import annotations

import argparse
import http.client
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from features import FEATURES, Server, fetched_for_a_conflict

from autograder.index import PackageIndex

PROJECTS = ("leftpad", "shoplib", "shelf-labels", "legacytool", "moderntool", "pricetag")
"""What all of them serve."""
OURS = """
import pathlib, signal, socket, sys
from autograder.index import PackageIndex
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
with PackageIndex.open().serve(listener, pathlib.Path(sys.argv[2])):
    signal.pause()
"""


def free_port() -> int:
    """Find a port that nobody uses at the moment."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


@contextmanager
def running(command: Sequence[object], url: str, environment: Mapping[str, str]) -> Iterator[tuple[float, int]]:
    """Run a server; gives the seconds until its first answer, and the process."""
    start = time.perf_counter()
    process = subprocess.Popen(
        [*map(str, command)], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        while process.poll() is None and time.perf_counter() - start < 120:
            try:
                get(url)
            except OSError:
                time.sleep(0.005)
            else:
                yield time.perf_counter() - start, process.pid
                return
        raise RuntimeError(f"{command[0]} did not start")
    finally:
        process.kill()
        process.wait()


def get(url: str, connection: http.client.HTTPConnection | None = None, **headers: str) -> tuple[int, bytes]:
    """Ask for a page; gives its status and body."""
    host, _, path = url.removeprefix("http://").partition("/")
    asked = connection or http.client.HTTPConnection(host, timeout=30)
    asked.request("GET", f"/{path}", headers=headers)
    reply = asked.getresponse()
    body = reply.read()
    if connection is None:
        asked.close()
    return reply.status, body


def cpu_seconds(pid: int) -> float:
    """Say how long the processors have worked for a process; 0 where /proc doesn't tell."""
    try:
        told = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(told[11]) + int(told[12])) / os.sysconf("SC_CLK_TCK")


def requests_per_second(server: Server, seconds: float) -> tuple[float, float]:
    """Ask for a page again and again, over connections that are kept where the server keeps them.

    Gives the requests per second, and the milliseconds of the processor that each took in the server, which don't depend on how busy the machine is.
    """
    url = f"{server.simple}leftpad/"
    connection = http.client.HTTPConnection(url.removeprefix("http://").partition("/")[0], timeout=30)
    count, worked, start = 0, cpu_seconds(server.pid), time.perf_counter()
    while time.perf_counter() - start < seconds:
        status, body = get(url, connection)
        if status != 200 or b"leftpad-1.2" not in body:
            raise RuntimeError(f"{url} answered {status}")
        count += 1
    connection.close()
    return count / (time.perf_counter() - start), 1000 * (cpu_seconds(server.pid) - worked) / count


def start_ours(folder: Path, stack: ExitStack, environment: Mapping[str, str], times: int) -> Server:
    """Start our own, some times to know how long that takes."""
    port, taken = free_port(), []
    url = f"http://127.0.0.1:{port}/pypi/simple/leftpad/"
    command = [sys.executable, "-c", OURS, str(port), str(folder / "published")]
    for _ in range(times):
        with running(command, url, environment) as (seconds, _):
            taken.append(seconds)
    _, pid = stack.enter_context(running(command, url, environment))
    base = f"http://127.0.0.1:{port}/pypi"
    return Server("wheelhouse", base, f"{base}/simple/", f"{base}/legacy/", statistics.median(taken), pid)


def start_pypiserver(tools: Path, folder: Path, stack: ExitStack, environment: Mapping[str, str], times: int) -> Server:
    """Start pypiserver on a folder of files, open to everybody's uploads."""
    port, taken = free_port(), []
    base = f"http://127.0.0.1:{port}"
    command = [
        tools / "pypi-server",
        "run",
        "-i",
        "127.0.0.1",
        "-p",
        str(port),
        "-P",
        ".",
        "-a",
        ".",
        folder / "packages",
    ]
    for _ in range(times):
        with running(command, f"{base}/simple/leftpad/", environment) as (seconds, _):
            taken.append(seconds)
    _, pid = stack.enter_context(running(command, f"{base}/simple/leftpad/", environment))
    return Server("pypiserver", base, f"{base}/simple/", f"{base}/", statistics.median(taken), pid)


def start_devpi(tools: Path, folder: Path, stack: ExitStack, environment: Mapping[str, str]) -> Server:
    """Start devpi with one index, and upload the same files."""
    port = free_port()
    root, state = f"http://127.0.0.1:{port}", folder / "devpi"

    def run(name: str, *words: object) -> None:
        subprocess.run([str(tools / name), *map(str, words)], env=environment, capture_output=True, check=True)

    run("devpi-init", "--serverdir", state, "--no-root-pypi")
    command = [tools / "devpi-server", "--serverdir", state, "--port", str(port)]
    seconds, pid = stack.enter_context(running(command, f"{root}/+api", environment))
    for word, *more in (["use", root], ["login", "root", "--password", ""], ["index", "-c", "dev", "bases="]):
        run("devpi", word, "--clientdir", folder / "client", *more)
    server = Server("devpi", f"{root}/root/dev", f"{root}/root/dev/+simple/", f"{root}/root/dev/", seconds, pid)
    server.user = ("root", "")
    run("twine", "upload", "--repository-url", server.upload, "-u", "root", "-p", "", *(folder / "packages").iterdir())
    return server


def peers(folder: Path) -> Path | None:
    """Install the peers, and the clients for the trials; gives the folder of their commands, None if they can't be had."""
    uv, tools = Path(sys.executable).with_name("uv"), folder / "tools"
    for command in (
        [uv, "venv", "-q", "-p", sys.executable, tools],
        [
            uv,
            "pip",
            "install",
            "-q",
            "--native-tls",
            "-p",
            tools,
            *("pypiserver", "devpi-server", "devpi-client", "twine", "pip"),
        ],
    ):
        if subprocess.run([*map(str, command)], capture_output=True).returncode:
            print("The peers and clients can't be installed here: no comparison.")
            return None
    return tools / "bin"


def offer(index: PackageIndex, folder: Path) -> None:
    """Copy the files that all servers offer into a folder."""
    folder.mkdir()
    for project in PROJECTS:
        for file in index.files(project):
            with index._open_file(file.sha256) as source:
                (folder / file.filename).write_bytes(source.read())


def table(rows: Sequence[Sequence[str]]) -> None:
    """Print rows in columns."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    quick = parser.parse_args().quick
    rounds, seconds, times = (3, 0.3, 2) if quick else (7, 1.0, 5)
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        print(f"Python {sys.version.split()[0]}, load {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors\n")
        opened = [_timed(lambda number=number: PackageIndex.open(folder / f"cold{number}")) for number in range(3)]  # type: ignore[misc]
        print(f"making all fixtures in an empty cache   {1000 * statistics.median(opened):6.0f} ms")
        warm = [_timed(lambda: PackageIndex.open(folder / "cold0")) for _ in range(20)]
        print(f"opening them again                      {1000 * statistics.median(warm):6.0f} ms\n")
        environment = {"PATH": os.defpath, "HOME": str(folder), "WHEELHOUSE_CACHE": str(folder / "cold0")}
        offer(PackageIndex.open(folder / "cold0"), folder / "packages")
        servers = [start_ours(folder, stack, environment, times)]
        if tools := peers(folder):
            servers.append(start_pypiserver(tools, folder, stack, environment, times))
            servers.append(start_devpi(tools, folder, stack, environment))
        rates: dict[str, list[tuple[float, float]]] = {server.name: [] for server in servers}
        for _ in range(rounds):
            for server in servers:
                rates[server.name].append(requests_per_second(server, seconds))
        medians = [statistics.median(rate for rate, _ in rates[server.name]) for server in servers]
        worked = [statistics.median(work for _, work in rates[server.name]) for server in servers]
        starts = [server.start for server in servers]
        rows = [["", *(server.name for server in servers), "ratio"]]
        rows.append(
            ["start, s", *(f"{start:.2f}" for start in starts), _ratios([start / starts[0] for start in starts])]
        )
        rows.append(
            ["requests/s", *(f"{rate:.0f}" for rate in medians), _ratios([medians[0] / rate for rate in medians])]
        )
        rows.append(["CPU ms/request", *(f"{one:.2f}" for one in worked), _ratios([one / worked[0] for one in worked])])
        if tools:
            fetched = [fetched_for_a_conflict(server, tools, folder) for server in servers]
            rows.append(["wheels fetched to see a conflict", *map(str, fetched), ""])
            for feature, tried in FEATURES.items():
                rows.append([feature, *("yes" if tried(server, tools, folder) else "no" for server in servers), ""])
        table(rows)


def _timed(what: Callable[[], object]) -> float:
    start = time.perf_counter()
    what()
    return time.perf_counter() - start


def _ratios(found: Sequence[float]) -> str:
    return ", ".join(f"{one:.1f}x" for one in found[1:])


if __name__ == "__main__":
    main()
