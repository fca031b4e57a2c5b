"""`python -m book FOLDER`, run in `autograder/`: build the course as a static site; `make book` does it."""

from __future__ import annotations

import argparse
import importlib.util
import os
import sys
import time
from pathlib import Path

from autograder.exceptions import CourseError, UsageError
from autograder.places import course_root

NEEDED = {"sphinx": "Sphinx", "myst_nb": "myst-nb", "furo": "furo", "nbclient": "nbclient"}


def main(arguments: list[str] | None = None) -> int:
    """Build the book; 0 if it was built, 1 if a lesson or a page is broken, 2 if it can't be built here or so."""
    parser = argparse.ArgumentParser(
        prog="python -m book",
        description="Build the course as a static site.",
        epilog="Example: python -m book ../site",
    )
    parser.add_argument("folder", type=Path, help="where the pages go; replaced as a whole if it is a book")
    parser.add_argument(
        "--fresh", action="store_true", help="run every lesson, even if nothing has changed since it ran"
    )
    parser.add_argument("--results", metavar="FOLDER", type=Path, help="where the lessons' results are kept (a cache)")
    parser.add_argument(
        "--run", metavar="NN", action="append", help="run only this lesson, as in `--run 06`; `--run none` runs none"
    )
    parser.add_argument(
        "--open",
        metavar="URL",
        default=os.environ.get("WHEELHOUSE_BOOK_OPEN", ""),
        help="where the course runs, with {path} where a notebook's path goes",
    )
    options = parser.parse_args(arguments)
    try:
        missing = [title for module, title in NEEDED.items() if importlib.util.find_spec(module) is None]
        if missing:
            raise UsageError(
                f"The book needs {' and '.join(missing)}, which this Python lacks.",
                "`make book` installs what is needed.",
            )
        course = course_root()
        if course is None:
            raise UsageError(
                "There is no course around here.", "Run this in the folder `autograder` of a clone of the course."
            )
        from book.building import build

        began = time.monotonic()
        pages = build(
            course,
            options.folder,
            run=lambda path: options.run is None or path.name[:2] in options.run,
            fresh=options.fresh,
            results=options.results,
            open_url=options.open,
            tell=lambda what: print(what, flush=True),
        )
        print(
            f"{pages} pages in {options.folder}, after {time.monotonic() - began:.0f} s; begin with {options.folder / 'index.html'}"
        )
    except CourseError as error:
        print(error.message, error.next_step, sep="\n", file=sys.stderr)
        return error.exit_status
    except KeyboardInterrupt:
        print("Stopped; nothing was changed, and lessons that ran are kept.", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
