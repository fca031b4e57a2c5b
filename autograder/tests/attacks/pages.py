"""F: what comes back. What a learner chose the names and lines of stands in messages, and must stay text."""

from __future__ import annotations

import json
from typing import Any

from attacks.attack import Attempt, attack
from attacks.notebooks import EVIL

__all__ = ["HOSTILE"]

HOSTILE = "`<img src=//evil.example onerror=alert(6)>` \x1b[31m\x1b]0;pwned\x07 \u202etxt\u2066 **b** ![x](//evil.example/i) &lt;"
"""For a line or a name that a message repeats."""


def _answers(text: str) -> str:
    return json.dumps({name: {"first": text, "origin": text} for name in "abc"})


@attack("F01", "scripts, pictures and styles in every cell that the learner may write")
def everywhere(one: Attempt) -> None:
    """Have them run when the feedback is read."""
    for name in ("answer-1", "answer-2", "answer-3", "answer-4", "text-1", "title", "begin"):
        one.cell(name)["source"] = EVIL
    for kind in ("markdown", "raw", "code"):
        cell: dict[str, Any] = {"cell_type": kind, "id": f"evil-{kind}", "metadata": {}, "source": EVIL}
        one.notebook["cells"].append(cell | ({"outputs": [], "execution_count": None} if kind == "code" else {}))


@attack("F02", "markup, terminal codes and turned writing in a line that a message repeats", says="img src")
def in_a_message(one: Attempt) -> None:
    """Come back as part of the check's sentence."""
    one.edit({"kiosk/answer.json": _answers(HOSTILE)})
    one.hand_in()


@attack("F03", "the same in names of files that a message lists")
def in_a_name(one: Attempt) -> None:
    """Come back as the name of a module."""
    work = one.edit({"stock/today.txt": "tea\n"})
    for name in ("<svg onload=alert(7)>.py", "\x1b[2J.py", "\u202eyp.py", "`x` **y**.py"):
        (work / "stock" / name).write_text("import conn\n")
    (work / "till" / "__pycache__" / f"prices.{'<b>'}cpython-311.pyc").write_bytes(b"3.20")
    one.hand_in()


@attack("F04", "a notebook whose title, kernel and language are scripts")
def in_metadata(one: Attempt) -> None:
    """Stand in the page's head."""
    evil = "</title><script>alert(8)</script>"
    one.notebook["metadata"] = {
        "title": evil,
        "kernelspec": {"name": evil, "display_name": evil, "language": evil},
        "language_info": {"name": evil, "pygments_lexer": evil},
        "widgets": {"application/vnd.jupyter.widget-state+json": {"state": {"x": evil}}},
    }


@attack("F05", "attachments and outputs that carry pictures, scripts and widgets")
def attachments(one: Attempt) -> None:
    """Hide it in what a notebook brings along."""
    data = {"text/html": EVIL, "image/svg+xml": "<svg onload='alert(9)'/>", "application/javascript": "alert(10)"}
    for cell in one.notebook["cells"]:
        if cell["cell_type"] == "code":
            cell["outputs"] = [{"output_type": "display_data", "data": data, "metadata": {}}]
        else:
            cell["attachments"] = {"x.svg": {"image/svg+xml": "<svg onload='alert(11)'/>"}}
            cell["source"] = [*cell["source"], "\n![x](attachment:x.svg)"]


@attack("F06", "a cell that ends the code block in which it is shown")
def breaks_out(one: Attempt) -> None:
    """Close the fence, the tag and the comment around it."""
    text = "`````` \n```\n~~~\n</code></pre></div></main></body>--><script>alert(12)</script>\n$$\\href{javascript:alert(13)}{x}$$"
    one.notebook["cells"].append({"cell_type": "markdown", "id": "out", "metadata": {}, "source": text})
    one.cell("answer-2")["source"] = text


@attack("F07", "a comment's worth of HTML in the snapshot's own sentences", "human", "can't be")
def in_a_refusal(one: Attempt) -> None:
    """Come back in the sentence that says why it was refused."""
    one.hand_in(exercise="01-modules")
    assert one.snapshot is not None
    from attacks.attack import forge

    one.snapshot = forge(one.snapshot, lambda manifest: manifest.__setitem__("exercise", "<script>alert(14)</script>"))
