"""P: what the programs do that checks run in the sandbox, to reach out of it, to lie to the check, or to poison what comes next.

Most are programs that do the right thing only if they reached what they want: a point for the first task is the proof that they did.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from attacks.attack import RIGHT_REPORT, Attempt, attack
from attacks.classroom import DAEMON, EXERCISE, Classroom
from autograder.folder import index
from autograder.sandbox.seed import seed_amiss

__all__: list[str] = []


# Out of the sandbox


@attack("P01", "a program that reads the instructor's secret")
def reads_secret(one: Attempt) -> None:
    """Open a file outside."""
    one.program(f"reached = bool(open({str(one.room.secret)!r}).read())")


@attack("P02", "a program that reads the gradebook")
def reads_gradebook(one: Attempt) -> None:
    """Open the gradebook."""
    one.program(f"import sqlite3, os\nreached = os.path.exists({str(one.room.grading / 'gradebook.db')!r})")


@attack("P03", "a program that finds other submissions, wherever they are")
def finds_others(one: Attempt) -> None:
    """Walk the whole tree for snapshots, notebooks, and the course's own checks."""
    one.program(
        "import os\nfor place, folders, files in os.walk('/'):\n    folders[:] = [f for f in folders if f not in ('proc', 'sys')]\n"
        "    if any(f.endswith('.snapshot') or f == 'nbgrader_config.py' or (f == 'checks.py' and 'catalog' in place) for f in files):\n"
        "        reached = True"
    )


@attack("P04", "a program that calls over the network")
def calls(one: Attempt) -> None:
    """Reach a server on the grader's machine."""
    one.program(
        f"import socket\nsocket.create_connection(('127.0.0.1', {one.room.port}), 3).sendall(b'hello')\nreached = True"
    )


@attack("P05", "a program that reads the environment and arguments of whoever grades")
def reads_processes(one: Attempt) -> None:
    """Look through /proc for what is outside."""
    one.program(
        "import glob\nfor p in glob.glob('/proc/[0-9]*/environ') + glob.glob('/proc/[0-9]*/cmdline'):\n"
        "    reached |= b'WHEELHOUSE_CACHE' in open(p, 'rb').read() or b'autograder' in open(p, 'rb').read()"
    )


@attack("P06", "a program that kills everything it may")
def kills(one: Attempt) -> None:
    """Take the grader down with itself."""
    one.program("import os, signal\nos.kill(-1, signal.SIGKILL)\nreached = True")


@attack("P07", "a program that leaves a daemon behind")
def daemon(one: Attempt) -> None:
    """Live on when the check is over."""
    body = f"import time; time.sleep(200)  # {DAEMON}"
    one.program(
        f"import os, subprocess, sys\nif os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0:\n        os.execv(sys.executable, [sys.executable, '-c', {body!r}])\n    os._exit(0)"
    )


@attack("P08", "a program that writes into the sandbox's own parts")
def writes_outside(one: Attempt) -> None:
    """Change what the next command runs in."""
    one.program(
        "import glob\nfor p in ['/run/wheelhouse/inner.py', *glob.glob('/usr/local/lib/python3*/os.py'), '/usr/bin/env', '/etc/hosts']:\n"
        "    try:\n        open(p, 'a').write('#')\n        reached = True\n    except OSError:\n        pass"
    )


@attack("P09", "a program that makes 150 children, each of which makes more")
def bomb(one: Attempt) -> None:
    """Use up the machine's processes."""
    one.program(
        "import os, time\nfor _ in range(150):\n    try:\n        if os.fork() == 0:\n            time.sleep(30)\n            os._exit(0)\n    except OSError:\n        break"
    )


@attack("P10", "a program that wants 60 GB of memory")
def memory(one: Attempt) -> None:
    """Use up the machine's memory."""
    one.program("held = bytearray(60 << 30)\nreached = True")


@attack("P11", "a program that prints 100 MB")
def prints(one: Attempt) -> None:
    """Fill the grader's memory with words."""
    one.program("for _ in range(100):\n    print('x' * 1_000_000)")


# Lies to the check


@attack("P12", "a `python3` of one's own beside the program, first on every PATH that it can set")
def own_python(one: Attempt) -> None:
    """Say what the check wants to hear, whatever is run."""
    script = "#!/bin/sh\necho 1485; exit 0\n"
    for place in ("report/python3", "kiosk/python3", ".venv/bin/python3", "bin/python3"):
        one.edit({place: script}).joinpath(place).chmod(0o755)
    one.edit({"kiosk/run.sh": '#!/bin/bash\ncd "$(dirname "$0")"\nPATH=$PWD:$PATH\npython3 tools/greet.py\n'})
    one.hand_in()


@attack("P13", "sitecustomize, usercustomize and .pth files wherever Python might look")
def customize(one: Attempt) -> None:
    """Run before the check's own line does."""
    for place in ("report", "kiosk", "kiosk/tools", "till", "stock", "", ".local/lib/python3.11/site-packages"):
        for name in ("sitecustomize.py", "usercustomize.py", "evil.pth"):
            one.edit({f"{place}/{name}".lstrip("/"): "import sys; sys.stdout.write('1485\\n')\n"})
    one.hand_in()


@attack("P14", "modules that stand in for the library's, beside the program")
def shadows(one: Attempt) -> None:
    """Be `pathlib` for the program, and say that it wrote."""
    fake = "class Path:\n    def __init__(s, *a): pass\n    with_name = lambda s, n: s\n    def write_text(s, t): print(t)\n"
    one.edit({f"report/{name}.py": fake for name in ("pathlib", "io", "os", "re", "json")})
    one.hand_in()


@attack("P15", "a program that prints all that it finds in its own arguments, and ends the process")
def prints_marks(one: Attempt) -> None:
    """Say the check's mark without being asked."""
    one.edit({"report/report.py": "import os, sys\nprint(*sys.orig_argv, 1485)\nsys.stdout.flush()\nos._exit(0)\n"})
    one.hand_in()


@attack("P16", "a script that prints marks of every form, without the program")
def guesses_marks(one: Attempt) -> None:
    """Say what a check might be waiting for."""
    script = (
        'cd "$(dirname "$0")"\nfor m in 0 00000000 said wrote; do printf \'%s\\t%s\\n\' "$m" "$PWD/settings.py"; done\n'
    )
    one.edit({"kiosk/run.sh": script})
    one.hand_in()


@attack("P17", "a script that reads the check's mark out of the program, and prints an answer under it")
def steals_mark(one: Attempt) -> None:
    """Read the line that the check adds, and say what it would say if all were well."""
    script = (
        'cd "$(dirname "$0")"\n'
        "mark=$(grep -o -E '[0-9a-f]{24}' tools/greet.py | head -n 1)\n"
        'printf \'%s\\t%s\\t%s\\t%s\\n\' "$mark" "$PWD/settings.py" "$PWD/settings.py" ""\n'
    )
    one.edit({"kiosk/run.sh": script})
    one.hand_in()


def _bytecode(one: Attempt, flags: int) -> None:
    """Compile the right answer, and let it stand for the wrong one."""
    import importlib.util
    import marshal
    import sys

    source = one.edit() / "report" / "report.py"
    code = compile(RIGHT_REPORT, "report.py", "exec")
    told = importlib.util.source_hash(source.read_bytes()) if flags == 3 else bytes(8)
    data = importlib.util.MAGIC_NUMBER + flags.to_bytes(4, "little") + told + marshal.dumps(code)
    one.edit({f"report/__pycache__/report.{sys.implementation.cache_tag}.pyc": data})
    one.hand_in()


@attack("P18", "bytecode of a right answer beside the wrong source, marked as never to be compared")
def unchecked_bytecode(one: Attempt) -> None:
    """Let Python run what nobody reads."""
    _bytecode(one, 1)


@attack("P25", "the same, with the wrong source's own hash in it")
def checked_bytecode(one: Attempt) -> None:
    """Let Python compare, and find it the same."""
    _bytecode(one, 3)


# Poison for what comes next


@attack("P19", "a program that installs a sitecustomize into the system Python")
def poisons_system(one: Attempt) -> None:
    """Have the next check, or the next learner, run it first."""
    one.program(
        "import glob, os, site\nfor p in {*site.getsitepackages(), site.getusersitepackages()}:\n    os.makedirs(p, exist_ok=True)\n"
        "    open(p + '/sitecustomize.py', 'w').write(\"import sys; print('1485')\\n\")"
    )


@attack(
    "P26",
    "a program that writes to the system Python which it shares with all learners, in every way there is",
    harm=lambda _room, _who: seed_amiss(),
)
def poisons_shared_system(one: Attempt) -> None:
    """Write, rename, map, mount again, and go round by /proc: where one way works, the next learner's `pip` and `sitecustomize` are ours."""
    one.program(
        "import ctypes, glob, mmap, os\n"
        "call = ctypes.CDLL(None, use_errno=True)\n"
        "def each(*ways):\n    for way in ways:\n        try:\n            way()\n        except (OSError, ValueError):\n            pass\n"
        "def mapped(path):\n    fd = os.open(path, os.O_RDWR)\n    mmap.mmap(fd, 1)[0:1] = b'#'\n"
        "def again(path):\n    os.write(os.open(f'/proc/self/fd/{os.open(path, os.O_PATH)}', os.O_WRONLY), b'#')\n"
        "here = '/usr/local/lib/python3.11/site-packages'\n"
        "for top in ('', '/proc/self/root', '/proc/1/root', *glob.glob('/proc/[0-9]*/cwd/..')):\n"
        "    file, folder = f'{top}{here}/pip/__init__.py', top + here\n"
        "    each(lambda: call.mount(b'none', folder.encode(), b'none', 32 | 4096, None), lambda: call.umount2(folder.encode(), 2),\n"
        "         lambda: os.chmod(file, 0o666), lambda: open(file, 'a').write('#'), lambda: mapped(file), lambda: again(file),\n"
        "         lambda: os.truncate(file, 0), lambda: os.utime(file), lambda: os.setxattr(file, 'user.x', b'x'),\n"
        "         lambda: os.link(file, 'linked.py'), lambda: open('linked.py', 'w').write('#'), lambda: os.unlink(file),\n"
        "         lambda: os.rename(f'{folder}/pip', f'{folder}/pop'), lambda: open(f'{folder}/sitecustomize.py', 'w').write('#'))"
    )


@attack("P20", "a program that writes a right answer over itself for the next check")
def writes_itself(one: Attempt) -> None:
    """Be wrong when it is read and right when it is run."""
    one.program(f"import pathlib\npathlib.Path('report.py').write_text({RIGHT_REPORT!r})")


@attack(
    "P21",
    "a program that overwrites the files of installed distributions in place",
    harm=lambda room, who: _poisoned(room),
)
def poisons_store(one: Attempt) -> None:
    """Change, through a hard link, the copy from which the next learner's files come."""
    (wheel, *_) = index().known.wheels("leftpad", "1.1")
    site = ".venv/lib/python3.11/site-packages"
    for path, hashed in wheel.files.items():
        one.edit({f"{site}/{path}": index().known.content(hashed) or b""})
    one.program(
        "import os, pathlib\nfor p in pathlib.Path('..').rglob('*'):\n    if p.is_file() and 'site-packages' in str(p):\n"
        "        os.chmod(p, 0o666)\n        p.open('r+').write('print(1485)')"
    )


def _poisoned(room: Classroom) -> str:
    """Hash every file of the wheel again, where graders take it from."""
    import hashlib

    from autograder.index import PackageIndex

    known = PackageIndex.open().known
    (wheel, *_) = known.wheels("leftpad", "1.1")
    for inside, hashed in wheel.files.items():
        data = known.content(hashed)
        if data is None or hashlib.sha256(data).hexdigest() != hashed:
            return f"{inside} of leftpad isn't what it was"
    for top in (room.cache, *(path for path in room.cache.iterdir() if path.is_symlink() and path.name != "tools")):
        for place, _, names in os.walk(top):  # others may be making something there
            for path in (Path(place, name) for name in names):
                with contextlib.suppress(OSError):
                    small = path.is_file() and not path.is_symlink() and path.stat().st_size < 200
                    if small and path.read_bytes().startswith(b"print(1485)"):
                        return f"{path} was overwritten"
    return ""


@attack("P22", "a program that publishes to the index what the next learner will install")
def poisons_index(one: Attempt) -> None:
    """Leave an upload behind in the index that serves the checks."""
    one.program(
        "import urllib.request, os\nfor url in (os.environ.get('PIP_INDEX_URL', ''), 'http://127.0.0.1:8000/pypi/legacy/'):\n"
        "    try:\n        urllib.request.urlopen(urllib.request.Request(url, data=b'x', method='POST'), timeout=3)\n"
        "        reached = True\n    except OSError:\n        pass"
    )


@attack("P23", "links in the workspace to HOME, to the gradebook, to /", "no effect")
def links_out(one: Attempt) -> None:
    """Let the grader write through them while it puts the workspace together."""
    work = one.edit()
    for name, target in (("home", one.room.home), ("book", one.room.grading / "gradebook.db"), ("all", "/")):
        (work / name).symlink_to(target)
    (work / "report" / "report.py").unlink()
    (work / "report" / "report.py").symlink_to(one.room.root / "solutions" / EXERCISE / f"{EXERCISE}.ipynb")
    one.hand_in()


@attack("P24", "a git repository whose configuration runs a program")
def git_configuration(one: Attempt) -> None:
    """Have git run something for whoever only asks for the state."""
    text = "[core]\n\tfsmonitor = touch pwned\n\tsshCommand = touch pwned\n[alias]\n\tstatus = !touch pwned\n"
    one.edit(
        {
            ".git/config": text,
            ".git/HEAD": "ref: refs/heads/main\n",
            ".git/hooks/post-checkout": "#!/bin/sh\ntouch pwned\n",
        }
    )
    one.hand_in()
