"""The lessons' pictures without a kernel: their recorded state as HTML, and their own scripts, played from what was recorded.

Where no script runs, and on paper, the HTML stays.  The scripts become plain ones, since a page opened from a disk may load no modules.
"""

from __future__ import annotations

import html
import json
import re
from typing import Any

from autograder.jupyter import widget_files
from autograder.jupyter.widget_files import STATIC

__all__ = ["recorded_html", "script", "style"]

_EXPORT = re.compile(r"^export default (\{.*\});\s*$", re.MULTILINE)
_DARK = '[data-jp-theme-light="false"]'


def names() -> list[str]:
    """Give the pictures' names."""
    found = sorted(path.stem for path in (STATIC.parent / "pictures").glob("[a-z]*.py"))
    return [name for name in found if name != "picture"]


def script() -> str:
    """Give one plain script with every picture: `wheelhousePictures.NAME.render({model, el})`."""
    shared = widget_files.script("picture")
    parts = []
    for name in names():
        own, exports = _EXPORT.subn(r"return \1;", (STATIC / f"{name}.js").read_text("utf-8"))
        if exports != 1:
            raise ValueError(f"{name}.js doesn't end in one `export default {{ … }};`")
        parts.append(f"wheelhousePictures.{name} = (function () {{\n{own}\n}})();")
    body = "\n".join(
        [shared, "const wheelhousePictures = {};", *parts, "window.wheelhousePictures = wheelhousePictures;"]
    )
    return f"(function () {{\n{body}\n}})();\n"


def style() -> str:
    """Give the pictures' styles, in which the book's way of being dark stands for JupyterLab's."""
    text = widget_files.style("picture", *names())
    rules = re.findall(rf"^{re.escape(_DARK)}[^{{]*\{{[^}}]*\}}", text, re.MULTILINE)
    chosen = "\n".join(rule.replace(_DARK, 'body[data-theme="dark"]') for rule in rules)
    system = "\n".join(rule.replace(_DARK, 'body:not([data-theme="light"])') for rule in rules)
    return f"{text}\n@media screen {{\n{chosen}\n@media (prefers-color-scheme: dark) {{\n{system}\n}}\n}}\n"


def recorded_html(record: dict[str, Any], still: str) -> str:
    """Give a picture for a page: what it shows as HTML, and beside it the record which the script plays."""
    held = json.dumps(record, ensure_ascii=False).replace("<", "\\u003c")
    count = len(record["answers"]) if "states" not in record else sum(map(len, record["answers"].values()))
    told = "Recorded from a real run." if count else "All of it was tried before."
    if count:
        told += f" {count} answers are recorded with it; what else you may ask is answered in the course."
    elif record["picture"] == "lock_lens":
        told = "Recorded from a real run; in the course the tools make it anew."
    return (
        f'<div class="wh-recorded" data-picture="{html.escape(record["picture"], quote=True)}">'
        f'<div class="wh-still">{still}</div>'
        f'<script type="application/json">{held}</script>'
        f'<p class="wh-source">{html.escape(told)}</p></div>'
    )
