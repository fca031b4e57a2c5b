"""Which content is known, and to whom it belongs."""

from __future__ import annotations

import hashlib
import io
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest

from autograder.index import Known, PackageIndex
from autograder.index.known import bundled_wheels
from autograder.index.store import Store, describe


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache of this module's own."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def known(cache: Path) -> Known:
    """What an index over that cache knows."""
    return PackageIndex.open(cache).known


def test_wheel_of_a_release(known: Known) -> None:
    """A release is found however its name and version are written, and every file of it by its hash."""
    (wheel,) = known.wheels("Left.Pad".replace(".", ""), "1.1.0")
    assert (wheel.filename, wheel.name, wheel.version) == ("leftpad-1.1-py3-none-any.whl", "leftpad", "1.1")
    assert wheel.origin == "fixture"
    assert known.wheel(wheel.filename) is wheel
    for path, digest in wheel.files.items():
        content = known.content(digest)
        assert content is not None, path
        assert hashlib.sha256(content).hexdigest() == digest


def test_altered_file_is_not_the_real_one(known: Known, cache: Path) -> None:
    """Of two fixtures with the same file name, only the one on the twin of PyPI is what that release consists of."""
    (real,) = PackageIndex.open(cache).files("price-rounding", "pypi")
    (altered,) = PackageIndex.open(cache).files("price-rounding", "company")
    assert real.filename == altered.filename
    (wheel,) = known.wheels("price-rounding", "1.0")
    assert known.wheel(real.filename) is wheel
    with zipfile.ZipFile(io.BytesIO(Store(cache, "").path(altered.sha256).read_bytes())) as archive:
        content = archive.read("price_rounding.py")
    assert wheel.files["price_rounding.py"] != hashlib.sha256(content).hexdigest()


def test_file_by_its_hash(known: Known, cache: Path) -> None:
    """A hash in a lock leads to the very file, be it a wheel, an sdist, or one that only the company's index has."""
    for site, name in (("pypi", "leftpad"), ("pypi", "price-rounding"), ("company", "price-rounding")):
        for file in PackageIndex.open(cache).files(name, site):
            found = known.served(file.sha256)
            assert found is not None, file.filename
            assert (found.filename, found.project, found.version) == (file.filename, name, file.version)
            assert found.sites == (site,)


def test_nothing_is_made_up(known: Known) -> None:
    """Unknown names, versions, file names and hashes give nothing; nor do texts that are no hashes."""
    assert known.wheels("leftpad", "9.9") == []
    assert known.wheels("leftpad", "not a version") == []
    assert known.wheels("till-scales", "0.9") == []  # only an sdist
    assert known.wheel("../leftpad-1.1-py3-none-any.whl") is None
    assert known.content("0" * 64) is None
    assert known.served("0" * 64) is None
    assert known.content("../../etc/passwd") is None


def test_bundled_pip_is_what_a_new_environment_gets(known: Known, tmp_path: Path) -> None:
    """Every file of pip in a fresh environment, except what the installer itself writes, is known."""
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "venv"], check=True, env={"PATH": "/usr/bin:/bin"})
    (info,) = tmp_path.glob("venv/lib/python*/site-packages/pip-*.dist-info")
    version = info.name.removeprefix("pip-").removesuffix(".dist-info")
    wheels = known.wheels("pip", version)
    assert "ensurepip" in [wheel.origin for wheel in wheels]
    written_by_installer = {"RECORD", "INSTALLER", "REQUESTED"}
    files = [
        path
        for top in (info, info.parent / "pip")
        for path in top.rglob("*")
        if path.is_file() and path.suffix != ".pyc" and path.name not in written_by_installer
    ]
    assert len(files) > 300
    unknown = [path for path in files if known.content(hashlib.sha256(path.read_bytes()).hexdigest()) is None]
    assert unknown == []


def test_wheels_bundled_with_this_python_exist() -> None:
    """A pip is among them, as a real wheel."""
    names = [path.name.partition("-")[0] for path in bundled_wheels()]
    assert "pip" in names
    assert all(zipfile.is_zipfile(path) for path in bundled_wheels())


def test_wheel_within_a_wheel(tmp_path: Path) -> None:
    """The wheel that another wheel carries is known as well, with its content."""
    inner = next(path for path in bundled_wheels() if path.name.startswith("pip-"))
    outer = tmp_path / "carrier-1.0-py3-none-any.whl"
    with zipfile.ZipFile(outer, "w") as archive:
        archive.write(inner, f"carrier/embed/{inner.name}")
        archive.writestr("carrier-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: carrier\nVersion: 1.0\n")
    store = Store(tmp_path, "key")
    held, metadata = describe(outer.name, outer.read_bytes(), origin="mirror")
    known = Known(store, [store.keep(held, outer.read_bytes(), metadata)])
    wheel = known.wheel(inner.name)
    assert wheel is not None
    assert wheel.origin == "mirror"
    assert known.content(wheel.files["pip/__init__.py"]) == zipfile.ZipFile(inner).read("pip/__init__.py")


def test_added_folder(cache: Path, tmp_path: Path) -> None:
    """Files of a folder are known after it was added; links are not followed, a missing folder is empty."""
    known = PackageIndex.open(cache).known
    (tmp_path / "start" / "deep").mkdir(parents=True)
    (tmp_path / "start" / "deep" / "run.sh").write_bytes(b"echo hello\n")
    (tmp_path / "secret").write_bytes(b"secret\n")
    (tmp_path / "start" / "link").symlink_to(tmp_path / "secret")
    digest = hashlib.sha256(b"echo hello\n").hexdigest()
    assert known.content(digest) is None
    known.add(tmp_path / "start")
    known.add(tmp_path / "nowhere")
    assert known.content(digest) == b"echo hello\n"
    assert known.content(hashlib.sha256(b"secret\n").hexdigest()) is None
    (tmp_path / "start" / "deep" / "run.sh").write_bytes(b"changed\n")
    assert known.content(digest) is None  # a wrong content is worse than none


def test_damaged_wheel_gives_no_content(tmp_path: Path) -> None:
    """A file of the cache that was changed behind our back gives no content, and no error."""
    index = PackageIndex.open(tmp_path)
    (file,) = (file for file in index.files("orm") if file.filename == "orm-1.0-py3-none-any.whl")
    blob = tmp_path / "index" / "files" / file.sha256[:2] / file.sha256
    digest = index.known.wheels("orm", "1.0")[0].files["orm/__init__.py"]
    blob.write_bytes(blob.read_bytes().replace(b"Keep things", b"Lose things"))
    assert index.known.content(digest) is None


def test_warm_opening_is_quick(cache: Path, known: Known) -> None:
    """Opening an index that was made before takes milliseconds: the live checklist waits for it."""
    best = 1.0
    for _ in range(30):
        start = time.perf_counter()
        PackageIndex.open(cache)
        best = min(best, time.perf_counter() - start)
    assert best < 0.030
