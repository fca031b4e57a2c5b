"""What PyPI demands of a file: its name, its tags, its contents, rule by rule."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from autograder.index import PackageIndex
from index_publishing import Served, sdist, serving, wheel


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> PackageIndex:
    """An index in a cache of this module's own."""
    return PackageIndex.open(tmp_path_factory.mktemp("cache"))


@pytest.fixture
def served(index: PackageIndex, tmp_path: Path) -> Iterator[Served]:
    """The index, served for a new workspace."""
    with serving(index, tmp_path / "published") as served:
        yield served


@pytest.fixture
def token(served: Served) -> str:
    """A token for the whole account."""
    return served.token()


NAMED = (
    "Filename 'Till_Slip-1.0-py3-none-any.whl' should contain the normalized project name 'till_slip', not 'Till_Slip'."
)


@pytest.mark.parametrize(
    ("file", "sentence"),
    [
        (("till_slip-1.0-py3-none-any.exe", b"x"), "Invalid file extension: Use .tar.gz, .whl or .zip extension."),
        (("till_slip-1.0-py3-none-any.whl", b"no archive"), "Invalid distribution file. File is not a zipfile"),
        (("till_slip-1.0.tar.gz", b"no archive"), "Invalid distribution file. File is not a tarfile"),
        (("../till_slip-1.0.tar.gz", b"x"), "Cannot upload a file with '/' or '\\' in the name."),
        (("till\x01slip-1.0.tar.gz", b"x"), "Cannot upload a file with non-printable characters"),
        (
            wheel("till-slip", "1.0", tag="cp313-cp313-linux_x86_64"),
            "Binary wheel 'till_slip-1.0-cp313-cp313-linux_x86",
        ),
        (wheel("till-slip", "1.0", tag="py3-none-macosx_9_0_x86_64"), "Binary wheel 'till_slip-1.0-py3-none-macosx_9"),
        (wheel("till-slip", "1.0", stem="Till_Slip-1.0"), NAMED),
        (wheel("till-slip", "1.0", stem="slip-1.0"), "Start filename for 'till-slip' with 'till_slip'."),
        (wheel("till-slip", "1.0", stem="till_slip-2.0"), "Version in filename should be '1.0' not '2.0'."),
        (wheel("till-slip", "1.0", tag="py3-none"), "Invalid wheel filename"),
        (sdist("till-slip", "1.0", stem="till-slip-1.0"), "Filename 'till-slip-1.0.tar.gz' is invalid, should be"),
        (
            sdist("till-slip", "1.0", files=["x.py", "y.py"]),
            "Invalid distribution file. PKG-INFO not found at till_slip-1.0/P",
        ),
        (sdist("till-slip", "1.0", files=["../a/PKG-INFO"]), "Invalid distribution file."),
        (
            wheel("till-slip", "1.0", files={"@info@/WHEEL": None}),
            "Invalid distribution file. WHEEL not found at till_",
        ),
        (
            wheel("till-slip", "1.0", files={"@info@/METADATA": None}),
            "Wheel 'till_slip-1.0-py3-none-any.whl' does not contain the required METADATA file: till_slip-1.0.dist-info/METADATA",
        ),
        (
            wheel("till-slip", "1.0", files={"@info@/RECORD": None}),
            "Wheel 'till_slip-1.0-py3-none-any.whl' does not contain the required RECORD file: till_slip-1.0.dist-info/RECORD",
        ),
        (
            wheel("till-slip", "1.0", files={"@info@/entry_points.txt": "[console_scripts]\n../till = till:main\n"}),
            "Wheel 'till_slip-1.0-py3-none-any.whl' has invalid entry points defined in the entry_points.txt file",
        ),
        (
            (wheel("till-slip", "1.0")[0], wheel("till-slip", "1.0")[1] + b"and more"),
            "Invalid distribution file. ZIP archive not accepted: Trailing data.",
        ),
    ],
    ids=lambda value: value[:40] if isinstance(value, str) else None,
)
def test_file_that_breaks_a_rule(served: Served, token: str, file: tuple[str, bytes], sentence: str) -> None:
    """Each rule about the file is told in PyPI's words, and nothing is published or left behind."""
    kind: dict[str, str | list[str] | None] = (
        {"filetype": "sdist", "pyversion": "source"}
        if file[0].endswith(".tar.gz")
        else {"filetype": "bdist_wheel", "pyversion": "py3"}
    )
    reply = served.upload(file, token, name="till-slip", version="1.0", **kind)  # type: ignore[arg-type]
    assert reply.status == 400
    assert reply.reason.startswith(sentence), reply.reason
    assert served.events("upload") == []
    assert [path.name for path in (served.published / "files").iterdir() if path.name.startswith(".new-")] == []
