"""What may have become of a workspace since it was opened: another notebook or terminal works with it too."""

from __future__ import annotations

import os
from pathlib import Path

from autograder.folder.live import LiveWorkspace, read_record

__all__ = ["refresh", "wish_for_another_tier"]


def refresh(live: LiveWorkspace) -> None:
    """Take what another process has written down of the workspace: hints shown, its tier, where snapshots go."""
    record = read_record(live.name)
    if record is None:
        return
    submit_to, hints, tier = record.get("submit_to"), record.get("hints"), record.get("tier")
    live.submit_to = Path(submit_to) if isinstance(submit_to, str) and submit_to else None
    if isinstance(hints, dict):
        live.hints = {str(name): number for name, number in hints.items() if type(number) is int}
    if isinstance(tier, str):
        live.tier = tier


def wish_for_another_tier(live: LiveWorkspace) -> str:
    """Say it where `$WHEELHOUSE_TIER` asks for another tier than that in which the workspace was begun; empty where it doesn't."""
    wanted = os.environ.get("WHEELHOUSE_TIER", "")
    if not wanted or wanted == live.tier:
        return ""
    again = f"`course reset {live.exercise.number:02}`" if live.exercise else "starting it over"
    return (
        f"WHEELHOUSE_TIER asks for the {wanted} sandbox, but this workspace was begun in the {live.tier} one and stays in it, "
        f"since its environments hold absolute paths; {again} begins it anew in the {wanted} one."
    )
