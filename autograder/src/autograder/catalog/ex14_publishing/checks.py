"""What must be true once the five packages are where they should be, and nothing else is."""

from __future__ import annotations

import hashlib
import json
import re
import secrets
from pathlib import Path
from typing import NoReturn

from packaging.version import Version

from autograder import Failed, Workspace, check
from autograder.archive import Wheel
from autograder.catalog.ex14_publishing.workflow import Workflow, grants_identity
from autograder.exceptions import BrokenExercise
from autograder.published import Published, Release
from autograder.wording import code, command, listing, seen

# ---- Task 1: The first release

_LIST = "Run `pypi-manage list` to see what is on PyPI."


@check(
    task=1,
    points=2,
    hints=[
        "A release is made in three steps: say which version it is, build it, upload what was built. Which of them are done?",
        "`pyproject-build stickers` builds both files from what `stickers/pyproject.toml` says; `twine check` looks at them before anybody else does.",
        "`twine upload` goes to PyPI if you don't tell it otherwise. It asks for a token, and `pypi-manage token` makes you one.",
    ],
)
def first_release_is_out(work: Workspace) -> None:
    """`price-stickers` 1.0.0 is on PyPI, as a wheel and as an sdist."""
    pypi = work.published("pypi")
    expected = "`price-stickers` 1.0.0 is on PyPI, as a wheel and as an sdist."
    there = [one.version for one in pypi.releases("price-stickers")]
    tried_out = [one.version for one in work.published("testpypi").releases("price-stickers")]
    if not there and tried_out:
        raise Failed(
            expected=expected,
            found=f"`price-stickers` {', '.join(tried_out)} is on TestPyPI, and nothing of it is on PyPI: these are two indexes, and neither copies the other.",
            next_step="Run `pypi-manage list --testpypi; pypi-manage list` to see what is where.",
            evidence=seen("price-stickers"),
        )
    if there and "1.0.0" not in there:
        raise Failed(
            expected=expected,
            found=f"On PyPI there is {code(f'price-stickers {there[-1]}')}: a build takes its number from `pyproject.toml`, and `twine` uploads whatever was built.",
            next_step=_LIST,
            evidence=seen(f"{there[-1]} "),
        )
    release = pypi.release("price-stickers", "1.0.0")
    for files, kind in ((release.wheels, "wheel"), (release.sdists, "sdist")):
        if not files:
            raise Failed(
                expected=expected,
                found=f"`price-stickers` 1.0.0 is there without its {kind}: {listing(one.filename for one in release.files)} is all that was uploaded.",
                next_step=_LIST,
                evidence=seen(release.files[0].filename),
            )
    if "price_stickers.py" not in _wheel(pypi, release).names:
        raise Failed(
            expected="The wheel of `price-stickers` 1.0.0 holds `price_stickers.py`.",
            found=f"{code(release.wheels[0].filename)} on PyPI doesn't hold it: whoever installs it can't import it.",
            next_step=_LIST,
            evidence=seen(release.wheels[0].filename),
        )


@check(
    task=1,
    points=1,
    after=first_release_is_out,
    hints=[
        "Everything in `dist/` that the shell's `*` matched was uploaded. What lay there before you came?",
        "What was released by mistake can be yanked or deleted; `pypi-manage --help` has both.",
        "Nobody uses the trial build yet, so deleting that one version on PyPI hurts nobody. Its file names are burned, and nobody will need them.",
    ],
)
def nothing_else_came_along(work: Workspace) -> None:
    """Nobody is offered another release of `price-stickers` than 1.0.0."""
    releases = work.published("pypi").releases("price-stickers")
    others = [one.version for one in releases if one.version != "1.0.0" and one.yanked is None]
    if others:
        raise Failed(
            expected="1.0.0 is the only release of `price-stickers` which people are offered on PyPI.",
            found=f"{code(f'price-stickers {others[0]}')} is on PyPI, too: it was never meant to leave the house.",
            next_step=_LIST,
            evidence=seen(f"{others[0]} "),
        )
    if any(one.version == "1.0.0" and one.yanked is not None for one in releases):
        raise Failed(
            expected="`price-stickers` 1.0.0 is offered to people.",
            found="`price-stickers` 1.0.0 is yanked: nobody gets it who doesn't pin it.",
            next_step=_LIST,
            evidence=r"1\.0\.0\s+yanked",
        )


@check(
    task=1,
    points=2,
    after=first_release_is_out,
    hints=[
        "The proof of a release is that a stranger can install it: a new environment, and nothing but the name.",
        "`python3 -m venv` makes the environment. Give its pip no path and no folder, so that it has to ask the index.",
        "In the new environment: `stickers/proof/bin/python -m pip install` and then the name with `==` and the version.",
    ],
)
def a_stranger_can_install_it(work: Workspace) -> None:
    """The environment `stickers/proof` has `price-stickers` 1.0.0 from the index, and what it needs."""
    environment = work.environment("stickers/proof")
    one = environment.distribution("price-stickers", "==1.0.0")
    if one.direct_url is not None:
        url = str(one.direct_url.get("url", ""))
        what = "your own folder" if one.editable or not url.endswith((".whl", ".gz")) else "a file that lies here"
        raise Failed(
            expected="`price-stickers` in `stickers/proof` was installed from the index.",
            found=f"It was installed from {what}: that proves nothing about what is on PyPI.",
            next_step=f"Run {command('cat', f'{one.folder}/direct_url.json')} to see where it came from.",
            evidence=seen("url"),
        )
    environment.distribution("leftpad")
    pypi = work.published("pypi")
    wheel = _wheel(pypi, pypi.release("price-stickers", "1.0.0"))
    here = work.file(f"{environment.site_packages}/price_stickers.py").content
    if here != wheel.read("price_stickers.py"):
        raise Failed(
            expected="`stickers/proof` holds what PyPI serves.",
            found="`price_stickers.py` in `stickers/proof` is another one than that in the wheel on PyPI: it came from elsewhere.",
            next_step=f"Run {command('cat', f'{environment.site_packages}/price_stickers.py')} to see it.",
            evidence=".",
        )


# ---- Task 2: The 400


@check(
    task=2,
    points=2,
    hints=[
        "What PyPI has once taken under a file's name it never replaces. What has to be another one, then?",
        "The version stands in `rounding/pyproject.toml`, and the names of the files are made from it: a new version gives new names.",
        "Mend `cash_rounding.py`, write 1.0.1 into `pyproject.toml`, build again, and upload only the new files: `dist/*1.0.1*`.",
    ],
)
def mended_release_is_out(work: Workspace) -> None:
    """`cash-rounding` 1.0.1 is on PyPI, and people are offered it."""
    pypi = work.published("pypi")
    _why_not_yet(work, pypi)
    release = pypi.release("cash-rounding", "1.0.1")
    if not release.wheels:
        raise Failed(
            expected="`cash-rounding` 1.0.1 is on PyPI, with a wheel.",
            found=f"There is no wheel of it: {listing(one.filename for one in release.files)} is all that was uploaded.",
            next_step=_LIST,
            evidence=seen(release.files[0].filename),
        )
    if release.yanked is not None:
        raise Failed(
            expected="`cash-rounding` 1.0.1 is offered to people.",
            found="1.0.1 is yanked: people who don't pin are still given 1.0.0.",
            next_step=_LIST,
            evidence=r"1\.0\.1\s+yanked",
        )


def _why_not_yet(work: Workspace, pypi: Published) -> None:
    """Say what stands in the way, where 1.0.1 isn't out and somebody tried to mend 1.0.0 itself."""
    there = {one.version: one for one in pypi.releases("cash-rounding")}
    if "1.0.1" in there:
        return
    expected = "`cash-rounding` 1.0.1 is on PyPI."
    if "1.0.0" not in there:
        raise Failed(
            expected=expected,
            found="1.0.0 was deleted, and its file names are burned: nothing can be published under them again, mended or not.",
            next_step="Run `pip index versions cash-rounding` to see what is left.",
            evidence="No matching distribution",
        )
    for file in there["1.0.0"].files:
        path = f"rounding/dist/{file.filename}"
        if work.file(path).exists and hashlib.sha256(work.file(path).content).hexdigest() != file.sha256:
            raise Failed(
                expected=expected,
                found=f"{code(path)} is another file than the one of this name on PyPI, which never replaces what it has published: "
                "other content needs another number.",
                next_step=f"Run {command('sha256sum', path)} and compare it with what `pip download` brings.",
                evidence=r"[0-9a-f]{64}",
            )


@check(
    task=2,
    points=1,
    after=mended_release_is_out,
    hints=[
        "The other branch has 1.0.0 in a lock file with hashes. What do they find on PyPI tonight?",
        "A new release needs no old one out of its way: both stand side by side on the index.",
        "A file that was deleted from PyPI can't be brought back, not even by uploading the same bytes. With *Start over* you get it back here, and only here.",
    ],
)
def old_release_is_untouched(work: Workspace) -> None:
    """`cash-rounding` 1.0.0 is on PyPI as it was: the same two files."""
    release = work.published("pypi").release("cash-rounding", "1.0.0")
    names = {one.filename for one in release.files}
    wanted = {"cash_rounding-1.0.0-py3-none-any.whl", "cash_rounding-1.0.0.tar.gz"}
    if names != wanted:
        more = names - wanted
        found = f"{listing(wanted - names)} is gone: whoever has it in a lock file is without it now."
        if more:
            found = f"{listing(more)} was added to 1.0.0: who asks for 1.0.0 may now get another thing than yesterday."
        raise Failed(
            expected="1.0.0 consists of the wheel and the sdist of this morning.",
            found=found,
            next_step=_LIST,
            evidence=seen("cash-rounding"),
        )


@check(
    task=2,
    points=2,
    acts=True,
    after=mended_release_is_out,
    hints=[
        "Try out what people get, not what lies in your folder: install `cash-rounding` somewhere new and ask it for 103 cents.",
        "What was built is a copy of the source as it was at that moment. Was it mended already?",
        "A number that was released wrongly is used up, too: mend the source, and take the next one, or delete 1.0.1 and see why that doesn't help.",
    ],
)
def people_get_right_amounts(work: Workspace) -> None:
    """Whoever installs `cash-rounding` 1.0.1 is given the nearest amount."""
    amounts = [secrets.randbelow(100_000) * 5 + last for last in range(5)]
    mark = secrets.token_hex(12)
    line = f"import cash_rounding as c; print({mark!r}, *[c.rounded(cents) for cents in {amounts}])"
    ran = work.run("bash", "-c", _INSTALL_AND_RUN, "try", "cash-rounding==1.0.1", line)
    told = re.search(rf"^{mark} (.+)$", ran.output, re.MULTILINE)
    expected = "`rounded` of `cash-rounding` 1.0.1 gives the nearest amount that can be paid."
    step = "Run `pip install -q --upgrade --target rounding/got cash-rounding==1.0.1; cat rounding/got/cash_rounding.py` to see what people get."
    if told is None:
        raise Failed(
            expected=expected,
            found="Who installs `cash-rounding` 1.0.1 from PyPI can't call `cash_rounding.rounded`.",
            next_step=step,
            evidence=r"\S",
        )
    for cents, given in zip(amounts, told[1].split(), strict=False):
        if given != str((cents + 2) // 5 * 5):
            wrong = cents % 5 + 100
            raise Failed(
                expected=expected,
                found=f"`cash-rounding` 1.0.1 on PyPI rounds as wrongly as before, or newly so: amounts such as {wrong} cents come out wrong.",
                next_step=step,
                evidence=r"def rounded",
            )


_INSTALL_AND_RUN = """
new=$(mktemp -d)
pip install --quiet --no-deps --target "$new" "$1" && PYTHONPATH=$new python3 -c "$2"
"""


# ---- Task 3: A bad release


@check(
    task=3,
    points=3,
    hints=[
        "Two wishes at once: who doesn't name a version must not get 1.0.2, and who names it must. Deleting fulfils only one of them.",
        "PEP 592 has a state between offered and gone. `pypi-manage --help` names it.",
        "It is done to one release of a project, and can be given a reason, which installers show: `pypi-manage yank --help`. A yank without one can be taken back, and done again.",
    ],
)
def bad_release_is_withdrawn(work: Workspace) -> None:
    """`receipt-footer` 1.0.2 is on PyPI, yanked, and the yank says why."""
    pypi = work.published("pypi")
    there = {one.version: one.yanked for one in pypi.releases("receipt-footer")}
    if "1.0.2" not in there:
        raise Failed(
            expected="`receipt-footer` 1.0.2 can still be installed by whoever names it.",
            found="1.0.2 was deleted: `receipt-footer==1.0.2`, which the museum shop installs every night, finds nothing any more.",
            next_step="Run `pip install --dry-run receipt-footer==1.0.2` to see what they see.",
            evidence="No matching distribution",
        )
    reason = there["1.0.2"]
    if reason is None:
        others = [version for version, why in there.items() if why is not None]
        more = f" Yanked is {listing(others)}." if others else ""
        raise Failed(
            expected="`receipt-footer` 1.0.2 is yanked.",
            found=f"`receipt-footer` 1.0.2 is offered to everybody who doesn't name a version.{more}",
            next_step=_LIST,
            evidence=r"1\.0\.2  receipt",
        )
    if len(re.findall(r"\w\w", reason)) < 3:
        said = f"The reason given is {code(reason)}" if reason.strip() else "1.0.2 is yanked without a reason"
        raise Failed(
            expected="Whoever still installs 1.0.2 is told what is wrong with it.",
            found=f"{said}: the museum shop will see a warning each night, and not learn from it what to do.",
            next_step=_LIST,
            evidence=r"1\.0\.2\s+yanked",
        )


@check(
    task=3,
    points=2,
    acts=True,
    after=bad_release_is_withdrawn,
    hints=[
        "Try both as the shops do: `pip install --dry-run receipt-footer`, and the same with `==1.0.2`.",
        "A yank that hits more than the bad release leaves nothing to fall back on.",
        "`pypi-manage list` shows each release and whether it is yanked; `pypi-manage unyank` takes a yank back.",
    ],
)
def both_kinds_of_users_are_served(work: Workspace) -> None:
    """`pip install receipt-footer` gives 1.0.1, and `receipt-footer==1.0.2` can be installed."""
    mark = secrets.token_hex(12)
    ran = work.run("bash", "-c", _TWO_USERS, "try", mark)
    told = dict(re.findall(rf"^{mark} (\S+) (\S*)$", ran.output, re.MULTILINE))
    for asked, wanted in (("receipt-footer", "1.0.1"), ("receipt-footer==1.0.2", "1.0.2")):
        given = told.get(asked, "")
        if given != wanted:
            got = f"gives {code(given)}" if given else "finds nothing"
            raise Failed(
                expected=f"`pip install {asked}` gives {wanted}.",
                found=f"`pip install {asked}` {got}.",
                next_step=f"Run `pip install --dry-run --ignore-installed {asked}; pypi-manage list` to see what it would take, and why.",
                evidence=seen("receipt-footer"),
            )


_TWO_USERS = """
for asked in receipt-footer receipt-footer==1.0.2; do
  new=$(mktemp -d)
  pip install --quiet --no-deps --target "$new" "$asked"
  version=$(cd "$new" && ls -d receipt_footer-*.dist-info 2>/dev/null | sed 's/receipt_footer-//; s/.dist-info//')
  printf '\\n%s %s %s\\n' "$1" "$asked" "$version"
done
"""


# ---- Task 4: Tried out, and not by a stranger

_NEEDED = ("label-sizes", "leftpad")
_TRY = "signs/try.sh"


@check(
    task=4,
    points=2,
    acts=True,
    hints=[
        "Start `signs/try.sh` and read the line in which pip says what it didn't find. On which index is that?",
        "One `pip install` with one index can't do it: what you want is on two. It need not be one command.",
        "`--no-deps` lets pip take one distribution and nothing that it needs. Then who installs what it needs, and from where?",
    ],
)
def sign_writer_is_tried_out(work: Workspace) -> None:
    """`signs/try.sh` makes `signs/.venv`, with `sign-writer` 0.3 from TestPyPI and all that it needs."""
    if work.file(_TRY).require().content == (Path(__file__).parent / "start" / _TRY).read_bytes():
        raise Failed(  # known without a trial
            expected=f"{code(_TRY)} installs `sign-writer` and what it needs, and ends well.",
            found=f"{code(_TRY)} is as you found it: it looks for everything on TestPyPI, where `leftpad` isn't.",
            next_step=f"Run {command('bash', _TRY)} and read what it says.",
            evidence="leftpad",
        )
    status, there = _try_out(work)
    expected = f"{code(_TRY)} installs `sign-writer` and what it needs, and ends well."
    step = f"Run {command('bash', _TRY)} and read what it says."
    missing = [name for name in ("sign-writer", *_NEEDED) if name not in there]
    if status != 0 or missing:
        what = f"`signs/.venv` lacks {listing(missing)}" if missing else "so one of its commands failed"
        raise Failed(
            expected=expected,
            found=f"{code(_TRY)} ended with exit status {status}, and {what}.",
            next_step=step,
            evidence=r"\S",
        )
    test = work.published("testpypi")
    served = _wheel(test, test.release("sign-writer", "0.3"))
    version, digest = there["sign-writer"]
    if version != "0.3" or digest != _sha256(served.read("sign_writer.py")):
        raise Failed(
            expected="What is tried out is `sign-writer` 0.3, as it is on TestPyPI.",
            found=f"`sign-writer` {version} in `signs/.venv` is not the one on TestPyPI.",
            next_step=f"Run {command('cat', _TRY)} to see where it takes it from.",
            evidence=r"\S",
        )


@check(
    task=4,
    points=3,
    acts=True,
    after=sign_writer_is_tried_out,
    hints=[
        "`signs/.venv/bin/python -c 'import label_sizes; print(label_sizes.WHO)'` tells whose it is.",
        "With two indexes pip takes the highest version, whichever of them has it. On TestPyPI anybody may take any name, and any version.",
        "Let TestPyPI be asked for one thing only: fetch `sign-writer` alone from there with `pip download --no-deps`, and let a second command install that file, with PyPI as its only index.",
    ],
)
def nothing_comes_from_strangers(work: Workspace) -> None:
    """Whatever strangers put on TestPyPI: `label-sizes` and `leftpad` in `signs/.venv` are PyPI's."""
    _, there = _try_out(work, stranger=True)
    for name in _NEEDED:
        version, digest = there.get(name, ("", ""))
        module = f"{name.replace('-', '_')}.py"
        known = [one.files.get(module) for one in work.known.wheels(name, version)] if version else []
        if version and digest in known and Version(version) < Version("9"):
            continue
        if not version:
            found = f"Once a stranger has put a {code(name)} on TestPyPI, as anybody may, {code(_TRY)} installs none any more."
        elif name == "leftpad":
            found = (
                f"{code(f'leftpad {version}')} in `signs/.venv` is a stranger's. It isn't on TestPyPI yet: "
                "for this trial we let somebody take that name there, as anybody may at any time."
            )
        else:
            found = (
                f"{code(f'{name} {version}')} in `signs/.venv` is a stranger's, from TestPyPI: the highest version won."
            )
        raise Failed(
            expected=f"{code(name)} comes from PyPI, whatever is on TestPyPI.",
            found=found,
            next_step=f"Run {command('cat', _TRY)} to see which of its commands may look on TestPyPI, and for what.",
            evidence=r"(?i)index|testpypi",
        )


def _try_out(work: Workspace, *, stranger: bool = False) -> tuple[int, dict[str, tuple[str, str]]]:
    """Run try.sh; gives its exit status, and version and hash of the module of what is then in the environment."""
    work.file(_TRY).require()
    mark = secrets.token_hex(12)
    ran = work.run("bash", "-c", _TRY_OUT, "try", mark, _STRANGER if stranger else "")
    told = re.search(rf"^{mark} (\d+) (.+)$", ran.output, re.MULTILINE)
    if told is None:
        if stranger and "stranger is here" not in ran.output:
            raise BrokenExercise("The stranger's file can't be uploaded in the trial.", ran.output[-300:])
        return 1, {}
    try:
        found = {str(name): (str(version), str(digest)) for name, (version, digest) in json.loads(told[2]).items()}
    except ValueError:
        found = {}
    return int(told[1]), found


_TRY_OUT = """
rm -rf signs/.venv
if [ -n "$2" ]; then python3 -c "$2" || exit 1; fi
bash signs/try.sh </dev/null
status=$?
python3 -I -S - "$1" "$status" <<'END'
import hashlib, json, pathlib, sys
found = {}
for info in sorted(pathlib.Path("signs/.venv/lib").glob("python3*/site-packages/*.dist-info")):
    name, _, version = info.name.removesuffix(".dist-info").partition("-")
    module = info.parent / f"{name}.py"
    if module.is_file():
        found[name.replace("_", "-").lower()] = version, hashlib.sha256(module.read_bytes()).hexdigest()
print()
print(*sys.argv[1:], json.dumps(found))
END
"""

# Somebody takes the name leftpad on TestPyPI: a small wheel, uploaded as every client does it.
_STRANGER = """
import base64, hashlib, io, json, os, urllib.request, zipfile
open_url = urllib.request.build_opener(urllib.request.ProxyHandler({})).open
here = os.environ["WHEELHOUSE_LOOPBACK"] + "/testpypi/"
def post(path, data, **headers):
    return open_url(urllib.request.Request(here + path, data, headers), timeout=30).read()
head = "Metadata-Version: 2.1\\nName: leftpad\\nVersion: 99.14\\n"
wheel = io.BytesIO()
with zipfile.ZipFile(wheel, "w") as archive:
    for path, text in {
        "leftpad.py": "def pad(*_):\\n    return 'paid to a stranger'\\n",
        "leftpad-99.14.dist-info/METADATA": head,
        "leftpad-99.14.dist-info/WHEEL": "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n",
        "leftpad-99.14.dist-info/RECORD": "leftpad.py,,\\nleftpad-99.14.dist-info/METADATA,,\\nleftpad-99.14.dist-info/WHEEL,,\\nleftpad-99.14.dist-info/RECORD,,\\n",
    }.items():
        archive.writestr(zipfile.ZipInfo(path), text)
data = wheel.getvalue()
token = json.loads(post("manage/account/token/", b"name=stranger", Accept="application/json"))["token"]
form = {":action": "file_upload", "protocol_version": "1", "metadata_version": "2.1", "name": "leftpad", "version": "99.14",
        "filetype": "bdist_wheel", "pyversion": "py3", "sha256_digest": hashlib.sha256(data).hexdigest()}
body = b"".join(f'--x\\r\\nContent-Disposition: form-data; name="{key}"\\r\\n\\r\\n{value}\\r\\n'.encode() for key, value in form.items())
body += b'--x\\r\\nContent-Disposition: form-data; name="content"; filename="leftpad-99.14-py3-none-any.whl"\\r\\n\\r\\n' + data + b"\\r\\n--x--\\r\\n"
post("legacy/", body, **{"Content-Type": "multipart/form-data; boundary=x", "Authorization": "Basic " + base64.b64encode(b"__token__:" + token.encode()).decode()})
print("the stranger is here")
"""


# ---- Task 5: The workflow

_WORKFLOW = "menu/.github/workflows/publish.yml"


@check(
    task=5,
    points=1,
    hints=[
        "A build runs code of your whole tool chain. Should it run in the same job as the step which may publish in your name?",
        "Two jobs share no files: the first has to hand over what it built, by `actions/upload-artifact`, and the second to take it, by `actions/download-artifact`.",
        "Name them `build` and `publish`. Without `needs: build` both start at the same time.",
    ],
)
def build_and_publish_are_apart(work: Workspace) -> None:
    """`publish.yml` builds in one job, and publishes in another one which needs it."""
    workflow = _workflow(work)
    expected = "One job builds, and another one, which needs it, publishes."
    step, evidence = workflow.see("^  [a-zA-Z]|needs:|run:|uses:", "the jobs and what they do")
    if not workflow.publishing:
        _fail(expected, "No job of the workflow publishes anything.", step, evidence)
    for job in workflow.publishing:
        if job.builds:
            _fail(
                expected,
                f"The job {code(job.name)} builds and publishes: whatever runs during the build could publish, too.",
                step,
                evidence,
            )
        if not any(one.builds for one in workflow.before(job)):
            _fail(
                expected,
                f"The job {code(job.name)} doesn't need the job that builds: it starts at the same time, when there is nothing to publish yet.",
                step,
                evidence,
            )
        if not any(re.match(r"actions/download-artifact\b", one) for one in job.uses) and not re.search(
            r"gh run download|gh release download", job.commands
        ):
            _fail(
                expected,
                f"The job {code(job.name)} never takes what was built: each job begins on an empty machine.",
                step,
                evidence,
            )
        if job.unpacks_beside_dist and any(one.hands_over_the_content_of_dist for one in workflow.before(job)):
            step, evidence = workflow.see("artifact|path:", "where files are taken from, and where they are put")
            _fail(
                expected,
                f"The job {code(job.name)} has what lay in `dist` unpacked beside it, and looks for it in `dist`, which isn't there.",
                step,
                evidence,
            )


@check(
    task=5,
    points=1,
    after=build_and_publish_are_apart,
    hints=[
        "`id-token: write` lets a job prove to PyPI who it is. Which jobs have a reason to?",
        "Permissions at the top hold for all jobs. Those of a single job stand in the job.",
        "Take everything away at the top (an empty `{}`), and give each job what it needs: to the one that builds, reading the contents.",
    ],
)
def identity_is_for_publishing_only(work: Workspace) -> None:
    """Only the job that publishes may ask for an identity."""
    workflow = _workflow(work)
    expected = "The job that publishes has `id-token: write`, and no other has."
    step, evidence = workflow.see("permissions:|id-token:|write-all|^  [a-zA-Z]", "who may do what")
    if grants_identity(workflow.told.get("permissions")):
        _fail(expected, "The permission stands at the top of the workflow: so all of its jobs have it.", step, evidence)
    for job in workflow.jobs:
        if job.may_ask_for_identity and not job.publishes:
            _fail(
                expected,
                f"The job {code(job.name)} may ask for an identity, and doesn't publish: what runs in it could publish in your name.",
                step,
                evidence,
            )
    for job in workflow.publishing:
        if not job.may_ask_for_identity:
            _fail(
                expected,
                f"The job {code(job.name)} may not ask for an identity, so it can't prove to PyPI who it is.",
                step,
                evidence,
            )


@check(
    task=5,
    points=1,
    after=build_and_publish_are_apart,
    hints=[
        "On the code forge an environment can demand that a person approves, or that the tag has a certain name. Which job is worth that?",
        "PyPI can demand it, too: a trusted publisher may be bound to the name of an environment.",
        "It is one line in the job that publishes, with a name such as `pypi`.",
    ],
)
def publishing_has_an_environment(work: Workspace) -> None:
    """The job that publishes runs in an environment."""
    workflow = _workflow(work)
    for job in workflow.publishing:
        if not job.environment:
            step, evidence = workflow.see("environment|^  [a-zA-Z]", "which jobs have one")
            _fail(
                "The job that publishes names its `environment`.",
                f"The job {code(job.name)} has none: whoever can push a tag can publish, and nobody is asked.",
                step,
                evidence,
            )


@check(
    task=5,
    points=1,
    after=build_and_publish_are_apart,
    hints=[
        "A token that is stored can be stolen, and is valid until somebody remembers to revoke it. What does the job have instead?",
        "Trusted publishing exchanges the job's identity for a token of 15 minutes. If a password is given as well, that is used.",
        "Take the password away, and the `with` above it if nothing else is left in it.",
    ],
)
def no_secret_is_stored(work: Workspace) -> None:
    """No stored secret is used anywhere in the workflow."""
    workflow = _workflow(work)
    stored = re.compile(
        r"\bsecrets\s*(\.(?!GITHUB_TOKEN\b)|\[|:\s*inherit\b)|\bpypi-Ag[A-Za-z0-9_-]{8}|toJ[sS][oO][nN]\(\s*secrets"
    )
    for line in workflow.lines:
        if stored.search(line):
            step, evidence = workflow.see("secrets|pypi-Ag", "the line")
            _fail(
                "The workflow publishes without a stored secret.",
                "A stored token is still handed over, so that one is used, and the job's own identity is not.",
                step,
                evidence,
            )


@check(
    task=5,
    points=2,
    acts=True,
    acts_in="menu",
    hints=[
        "`zizmor --offline menu/.github/workflows/publish.yml` lists what it objects to, and where one can read why.",
        "A tag such as `v4` can be moved to another commit by whoever owns the action, or stole it. A commit can't.",
        "`menu/actions.txt` has the commits: write `owner/name@` and all 40 digits. And `actions/checkout` leaves its credentials lying about unless `persist-credentials: false` stands under its `with`.",
    ],
)
def zizmor_finds_nothing(work: Workspace) -> None:
    """Every action is pinned to a commit, and `zizmor` finds nothing of medium severity or more."""
    workflow = _workflow(work)
    look = f"Run {command('zizmor', '--offline', _WORKFLOW)} to see what it says, and why."
    for job in workflow.jobs:
        for used in job.uses:
            name, _, commit = used.partition("@")
            if used.startswith("./") or (used.startswith("docker://") and re.search(r"@sha256:[0-9a-f]{64}$", used)):
                continue
            if not re.fullmatch(r"[0-9a-f]{40}", commit):
                why = (
                    "so few digits can be those of another commit, made for the purpose"
                    if re.fullmatch(r"[0-9a-f]{7,39}", commit)
                    else "that is a name, which can be given to another commit at any time"
                )
                _fail(
                    "Every `uses:` names a commit, by its 40 digits.",
                    f"{code(name)} is used at {code(commit)}: {why}.",
                    workflow.see("uses:", "what is used")[0],
                    seen(used),
                )
    if re.search(r"#\s*zizmor:\s*ignore", workflow.text):
        step, evidence = workflow.see("zizmor", "it")
        _fail("Nothing is hidden from `zizmor`.", "A comment tells `zizmor` to look away.", step, evidence)
    ran = work.run(
        "zizmor", "--offline", "--no-config", "--no-progress", "--min-severity", "medium", "--format", "json", _WORKFLOW
    )
    found = re.search(r'"ident":\s*"([a-z-]+)"', ran.output)
    if found or ran.exit_status != 0:
        what = f"`zizmor` objects: {code(found[1])}." if found else "`zizmor` can't make sense of the workflow."
        _fail("`zizmor` finds nothing of medium severity or more.", what, look, seen(found[1]) if found else r"\S")


@check(
    task=5,
    points=1,
    acts=True,
    acts_in="menu",
    after=build_and_publish_are_apart,
    hints=[
        "What a forge doesn't understand in a workflow it refuses, or ignores. `check-jsonschema` knows the keys there are.",
        "`check-jsonschema --builtin-schema vendor.github-workflows menu/.github/workflows/publish.yml` names what it doesn't know under *Best Match*.",
        "Words in keys are joined by `-` in a workflow, never by `_`.",
    ],
)
def schema_is_kept(work: Workspace) -> None:
    """`check-jsonschema` knows every key of the workflow."""
    _workflow(work)
    schema = ("check-jsonschema", "--builtin-schema", "vendor.github-workflows", _WORKFLOW)
    if work.run(*schema).exit_status != 0:
        raise Failed(
            expected=f"{code(_WORKFLOW)} keeps to the schema of workflows.",
            found="Something in it is no key of a workflow, or stands in the wrong place.",
            next_step=f"Run {command(*schema)} and read what stands under *Best Match*.",
            evidence=r"(?i)validation errors",
        )


# ---- What several of them need


def _workflow(work: Workspace) -> Workflow:
    return Workflow(_WORKFLOW, work.file(_WORKFLOW).require().text)


def _fail(expected: str, found: str, next_step: str, evidence: str) -> NoReturn:
    raise Failed(expected=expected, found=found, next_step=next_step, evidence=evidence)


def _wheel(published: Published, release: Release) -> Wheel:
    """Read the wheel of a release."""
    if not release.wheels:
        raise Failed(
            expected=f"{code(f'{release.project} {release.version}')} has a wheel on {published.name}.",
            found="It has none.",
            next_step=_LIST,
            evidence=seen(release.project),
        )
    file = release.wheels[0]
    return Wheel(file.filename, published.content(file))


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
