"""What PyPI demands of the form that comes with a file, rule by rule."""

from __future__ import annotations

import contextlib
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import autograder
from autograder.index import PackageIndex
from autograder.index.form_rules import check_form, read_metadata
from autograder.index.multipart import Form
from autograder.index.refusal import Refused
from index_clients import client
from index_publishing import Served, fields, serving, wheel


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


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        ({"protocol_version": "2"}, "Unknown protocol version."),
        ({"name": "-till-"}, "'-till-' is an invalid value for Name. Error: Start and end with a letter or numeral"),
        ({"version": "one"}, "'one' is invalid for 'version'. See https://packaging.python.org"),
        ({"version": "1.0+shop"}, "The use of local versions in '1.0+shop' is not allowed. See https://packaging.py"),
        ({"filetype": "bdist_egg"}, "Invalid value for filetype. Error: Use a known file type."),
        ({"pyversion": None}, "Invalid value for pyversion. Error: Python version is required for binary"),
        ({"sha256_digest": None}, "Error: Include at least one message digest."),
        ({"sha256_digest": "0" * 64}, "The digest supplied does not match a digest calculated from the uploaded file."),
        ({"md5_digest": "0" * 32}, "The digest supplied does not match a digest calculated from the uploaded file."),
        ({"sha256_digest": "xyz"}, "Invalid value for sha256_digest. Error: Use a valid, hex-encoded, SHA256"),
        ({"metadata_version": "9.9"}, "'9.9' is not a valid metadata version. See"),
        ({"metadata_version": None}, "None is not a valid metadata version. See"),
        ({"summary": "x" * 513}, "'summary' field must be 512 characters or less. See"),
        ({"summary": "two\nlines"}, "'summary' must be a single line. See"),
        (
            {"author_email": "nobody"},
            "'nobody' is not a valid email address: An email address must have an @-sign. See",
        ),
        ({"classifiers": ["Topic :: Tills"]}, "'Topic :: Tills' is not a valid classifier. See"),
        ({"home_page": "shop"}, "'shop' is not a valid url. See"),
        ({"project_urls": ["x" * 33 + ", https://shop.example"]}, f"'{'x' * 33}' must be 32 characters or less. See"),
        ({"requires_dist": ["tax @ https://shop.example/tax.whl"]}, "Can't have direct dependency: tax @ "),
        ({"requires_dist": ["tax >="]}, "'tax >=' is invalid for 'requires-dist'. See"),
        ({"requires_python": "3"}, "'3' is invalid for 'requires-python'. See"),
        ({"license": "MIT", "license_expression": "MIT"}, "License is deprecated when License-Expression is present."),
        ({"license_expression": "My own"}, "'My own' is invalid for 'license-expression'. See"),
        ({"license_file": ["LICENSE"]}, "License-File LICENSE does not exist in distribution file till_slip-1.0-py3-"),
        ({"description_content_type": "text/pdf"}, "'description-content-type' must be one of"),
        ({"dynamic": ["Summry"]}, "'summry' is not a valid dynamic field. See"),
        ({":action": "submit"}, "Project pre-registration is no longer required or supported, upload your files"),
    ],
)
def test_form_that_breaks_a_rule(
    served: Served, token: str, more: dict[str, str | list[str] | None], sentence: str
) -> None:
    """Each rule about the metadata is told in PyPI's words, and nothing is published."""
    told = {"name": "till-slip", "version": "1.0"} | {key: more[key] for key in ("name", "version") if key in more}
    rest = {key: value for key, value in more.items() if key not in told}
    reply = served.upload(wheel("till-slip", "1.0"), token, **told, **rest)  # type: ignore[arg-type]
    assert reply.status in (400, 410)
    assert reply.reason.startswith(sentence), reply.reason
    assert served.events("upload") == []
    assert served.events("create") == []


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("version", "9" * 5000),
        ("version", "1." * 100_000 + "1"),
        ("requires_dist", "x; " + "(" * 5000),
        ("requires_dist", "x[" + "a," * 100_000 + "a]"),
        ("license_expression", "(" * 4000 + "MIT" + ")" * 4000),
        ("license_expression", "MIT OR " * 100_000 + "MIT"),
        ("author_email", "a@" * 200_000),
        ("author_email", "(" * 8000),
        ("author_email", "<" * 8000),
        ("author_email", "a," * 4000),
        ("description_content_type", "text/markdown;" + "a=b;" * 2000),
        ("home_page", "http://" + "[" * 8000),
        ("classifiers", "x" * 8000),
        ("name", "a" + "-" * 8000 + "!"),
        ("x" * 5000, "y" * 10_000),
        ("summary", "y" * 1_900_000),
    ],
    ids=lambda value: value[:24],
)
def test_value_that_is_made_to_be_slow(field: str, value: str) -> None:
    """Values on which a parser could spend minutes, or break, are soon read, or refused."""
    filename, data = wheel("till-slip", "1.0")
    told = fields("till-slip", "1.0", filename, data) | {field: value}
    form = Form({name: [one] if isinstance(one, str) else one or [] for name, one in told.items()})
    begun = time.perf_counter()
    with contextlib.suppress(Refused):
        check_form(form)
        read_metadata(form)
    assert time.perf_counter() - begun < 5


RENDERING = """\
from packaging.metadata import Metadata
from autograder.index.form_rules import check_description
from autograder.index.refusal import Refused

broken = "Title\\n==\\n\\n.. nonsense::\\n\\n`broken <"
for text, media in ((broken, "text/x-rst"), (broken, None), ("Title\\n=====\\n", "text/x-rst"), (broken, "text/markdown")):
    raw = {"metadata_version": "2.4", "name": "x", "version": "1", "description": text}
    metadata = Metadata.from_raw(raw | ({"description_content_type": media} if media else {}))
    try:
        check_description(metadata, "help/#description")
    except Refused as refused:
        print(refused.sentence)
    else:
        print("fine")
"""


def test_description_must_render() -> None:
    """Where `readme-renderer` is installed, reStructuredText that it can't render is refused."""
    ran = subprocess.run(
        [client("python"), "-W", "ignore", "-c", RENDERING],
        env={"PYTHONPATH": str(Path(autograder.__file__).parent.parent)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    see = "See help/#description for more information."
    assert ran.stdout.splitlines() == [
        f"The description failed to render for 'text/x-rst'. {see}",
        f"The description failed to render in the default format of reStructuredText. {see}",
        "fine",
        "fine",
    ], ran.stderr
