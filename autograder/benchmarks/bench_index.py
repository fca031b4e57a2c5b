"""How fast is the index? `python benchmarks/bench_index.py`, with pypiserver as the peer in the same run.

Measured: making the fixtures in an empty cache, opening them again, `pip install leftpad`, and requests per second of one
client for one project's page, in rounds that alternate between the servers so that a busy machine is equally unfair to both.
The peer is installed into a throw-away environment by pip as this machine configures it; without it only our side is shown.
"""

from __future__ import annotations

import http.client
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Callable
from pathlib import Path

from autograder.index import PackageIndex
from autograder.index.known import bundled_wheels

ROUNDS = 7
SECONDS = 1.0


def median_ms(what: Callable[[], object], times: int) -> float:
    """Give the median duration of a call, in milliseconds."""
    taken = []
    for _ in range(times):
        start = time.perf_counter()
        what()
        taken.append(1000 * (time.perf_counter() - start))
    return statistics.median(taken)


def requests_per_second(port: int, path: str) -> float:
    """Ask for a page again and again over connections that are kept where the server keeps them."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    count, start = 0, time.perf_counter()
    while time.perf_counter() - start < SECONDS:
        connection.request("GET", path)
        reply = connection.getresponse()
        if reply.status != 200 or b"leftpad-1.2" not in reply.read():
            raise RuntimeError(f"port {port} answered {reply.status}")
        count += 1
    connection.close()
    return count / (time.perf_counter() - start)


def free_port() -> int:
    """Find a port that nobody uses at the moment."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


def started(command: list[str], port: int, path: str) -> tuple[subprocess.Popen[bytes], float]:
    """Start a server; gives it and the seconds until its first answer."""
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while time.perf_counter() - start < 30:
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
            connection.request("GET", path)
            connection.getresponse().read()
            return process, time.perf_counter() - start
        except OSError:
            time.sleep(0.01)
    process.kill()
    raise RuntimeError(f"{command[0]} did not start")


def peer(folder: Path) -> list[str]:
    """Install pypiserver into an environment of its own; gives the start of its command, empty if it can't be had."""
    venv.create(folder / "peer", with_pip=True)
    python = folder / "peer" / "bin" / "python"
    ran = subprocess.run([python, "-m", "pip", "install", "-q", "pypiserver"], capture_output=True, text=True)
    if ran.returncode:
        print("pypiserver can't be installed here: no comparison")
        return []
    return [str(folder / "peer" / "bin" / "pypi-server"), "run"]


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        print(f"Python {sys.version.split()[0]}, load {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors")
        caches = iter(range(100))
        cold = median_ms(lambda: PackageIndex.open(folder / f"cold{next(caches)}"), 5)
        index = PackageIndex.open(folder / "cache")
        print(f"open, empty cache   {cold:7.1f} ms")
        print(f"open, warm          {median_ms(lambda: PackageIndex.open(folder / 'cache'), 30):7.1f} ms")

        served = folder / "packages"
        served.mkdir()
        for project in index.projects:
            for file in index.files(project):
                if file.origin == "fixture":
                    with index._open_file(file.sha256) as source, (served / file.filename).open("wb") as target:
                        shutil.copyfileobj(source, target)

        ours, theirs = free_port(), free_port()
        command = [sys.executable, "-m", "autograder.index", "--port", str(ours), "--cache", str(folder / "cache")]
        pages = {"wheelhouse": (ours, "/pypi/simple/leftpad/")}
        running = [started(command, ours, pages["wheelhouse"][1])]
        try:
            if start := peer(folder):
                pages["pypiserver"] = (theirs, "/simple/leftpad/")
                command = [*start, "-i", "127.0.0.1", "-p", str(theirs), str(served)]
                running.append(started(command, theirs, pages["pypiserver"][1]))
            pip_install(folder, ours)
            results: dict[str, list[float]] = {server: [] for server in pages}
            for _ in range(ROUNDS):
                for server, (port, path) in pages.items():
                    results[server].append(requests_per_second(port, path))
            print(f"\n{'server':12} {'start s':>8} {'requests/s: median':>19} {'min':>6} {'max':>6}")
            for (server, rates), (_, seconds) in zip(results.items(), running, strict=True):
                rate = statistics.median(rates)
                print(f"{server:12} {seconds:8.2f} {rate:19.0f} {min(rates):6.0f} {max(rates):6.0f}")
        finally:
            for process, _ in running:
                process.kill()
                process.wait()


def pip_install(folder: Path, port: int) -> None:
    """Time `pip install leftpad` into an empty environment, with the pip that came with this Python."""
    wheel = next(path for path in bundled_wheels() if re.match("pip-", path.name))
    shutil.unpack_archive(wheel, folder / "pip", "zip")
    venv.create(folder / "venv")
    environment = {"PATH": os.defpath, "HOME": home_in(folder), "PIP_CONFIG_FILE": os.devnull}
    url = f"http://127.0.0.1:{port}/pypi/simple/"
    command = [sys.executable, str(folder / "pip" / "pip"), "--python", str(folder / "venv" / "bin" / "python")]
    command += ["install", "-q", "--force-reinstall", "--no-cache-dir", "-i", url, "leftpad"]
    subprocess.run(command, env=environment, check=True)  # writes its bytecode
    taken = median_ms(lambda: subprocess.run(command, env=environment, check=True), 5)
    print(f"pip install leftpad {taken:7.0f} ms")


def home_in(folder: Path) -> str:
    """Give a home in the throw-away folder."""
    home = folder / "home"
    home.mkdir(exist_ok=True)
    return str(home)


if __name__ == "__main__":
    main()
