"""Tests of `autograder.sandbox.bases`, and of seeds made of every kind of interpreter that this machine has."""

from __future__ import annotations

import csv
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from autograder.sandbox.bases import Base, base_at, other_bases, own_base
from autograder.sandbox.plan import plan_of
from autograder.sandbox.pythons import STRONG_SECOND
from autograder.sandbox.seed import seed

ALL = float(os.environ.get("WHEELHOUSE_ROUNDS", "1")) > 1


def _bases() -> list[Base]:
    """Give the interpreters to try besides this one, which other tests try: Debian's, another version; with WHEELHOUSE_ROUNDS=2 all."""
    others = list(other_bases())
    if not ALL:
        kinds = {"debian" if one.prefix == "/usr" else one.name == own_base().name: one for one in reversed(others)}
        others = [one for one in others if one in kinds.values()]
    return [own_base(), *others] if ALL or not others else others


BASES = _bases()


@pytest.fixture(scope="module", params=BASES, ids=lambda base: str(base.executable).strip("/").replace("/", "-"))
def base(request: pytest.FixtureRequest) -> Base:
    """Each of them."""
    found: Base = request.param
    return found


@pytest.fixture(scope="module")
def python(base: Base) -> Path:
    """The seed's own interpreter."""
    return seed(base=base, prefix=str(STRONG_SECOND)) / "bin" / base.name


def run(python: Path, *words: str, **variables: str) -> str:
    """Run an interpreter in a clean environment."""
    environment = {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", "LANG": "C.UTF-8", **variables}
    done = subprocess.run([python, *words], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_it_is_a_python_of_its_own(base: Base, python: Path) -> None:
    """Its prefix is its folder, it is no environment, and nothing in it leads back to where it came from but links of the system."""
    program = (
        "import sys, site, sysconfig, os; print(sys.prefix, sys.base_prefix, sys.version.split()[0], os.path.dirname(os.__file__));"
        "print(*site.getsitepackages()); print(sysconfig.get_path('purelib'), sysconfig.get_path('scripts'));"
        "print(*sys.path[1:])"
    )
    first, sites, paths, importable = run(python, "-I", "-c", program).splitlines()
    top = python.parent.parent
    library = top / "lib" / base.name
    assert first.split() == [str(top), str(top), base.version, str(library)]
    assert sites.split() == [f"{library}/site-packages"]
    assert paths.split() == [f"{library}/site-packages", f"{top}/bin"]
    assert all(path.startswith(str(top)) for path in importable.split())


def test_its_site_module_says_what_is_so(python: Path) -> None:
    """Debian's own `site` is frozen into its program and speaks of dist-packages: here nothing does, in an environment neither."""
    for words in (["-c", "import site; print(site.getsitepackages(), site.getsitepackages(['/x']))"], ["-m", "site"]):
        assert "dist-packages" not in run(python, *words)


def test_its_extension_modules_load(python: Path) -> None:
    """Libraries that a distributor keeps beside its Python came along."""
    run(python, "-I", "-c", "import ssl, sqlite3, ctypes, zlib, lzma, bz2, hashlib, _uuid; hashlib.new('sha256')")


def listing(folder: Path) -> dict[str, tuple[object, ...]]:
    """List an environment's files with their modes and contents; of byte code only that it is there, for it holds times."""
    return {
        path: (
            one.kind,
            one.mode,
            one.target,
            b"" if path.endswith(".pyc") or not one.source else Path(one.source).read_bytes(),
        )
        for path, one in plan_of(folder).items()
    }


def test_a_fast_environment_is_a_stock_one(base: Base, python: Path, tmp_path: Path) -> None:
    """Same files, same modes, same contents, same RECORD, byte for byte."""
    made = tmp_path / "made"
    run(python, "-m", "venv", str(made))
    fast = listing(made)
    shutil.rmtree(made)
    run(python, "-m", "venv", str(made), ENSUREPIP_SLOW="1")
    stock = listing(made)
    assert sorted(fast) == sorted(stock)
    assert [path for path in stock if fast[path] != stock[path]] == []
    record = next((made / "lib" / base.name / "site-packages").glob("pip-*.dist-info/RECORD"))
    assert all((record.parent.parent / row[0]).is_file() for row in csv.reader(record.open()))
    shutil.rmtree(tmp_path)


def test_others_are_other_ones() -> None:
    """None twice, this one not among them, and of several versions the first is not this one's."""
    others = [one.executable for one in other_bases()]
    assert len(set(others)) == len(others)
    assert own_base().executable not in others
    versions = [one.name != own_base().name for one in other_bases()]
    assert versions == sorted(versions, reverse=True)


@pytest.mark.parametrize("said", ["", "exit 1", "echo '{}'", "echo nonsense"])
def test_what_is_no_python_is_passed_over(tmp_path: Path, said: str) -> None:
    """A shim without a version behind it, or anything else that is named like one."""
    shim = tmp_path / "python3.12"
    shim.write_text(f"#!/bin/sh\n{said}\n")
    shim.chmod(0o755)
    assert base_at(str(shim)) is None


def test_the_variable_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    """`WHEELHOUSE_SECOND_PYTHON=none` says that there is no other."""
    monkeypatch.setenv("WHEELHOUSE_SECOND_PYTHON", "none")
    assert list(other_bases()) == []
