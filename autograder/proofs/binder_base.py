"""Stand-ins for the two parts of a Binder image that are fetched from hosts other than an archive of Linux or an index of Python's.

* FROM buildpack-deps: the same release by debootstrap, with the same packages;
* the RUN that installs conda's packages: CPython from the release's own source package, built for the same folder and with the
  libraries that it is linked to beside it, as conda's are; then, by pip, the versions of JupyterLab and its kin in repo2docker's lock.

Each is made once and kept as a layer.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from proofs.binder_container import HIDDEN, Way, container, mounted, whole_seconds
from proofs.machine import CACHE, CannotRunHere
from proofs.reach import debian_mirror

__all__ = ["KEPT", "Base", "conda_layer", "pins", "ubuntu"]

KEPT = CACHE / "binder"
_RELEASES = {"22.04": "jammy", "24.04": "noble", "26.04": "resolute"}
_BUILDPACK_DEPS = """
ca-certificates curl gnupg netbase sq wget tzdata git mercurial openssh-client subversion procps autoconf automake bzip2
default-libmysqlclient-dev dpkg-dev file g++ gcc imagemagick libbz2-dev libc6-dev libcurl4-openssl-dev libdb-dev libevent-dev
libffi-dev libgdbm-dev libglib2.0-dev libgmp-dev libjpeg-dev libkrb5-dev liblzma-dev libmagickcore-dev libmagickwand-dev
libmaxminddb-dev libncurses-dev libpng-dev libpq-dev libreadline-dev libsqlite3-dev libssl-dev libtool libwebp-dev libxml2-dev
libxslt1-dev libyaml-dev make patch unzip xz-utils zlib1g-dev python3
"""
_PLAIN = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8", "HOME": "/root"}
_APT = {**_PLAIN, "DEBIAN_FRONTEND": "noninteractive"}

_SOURCES = r"""
set -e
mirror=$(sed -n 's/^deb \(\S*\) .*/\1/p' /etc/apt/sources.list | head -n 1)
. /etc/os-release
for kind in deb deb-src; do
    echo "$kind $mirror $VERSION_CODENAME main $more"
    echo "$kind $mirror $VERSION_CODENAME-updates main $more"
    [ "$ID" != ubuntu ] || echo "$kind $mirror $VERSION_CODENAME-security main $more"
done >/etc/apt/sources.list
"""

_PYTHON = r"""
set -e
mkdir /tmp/python && cd /tmp/python
apt-get -qq update
apt-get -qq source --download-only "$source" >/dev/null
apt-get -qq install --yes --no-install-recommends patchelf >/dev/null
tar xf *.orig.tar.*
cd Python-*
./configure --quiet --prefix="$prefix" --disable-test-modules --without-static-libpython CFLAGS=-O1 >/dev/null
make -j2 --silent build_all >/dev/null 2>&1
make --silent install >/dev/null 2>&1
ln -sf python3 "$prefix/bin/python"
# as conda's: the libraries that it is linked to stand beside it, those of the C library apart
cd "$prefix"
find lib/python3.*/lib-dynload -name '*.so' -exec ldd {} + | sed -n 's/.* => \(\S*\) .*/\1/p' | sort -u |
    grep -Ev '/(libc|libm|libdl|librt|libutil|libpthread|libgcc_s|libstdc..)[.]so|ld-linux' |
    while read -r library; do cp -L "$library" lib/; done
find lib/python3.*/lib-dynload -name '*.so' -exec patchelf --set-rpath '$ORIGIN/../..' {} +
for library in lib/*.so.*; do patchelf --set-rpath '$ORIGIN' "$library"; done
chmod -R u+w lib
mv "$prefix" /made
"""

_ENVIRONMENT = r"""
set -e
mkdir -p "$(dirname "$prefix")" "$conda/bin" "$conda/etc/profile.d"
cp -a /mnt/made "$prefix"
"$prefix/bin/python3" -m ensurepip --default-pip >/dev/null
"$prefix/bin/python3" -m pip install --quiet --no-cache-dir --no-warn-script-location -r /mnt/pins.txt
: >"$conda/etc/profile.d/conda.sh"
# the real ones print functions which put the environment first on PATH; so does this
cat >"$conda/bin/mamba" <<'END'
#!/bin/sh
echo 'mamba() { PATH="$NB_PYTHON_PREFIX/bin:$CONDA_DIR/bin:$PATH" CONDA_PREFIX="$NB_PYTHON_PREFIX"; export PATH CONDA_PREFIX; }'
END
printf '#!/bin/sh\n' >/usr/local/bin/micromamba
chmod 755 "$conda/bin/mamba" /usr/local/bin/micromamba
chown -R 1000:1000 "$conda"
"""

_WANTED = """
alembic anyio argon2-cffi babel bleach certipy httpx ipykernel ipython ipywidgets jinja2 json5 jsonschema jupyter-lsp
jupyter-offlinenotebook jupyter-resource-usage jupyter_client jupyter_core jupyter_events jupyter_server
jupyter_server_terminals jupyterlab jupyterlab_server jupyterlab_widgets mistune nbclient nbformat notebook notebook-shim oauthlib
packaging pamela pip prometheus_client psutil pydantic pygments pyyaml pyzmq referencing requests setuptools sqlalchemy terminado
tornado traitlets urllib3 wheel widgetsnbextension
"""
_RENAMED = {"jupyterhub-base": "jupyterhub", "nbconvert-core": "nbconvert"}


@dataclass(frozen=True)
class Base:
    """What stands for FROM: its layers, the lowest first, and what it is, in words."""

    layers: list[Path]
    name: str


def pins(lock: str) -> list[str]:
    """Give pip's names and versions of those packages in a conda lock which make a Jupyter server, sorted."""
    found = set()
    for line in lock.splitlines():
        match = re.search(r"/(?:noarch|linux-64)/([^/]+?)-(\d[^-]*)-[^-/]+\.(?:conda|tar\.bz2)", line)
        if match and (match[1] in _WANTED.split() or match[1] in _RENAMED):
            found.add(f"{_RENAMED.get(match[1], match[1])}=={match[2]}")
    return sorted(found)


def _once(folder: Path, make: Callable[[Path], None]) -> Path:
    """Make a kept folder under another name and move it to its place when whole."""
    if not folder.exists():
        half = folder.with_name(f"{folder.name}.half-{os.getpid()}")
        subprocess.run(["rm", "-rf", "--one-file-system", half], check=True)
        half.mkdir(parents=True)
        try:
            make(half)
            whole_seconds(half)
            half.rename(folder)
        finally:
            if half.exists():
                subprocess.run(["rm", "-rf", "--one-file-system", half], check=False)
    return folder


def _inside(
    layers: list[Path], layer: Path, script: str, variables: dict[str, str], way: Way, more: tuple[str, ...] = ()
) -> None:
    """Run a script as root on layers, and keep what it wrote as one more."""
    place = layer.with_name(layer.name + ".at")
    with mounted(layers, layer, place, layer.with_name(layer.name + ".work")) as root:
        command = container(root, ["/bin/sh", "-c", script], folder="/", more=[*way.words, *more])
        environment = {**_APT, **way.variables, **variables}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    place.rmdir()
    if done.returncode:
        raise CannotRunHere(f"the base image can't be made: {(done.stdout + done.stderr)[-1500:]}")


def ubuntu(base_image: str, way: Way, mirror: str = "") -> Base:
    """Give a stand-in for buildpack-deps, made on the first call; of Debian where no Ubuntu can be had.

    Raises `CannotRunHere` where neither can.
    """
    if os.geteuid() != 0 or not shutil.which("debootstrap"):
        raise CannotRunHere(
            "A base image can only be made by root and with debootstrap (`apt-get install debootstrap`)."
        )
    tag = base_image.rpartition(":")[2]
    release = _RELEASES.get(tag)
    if release is None:
        raise CannotRunHere(f"repo2docker builds on {base_image}, whose release this proof doesn't know.")
    scripts = Path("/usr/share/debootstrap/scripts")
    script = release if (scripts / release).exists() else "gutsy"  # all younger ones are links to it
    try:
        return _bootstrapped(release, mirror, [script], "universe", f"Ubuntu {tag}", way)
    except CannotRunHere as why:
        print(f"No Ubuntu can be had ({why}); Debian stands in for it.", flush=True)
        where, name = debian_mirror()
        return _bootstrapped(name, where, [], "", f"Debian {name}, since no Ubuntu could be had", way)


def _bootstrapped(release: str, mirror: str, script: list[str], more: str, name: str, way: Way) -> Base:
    def bare(folder: Path) -> None:
        print(f"Fetching an empty {release} (once) …", flush=True)
        trusted = (
            [] if not script or Path("/usr/share/keyrings/ubuntu-archive-keyring.gpg").exists() else ["--no-check-gpg"]
        )
        command = [
            "debootstrap",
            "--variant=minbase",
            *trusted,
            "--include=ca-certificates",
            release,
            str(folder),
            mirror,
        ]
        done = subprocess.run([*command, *script], capture_output=True, text=True, check=False)
        if done.returncode:
            raise CannotRunHere(f"debootstrap ended with {done.returncode}: {done.stdout[-300:]}")
        shutil.rmtree(folder / "var/cache/apt/archives")
        (folder / "var/cache/apt/archives/partial").mkdir(parents=True)

    empty = _once(KEPT / release, bare)

    def full(folder: Path) -> None:
        print("Installing what buildpack-deps has (once) …", flush=True)
        words = f"apt-get -qq update && apt-get -qq install --yes --no-install-recommends {' '.join(_BUILDPACK_DEPS.split())} >/dev/null"
        clean = "apt-get -qq clean && rm -rf /var/lib/apt/lists/*"
        _inside([empty], folder, f"{_SOURCES}\n{words}\n{clean}", {"more": more}, way)

    return Base([empty, _once(KEPT / f"{release}-buildpack-deps", full)], name)


def conda_layer(base: Base, lock: str, python: str, variables: dict[str, str], way: Way) -> Path:
    """Give a layer with what stands for conda's base environment; `variables` are the Dockerfile's so far."""
    prefix, conda = variables["NB_PYTHON_PREFIX"], variables["CONDA_DIR"]

    def build(folder: Path) -> None:
        print(f"Building Python {python} at {prefix} (once, some minutes) …", flush=True)
        source = f"python{python}" if "Ubuntu" in base.name else "python3.11"
        _inside(base.layers, folder, _PYTHON, {"prefix": prefix, "source": source}, way)
        for left in ("tmp", "var", "usr", "etc", "srv"):  # only what it made is used
            shutil.rmtree(folder / left, ignore_errors=True)

    mark = hashlib.sha256((_PYTHON + prefix).encode()).hexdigest()[:8]
    built = _once(KEPT / f"{base.layers[-1].name}-python{python}-{mark}", build)
    wanted = "\n".join(pins(lock)) + "\n"

    def install(folder: Path) -> None:
        print("Installing JupyterLab and its kin as repo2docker locks them (once) …", flush=True)
        listed = KEPT / f"pins-{os.getpid()}.txt"
        listed.write_text(wanted, encoding="utf-8")
        shown = ("--ro-bind", str(listed), f"{HIDDEN}/pins.txt", "--ro-bind", str(built / "made"), f"{HIDDEN}/made")
        try:
            _inside(base.layers, folder, _ENVIRONMENT, {"prefix": prefix, "conda": conda}, way, shown)
        finally:
            listed.unlink()

    key = hashlib.sha256("\n".join([wanted, _ENVIRONMENT, built.name]).encode()).hexdigest()[:12]
    return _once(KEPT / f"conda-{key}", install)
