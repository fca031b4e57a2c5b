"""What people really do instead: each from the untouched start, with the check that must say so first."""

from __future__ import annotations

from inspect import cleandoc

from autograder import Mistake
from autograder.catalog.ex09_locking import checks

__all__ = ["MISTAKES"]

_COMPILE_WEBSITE = (
    "cd website && uv pip compile --quiet --generate-hashes requirements.in --output-file requirements.txt"
)
_UPDATE_TILL = "cd till && uv pip compile --quiet --generate-hashes requirements.in --output-file requirements.txt"
_LOCK_KIOSK = "uv pip compile --quiet kiosk/requirements.in --output-file kiosk/pylock.toml\n"
_BUILD_KIOSK = "uv venv --quiet kiosk/.venv && uv pip sync --quiet --python kiosk/.venv kiosk/pylock.toml\n"
_VERDICT = """
digest=$(sha256sum accounts/wheels/price_rounding-*.whl | cut -d ' ' -f 1)
echo '{"file": "price_rounding-1.0-py3-none-any.whl", "sha256": "'$digest'"}' > accounts/verdict.json
python3 -m venv --without-pip accounts/.venv
"""

MISTAKES = [
    # ---- Task 1
    Mistake(
        "wrote down the two that are asked for, with their hashes, and nothing that they need",
        task=1,
        commands=f"{_COMPILE_WEBSITE} --no-deps",
        caught_by=checks.everything_is_pinned,
        says=r"`(shoplib|netcore)` is missing: `(shopfront 1\.1|webfw 1\.2)` needs",
    ),
    Mistake(
        "copied the wishes, and called them a lock",
        task=1,
        commands="cp website/requirements.in website/requirements.txt",
        caught_by=checks.everything_is_pinned,
        says=r"`shopfront`, which leaves several versions open",
    ),
    Mistake(
        "wrote the pins into the wishes",
        task=1,
        commands=f"""
        printf 'daily-offers\\nshopfront==1.1\\nwebfw==1.2\\n' > website/requirements.in
        {_COMPILE_WEBSITE}
        """,
        caught_by=checks.everything_is_pinned,
        says=r"asks for something else now: look at `shopfront` and `webfw`",
    ),
    Mistake(
        "froze an environment in which something else had been tried out",
        task=1,
        commands="""
        uv venv --quiet tried && uv pip install --quiet --python tried -r website/requirements.in pricetag
        uv pip freeze --python tried > website/requirements.txt
        """,
        caught_by=checks.everything_is_pinned,
        says=r"`leftpad` and `pricetag` are in it, and nothing that is asked for needs that",
    ),
    Mistake(
        "compiled without asking for hashes",
        task=1,
        commands="cd website && pip-compile --quiet --strip-extras requirements.in",
        caught_by=checks.hashes_are_there,
        says=r"`daily-offers 1\.2` has no hash",
    ),
    Mistake(
        "deleted hashes which looked like too much",
        task=1,
        commands=f"{_COMPILE_WEBSITE} && sed -i '/^webfw==/,/# via/ {{ /--hash/d; s/ .$// }}' requirements.txt",
        caught_by=checks.hashes_are_there,
        says=r"`webfw 1\.2` has no hash",
    ),
    # ---- Task 2
    Mistake(
        "compiled again, and waited for something to happen",
        task=2,
        commands=_UPDATE_TILL,
        caught_by=checks.shoplib_has_moved,
        says=r"pins `shoplib` to 1\.9.*told what may move",
    ),
    Mistake(
        "let everything move",
        task=2,
        commands="cd till && pip-compile --quiet --generate-hashes --strip-extras --upgrade requirements.in",
        caught_by=checks.nothing_else_has_moved,
        says=r"`webfw 1\.2 -> 2\.0` moved, too",
    ),
    Mistake(
        "threw the old lock away first",
        task=2,
        commands=f"rm till/requirements.txt\n{_UPDATE_TILL}",
        caught_by=checks.nothing_else_has_moved,
        says=r"`netcore 1\.1 -> 2\.0`",
    ),
    Mistake(
        "changed the number, and nothing else",
        task=2,
        commands="sed -i 's/^shoplib==1.9/shoplib==2.3/' till/requirements.txt",
        caught_by=checks.hashes_moved_along,
        says=r"stands at `shoplib 2\.3`, but belongs to version 1\.9",
    ),
    Mistake(
        "moved the right one, and lost all hashes",
        task=2,
        commands="cd till && uv pip compile --quiet --upgrade-package shoplib requirements.in --output-file requirements.txt",
        caught_by=checks.hashes_moved_along,
        says=r"has no hash",
    ),
    # ---- Task 3
    Mistake(
        "installed the lock, and left what was there",
        task=3,
        commands="uv pip install --quiet --python stock/.venv -r stock/requirements.txt",
        caught_by=checks.stock_has_nothing_else,
        says=r"`netcore 1\.1` and `orm 1\.3` are still installed.*never removes",
    ),
    Mistake(
        "made the lock follow the environment",
        task=3,
        commands="uv pip freeze --python stock/.venv > stock/requirements.txt",
        caught_by=checks.stock_has_what_is_locked,
        says=r"leftpad 1\.1 -> 1\.2.* moved.*lock was right",
    ),
    Mistake(
        "let pip-sync begin without saying where",
        task=3,
        commands="cd stock && pip-sync",
        caught_by=checks.stock_has_what_is_locked,
        says=r"`leftpad` 1\.2 is installed",
    ),
    Mistake(
        "installed into the system's Python, for want of an activated environment",
        task=3,
        commands="pip install --quiet -r stock/requirements.txt",
        caught_by=checks.stock_has_what_is_locked,
        says=r"`leftpad` 1\.2 is installed",
    ),
    Mistake(
        "took out what nobody needs, and brought nothing in",
        task=3,
        commands="""
        uv pip uninstall --quiet --python stock/.venv orm netcore
        uv pip install --quiet --python stock/.venv leftpad==1.1 pricetag==1.1
        """,
        caught_by=checks.stock_has_what_is_locked,
        says=r"`shopfront` is not installed",
    ),
    Mistake(
        "installed the lock, and took out only what they remembered",
        task=3,
        commands="""
        uv pip install --quiet --python stock/.venv -r stock/requirements.txt
        uv pip uninstall --quiet --python stock/.venv orm
        """,
        caught_by=checks.stock_has_nothing_else,
        says=r"`netcore 1\.1` is still installed",
    ),
    # ---- Task 4
    Mistake(
        "suspected the first file in the list",
        task=4,
        commands="""echo '{"file": "leftpad-1.1-py3-none-any.whl", "sha256": "e98561c4c22bdbe4db3aa8516d50e6cfc2ba94127d4c2006d34ef8e4f8ac6987"}' > accounts/verdict.json""",
        caught_by=checks.culprit_is_named,
        says=r"`leftpad-1\.1.*is just what was locked",
    ),
    Mistake(
        "copied the hash out of the lock",
        task=4,
        commands=cleandoc("""
            digest=$(grep -A 1 price-rounding accounts/requirements.txt | grep -o 'sha256:.*')
            echo '{"file": "price_rounding-1.0-py3-none-any.whl", "sha256": "'$digest'"}' > accounts/verdict.json
            uv venv --quiet accounts/.venv
            uv pip sync --quiet --python accounts/.venv accounts/requirements.txt
        """),
        caught_by=checks.culprit_is_named,
        says=r"the hash which the file should have",
    ),
    Mistake(
        "believed the delivery, and wrote its hash into the lock",
        task=4,
        commands=f"""
        {_VERDICT}
        sed -i "/price-rounding==/,+1 s/sha256:.*/sha256:$digest/" accounts/requirements.txt
        uv pip install --quiet --python accounts/.venv --no-index --find-links accounts/wheels -r accounts/requirements.txt
        """,
        caught_by=checks.lock_does_not_give_in,
        says=r"accepts the hash.*you accepted the changed file",
    ),
    Mistake(
        "let the lock accept the one file as well as the other",
        task=4,
        commands=f"""
        {_VERDICT}
        uv pip sync --quiet --python accounts/.venv accounts/requirements.txt
        sed -i "s/^price-rounding==1.0/& --hash=sha256:$digest/" accounts/requirements.txt
        """,
        caught_by=checks.lock_does_not_give_in,
        says=r"you accepted the changed file",
    ),
    Mistake(
        "silenced the alarm by taking the hashes out",
        task=4,
        commands=f"""
        {_VERDICT}
        sed -i '/--hash/d; s/ .$//' accounts/requirements.txt
        uv pip install --quiet --python accounts/.venv --no-index --find-links accounts/wheels -r accounts/requirements.txt
        """,
        caught_by=checks.lock_does_not_give_in,
        says=r"has no hash",
    ),
    Mistake(
        "left the lock alone, and installed the delivery without it",
        task=4,
        commands=f"""
        {_VERDICT}
        pip --python accounts/.venv install --quiet accounts/wheels/*.whl
        """,
        caught_by=checks.accounts_hold_the_real_one,
        says=r"The changed file got in: name and version are right",
    ),
    Mistake(
        "found the culprit, and left the rest to others",
        task=4,
        commands=_VERDICT,
        caught_by=checks.accounts_hold_the_real_one,
        says=r"`leftpad` is not installed",
    ),
    # ---- Task 5
    Mistake(
        "gave the lock the name of the kiosk",
        task=5,
        commands=_LOCK_KIOSK + "mv kiosk/pylock.toml kiosk/kiosk-lock.toml",
        caught_by=checks.pylock_is_there,
        says=r"`kiosk/kiosk-lock\.toml`. pip takes a file of that name for requirements",
    ),
    Mistake(
        "gave the name of the format to another format",
        task=5,
        commands='cd kiosk && printf \'[project]\\nname = "kiosk"\\nversion = "1"\\n\' > pyproject.toml && uv lock --quiet && mv uv.lock pylock.toml',
        caught_by=checks.pylock_is_there,
        says=r"has the name, but not the form",
    ),
    Mistake(
        "locked only what is asked for",
        task=5,
        commands=f"{_LOCK_KIOSK.strip()} --no-deps\n{_BUILD_KIOSK}",
        caught_by=checks.pylock_is_there,
        says=r"`(leftpad|hours-backport)` is missing: `(pricetag 1\.1|opening-hours 1\.1)` needs",
    ),
    Mistake(
        "mistyped a hash",
        task=5,
        commands=_LOCK_KIOSK
        + _BUILD_KIOSK
        + "sed -i -E '0,/sha256 = \"[0-9a-f]{8}/s/(sha256 = \")[0-9a-f]{8}/\\100000000/' kiosk/pylock.toml",
        caught_by=checks.pylock_names_real_files,
        says=r"No release has a file with the hash `00000000",
    ),
    Mistake(
        "made the lock, and forgot what it is for",
        task=5,
        commands=_LOCK_KIOSK,
        caught_by=checks.kiosk_is_built_from_it,
        says=r"There is no `kiosk/\.venv`",
    ),
    Mistake(
        "added something to the environment afterwards",
        task=5,
        commands=_LOCK_KIOSK + _BUILD_KIOSK + "uv pip install --quiet --python kiosk/.venv orm==1.0",
        caught_by=checks.kiosk_is_built_from_it,
        says=r"`orm 1\.0` is still installed",
    ),
    # ---- Task 6
    Mistake(
        "made the wishes fit the lock",
        task=6,
        commands="""
        sed -i '/opening-hours/d; s/shoplib>=2/shoplib<2/' labels/pyproject.toml
        uv sync --quiet --project labels
        """,
        caught_by=checks.lock_follows_project,
        says=r"look at `opening-hours` and `shoplib`. The lock has to follow",
    ),
    Mistake(
        "made the environment from the old lock",
        task=6,
        commands="uv sync --quiet --frozen --project labels",
        caught_by=checks.lock_follows_project,
        says=r"made for other wishes: the two differ in `opening-hours` and `shoplib`",
    ),
    Mistake(
        "installed what was missing, and left the lock as it was",
        task=6,
        commands="uv venv --quiet labels/.venv && uv pip install --quiet --python labels/.venv 'shoplib>=2' opening-hours pricetag==1.0 leftpad==1.1",
        caught_by=checks.lock_follows_project,
        says=r"made for other wishes",
    ),
    Mistake(
        "wrote the new wishes into the lock by hand",
        task=6,
        commands="""
        uv sync --quiet --frozen --project labels
        sed -i 's/{ name = "shoplib", specifier = "<2" },/{ name = "opening-hours" }, { name = "shoplib", specifier = ">=2" },/' labels/uv.lock
        """,
        caught_by=checks.lock_holds_what_is_needed,
        says=r"`opening-hours` is missing|`shoplib` 1\.9, but `shoplib>=2` is asked for",
    ),
    Mistake(
        "threw the lock away and made a new one",
        task=6,
        commands="rm labels/uv.lock && uv sync --quiet --project labels",
        caught_by=checks.labels_rest_stays,
        says=r"`pricetag` moved to 1\.1",
    ),
    Mistake(
        "locked, and made no environment",
        task=6,
        commands="uv lock --quiet --project labels",
        caught_by=checks.labels_hold_what_is_locked,
        says=r"There is no `labels/\.venv`",
    ),
    Mistake(
        "helped the environment along by hand",
        task=6,
        commands="uv sync --quiet --project labels && uv pip install --quiet --python labels/.venv orm==1.0",
        caught_by=checks.labels_hold_what_is_locked,
        says=r"`orm 1\.0` is still installed",
    ),
]
