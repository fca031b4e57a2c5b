"""The page that refusals lead to."""

from __future__ import annotations

import re
from pathlib import Path

from autograder import index as package
from autograder.index import PackageIndex
from autograder.index.help_page import ANCHORS
from index_publishing import serving, wheel


def test_every_refusal_leads_somewhere(tmp_path: Path) -> None:
    """Each place to which a refusal sends people is on the page, and each place is one to which some refusal sends."""
    named = {
        anchor
        for path in Path(package.__file__).parent.glob("*.py")
        if path.name != "help_page.py"
        for anchor in re.findall(r"(?:help_page|help|help/)\}?#([a-z-]+)", path.read_text("utf-8"))
    }
    assert named == set(ANCHORS)
    with serving(PackageIndex.open(tmp_path / "cache"), tmp_path / "published") as served:
        reply = served.upload(wheel("till-slip", "1.0"), "pypi-wrong")
        found = re.search(r"See http://127\.0\.0\.1:\d+(/\S+)#(\S+) for", reply.reason)
        assert found is not None
        page = served.ask("GET", found[1])
        assert page.status == 200
        assert f'id="{found[2]}"'.encode() in page.body
        moved = served.ask("GET", "/pypi/help")
        assert (moved.status, moved.headers["Location"]) == (301, "help/")
