"""`python -m autograder.index --lock-mirror`: what `course index lock` does, before there is a `course` command."""

from __future__ import annotations

import sys

from autograder.exceptions import CourseError
from autograder.index.mirror_lock import lock_mirror

if __name__ == "__main__":
    if sys.argv[1:] != ["--lock-mirror"]:
        sys.exit("The index's commands are `course index --help`; here there is only --lock-mirror.")
    try:
        lock_mirror()
    except CourseError as error:
        sys.exit(str(error))
