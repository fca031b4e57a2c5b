"""The notebook face: what `%load_ext autograder` brings into a notebook, and what JupyterLab is started with.

::

    begin("06")     make or reopen an exercise's workspace, and show its live checklist
    grade(1)        check one task and give its points (the cell that nbgrader looks at)
    hint()          the next hint
    changed()       what the last command changed, inside and outside of the project
    progress()      how far one is in all lessons and exercises, and where to go on
    project_page("leftpad")   a project's page on the index, as a browser would show it
    health()        what works on this machine
    lesson("06")    a fresh throw-away workspace for a lesson's own demonstrations
    anatomy()       a picture of a real environment; every module in `pictures/` is one more such function
    %%shell         a cell of commands for the sandboxed shell

Nothing here is imported by the rest of the package, and nothing heavy by this module: Jupyter's server imports it too.
"""

from __future__ import annotations

from typing import Any

__all__ = ["load_ipython_extension", "unload_ipython_extension"]


def load_ipython_extension(shell: Any) -> None:
    """Put the names above into the notebook; loading twice is harmless."""
    from autograder.jupyter import magics, session
    from autograder.jupyter.overview import health, progress
    from autograder.jupyter.pictures import find_pictures
    from autograder.jupyter.project_page import project_page
    from autograder.jupyter.words import show_in_words

    shell.events.register("pre_run_cell", _load_again)
    show_in_words(shell)
    magics.register(shell)
    shell.push(
        {
            "begin": session.begin,
            "lesson": session.lesson,
            "grade": session.grade,
            "hint": session.hint,
            "changed": session.changed,
            "progress": progress,
            "health": health,
            "project_page": project_page,
            **find_pictures(),
        },
        interactive=False,
    )


def _load_again(info: Any) -> None:
    """Let a cell that loads us be run again: a learner is told to do that, and IPython would say how to reload an extension instead."""
    from IPython import get_ipython

    if "%load_ext autograder" in (info.raw_cell or ""):
        get_ipython().extension_manager.loaded.discard("autograder")


def unload_ipython_extension(shell: Any) -> None:
    """End the shell and the checklists of this notebook; its names stay."""
    from autograder.jupyter import session

    session.close()
