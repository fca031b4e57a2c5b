"""What people really do instead: each from the untouched start, with the check that must say so first."""

from __future__ import annotations

from autograder import Mistake
from autograder.catalog.ex14_publishing import checks

__all__ = ["GOOD_WORKFLOW", "MISTAKES", "UPLOAD"]

UPLOAD = "export TWINE_USERNAME=__token__ TWINE_PASSWORD=$(pypi-manage token)\n"
_ONE = "sed -i 's/^version = .*/version = \"1.0.0\"/' stickers/pyproject.toml\n"
_PROOF = "uv venv -q stickers/proof && uv pip install -q --python stickers/proof/bin/python "
_MEND = "sed -i 's|return .*|return (cents + 2) // 5 * 5|' rounding/cash_rounding.py\n"
_BUMP = "sed -i 's/^version = .*/version = \"1.0.1\"/' rounding/pyproject.toml\n"
_SEND = "uv build -q rounding\n" + UPLOAD + "twine upload rounding/dist/*1.0.1*\n"
_FIRST = _ONE + "rm -r stickers/dist\nuv build -q stickers\n" + UPLOAD + "twine upload stickers/dist/*\n"
_YANK = 'pypi-manage yank receipt-footer 1.0.2 --reason "Prints 0 days"\n'

_CHECKOUT = "actions/checkout@11bd71901bbe5b1630ceea73d27597364c9af683"
_PUBLISH = "pypa/gh-action-pypi-publish@76f52bc884231f62b9a034ebfe128415bbaabdfc"
_FILE = "menu/.github/workflows/publish.yml"
GOOD_WORKFLOW = f"""\
cat > {_FILE} <<'END'
name: Publish
on:
  push:
    tags: ["v*"]
permissions: {{}}
jobs:
  build:
    runs-on: ubuntu-latest
    timeout-minutes: 10
    permissions:
      contents: read
    steps:
      - uses: {_CHECKOUT}
        with:
          persist-credentials: false
      - run: |
          python -m pip install build
          python -m build
      - uses: actions/upload-artifact@ea165f8d65b6e75b540449e92b4886f43607fa02
        with:
          name: dist
          path: dist/
  publish:
    needs: build
    runs-on: ubuntu-latest
    environment: pypi
    permissions:
      id-token: write
    steps:
      - uses: actions/download-artifact@d3f86a106a0bac45b974a628896c90dbdf5c8093
        with:
          name: dist
          path: dist/
      - uses: {_PUBLISH}
END
"""


def _workflow(edit: str) -> str:
    """Repair everything, and then spoil one thing by `sed`."""
    return GOOD_WORKFLOW + f"sed -i -E {edit} {_FILE}\n"


def _try(*commands: str) -> str:
    """Write try.sh with these commands of pip, all in the new environment."""
    lines = "\n".join(f".venv/bin/python -m pip {one}" for one in commands)
    return (
        'cat > signs/try.sh <<\'END\'\nset -e\ncd "$(dirname "$0")"\nrm -rf .venv wheels\npython3 -m venv .venv\n'
        f"{lines}\nEND\n"
    )


MISTAKES = [
    # ---- Task 1
    Mistake(
        "released what was built, and not what was meant",
        task=1,
        commands=UPLOAD + "twine upload stickers/dist/*\n" + _PROOF + "price-stickers",
        caught_by=checks.first_release_is_out,
        says=r"On PyPI there is `price-stickers 0\.9\.0`",
    ),
    Mistake(
        "stopped after the rehearsal",
        task=1,
        commands=_ONE
        + "rm -r stickers/dist; uv build -q stickers\n"
        + "TWINE_USERNAME=__token__ TWINE_PASSWORD=$(pypi-manage token --testpypi) twine upload -r testpypi stickers/dist/*",
        caught_by=checks.first_release_is_out,
        says=r"is on TestPyPI, and nothing of it is on PyPI",
    ),
    Mistake(
        "uploaded the wheel only",
        task=1,
        commands=_ONE
        + "uv build -q --wheel stickers\n"
        + UPLOAD
        + "twine upload stickers/dist/*1.0.0*\n"
        + _PROOF
        + "price-stickers",
        caught_by=checks.first_release_is_out,
        says=r"without its sdist",
    ),
    Mistake(
        "uploaded all that lay in dist",
        task=1,
        commands=_ONE
        + "uv build -q stickers\n"
        + UPLOAD
        + "twine upload stickers/dist/*\n"
        + _PROOF
        + "price-stickers",
        caught_by=checks.nothing_else_came_along,
        says=r"`price-stickers 0\.9\.0` is on PyPI, too",
    ),
    Mistake(
        "proved that the file in dist can be installed",
        task=1,
        commands=_FIRST + _PROOF + "stickers/dist/*.whl",
        caught_by=checks.a_stranger_can_install_it,
        says=r"installed from a file that lies here",
    ),
    Mistake(
        "installed the folder",
        task=1,
        commands=_FIRST + _PROOF + "--editable stickers",
        caught_by=checks.a_stranger_can_install_it,
        says=r"from your own folder",
    ),
    Mistake(
        "proved it without what it needs",
        task=1,
        commands=_FIRST + _PROOF + "--no-deps price-stickers",
        caught_by=checks.a_stranger_can_install_it,
        says=r"`leftpad` is not installed",
    ),
    # ---- Task 2
    Mistake(
        "mended it, and uploaded it under the old number",
        task=2,
        commands=_MEND + "uv build -q rounding\n" + UPLOAD + "twine upload rounding/dist/*",
        caught_by=checks.mended_release_is_out,
        says=r"never replaces what it has published",
    ),
    Mistake(
        "deleted the release, to upload it once more",
        task=2,
        commands=_MEND
        + "pypi-manage delete cash-rounding 1.0.0 --yes\nuv build -q rounding\n"
        + UPLOAD
        + "twine upload rounding/dist/*",
        caught_by=checks.mended_release_is_out,
        says=r"its file names are burned",
    ),
    Mistake(
        "called it a post-release",
        task=2,
        commands=_MEND
        + "sed -i 's/^version = .*/version = \"1.0.0.post1\"/' rounding/pyproject.toml\nuv build -q rounding\n"
        + UPLOAD
        + "twine upload rounding/dist/*",
        caught_by=checks.mended_release_is_out,
        says=r"`cash-rounding 1\.0\.0\.post1`",
    ),
    Mistake(
        "yanked the wrong one of the two",
        task=2,
        commands=_MEND + _BUMP + _SEND + 'pypi-manage yank cash-rounding 1.0.1 --reason "Rounds down only"',
        caught_by=checks.mended_release_is_out,
        says=r"1\.0\.1 is yanked",
    ),
    Mistake(
        "put the new one in the place of the old one",
        task=2,
        commands=_MEND + _BUMP + _SEND + "pypi-manage delete cash-rounding 1.0.0 --yes",
        caught_by=checks.old_release_is_untouched,
        says=r"`cash-rounding 1\.0\.0` was deleted",
    ),
    Mistake(
        "slipped a second build into the old release as well",
        task=2,
        commands=_MEND
        + "uv build --wheel rounding -q\n"
        + "cd rounding/dist; python3 -c \"import zipfile as z; a=z.ZipFile('cash_rounding-1.0.0-1-py3-none-any.whl','w');"
        + " b=z.ZipFile('cash_rounding-1.0.0-py3-none-any.whl'); [a.writestr(i, b.read(i)) for i in b.namelist()]; a.close()\"; cd ../..\n"
        + UPLOAD
        + "twine upload rounding/dist/*-1-py3*\n"
        + _BUMP
        + _SEND,
        caught_by=checks.old_release_is_untouched,
        says=r"`cash_rounding-1\.0\.0-1-py3-none-any\.whl` was added",
    ),
    Mistake(
        "changed the number and forgot the bug",
        task=2,
        commands=_BUMP + _SEND,
        caught_by=checks.people_get_right_amounts,
        says=r"rounds as wrongly as before",
    ),
    Mistake(
        "rounded up where it was rounded down",
        task=2,
        commands="sed -i 's|return .*|return (cents + 4) // 5 * 5|' rounding/cash_rounding.py\n" + _BUMP + _SEND,
        caught_by=checks.people_get_right_amounts,
        says=r"come out wrong",
    ),
    # ---- Task 3
    Mistake(
        "deleted the bad release",
        task=3,
        commands="pypi-manage delete receipt-footer 1.0.2 --yes",
        caught_by=checks.bad_release_is_withdrawn,
        says=r"1\.0\.2 was deleted: `receipt-footer==1\.0\.2`",
    ),
    Mistake(
        "yanked what people shall get",
        task=3,
        commands='pypi-manage yank receipt-footer 1.0.1 --reason "Take the newer one"',
        caught_by=checks.bad_release_is_withdrawn,
        says=r"`receipt-footer` 1\.0\.2 is offered",
    ),
    Mistake(
        "archived the project",
        task=3,
        commands='pypi-manage status receipt-footer archived --reason "Something is wrong with it"',
        caught_by=checks.bad_release_is_withdrawn,
        says=r"`receipt-footer` 1\.0\.2 is offered",
    ),
    Mistake(
        "yanked it without a word",
        task=3,
        commands="pypi-manage yank receipt-footer 1.0.2",
        caught_by=checks.bad_release_is_withdrawn,
        says=r"without a reason",
    ),
    Mistake(
        "yanked everything, to be on the safe side",
        task=3,
        commands=_YANK
        + "for version in 1.0.0 1.0.1; do pypi-manage yank receipt-footer $version --reason 'Something is wrong'; done",
        caught_by=checks.both_kinds_of_users_are_served,
        says=r"`pip install receipt-footer` gives `1\.0\.2`|finds nothing",
    ),
    Mistake(
        "deleted the good one along with it",
        task=3,
        commands=_YANK + "pypi-manage delete receipt-footer 1.0.1 --yes",
        caught_by=checks.both_kinds_of_users_are_served,
        says=r"`pip install receipt-footer` gives `1\.0\.0`",
    ),
    # ---- Task 4
    Mistake(
        "added the other index, as everybody says",
        task=4,
        commands=_try('install --index-url "$WHEELHOUSE_TESTPYPI" --extra-index-url "$WHEELHOUSE_PYPI" sign-writer'),
        caught_by=checks.nothing_comes_from_strangers,
        says=r"`label-sizes 9\.9` .*stranger's",
    ),
    Mistake(
        "turned the two indexes round",
        task=4,
        commands=_try('install --extra-index-url "$WHEELHOUSE_TESTPYPI" sign-writer'),
        caught_by=checks.nothing_comes_from_strangers,
        says=r"`label-sizes 9\.9` .*stranger's",
    ),
    Mistake(
        "limited the one name of which a stranger was seen",
        task=4,
        commands=_try('install --extra-index-url "$WHEELHOUSE_TESTPYPI" sign-writer "label-sizes<9"'),
        caught_by=checks.nothing_comes_from_strangers,
        says=r"`leftpad 99\.14` .*we let somebody take that name",
    ),
    Mistake(
        "left out what it needs",
        task=4,
        commands=_try('install --no-deps --index-url "$WHEELHOUSE_TESTPYPI" sign-writer'),
        caught_by=checks.sign_writer_is_tried_out,
        says=r"lacks `label-sizes` and `leftpad`",
    ),
    Mistake(
        "installed all but the one to be tried",
        task=4,
        commands=_try("install label-sizes leftpad"),
        caught_by=checks.sign_writer_is_tried_out,
        says=r"lacks `sign-writer`",
    ),
    # ---- Task 5
    Mistake(
        "kept it all in one job",
        task=5,
        commands=f"""cat > {_FILE} <<'END'
name: Publish
on:
  push:
    tags: ["v*"]
permissions: {{}}
jobs:
  release:
    runs-on: ubuntu-latest
    environment: pypi
    permissions:
      id-token: write
    steps:
      - uses: {_CHECKOUT}
        with:
          persist-credentials: false
      - run: python -m pip install build && python -m build
      - uses: {_PUBLISH}
END
""",
        caught_by=checks.build_and_publish_are_apart,
        says=r"`release` builds and publishes",
    ),
    Mistake(
        "let both jobs start at once",
        task=5,
        commands=_workflow("'/needs: build/d'"),
        caught_by=checks.build_and_publish_are_apart,
        says=r"doesn't need the job that builds",
    ),
    Mistake(
        "forgot to fetch what was built",
        task=5,
        commands=_workflow("'/download-artifact/,/path:/d'"),
        caught_by=checks.build_and_publish_are_apart,
        says=r"never takes what was built",
    ),
    Mistake(
        "forgot to say where it goes",
        task=5,
        commands=_workflow("'/download-artifact/,/path:/{/path:/d}'"),
        caught_by=checks.build_and_publish_are_apart,
        says=r"unpacked beside it",
    ),
    Mistake(
        "wrote a command with a colon in it",
        task=5,
        commands=_workflow(r"'s/^( *)- run: .*/\1- run: pip install --only-binary :all: build/'"),
        caught_by=checks.build_and_publish_are_apart,
        says=r"is no YAML",
    ),
    Mistake(
        "let the build ask for an identity, too",
        task=5,
        commands=_workflow(r"'s/^( *)contents: read/&\n\1id-token: write/'"),
        caught_by=checks.identity_is_for_publishing_only,
        says=r"The job `build` may ask",
    ),
    Mistake(
        "gave nobody the permission",
        task=5,
        commands=_workflow("'s/id-token: write/contents: read/'"),
        caught_by=checks.identity_is_for_publishing_only,
        says=r"The job `publish` may not ask",
    ),
    Mistake(
        "left the permission at the top",
        task=5,
        commands=_workflow(r"'s/^permissions: .*/permissions:\n  id-token: write/'"),
        caught_by=checks.identity_is_for_publishing_only,
        says=r"at the top",
    ),
    Mistake(
        "asked nobody",
        task=5,
        commands=_workflow("'/environment:/d'"),
        caught_by=checks.publishing_has_an_environment,
        says=r"whoever can push a tag",
    ),
    Mistake(
        "kept the token, for good measure",
        task=5,
        commands=_workflow(r"'s|^( *)- uses: pypa.*|&\n\1  with:\n\1    password: ${{ secrets.PYPI_API_TOKEN }}|'"),
        caught_by=checks.no_secret_is_stored,
        says=r"still handed over",
    ),
    Mistake(
        "pinned to a release instead of a commit",
        task=5,
        commands=_workflow("'s/(checkout)@.*/\\1@v4.2.2/'"),
        caught_by=checks.zizmor_finds_nothing,
        says=r"`actions/checkout` is used at `v4\.2\.2`",
    ),
    Mistake(
        "shortened the commit",
        task=5,
        commands=_workflow("'s/(checkout)@11bd719.*/\\1@11bd71901bbe/'"),
        caught_by=checks.zizmor_finds_nothing,
        says=r"so few digits",
    ),
    Mistake(
        "left the credentials lying about",
        task=5,
        commands=_workflow("'/checkout/{n;N;d}'"),
        caught_by=checks.zizmor_finds_nothing,
        says=r"`artipacked`",
    ),
    Mistake(
        "told zizmor to look away",
        task=5,
        commands=_workflow("'/checkout/{s/$/ # zizmor: ignore[artipacked]/;n;N;d}'"),
        caught_by=checks.zizmor_finds_nothing,
        says=r"look away",
    ),
    Mistake(
        "left the key that no forge knows",
        task=5,
        commands=_workflow("'s/timeout-minutes/timeout_minutes/'"),
        caught_by=checks.schema_is_kept,
        says=r"no key of a workflow",
    ),
]
