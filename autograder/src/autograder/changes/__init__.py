"""What did the last command change? Distributions, commands, files, variables: in the project and, named first, outside of it.

::

    Observer(live, "terminal")   is told of prompts, and writes down each command with what it changed
    last(live, 3)                the last commands and their changes, and what has changed since
    Recent(live).look()          the last commands, while they come; Bell rings when one did
    as_text, as_html, as_rows    the same for people: in a terminal, on a page, for a page that draws it itself

All this is a help for the learner and no evidence: commands in the sandbox can tell the observer what they like,
and in the basic tier write to its files. No point depends on it.
"""

from __future__ import annotations

from autograder.changes.bell import Bell
from autograder.changes.change import Change, Step
from autograder.changes.listing import glance
from autograder.changes.recent import Recent
from autograder.changes.record import Observer, last, record_file, signal_file, typed_after
from autograder.changes.words import as_html, as_rows, as_text

__all__ = [
    "Bell",
    "Change",
    "Observer",
    "Recent",
    "Step",
    "as_html",
    "as_rows",
    "as_text",
    "glance",
    "last",
    "record_file",
    "signal_file",
    "typed_after",
]
