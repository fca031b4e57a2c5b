"""What each special fixture is for really happens with stock pip and stock uv."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import pytest

from autograder.exceptions import CourseError
from autograder.index import PackageIndex
from autograder.index.known import bundled_wheels
from index_clients import UV, installed_in, needs_uv, variables

pytestmark = needs_uv

SHOP_SMOKE = """
import kiosk_printer, kiosk_screen
assert kiosk_printer.ticket("x" * 40) == "x" * 20
assert kiosk_screen.box("tea").splitlines()[1] == "|tea|"
"""


@dataclass
class Shop:
    """One server for all scenarios, which remembers what was fetched; pip, uv, and an empty environment to resolve for."""

    folder: Path
    base: str
    index: PackageIndex
    pip_path: Path
    opened: list[str] = field(default_factory=list)
    """Hashes of the files that were opened."""

    def url(self, site: str = "pypi") -> str:
        """Give the Simple API of a site."""
        return f"{self.base}/{site}/simple/"

    @property
    def variables(self) -> dict[str, str]:
        """The environment of all commands."""
        here = {"PIP_INDEX_URL": self.url(), "UV_DEFAULT_INDEX": self.url(), "PWD": str(self.folder)}
        return variables(self.folder) | here

    def run(self, *argv: str | Path, fails: bool = False, text: str = "", both: bool = True) -> str:
        """Run a command, expect it to do well (or not), and give what it said (or only printed)."""
        ran = subprocess.run(
            [str(part) for part in argv],
            cwd=self.folder,
            env=self.variables,
            input=text,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT if both else subprocess.PIPE,
            text=True,
            timeout=120,
        )
        assert (ran.returncode != 0) == fails, f"{ran.stdout} {ran.stderr}"
        return ran.stdout

    def pip(self, *arguments: str, fails: bool = False, both: bool = True) -> str:
        """Let pip install, or say what it would, in the empty environment."""
        return self.run(
            sys.executable,
            self.pip_path,
            "--python",
            self.folder / "empty",
            "install",
            *arguments,
            fails=fails,
            both=both,
        )

    def pip_takes(self, *arguments: str) -> dict[str, str]:
        """Say which files pip would install: normalised name -> file name."""
        report = json.loads(self.pip("--dry-run", "--quiet", "--report", "-", *arguments, both=False))
        return {
            entry["metadata"]["name"]: entry["download_info"]["url"].rpartition("/")[2] for entry in report["install"]
        }

    def uv(self, *arguments: str | Path, fails: bool = False, text: str = "") -> str:
        """Run uv."""
        assert UV is not None
        return self.run(UV, *arguments, fails=fails, text=text)

    def uv_takes(self, *requirements: str, options: tuple[str, ...] = ()) -> dict[str, str]:
        """Say what uv would install: name -> version."""
        return pins(self.uv(*COMPILE, *options, "-", text="\n".join(requirements)))

    def environment(self, name: str, *requirements: str) -> Path:
        """Make an environment and let uv install into it; gives its folder."""
        self.uv("venv", "-q", name)
        self.uv("pip", "install", "-q", "-p", name, *requirements)
        return self.folder / name

    def wheels(self, *releases: str) -> str:
        """Give wheels as a path for imports: they are stored, not compressed, and importable as they are."""
        places = []
        for release in releases:
            name, version = release.split("==")
            (file,) = (f for f in self.index.files(name) if f.version == version and f.filename.endswith(".whl"))
            places.append(str(self.index._store.place(file)))
        return os.pathsep.join(places)

    @property
    def fetched(self) -> list[str]:
        """Names of the wheels and sdists that were fetched, not of their metadata."""
        return [self.index._by_hash[digest].filename for digest in self.opened if digest in self.index._by_hash]


COMPILE = ("pip", "compile", "-q", "--no-header", "--no-annotate")


def pins(text: str) -> dict[str, str]:
    """Read lines such as `name==1.0 ; marker`."""
    return dict(re.findall(r"^([\w.-]+)==(\S+)", text, re.MULTILINE))


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """The shop."""
    index = PackageIndex.open()
    if index.missing:
        try:
            PackageIndex.fetch_mirror(say=lambda _: None)
            index = PackageIndex.open()
        except CourseError:
            pass
    wheels = [index._store.place(file) for file in index.files("pip") if file.origin == "mirror"] or bundled_wheels()
    folder = tmp_path_factory.mktemp("shop")
    with zipfile.ZipFile(wheels[-1]) as archive:
        archive.extractall(folder / "pip")  # so that it may keep its bytecode
    with socket.create_server(("127.0.0.1", 0)) as listener:
        shop = Shop(folder, f"http://127.0.0.1:{listener.getsockname()[1]}", index, folder / "pip" / "pip")
        really = index._open_file

        def opening(sha256: str) -> BinaryIO:
            shop.opened.append(sha256)
            return really(sha256)

        index._open_file = opening  # type: ignore[method-assign]
        with index.serve(listener):
            shop.uv("venv", "-q", "empty")
            yield shop


@pytest.fixture(autouse=True)
def nothing_fetched_yet(shop: Shop) -> None:
    """Begin each scenario with no memory of the files of another."""
    shop.opened.clear()


# --- resolving


@pytest.mark.parametrize(
    "requirements",
    [
        ("loyalty-web", "loyalty-till"),
        ("legacytool==1.0", "moderntool"),
        ("kiosk-screen==2.0", "kiosk-printer==1.0", "kiosk-fonts<3"),
        ("gift-cards", "till-wants2"),
    ],
)
def test_impossible_sets_are_refused_without_fetching_a_wheel(shop: Shop, requirements: tuple[str, ...]) -> None:
    """Both clients refuse what can't be, from metadata alone."""
    assert "ResolutionImpossible" in shop.pip("--dry-run", *requirements, fails=True)
    said = shop.uv(*COMPILE, "-", text="\n".join(requirements), fails=True)
    assert "No solution found" in said
    assert shop.opened
    assert shop.fetched == []


def test_relaxing_one_pin_cures_the_kiosk(shop: Shop) -> None:
    """Only the printer's pin may be relaxed, and only so far: everything else resolves to what doesn't work, or not at all."""
    cured = {"kiosk-screen": "2.0", "kiosk-printer": "1.1", "kiosk-fonts": "2.4"}
    for printer in ("kiosk-printer~=1.0", "kiosk-printer>=1.0,<2", "kiosk-printer==1.1"):
        assert shop.uv_takes("kiosk-screen==2.0", printer, "kiosk-fonts<3") == cured
    good = shop.wheels("kiosk-screen==2.0", "kiosk-printer==1.1", "kiosk-fonts==2.4")
    shop.run("env", f"PYTHONPATH={good}", sys.executable, "-c", SHOP_SMOKE)
    for wrong, missing in (
        (("kiosk-screen==2.0", "kiosk-printer==2.0", "kiosk-fonts==2.4"), "ticket"),  # the printer's pin removed
        (("kiosk-screen==2.0", "kiosk-printer==1.1", "kiosk-fonts==3.0"), "width"),  # the limit of the fonts removed
        (("kiosk-screen==1.0", "kiosk-printer==1.0", "kiosk-fonts==1.5"), "box"),  # the screen's pin relaxed
    ):
        said = shop.run("env", f"PYTHONPATH={shop.wheels(*wrong)}", sys.executable, "-c", SHOP_SMOKE, fails=True)
        assert f"has no attribute '{missing}'" in said
    assert shop.uv_takes("kiosk-screen==2.0", "kiosk-printer", "kiosk-fonts<3")["kiosk-printer"] == "2.0"
    assert shop.uv_takes("kiosk-screen", "kiosk-printer==1.0", "kiosk-fonts<3")["kiosk-screen"] == "1.0"
    shop.uv(*COMPILE, "-", text="kiosk-screen==2.0\nkiosk-printer==1.0\nkiosk-fonts", fails=True)


def test_ladder_is_climbed_down(shop: Shop) -> None:
    """Beside shelf-gauge, pip gives up one release of shelf-planner after the other, and fetches only what it asks about."""
    said = shop.pip("--dry-run", "shelf-planner", "shelf-gauge")
    assert "Would install shelf-gauge-1.0 shelf-planner-1.2 shelf-rules-1.2" in said
    assert "looking at multiple versions of shelf-planner" in said
    assert len(set(shop.opened)) > 8
    expected = {"shelf-gauge": "1.0", "shelf-planner": "1.2", "shelf-rules": "1.2"}
    assert shop.uv_takes("shelf-planner", "shelf-gauge") == expected


@pytest.mark.parametrize(
    ("requirements", "taken"),
    [
        (("webfw", "stock-count"), {"webfw": "1.2", "netcore": "1.1"}),
        (("gift-wrap", "till-wants2"), {"gift-wrap": "1.0", "shoplib": "2.3"}),
        (("legacytool", "moderntool"), {"legacytool": "1.1", "shoplib": "2.3"}),
        (("legacytool==1.0", "till-flexi", "day-ledger"), {"shoplib": "1.9", "netcore": "2.0"}),
        (("stock-feed~=1.4",), {"stock-feed": "1.10.1"}),
        (("stock-feed==1.0.*",), {"stock-feed": "1.0.post1"}),
        (
            ("kiosk-suite[all]", "stock-feed", "self-checkout", "coupon-codes", "shelf-labels", "shelf_signs.xl"),
            {
                "opening-hours": "1.1",
                "receipt-printer": "1.3",
                "stock-feed": "1.10.1",
                "self-checkout": "0.1b1",
                "coupon-codes": "1.0",
                "shelf-labels": "1.0",
                "shelf-signs-xl": "1.0",
            },
        ),
        (("paper-catalogue", "till-classic"), {"paper-catalogue": "4.1", "till-classic": "1.0", "shoplib": "1.9"}),
    ],
)
def test_sets_resolve_to_what_lessons_say(shop: Shop, requirements: tuple[str, ...], taken: dict[str, str]) -> None:
    """Both clients take the releases that a lesson foretells."""
    assert taken.items() <= shop.uv_takes(*requirements).items()
    by_pip = {re.sub(r"[-_.]+", "-", name).lower(): file for name, file in shop.pip_takes(*requirements).items()}
    for name, version in taken.items():
        assert by_pip[name].startswith(f"{name.replace('-', '_')}-{version}-"), by_pip


def test_one_can_be_upgraded_alone(shop: Shop) -> None:
    """From an old lock, `--upgrade-package shoplib` moves only shoplib; `--upgrade` moves webfw and netcore, too."""
    old = {"shoplib": "1.5", "webfw": "1.2", "netcore": "1.1", "orm": "1.0"}
    wanted = shop.folder / "requirements.in"
    wanted.write_text("shoplib\nwebfw\norm\n")

    def compiled(*options: str) -> dict[str, str]:
        lock = shop.folder / "requirements.txt"
        lock.write_text("".join(f"{name}=={version}\n" for name, version in old.items()))
        shop.uv(*COMPILE, wanted, "-o", lock, *options)
        return pins(lock.read_text())

    assert compiled() == old
    assert compiled("--upgrade-package", "shoplib") == {**old, "shoplib": "2.3"}
    assert compiled("--upgrade") == {"shoplib": "2.3", "webfw": "2.0", "netcore": "2.0", "orm": "1.3"}


def test_markers_decide(shop: Shop) -> None:
    """opening-hours needs one more distribution below Python 3.12, and another on Windows."""
    assert "hours-backport" in shop.uv_takes("opening-hours", options=("--python-version", "3.11"))
    assert set(shop.uv_takes("opening-hours", options=("--python-version", "3.13"))) == {"opening-hours"}
    windows = shop.uv_takes("opening-hours", options=("--python-version", "3.13", "--python-platform", "windows"))
    assert "hours-winclock" in windows
    assert ("hours-backport" in shop.pip_takes("opening-hours")) == (sys.version_info < (3, 12))


def test_yanked_releases_are_left_alone(shop: Shop) -> None:
    """A yanked release comes only by `==`, with its reason; where all are yanked there is nothing else."""
    assert "accepts coupons that have expired" in shop.pip("--dry-run", "coupon-codes==1.1")
    assert shop.uv_takes("coupon-codes==1.1") == {"coupon-codes": "1.1"}
    assert "yanked" in shop.uv(*COMPILE, "-", text="coupon-codes>1.0", fails=True)
    assert "No matching distribution" in shop.pip("--dry-run", "bottle-deposit", fails=True)
    assert "yanked" in shop.uv(*COMPILE, "-", text="bottle-deposit", fails=True)


def test_other_pythons_are_left_out(shop: Shop) -> None:
    """What asks for a Python of the future or of the past is refused with that reason; uv knows no upper limits."""
    assert ">=3.99" in shop.pip("--dry-run", "shelf-labels==2.0", fails=True)
    assert ">=3.99" in shop.uv(*COMPILE, "-", text="shelf-labels==2.0", fails=True)
    assert "<3.8" in shop.pip("--dry-run", "fax-orders", fails=True)
    assert shop.uv_takes("fax-orders") == {"fax-orders": "1.0"}


def test_wheels_are_chosen_by_their_tags(shop: Shop) -> None:
    """Of nine wheels pip takes the one for this Python and platform; of wheels for others only, none."""
    tags = shop.pip_takes("barcode-reader")["barcode-reader"].removeprefix("barcode_reader-3.2-")
    here = f"cp{sys.version_info[0]}{sys.version_info[1]}"
    known = {"cp311", "cp312", "cp313"}
    if sys.platform == "linux" and os.uname().machine == "x86_64" and here in known:
        assert tags == f"{here}-{here}-manylinux_2_17_x86_64.manylinux2014_x86_64.whl"
    if sys.platform == "linux":
        assert "No matching distribution" in shop.pip("--dry-run", "drawer-lock", fails=True)
        assert "no wheels with a matching platform tag" in shop.uv(
            "pip", "install", "-p", "empty", "drawer-lock", fails=True
        )


@pytest.mark.parametrize(
    ("cooldown", "version"), [("P7D", "1.1"), ("P60D", "1.0"), ("P1D", "1.2")], ids=["week", "two months", "day"]
)
def test_young_releases_stay_young(shop: Shop, cooldown: str, version: str) -> None:
    """The newest daily-offers is two days old on whatever day the course is taken."""
    assert shop.uv_takes("daily-offers", options=("--exclude-newer", cooldown)) == {"daily-offers": version}
    if "26" in shop.run(sys.executable, shop.pip_path, "--version").split()[1]:
        taken = shop.pip_takes("--uploaded-prior-to", cooldown, "daily-offers")
        assert taken["daily-offers"] == f"daily_offers-{version}-py3-none-any.whl"


def test_quarantined_project_can_not_be_installed(shop: Shop) -> None:
    """The index offers no file of a quarantined project."""
    shop.pip("--dry-run", "free-coupons", fails=True)
    shop.uv(*COMPILE, "-", text="free-coupons", fails=True)


# --- two indexes


def test_confusion_is_reproduced_and_prevented(shop: Shop) -> None:
    """With a second index pip takes the stranger's 99.0; one index, uv's order or a hash give the company's own."""
    company, world = shop.url("company"), shop.url("pypi")
    stranger, yours = "internal_auth-99.0-py3-none-any.whl", "internal_auth-1.2.0-py3-none-any.whl"
    both = ("--index-url", company, "--extra-index-url", world)
    assert shop.pip_takes(*both, "internal-auth")["internal-auth"] == stranger
    assert shop.pip_takes("--index-url", company, "internal-auth")["internal-auth"] == yours
    (file,) = (file for file in shop.index.files("internal-auth", "company") if file.filename == yours)
    (shop.folder / "hashed.txt").write_text(f"internal-auth==1.2.0 --hash=sha256:{file.sha256}\n")
    assert shop.pip_takes(*both, "-r", "hashed.txt")["internal-auth"] == yours
    first = ("--index", company, "--default-index", world)
    assert shop.uv_takes("internal-auth", options=first) == {"internal-auth": "1.2.0"}
    assert shop.uv_takes("internal-auth", options=both) == {"internal-auth": "99.0"}
    careless = (*first, "--index-strategy", "unsafe-best-match")
    assert shop.uv_takes("internal-auth", options=careless) == {"internal-auth": "99.0"}
    assert "yours" in shop.uv("run", "--no-project", "-q", *first, "--with", "internal-auth", "internal-auth")


def test_trying_out_takes_a_strangers_dependency(shop: Shop) -> None:
    """label-sizes is the good one on pypi, and somebody else's where anybody may try out."""
    assert shop.pip_takes("label-sizes")["label-sizes"] == "label_sizes-1.2-py3-none-any.whl"
    mixed = ("--index-url", shop.url("testpypi"), "--extra-index-url", shop.url("pypi"))
    assert shop.pip_takes(*mixed, "label-sizes")["label-sizes"] == "label_sizes-9.9-py3-none-any.whl"
    shop.uv(*COMPILE, "-", "--default-index", shop.url("testpypi"), text="netcore", fails=True)


def test_altered_file_has_the_same_name_and_another_hash(shop: Shop) -> None:
    """price-rounding on the company's index can't be told from the one on pypi but by its hash."""
    (good,), (altered,) = (shop.index.files("price-rounding", site) for site in ("pypi", "company"))
    assert (good.filename, good.version, good.uploaded) == (altered.filename, altered.version, altered.uploaded)
    assert good.sha256 != altered.sha256
    (shop.folder / "locked.txt").write_text(f"price-rounding==1.0 --hash=sha256:{good.sha256}\n")
    shop.pip_takes("-r", "locked.txt")
    said = shop.pip("--dry-run", "--index-url", shop.url("company"), "-r", "locked.txt", fails=True)
    assert altered.sha256 in said
    assert "MATCH" in said


# --- what is built, and what runs


def test_building_a_newer_sdist_leaves_a_mark(shop: Shop) -> None:
    """Even a dry run runs the backend of scanner-gun 1.1, without any other distribution; --only-binary takes the wheel."""
    mark = shop.folder / "MARK-scanner-gun.txt"
    only = ("--only-binary", ":all:")
    assert shop.pip_takes(*only, "scanner-gun")["scanner-gun"] == "scanner_gun-1.0-py3-none-any.whl"
    assert shop.uv_takes("scanner-gun", options=only) == {"scanner-gun": "1.0"}
    assert not mark.exists()
    assert shop.pip_takes("scanner-gun")["scanner-gun"] == "scanner_gun-1.1.tar.gz"
    assert "prepare_metadata" in mark.read_text()
    mark.unlink()
    built = shop.environment("built", "scanner-gun")
    assert installed_in(built) == {"scanner-gun": "1.1"}
    assert "build_wheel" in mark.read_text()
    shop.run(built / "bin" / "python", "-c", "import scanner_gun; assert scanner_gun.is_valid('4006381333931')")


def test_sdists_are_built_by_the_backends_of_the_mirror(shop: Shop) -> None:
    """flit-core, setuptools by pyproject.toml and setuptools by an old setup.py: each builds from the index alone."""
    if not any(file.origin == "mirror" for file in shop.index.files("setuptools")):
        pytest.skip("the mirror has not been fetched")
    built = shop.environment("drawers", "till-scales", "cash-drawer", "weekly-report")
    assert installed_in(built) == {
        "till-scales": "0.9",
        "cash-drawer": "1.0",
        "netcore": "2.0",
        "weekly-report": "0.3",
        "leftpad": "1.2",
    }
    shop.run(
        built / "bin" / "python",
        "-c",
        "import cash_drawer, till_scales, weekly_report; assert cash_drawer.sounds() == ['ding', 'dong']",
    )


def test_contents_work_together(shop: Shop) -> None:
    """A namespace package joins, plugins are found, data is read, extras arrive, names differ from imports."""
    names = ("acme-shop-auth", "acme-shop-store", "shop-greeter-french", "shop-greeter-formal", "price-catalogue")
    rich = shop.environment(
        "rich", *names, "kiosk-suite[all]", "shopfornt", "guest-wifi", "customer-login", "coupon-codes"
    )
    code = """
import acme_shop, acme_shop.auth, acme_shop.store, importlib.metadata, kiosk_suite, paperroll, price_catalogue, shop_greeter
assert acme_shop.__file__ is None
assert list(shop_greeter.greetings()) == ["evening", "formal", "french", "plain"]
assert price_catalogue.prices()["crème"] == 240
assert kiosk_suite.parts() == ["hours", "receipts"]
assert importlib.metadata.packages_distributions()["paperroll"] == ["receipt-printer"]
import opening_hours, guest_wifi, customer_login
assert opening_hours.is_open("Monday", 19) and not opening_hours.is_open("Saturday", 19)
assert len(guest_wifi.password("2026-11-21")) == 8
"""
    shop.run(rich / "bin" / "python", "-I", "-c", code)
    assert shop.run(rich / "bin" / "shop-greeter", "Ada").splitlines()[1] == "formal: Welcome to our shop, dear Ada"
    assert "a stranger looks on" in shop.run(rich / "bin" / "shopfront", "tea=320")
    path = shop.wheels("price-catalogue==2026.7")
    shop.run(
        "env",
        f"PYTHONPATH={path}",
        sys.executable,
        "-c",
        "import price_catalogue as p; assert p.prices()['pear'] == 90",
    )


def test_hook_runs_at_every_start(shop: Shop) -> None:
    """chime-loader's .pth runs without being imported, also with -I, not with -S; without it nothing is written."""
    chime = shop.environment("chime", "chime-loader", "till-theme-dark") / "bin" / "python"
    for options, runs in (((), True), (("-I",), True), (("-S",), False)):
        assert ("chime-loader was here" in shop.run(chime, *options, "-c", "pass")) == runs
    shop.uv("pip", "uninstall", "-q", "-p", "chime", "chime-loader")
    assert shop.run(chime, "-c", "import till_theme") == ""


def test_two_distributions_bring_the_same_file(shop: Shop) -> None:
    """The later till-theme wins, pip says nothing, and removing it takes the file from the other."""
    shop.uv("venv", "-q", "themes")
    pip = (sys.executable, shop.pip_path, "--python", shop.folder / "themes")
    shop.run(*pip, "install", "-q", "till-theme-dark", "till-theme-light")
    code = "import till_theme; print(till_theme.BACKGROUND)"
    python = shop.folder / "themes" / "bin" / "python"
    assert shop.run(python, "-c", code).strip() in ("black", "white")
    shop.run(*pip, "uninstall", "-q", "-y", "till-theme-light")
    assert "No module named 'till_theme'" in shop.run(python, "-c", code, fails=True)
    assert installed_in(shop.folder / "themes") == {"till-theme-dark": "1.0"}
