"""What differs from learner to learner, or from company to company, in one exercise: drawn from a seed or set, put into files and texts.

An exercise may have a `variants.toml` beside its page::

    [commands]                # shuffled: everybody gets the same rows, in an order of their own
    names = ["a", "b"]
    shuffle = [{ line = "python3 x.py", first = "." }, { line = "python3 -m x", first = ".." }]

    [shelf]                   # chosen: everybody gets one of these rows
    choose = [{ name = "teas" }, { name = "spices" }]

    [company]                 # given: everybody gets what `wheelhouse.toml` says (see `settings.Policy`)
    policy = ["python", "backends"]

Files of `start/`, `begin.sh`, reference answers, mistakes, hints and the checks' lines then say `{{commands.a.line}}` or
`{{shelf.name}}`, and checks ask `work.variant["shelf"]["name"]`. The page itself is one for all: it can't say them.

The seed is the learner's name where it is known (JupyterHub, `WHEELHOUSE_LEARNER`), else random; it travels in the snapshot. The empty
seed gives the rows as they are written: that is the variant of the reference answers.
"""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from autograder.exceptions import BrokenExercise
from autograder.settings import Policy, settings

__all__ = ["LARGEST_SEED", "Variant", "Variants"]

LARGEST_SEED = 100
"""In letters."""
_PLACE = re.compile(r"\{\{([a-z_][a-z0-9_.]*)\}\}")

Row = Mapping[str, str]


class Variant(Mapping[str, Row]):
    """One learner's rows: `variant["commands"]["a.line"]`, `variant["shelf"]["name"]`."""

    def __init__(self, groups: Mapping[str, Row]) -> None:
        """Keep what was drawn, by group."""
        self._groups = MappingProxyType({name: MappingProxyType(dict(row)) for name, row in groups.items()})

    def __getitem__(self, group: str) -> Row:
        """Give a group's row."""
        return self._groups[group]

    def __iter__(self) -> Iterator[str]:
        """Name the groups."""
        return iter(self._groups)

    def __len__(self) -> int:
        """Count the groups."""
        return len(self._groups)

    def fill(self, text: str) -> str:
        """Put the values where a text names them; a text that names none is given back as it is.

        Raises:
            BrokenExercise: it names a value that there isn't.
        """
        if not self._groups:
            return text

        def value(found: re.Match[str]) -> str:
            group, _, name = found[1].partition(".")
            try:
                return self._groups[group][name]
            except KeyError:
                raise BrokenExercise(
                    f"A text says {found[0]}, and `variants.toml` has no such value.", "Mend the one or the other."
                ) from None

        return _PLACE.sub(value, text)


@dataclass(frozen=True)
class _Group:
    name: str
    rows: tuple[Row, ...]
    names: tuple[str, ...]
    """Of the rows' places, if they are shuffled; empty if one of them is chosen."""
    policy: tuple[str, ...] = ()
    """Which parts of the company's policy, if it is that."""


class Variants:
    """What may be drawn in one exercise."""

    def __init__(self, file: Path | None = None) -> None:
        """Read `variants.toml`; where there is none, nothing differs.

        Raises:
            BrokenExercise: it isn't as it should be.
        """
        self._groups: list[_Group] = []
        if file is None or not file.is_file():
            return
        try:
            told = tomllib.loads(file.read_text("utf-8"))
        except ValueError as error:
            raise BrokenExercise(f"{file} is not TOML: {error}.") from error
        self._groups = [_group(file, name, table) for name, table in told.items()]

    def __bool__(self) -> bool:
        """Say whether anything differs."""
        return bool(self._groups)

    @property
    def personal(self) -> bool:
        """Say whether anything differs from learner to learner."""
        return any(not group.policy for group in self._groups)

    @property
    def count(self) -> int:
        """How many different variants there are in one company."""
        total = 1
        for group in self._groups:
            if group.policy:
                continue
            for number in range(2, len(group.rows) + 1) if group.names else (len(group.rows),):
                total *= number
        return total

    def draw(self, seed: str) -> Variant:
        """Give the variant of one learner: the same for the same seed and policy, on every machine, until `variants.toml` changes."""
        found: dict[str, Row] = {}
        for group in self._groups:
            if group.policy:
                policy = settings().policy.row
                found[group.name] = {name: policy[name] for name in group.policy}
                continue
            rows = list(group.rows)
            if not group.names:
                found[group.name] = rows[_number(seed, group.name, 0, len(rows))]
                continue
            placed: dict[str, str] = {}
            for place, name in enumerate(group.names):
                row = rows.pop(_number(seed, group.name, place, len(rows)))
                placed |= {f"{name}.{key}": value for key, value in row.items()}
            found[group.name] = placed
        return Variant(found)


def _number(seed: str, group: str, place: int, below: int) -> int:
    """Draw a number from a seed; 0 from the empty one."""
    if not seed:
        return 0
    drawn = hashlib.sha256(f"{seed}\0{group}\0{place}".encode("utf-8", "replace")).digest()
    return int.from_bytes(drawn[:8]) % below


def _group(file: Path, name: str, table: Any) -> _Group:
    def broken(why: str) -> BrokenExercise:
        return BrokenExercise(f"[{name}] in {file} {why}.", "See the first lines of `autograder/variants.py`.")

    if not re.fullmatch(r"[a-z_][a-z0-9_]*", name) or not isinstance(table, dict):
        raise broken("is no group of values")
    if table.keys() == {"policy"}:
        wanted = table["policy"]
        known = Policy().row
        if (
            not isinstance(wanted, list)
            or not wanted
            or not all(isinstance(one, str) and one in known for one in wanted)
        ):
            raise broken(f"needs a list of what a policy has: {', '.join(known)}")
        return _Group(name, (), (), tuple(wanted))
    kinds = {"shuffle", "choose"} & table.keys()
    if len(kinds) != 1 or table.keys() - {"names", *kinds} or ("names" in table) != ("shuffle" in table):
        raise broken("needs `choose`, or `shuffle` with `names`, or `policy`")
    rows = table[kinds.pop()]
    if not isinstance(rows, list) or len(rows) < 2 or not all(isinstance(row, dict) and row for row in rows):
        raise broken("needs two rows or more")
    if any(row.keys() != rows[0].keys() for row in rows):
        raise broken("has rows with different keys")
    if not all(isinstance(value, str) for row in rows for value in row.values()):
        raise broken("has a value that is no text")
    names = table.get("names", [])
    if not isinstance(names, list) or not all(isinstance(one, str) for one in names):
        raise broken("has names that are no texts")
    if names and (len(names) != len(rows) or len(set(names)) != len(names)):
        raise broken("needs as many different names as rows")
    return _Group(name, tuple(rows), tuple(names))
