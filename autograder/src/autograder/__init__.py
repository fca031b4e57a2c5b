"""Learn Python packaging by doing it: exercises, checks, sandbox, index and their faces.

What a `checks.py` needs stands here::

    from autograder import Failed, Workspace, check
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from autograder.exceptions import Failed as Failed
    from autograder.exercise import Alternative as Alternative
    from autograder.exercise import Mistake as Mistake
    from autograder.exercise import check as check
    from autograder.workspace import Workspace as Workspace

__all__ = ["Alternative", "Failed", "Mistake", "Workspace", "check"]

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """Import on first use, so that `course --help` doesn't pay for what it doesn't need (PEP 562)."""
    import importlib

    homes = {"Failed": "exceptions", "Workspace": "workspace"}
    if name not in __all__:
        raise AttributeError(f"module 'autograder' has no attribute {name!r}")
    return getattr(importlib.import_module(f"autograder.{homes.get(name, 'exercise')}"), name)


def load_ipython_extension(ipython: Any) -> None:
    """Put `begin`, `lesson`, `grade`, `hint` and `%%shell` into a notebook: `%load_ext autograder`."""
    from autograder.jupyter import load_ipython_extension as load

    load(ipython)
