"""Tests of `autograder.distribution`: what installers write, and what people do to it."""

from __future__ import annotations

import base64
import contextlib
import csv
import hashlib
import io
import json
import os
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from packaging.version import Version

from autograder.distribution import Distribution, EntryPoint, folder_name
from autograder.exceptions import Failed
from autograder.index import PackageIndex
from autograder.tree import FolderTree
from real_environments import SITE, TOOLS, copy, fails, make, run, workspace
from snapshots import Nothing

MAKERS = ["venv", "uv", "virtualenv"]
INFO = f"{SITE}/leftpad-1.1.dist-info"


@pytest.fixture(scope="module")
def index() -> PackageIndex:
    """The course's index."""
    return PackageIndex.open()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, index: PackageIndex) -> Path:
    """A workspace with one environment of each maker; not to be changed."""
    return make(tmp_path_factory.mktemp("made"), index)


@pytest.fixture
def mine(made: Path, tmp_path: Path) -> Path:
    """A copy of it that a test may spoil."""
    return copy(made, tmp_path / "mine")


@pytest.fixture
def leftpad(made: Path, mine: Path, index: PackageIndex) -> Callable[..., Distribution]:
    """Ask an environment of the copy for leftpad."""
    return lambda maker="venv", specifier="": (
        workspace(mine, index, made).environment(maker).distribution("leftpad", specifier)
    )


def hashed(data: bytes) -> str:
    """Write a hash as RECORD does."""
    return "sha256=" + base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()


def rewrite_record(info: Path, name: str) -> None:
    """Mend RECORD after a file was edited, as a careful cheat does."""
    site = info.parent
    rows = list(csv.reader(io.StringIO((info / "RECORD").read_text())))
    for row in rows:
        if row[0] == name:
            data = (site / name).read_bytes()
            row[1:] = [hashed(data), str(len(data))]
    with (info / "RECORD").open("w", newline="") as file:
        csv.writer(file).writerows(rows)


def install_wheel(folder: Path, files: dict[str, str]) -> None:
    """Make a wheel that no index knows, and install it into a fresh environment `venv` by uv."""
    name = "toolbox-0.1-py3-none-any.whl"
    info = "toolbox-0.1.dist-info"
    files = {
        **files,
        f"{info}/METADATA": "Metadata-Version: 2.1\nName: toolbox\nVersion: 0.1\nRequires-Dist: leftpad>=1; python_version > '3'\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: a test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": "[console_scripts]\ntoolbox = toolbox:main\n\n[Shop.Plugins]\nb = toolbox:b\na = toolbox:a\n",
    }
    record = "".join(f"{path},{hashed(text.encode())},{len(text)}\n" for path, text in files.items())
    with zipfile.ZipFile(folder / name, "w") as wheel:
        for path, text in {**files, f"{info}/RECORD": record + f"{info}/RECORD,,\n"}.items():
            wheel.writestr(path, text)
    uv = TOOLS / "uv"
    run(uv, "pip", "install", "-q", "--no-deps", "--offline", "-p", "work/venv", folder / name, cwd=folder)
    shutil.rmtree(folder / "home")


@pytest.fixture
def toolbox(made: Path, tmp_path: Path) -> Path:
    """A workspace whose `venv` also holds a distribution that no index knows."""
    work = copy(made, tmp_path / "work")
    install_wheel(
        tmp_path,
        {
            "toolbox/__init__.py": "def main(): ...\n",
            "toolbox/hammer.py": "weight = 1\n",
            "toolbox-0.1.data/scripts/saw": "#!python\nprint('saw')\n",
            "toolbox-0.1.data/data/share/toolbox/list.txt": "saw\n",
        },
    )
    return work


@pytest.mark.parametrize("maker", MAKERS)
def test_what_installers_write_is_read(leftpad: Callable[..., Distribution], maker: str) -> None:
    """Metadata, record, entry points, installer and request are found after pip and after uv."""
    found = leftpad(maker)
    assert (found.name, found.version, found.requested) == ("leftpad", Version("1.1"), True)
    assert found.installer == ("uv" if maker == "uv" else "pip")
    assert found.direct_url is None
    assert not found.editable
    assert found.entry_points == (EntryPoint("console_scripts", "leftpad", "leftpad:main"),)
    assert found.top_level == ("leftpad",)
    assert found.requires == ()
    assert {"leftpad.py", "../../../bin/leftpad"} <= {line.path for line in found.record}
    assert found.matches() == ""


def test_what_another_needs_was_not_requested(made: Path, index: PackageIndex) -> None:
    """Dependencies are told from what was asked for; requirements are parsed."""
    pricetag = workspace(made, index).environment("venv").distribution("pricetag")
    assert [one.name for one in pricetag.requires] == ["leftpad"]


def test_wheel_that_no_index_knows(toolbox: Path, made: Path, index: PackageIndex) -> None:
    """RECORD is the measure; scripts and data, which land elsewhere, don't count."""
    found = workspace(toolbox, index, made).environment("venv").distribution("toolbox", "==0.1")
    assert found.matches() == ""
    assert found.direct_url is not None
    assert found.direct_url["url"].endswith("toolbox-0.1-py3-none-any.whl")
    assert found.entry_points[0] == EntryPoint("Shop.Plugins", "a", "toolbox:a")
    assert str(found.requires[0]) == 'leftpad>=1; python_version > "3"'


def test_edited_file_of_a_wheel_that_no_index_knows(toolbox: Path, made: Path, index: PackageIndex) -> None:
    """The file is named."""
    (toolbox / "venv" / SITE / "toolbox" / "hammer.py").write_text("weight = 2\n")
    environment = workspace(toolbox, index, made).environment("venv")
    fails(
        lambda: environment.distribution("toolbox"), toolbox, "are not those of .* as it was installed: .*hammer.py` is"
    )


@pytest.mark.parametrize("maker", MAKERS)
def test_edited_file(leftpad: Callable[..., Distribution], mine: Path, maker: str) -> None:
    """A file of a known distribution was changed: it is named."""
    path = mine / maker / SITE / "leftpad.py"
    path.write_text(path.read_text() + "# better\n")
    failed = fails(
        lambda: leftpad(maker),
        mine,
        r"of `leftpad` 1\.1 in .* are not those of the real `leftpad` 1\.1: .*leftpad\.py` is",
    )
    assert "by hand" not in failed.expected


def test_edited_file_with_a_mended_record(leftpad: Callable[..., Distribution], mine: Path) -> None:
    """RECORD was mended too: the known wheel tells."""
    path = mine / "venv" / SITE / "leftpad.py"
    path.write_text(path.read_text() + "# better\n")
    rewrite_record(mine / "venv" / INFO, "leftpad.py")
    fails(leftpad, mine, "are not those of the real `leftpad`")


def test_missing_file(leftpad: Callable[..., Distribution], made: Path, mine: Path, index: PackageIndex) -> None:
    """One of several files was deleted: it is named."""
    files = sorted(one for one in (mine / "uv" / SITE).rglob("*.py") if "pricetag" in str(one))
    for file in files[1:]:
        file.rename(file.with_suffix(".txt"))
    (mine / "uv" / SITE / "leftpad.py").unlink()
    fails(lambda: leftpad("uv"), mine, r"Only `uv/.*leftpad-1\.1\.dist-info` is there; none of the files")


def test_copied_dist_info_only(leftpad: Callable[..., Distribution], mine: Path) -> None:
    """The dist-info came without the code."""
    (mine / "venv" / SITE / "leftpad.py").unlink()
    fails(
        leftpad, mine, r"Only `venv/.*leftpad-1\.1\.dist-info` is there; none of the files that its `RECORD` lists is"
    )


def test_file_replaced_by_a_link(leftpad: Callable[..., Distribution], mine: Path) -> None:
    """A link to a file elsewhere is not the file."""
    (mine / "venv" / SITE / "leftpad.py").unlink()
    (mine / "venv" / SITE / "leftpad.py").symlink_to("/srv/leftpad.py")
    fails(leftpad, mine, "leftpad.py` is a link that leaves the workspace: it leads to `/srv/leftpad.py`")


def test_whole_dist_info_and_code_copied_from_another_version(leftpad: Callable[..., Distribution], mine: Path) -> None:
    """The folder was renamed to the version that is asked for: METADATA tells."""
    (mine / "venv" / INFO).rename(mine / "venv" / SITE / "leftpad-1.2.dist-info")
    failed = fails(
        lambda: leftpad("venv", "==1.2"),
        mine,
        r"called `leftpad-1\.2\.dist-info`, but its `METADATA` says `leftpad 1\.1`",
    )
    assert failed.evidence.startswith("^Version:")


def test_edited_version(leftpad: Callable[..., Distribution], mine: Path) -> None:
    """Folder and METADATA were changed to the version that is asked for: RECORD tells."""
    info = mine / "venv" / SITE / "leftpad-1.2.dist-info"
    (mine / "venv" / INFO).rename(info)
    for name in ("METADATA", "RECORD"):
        (info / name).write_text((info / name).read_text().replace("1.1", "1.2"))
    fails(lambda: leftpad("venv", "==1.2"), mine, "`METADATA` in .* was edited after it was installed")


def test_edited_version_with_a_mended_record(leftpad: Callable[..., Distribution], mine: Path) -> None:
    """Folder, METADATA and RECORD were changed: the files of the real version tell."""
    info = mine / "venv" / SITE / "leftpad-1.2.dist-info"
    (mine / "venv" / INFO).rename(info)
    for name in ("METADATA", "RECORD"):
        (info / name).write_text((info / name).read_text().replace("1.1", "1.2"))
    rewrite_record(info, "leftpad-1.2.dist-info/METADATA")
    fails(
        lambda: leftpad("venv", "==1.2"), mine, r"are not those of the real `leftpad` 1\.2: .*leftpad\.py` is another"
    )


def test_edited_requirements_with_a_mended_record(made: Path, mine: Path, index: PackageIndex) -> None:
    """What METADATA requires was changed, and RECORD mended: the real METADATA tells."""
    (info,) = (mine / "venv" / SITE).glob("pricetag-*")
    text = (info / "METADATA").read_text()
    (info / "METADATA").write_text(text.replace("Requires-Dist: ", "Requires-Dist: no-", 1))
    rewrite_record(info, f"{info.name}/METADATA")
    environment = workspace(mine, index, made).environment("venv")
    fails(lambda: environment.distribution("pricetag"), mine, "`METADATA` in .* is not that of the real `pricetag`")


def test_record_of_another_distribution(leftpad: Callable[..., Distribution], mine: Path) -> None:
    """RECORD doesn't speak of its own METADATA."""
    (mine / "venv" / INFO / "RECORD").write_text("leftpad.py,,\n")
    fails(leftpad, mine, "doesn't list its own `METADATA`")


def test_renamed_folder(made: Path, mine: Path, index: PackageIndex) -> None:
    """A dist-info under another distribution's name is found out, whichever is asked for."""
    (mine / "venv" / INFO).rename(mine / "venv" / SITE / "shoplib-1.5.dist-info")
    environment = workspace(mine, index, made).environment("venv")
    fails(
        lambda: environment.distribution("leftpad"), mine, "says in its `METADATA` that it is `leftpad`: it was renamed"
    )
    fails(
        lambda: environment.distribution("shoplib"), mine, r"called `shoplib-1\.5\.dist-info`, but its `METADATA` says"
    )


def test_editable_install_in_place_of_a_known_one(leftpad: Callable[..., Distribution], mine: Path) -> None:
    """A line which says that leftpad is read from a folder doesn't make what lies there the index's leftpad."""
    (found,) = (mine / "venv" / SITE).glob("leftpad-*.dist-info")
    (found / "direct_url.json").write_text(json.dumps({"url": "file:///tmp/x", "dir_info": {"editable": True}}))
    with pytest.raises(Failed, match="is not the one that the index has"):
        leftpad().require_whole()


@pytest.mark.parametrize(
    "stranger", ["leftpad.cpython-311-x86_64-linux-gnu.so", "leftpad.so", "leftpad/__init__.py", "leftpad/__init__.so"]
)
def test_a_file_that_import_takes_first(leftpad: Callable[..., Distribution], mine: Path, stranger: str) -> None:
    """A file beside a module, which Python would import in its place and no installer put there, is named."""
    leftpad().require_whole()
    path = mine / "venv" / SITE / stranger
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"")
    with pytest.raises(Failed, match=r"takes it in place of `leftpad\.py`") as failed:
        leftpad().require_whole()
    assert f"leftpad{'/' if '/' in stranger else '.'}".rstrip("/") in failed.value.found


@pytest.mark.parametrize(
    ("name", "content", "found"),
    [
        ("METADATA", None, "holds no `METADATA`"),
        ("METADATA", b"", "has no `Name`"),
        ("METADATA", b"Name: leftpad\n", "has no `Version`"),
        ("METADATA", b"Name: leftpad\nVersion: one\n", "`one`, which is no version"),
        ("METADATA", b"Name: leftpad\nVersion: 1.1\n\xff", "is not UTF-8 text"),
        ("METADATA", b"x" * 1_100_000, "is larger than 1,000,000 bytes"),
        ("RECORD", None, "holds no `RECORD`"),
        ("RECORD", b"", "doesn't list its own `METADATA`"),
        ("RECORD", b"\xff", "is not UTF-8 text"),
        ("RECORD", b"a\0b,,\n", "`RECORD` in .* is not as an installer writes it"),
        ("RECORD", b'"' + b"a" * 200_000 + b"\n", "`RECORD` in .* is not as an installer writes it"),
        ("RECORD", b"leftpad-1.1.dist-info/METADATA,sha256=%,1\n", "was edited after it was installed"),
    ],
)
def test_unreadable_dist_info(
    leftpad: Callable[..., Distribution], mine: Path, name: str, content: bytes | None, found: str
) -> None:
    """What no installer writes is named, and never more than that."""
    path = mine / "venv" / INFO / name
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    fails(leftpad, mine, found)


@pytest.mark.parametrize("name", ["METADATA", "RECORD"])
@pytest.mark.parametrize("kind", ["pipe", "folder", "link"])
def test_dist_info_of_other_than_files(leftpad: Callable[..., Distribution], mine: Path, name: str, kind: str) -> None:
    """Pipes, folders and links stop no reader."""
    path = mine / "venv" / INFO / name
    path.unlink()
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to("/etc/passwd")
    fails(leftpad, mine, f"{name}` is no regular file")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("direct_url.json", b"["),
        ("direct_url.json", b"[" * 100_000),
        ("direct_url.json", b"[]"),
        ("entry_points.txt", b"no section\n"),
        ("entry_points.txt", b"\xff"),
    ],
)
def test_what_is_not_asked_for_does_not_matter(
    leftpad: Callable[..., Distribution], mine: Path, name: str, content: bytes
) -> None:
    """A spoilt file fails who asks for it."""
    (mine / "venv" / INFO / name).write_bytes(content)
    info = Distribution(FolderTree(mine), "venv", f"venv/{SITE}", "leftpad-1.1.dist-info", PackageIndex.open().known)
    fails(lambda: (info.direct_url, info.entry_points), mine, name)
    assert info.version == Version("1.1")


def test_edited_bytecode_scripts_and_installer_lines_do_not_matter(
    leftpad: Callable[..., Distribution], mine: Path
) -> None:
    """A mended first line, other line ends in RECORD and lost bytecode are honest."""
    script = mine / "venv" / "bin" / "leftpad"
    script.write_text("#!/elsewhere/python\n" + script.read_text().partition("\n")[2])
    record = mine / "venv" / INFO / "RECORD"
    record.write_bytes(record.read_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"))
    shutil.rmtree(mine / "venv" / SITE / "__pycache__", ignore_errors=True)
    assert leftpad().matches() == ""


def test_editable_install(made: Path, tmp_path: Path, index: PackageIndex) -> None:
    """The code stays in the project; direct_url.json says so."""
    site = tmp_path / "venv" / SITE
    copy(made / "venv", tmp_path / "venv")
    info = site / "shopdesk-0.1.dist-info"
    info.mkdir()
    files = {
        "METADATA": "Metadata-Version: 2.4\nName: ShopDesk\nVersion: 0.1\n",
        "direct_url.json": json.dumps({"url": "file:///home/learner/project/desk", "dir_info": {"editable": True}}),
    }
    for name, text in files.items():
        (info / name).write_text(text)
    (site / "__editable__.shopdesk-0.1.pth").write_text("/home/learner/project/desk/src\n")
    lines = [f"{info.name}/{name},{hashed(text.encode())},{len(text)}" for name, text in files.items()]
    pth = (site / "__editable__.shopdesk-0.1.pth").read_bytes()
    lines.append(f"__editable__.shopdesk-0.1.pth,{hashed(pth)},{len(pth)}")
    (info / "RECORD").write_text("\n".join([*lines, f"{info.name}/RECORD,,"]))
    found = workspace(tmp_path, index, made).environment("venv").distribution("shopdesk")
    assert found.editable
    assert found.matches() == ""


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("leftpad-1.1.dist-info", ("leftpad", "1.1")),
        ("Zope.Interface_x-6.0+cpu.dist-info", ("zope-interface-x", "6.0+cpu")),
        ("old-1.0-py3.11.egg-info", ("old", "1.0")),
        ("old.egg-info", ("old", "")),
        (".dist-info", None),
        ("leftpad", None),
        ("leftpad-1.1.dist-info.bak", None),
    ],
)
def test_folder_names(name: str, expected: tuple[str, str] | None) -> None:
    """Name and version of a dist-info folder, as installers spell them."""
    assert folder_name(name) == expected


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(metadata=st.binary(max_size=200), record=st.binary(max_size=200), other=st.binary(max_size=100))
def test_no_bytes_break_a_reader(tmp_path: Path, metadata: bytes, record: bytes, other: bytes) -> None:
    """Whatever stands in a dist-info, asking gives an answer or a Failed."""
    info = tmp_path / "leftpad-1.1.dist-info"
    info.mkdir(exist_ok=True)
    head = b"Name: leftpad\nVersion: 1.1\n"
    for name, data in (
        ("METADATA", head + metadata),
        ("RECORD", record),
        ("direct_url.json", other),
        ("entry_points.txt", other),
        ("top_level.txt", other),
        ("INSTALLER", other),
    ):
        (info / name).write_bytes(data)
    found = Distribution(FolderTree(tmp_path), ".venv", "", info.name, Nothing())
    asked = (
        "name",
        "version",
        "requires",
        "record",
        "direct_url",
        "editable",
        "entry_points",
        "top_level",
        "installer",
    )
    for ask in asked:
        with contextlib.suppress(Failed):
            getattr(found, ask)
    with pytest.raises(Failed):
        found.require_whole()
