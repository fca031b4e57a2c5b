"""A learner's workspaces on this machine: begun, opened again, reset.

::

    labs/06-virtual-environments/                      the workspace, which the learner sees and edits
    labs/.wheelhouse/06-virtual-environments/home/     their HOME in the sandbox
    labs/.wheelhouse/06-virtual-environments/system/   the system Python's own parts, which they may pollute
    labs/.wheelhouse/06-virtual-environments/published/   what they published to the index, and its journal
    labs/.wheelhouse/06-virtual-environments/before-reset/   their work before the last reset
    labs/.wheelhouse/06-virtual-environments/workspace.json   written last: without it the workspace was never finished
    labs/.wheelhouse/current                           the workspace begun last, which a new shell opens

`live` opens them, `making` begins and resets, `start` keeps how an exercise starts, `moving` removes what a learner left,
`looking` sees whether anything changed.
"""

from __future__ import annotations

from autograder.folder.live import (
    LiveWorkspace,
    current,
    index,
    open_workspace,
    sandbox,
    submit_folder,
    undisturbed,
)
from autograder.folder.looking import signature
from autograder.folder.making import SCRATCH, begin, begin_free, prepare, prepare_starts, reset
from autograder.folder.moving import remove_tree
from autograder.folder.present import refresh, wish_for_another_tier

__all__ = [
    "SCRATCH",
    "LiveWorkspace",
    "begin",
    "begin_free",
    "current",
    "index",
    "open_workspace",
    "prepare",
    "prepare_starts",
    "refresh",
    "remove_tree",
    "reset",
    "sandbox",
    "signature",
    "submit_folder",
    "undisturbed",
    "wish_for_another_tier",
]
