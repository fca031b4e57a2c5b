"""The options with which somebody accepts in words that others' programs run where nothing isolates them."""

from __future__ import annotations

import argparse

__all__ = ["add_unsafe_options"]


def add_unsafe_options(parser: argparse.ArgumentParser, what: str, whom: str) -> None:
    """Add `--unsafe-medium` and `--unsafe-basic`, which set `unsafe` to the tier's name; it is empty without them.

    `what` is run, as in "a snapshot's programs", and `whom` one must trust for that.
    """
    for tier in ("medium", "basic"):
        parser.add_argument(
            f"--unsafe-{tier}",
            dest="unsafe",
            action="store_const",
            const=tier,
            default="",
            help=f"{what} even if only the {tier} sandbox works: only if you trust {whom}",
        )
