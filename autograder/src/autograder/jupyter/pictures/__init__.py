"""The pictures of the lessons: each module here but `picture` is one, and has a function of its own name that shows it.

::

    anatomy(".venv")      in a notebook, after `%load_ext autograder`
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable

__all__ = ["find_pictures"]


def find_pictures() -> dict[str, Callable[..., None]]:
    """Give the function of every picture by its name; there is no list to keep."""
    names = sorted(found.name for found in pkgutil.iter_modules(__path__) if found.name != "picture")
    return {name: getattr(importlib.import_module(f"{__name__}.{name}"), name) for name in names}
