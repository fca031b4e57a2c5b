"""Follow repo2docker's Dockerfile step by step, as a builder of images would: each COPY and RUN becomes a layer.

Replaced are FROM and the RUN that installs conda's packages (`binder_base`); every other step is done as it is written, as the user, in
the folder and with the variables that are written, under the limits of Binder's build pods.
Afterwards all times are cut to whole seconds, as they are when an image went through a registry.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from proofs.binder_base import KEPT, Base, conda_layer
from proofs.binder_container import Group, Way, container, mounted, whole_seconds
from proofs.binder_recipe import UID, USER, Recipe, Step
from proofs.machine import CannotRunHere

__all__ = ["Image", "Made", "build", "packed"]

BUILD_MEMORY = 2 * 10**9
"""Bytes; of mybinder.org's build pods."""


@dataclass(frozen=True)
class Made:
    """A step done: what it was, seconds, seconds of processor time, bytes of the files that it wrote."""

    text: str
    seconds: float
    processor: float
    size: int


@dataclass
class Image:
    """Layers, the lowest first, and what a container of them begins with."""

    layers: list[Path]
    foreign: int
    """How many of the layers, from below, are not the course's: the base and conda's environment."""
    variables: dict[str, str]
    folder: str
    entrypoint: list[str]
    steps: list[Made] = field(default_factory=list)

    @property
    def own(self) -> list[Path]:
        """The layers that the course adds."""
        return self.layers[self.foreign :]


@dataclass
class _Builder:
    recipe: Recipe
    clone: Path
    work: Path
    way: Way
    layers: list[Path]
    group: Group
    variables: dict[str, str] = field(
        default_factory=lambda: {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
    )
    arguments: dict[str, str] = field(default_factory=lambda: {"NB_USER": USER, "NB_UID": str(UID)})
    user: str = "root"
    folder: str = "/"
    steps: list[Made] = field(default_factory=list)
    key: str = ""
    """Names all that was done so far."""
    met: bool = False
    """Whether anything of the course was copied."""

    def expand(self, text: str) -> str:
        known = {**self.arguments, **self.variables}
        return re.sub(r"\$\{(\w+)\}|\$(\w+)", lambda found: known.get(found[1] or found[2], ""), text)

    def layer(self, text: str, change: Callable[[Path], None], facts: bytes = b"") -> None:
        """Do a step in a layer of its own; one that comes before anything of the course's is kept for the next time, as builders do."""
        began, used = time.monotonic(), self.group.processor()
        state = [
            self.key,
            *map(str, self.layers[:2]),
            text,
            self.user,
            self.folder,
            repr(sorted({**self.arguments, **self.variables}.items())),
        ]
        self.key = hashlib.sha256("\n".join(state).encode() + facts).hexdigest()[:12]
        new = self.work / "layers" / f"{len(self.layers):02}" if self.met else KEPT / f"step-{self.key}"
        if not new.exists():
            fresh = new.with_name(f"{new.name}.half-{os.getpid()}")
            try:
                with mounted(self.layers, fresh, self.work / "at", self.work / "overlay") as root:
                    change(root)
                for path in self.way.shown:  # where they were shown during the step
                    for one in (path, *path.parents[:-1]):
                        with contextlib.suppress(OSError):
                            (fresh / one.relative_to("/")).rmdir()
                whole_seconds(fresh)
                fresh.rename(new)
            finally:
                if fresh.exists():
                    subprocess.run(["rm", "-rf", "--one-file-system", fresh], check=False)
        self.layers.append(new)
        made = Made(text, time.monotonic() - began, self.group.processor() - used, whole_seconds(new))
        self.steps.append(made)
        if made.seconds > 1:
            print(
                f"  {made.seconds:6.1f} s, {made.processor:5.1f} s of processor, {made.size / 1e6:7.1f} MB  {text[:100]}",
                flush=True,
            )

    def run(self, command: str) -> None:
        def change(root: Path) -> None:
            (root / self.folder.lstrip("/")).mkdir(parents=True, exist_ok=True)
            profile = "" if self.user == "root" else "P1"
            line = container(
                root,
                ["/bin/sh", "-c", command],
                folder=self.folder,
                profile=profile,
                uid=UID,
                more=self.way.words,
            )
            environment = {**self.arguments, **self.variables, **self.way.variables}
            done = subprocess.run(line, env=environment, capture_output=True, text=True, preexec_fn=self.group.join)
            if done.returncode:
                raise CannotRunHere(f"the build fails at RUN {command[:80]}\n{(done.stdout + done.stderr)[-3000:]}")

        self.layer(f"RUN {command}", change)

    def copy(self, step: Step) -> None:
        source, target, options = step.copy()
        owner = options.get("chown", "0:0")
        self.met |= source.startswith("src/")

        def change(root: Path) -> None:
            place = Path(self.folder, self.expand(target)).as_posix()
            there = root / place.lstrip("/")
            there.parent.mkdir(parents=True, exist_ok=True)
            if source == "src/":
                subprocess.run(["cp", "-a", f"{self.clone}/.", there], check=True)
                subprocess.run(["chown", "-hR", owner, there], check=True)
                return
            original = self.clone / source[4:] if source.startswith("src/") else self.recipe.files[source]
            shutil.copyfile(original, there)  # what a link leads to, as builders do for a single file
            there.chmod(int(options["chmod"], 8) if "chmod" in options else original.stat().st_mode & 0o777)
            subprocess.run(["chown", owner, there], check=True)

        facts = b"" if source.startswith("src/") else self.recipe.files[source].read_bytes()
        self.layer(f"COPY {source} {target}", change, facts)


def build(recipe: Recipe, clone: Path, base: Base, way: Way, work: Path) -> Image:
    """Build the image of a clone.  Raises `CannotRunHere`, with the end of what was said, at a step that fails."""
    with Group.made(f"binder-build-{os.getpid()}", BUILD_MEMORY) as group:
        builder = _Builder(recipe, clone, work, way, [*base.layers], group)
        foreign, entrypoint = 0, []
        for step in recipe.steps():
            match step.word:
                case "ENV":
                    builder.variables.update({name: builder.expand(value) for name, value in step.settings().items()})
                case "ARG":
                    for name, value in step.settings().items():
                        builder.arguments.setdefault(name, builder.expand(value))
                case "USER":
                    builder.user = builder.expand(step.rest)
                case "WORKDIR":
                    builder.folder = builder.expand(step.rest)
                case "COPY":
                    builder.copy(step)
                case "RUN" if "install-base-env.bash" in step.rest:
                    kept = conda_layer(base, recipe.conda_lock(), recipe.python, builder.variables, way)
                    builder.layers.append(kept)
                    builder.key += kept.name
                    foreign = len(builder.layers)
                case "RUN":
                    builder.run(step.rest)
                case "ENTRYPOINT":
                    entrypoint = step.listed()
        if not foreign:
            raise CannotRunHere("repo2docker no longer installs conda's packages by install-base-env.bash")
    return Image(builder.layers, foreign, builder.variables, builder.folder, entrypoint, builder.steps)


def packed(layers: Sequence[Path]) -> int:
    """Give the bytes of layers packed for a registry: what a node that has nothing of them fetches."""
    total = 0
    for layer in layers:
        with (
            subprocess.Popen(["tar", "-C", layer, "-cf", "-", "."], stdout=subprocess.PIPE) as tar,
            subprocess.Popen(["gzip", "-1"], stdin=tar.stdout, stdout=subprocess.PIPE) as small,
        ):
            assert small.stdout is not None
            while chunk := small.stdout.read(1 << 20):
                total += len(chunk)
    return total
