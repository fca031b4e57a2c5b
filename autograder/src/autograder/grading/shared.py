"""Results in a place that several machines share: a folder on the network, or an object store.

One object a result, named by its job's key, so that whoever grades the same work again, elsewhere or next term, finds it.
Whoever may write there decides what is found: keep it to those who may write the gradebook.

`fsspec` knows the places: a path, `s3://…`, `gs://…`, `abfs://…`, each with a library of its own where it is no path.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

from autograder.exceptions import UsageError
from autograder.grading.jobs import Executor, Job, Result

__all__ = ["SharedExecutor", "SharedResults"]


class SharedResults:
    """What is kept at one place."""

    def __init__(self, place: str) -> None:
        """Look at a place, given as `fsspec` takes it.

        Raises:
            UsageError: `fsspec`, or the library for such a place, is not installed; or the place can't be used.
        """
        try:
            import fsspec  # type: ignore[import-untyped]
        except ImportError:
            raise UsageError(
                "A shared place for results needs fsspec, which is not installed.",
                "Run `pip install fsspec` where the course is installed.",
            ) from None
        self.place = place
        try:
            self._files: Any
            self._files, self._top = fsspec.core.url_to_fs(place)
            self._files.makedirs(self._top, exist_ok=True)
        except ImportError as error:
            raise UsageError(f"{place} can't be used: {error}.", "Install that library beside the course.") from None
        except Exception as error:  # each kind of place has errors of its own
            raise UsageError(
                f"{place} can't be used: {str(error)[:300] or type(error).__name__}.",
                "Name a folder, or a store for which this machine has the credentials.",
            ) from error

    def _path(self, key: str) -> str:
        if not re.fullmatch(r"[0-9a-f]{64}", key):
            raise ValueError(key)
        return f"{self._top}/{key[:2]}/{key}.json"  # a folder of 100,000 names is slow on many file systems

    def get(self, key: str) -> Result | None:
        """Give the result of a job; None if there is none, or it can't be had or read."""
        try:
            data = self._files.cat_file(self._path(key))
            result = Result.from_json(json.loads(data))
        except Exception:  # what a store can't give is done anew
            return None
        return result if result.key == key and not result.ours else None

    def put(self, result: Result) -> None:
        """Keep a result for others; our own failures are not kept, and a store that takes nothing costs speed, not the result."""
        if result.ours:
            return
        with contextlib.suppress(Exception):
            path = self._path(result.key)
            self._files.makedirs(path.rpartition("/")[0], exist_ok=True)
            # in a transaction, so that a half written object is never seen
            with self._files.transaction, self._files.open(path, "wb") as file:
                file.write(json.dumps(result.as_json(), ensure_ascii=True).encode())


class SharedExecutor:
    """Asks a shared place first, and has only the rest done."""

    def __init__(self, executor: Executor, results: SharedResults) -> None:
        """Stand before `executor`."""
        self._executor = executor
        self._results = results

    @property
    def workers(self) -> int:
        """How many jobs are done at the same time."""
        return self._executor.workers

    def run(self, jobs: Sequence[Job]) -> Iterator[Result]:
        """Give each job's result once; see `grading.jobs.Executor`."""
        left = []
        for job in jobs:
            if (known := self._results.get(job.key)) is not None:
                yield known
            else:
                left.append(job)
        if left:
            with contextlib.closing(self._executor.run(left)) as results:  # type: ignore[type-var]
                for result in results:
                    self._results.put(result)
                    yield result
