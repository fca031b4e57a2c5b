"""Host names are the tools' own."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from autograder.index import hosts
from autograder.index.hosts import read_hosts
from autograder.sandbox.tools import tools


def test_the_names_are_those_which_pip_knows() -> None:
    """Both indexes, and the hosts of their files."""
    models = pytest.importorskip("pip._internal.models.index")
    found = read_hosts()
    for site, index in (("pypi", models.PyPI), ("testpypi", models.TestPyPI)):
        assert found.simple[site].rstrip("/") == index.simple_url
        assert found.prefixes[index.netloc] == f"/{site}"
        assert found.prefixes[index.file_storage_domain] == f"/{site}"


def test_uploads_go_where_twine_sends_them() -> None:
    """The address of PyPI's upload host is derived; twine's own constant says the same."""
    installed = tools()
    if installed is None:
        pytest.skip("the sandbox's tools are not installed: run `make lab`")
    (source,) = installed.glob("lib/**/twine/utils.py")
    told = dict(re.findall(r'^(\w+_REPOSITORY) = "(\S+)"', source.read_text("utf-8"), re.MULTILINE))
    found = read_hosts()
    assert found.legacy["pypi"] == told["DEFAULT_REPOSITORY"]
    assert found.legacy["testpypi"] == told["TEST_REPOSITORY"]
    assert found.prefixes[str(urlsplit(told["DEFAULT_REPOSITORY"]).hostname)] == "/pypi"


def test_the_shop_and_the_forge_have_names_that_nobody_else_can_have() -> None:
    """Invented hosts end in a name which is reserved for examples (RFC 2606)."""
    found = read_hosts()
    assert found.prefixes[hosts.COMPANY] == "/company"
    assert found.prefixes[hosts.ISSUER] == "/oidc"
    assert all(name.endswith(".example") for name in (hosts.COMPANY, hosts.ISSUER))


def test_a_uv_that_asks_nobody_for_advisories_needs_no_door_to_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An older uv, or none, is no reason to have no names at all."""
    wheel = hosts.sources()[0]
    (tmp_path / "uv").write_bytes(b"nothing of the kind")
    for found in ([wheel], [wheel, tmp_path / "uv"], [wheel, tmp_path / "gone"]):
        monkeypatch.setattr(hosts, "sources", lambda found=found: found)
        assert "/osv" not in read_hosts().prefixes.values()


@pytest.mark.parametrize("source", ["PyPI = None\n", "PyPI = PackageIndex(\n", ""])
def test_a_pip_that_says_it_in_a_new_way_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str) -> None:
    """Then the course falls back, and tells which file to look at."""
    wheel = tmp_path / "pip-99.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as file:
        if source:
            file.writestr("pip/_internal/models/index.py", source)
    monkeypatch.setattr(hosts, "sources", lambda: [wheel])
    with pytest.raises(LookupError, match=r"pip-99\.0"):
        read_hosts()
    monkeypatch.setattr(hosts, "sources", lambda: [])
    with pytest.raises(LookupError, match="no wheel of pip"):
        read_hosts()
