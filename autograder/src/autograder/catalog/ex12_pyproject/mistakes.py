"""What people really do instead: each from the untouched start, with the check that must say so first."""

from __future__ import annotations

from autograder import Mistake
from autograder.catalog.ex12_pyproject import checks

__all__ = ["MISTAKES"]

_BUILD_SYSTEM = '[build-system]\nrequires = ["flit_core>=3.12"]\nbuild-backend = "flit_core.buildapi"\n'
_NEEDS = 'dependencies = ["leftpad>=1.1", "netcore>=1.0,<2", "drawer-lock; sys_platform == \'win32\'"]\n'
_SCRIPTS = '[project.scripts]\nweigh = "till_scales:main"\n'


def _scales(
    *,
    version: str = "1.4.0",
    needs: str = _NEEDS,
    scripts: str = _SCRIPTS,
    more: str = "",
    build_system: str = _BUILD_SYSTEM,
    after: str = "rm scales/setup.py; uv build -q --wheel scales",
) -> str:
    """Write the project file of the scales, right but for what is given, and build."""
    project = f'[project]\nname = "till-scales"\nversion = "{version}"\ndescription = "Scales"\nrequires-python = "{{{{company.python}}}}"\n'
    return f"cat > scales/pyproject.toml <<'END'\n{build_system}{project}{needs}{scripts}{more}END\n{after}\n"


_LICENCE = 'sed -i \'s|^license = .*|license = "MIT"\\nlicense-files = ["legal/our-terms.txt"]|\' tags/pyproject.toml\n'
_NO_CLASSIFIER = "sed -i '/License ::/d' tags/pyproject.toml\n"
_BUILD_TAGS = "uv build -q --wheel tags\n"


def _weather(reference: str = "weather:main", body: str = "print(advice())", name: str = "weather") -> str:
    """Give the weather a function `main` and a command, and build."""
    return f"""
printf '\\n\\ndef main():\\n    {body}\\n' >> weather/weather.py
printf '\\n[project.scripts]\\n{name} = "{reference}"\\n' >> weather/pyproject.toml
uv build -q --wheel weather
"""


_DROP = "sed -i '/^test = /d; /^dev = /d' stock/pyproject.toml\n"
_BUILD_STOCK = "uv build -q --wheel stock\n"


def _groups(*lines: str, table: str = "dependency-groups") -> str:
    return "\n".join(["cat >> stock/pyproject.toml <<'END'", f"[{table}]", *lines, "END"]) + "\n"


_TEST = 'test = ["pytest>=8"]'
_DEV = 'dev = [{include-group = "test"}, "twine", "build"]'

MISTAKES = [
    # ---- Task 1
    Mistake(
        "carried install_requires over as it was",
        task=1,
        commands=_scales(needs="", more='[tool.setup]\ninstall_requires = ["leftpad>=1.1", "netcore>=1.0,<2"]\n'),
        caught_by=checks.scales_say_what_they_need,
        says=r"no `Requires-Dist` at all",
    ),
    Mistake(
        "wrote down what setup.py says on this computer",
        task=1,
        commands=_scales(needs='dependencies = ["leftpad>=1.1", "netcore>=1.0,<2"]\n'),
        caught_by=checks.scales_say_what_they_need,
        says=r"Installed on Windows",
    ),
    Mistake(
        "asked for the Windows thing everywhere",
        task=1,
        commands=_scales(needs='dependencies = ["leftpad>=1.1", "netcore>=1.0,<2", "drawer-lock"]\n'),
        caught_by=checks.scales_say_what_they_need,
        says=r"Installed on Linux",
    ),
    Mistake(
        "began a new version",
        task=1,
        commands=_scales(version="0.1.0"),
        caught_by=checks.scales_have_a_name,
        says=r"version `0\.1\.0`",
    ),
    Mistake(
        "wrote the file, and forgot to build",
        task=1,
        commands=_scales(after="rm scales/setup.py"),
        caught_by=checks.scales_have_a_name,
        says=r"no wheel in `scales/dist` yet",
    ),
    Mistake(
        "forgot a comma",
        task=1,
        commands=_scales(needs='dependencies = ["leftpad>=1.1" "netcore>=1.0,<2"]\n', after="rm scales/setup.py"),
        caught_by=checks.scales_have_a_name,
        says=r"can't be read as TOML: there is something wrong around line 9",
    ),
    Mistake(
        "named no backend, so that each tool falls back to what it likes",
        task=1,
        commands=_scales(build_system="", more='[tool.setuptools]\npy-modules = ["till_scales"]\n'),
        caught_by=checks.scales_name_their_backend,
        says=r"names no `build-backend`",
    ),
    Mistake(
        "left the command out",
        task=1,
        commands=_scales(scripts=""),
        caught_by=checks.scales_have_their_command,
        says=r"makes no `weigh`",
    ),
    Mistake(
        "let the backend that knows setup.py do it all",
        task=1,
        commands="""
        printf '[build-system]\\nrequires = ["setuptools"]\\nbuild-backend = "setuptools.build_meta"\\n' > scales/pyproject.toml
        uv build -q --wheel scales
        """,
        caught_by=checks.scales_have_a_name,
        says=r"has only `\[build-system\]`",
    ),
    Mistake(
        "wrote a sound file beside setup.py, and let setuptools run that as well",
        task=1,
        commands=_scales(
            build_system='[build-system]\nrequires = ["setuptools"]\nbuild-backend = "setuptools.build_meta"\n',
            after="uv build -q --wheel scales",
        ),
        caught_by=checks.setup_py_was_not_run,
        says=r"somebody ran `setup\.py`",
    ),
    Mistake(
        "kept setup.py in case it is needed",
        task=1,
        commands=_scales(after="uv build -q --wheel scales"),
        caught_by=checks.setup_py_was_not_run,
        says=r"`scales/setup\.py` is still there",
    ),
    # ---- Task 2
    Mistake(
        "built it as it was",
        task=2,
        commands=_BUILD_TAGS,
        caught_by=checks.licence_is_an_expression,
        says=r"is a table",
    ),
    Mistake(
        "wrote the licence's full name",
        task=2,
        commands=_LICENCE + _NO_CLASSIFIER + 'sed -i \'s/"MIT"/"MIT License"/\' tags/pyproject.toml\n' + _BUILD_TAGS,
        caught_by=checks.licence_is_an_expression,
        says=r"`MIT License`, which is no SPDX expression",
    ),
    Mistake(
        "took another licence because it was on the list",
        task=2,
        commands=_LICENCE + _NO_CLASSIFIER + 'sed -i \'s/"MIT"/"BSD-3-Clause"/\' tags/pyproject.toml\n' + _BUILD_TAGS,
        caught_by=checks.licence_is_an_expression,
        says=r"not the licence that our terms are",
    ),
    Mistake(
        "forgot that the text must come with it",
        task=2,
        commands=_LICENCE + _NO_CLASSIFIER + "sed -i '/^license-files/d' tags/pyproject.toml\n" + _BUILD_TAGS,
        caught_by=checks.licence_text_is_shipped,
        says=r"no `License-File`",
    ),
    Mistake(
        "kept the classifier, to be on the safe side",
        task=2,
        commands=_LICENCE + _BUILD_TAGS,
        caught_by=checks.no_licence_classifier,
        says=r"also has the classifier",
    ),
    Mistake(
        "built first and corrected afterwards",
        task=2,
        commands=_NO_CLASSIFIER + _BUILD_TAGS + _LICENCE,
        caught_by=checks.licence_is_an_expression,
        says=r"`license` in `tags/pyproject\.toml` is not what",
    ),
    # ---- Task 3
    Mistake(
        "made a command of the function that was there",
        task=3,
        commands=_weather("weather:advice"),
        caught_by=checks.weather_ends_well,
        says=r"exit status 1\. A command passes what its function returns",
    ),
    Mistake(
        "gave the text on to whoever called main",
        task=3,
        commands=_weather(body="return advice()"),
        caught_by=checks.weather_ends_well,
        says=r"a text is printed as an error",
    ),
    Mistake(
        "called it and threw the text away",
        task=3,
        commands=_weather(body="advice()"),
        caught_by=checks.weather_tells,
        says=r"prints nothing",
    ),
    Mistake(
        "turned advice into a command and forgot the kiosk",
        task=3,
        commands="sed -i 's/return text/print(text)/' weather/weather.py\n" + _weather("weather:advice", "pass"),
        caught_by=checks.advice_is_still_given,
        says=r"doesn't give the text",
    ),
    Mistake(
        "named a file instead of a function",
        task=3,
        commands=_weather("weather:weather.py"),
        caught_by=checks.weather_has_a_command,
        says=r"is no function in the wheel",
    ),
    Mistake(
        "called the command by the function's name",
        task=3,
        commands=_weather(name="main"),
        caught_by=checks.weather_has_a_command,
        says=r"makes no `weather`\. It makes `main`",
    ),
    Mistake(
        "mended the function, and not the wheel",
        task=3,
        commands=_weather("weather:advice") + "sed -i 's/return text/print(text)/' weather/weather.py\n",
        caught_by=checks.weather_has_a_command,
        says=r"`weather/weather\.py` is not what",
    ),
    # ---- Task 4
    Mistake(
        "made groups, and kept the extras",
        task=4,
        commands=_groups(_TEST, _DEV) + _BUILD_STOCK,
        caught_by=checks.users_see_no_tools,
        says=r"Users see `dev` and `test` as an extra: extras are published",
    ),
    Mistake(
        "threw all extras away",
        task=4,
        commands="sed -i '/^report = /d; /optional-dep/d' stock/pyproject.toml\n"
        + _DROP
        + _groups(_TEST, _DEV)
        + _BUILD_STOCK,
        caught_by=checks.users_keep_their_extra,
        says=r"`stock-list\[report\]` `leftpad>=1\.1`",
    ),
    Mistake(
        "put the tools where only one tool looks",
        task=4,
        commands=_DROP + _groups('dev-dependencies = ["pytest>=8", "twine", "build"]', table="tool.uv") + _BUILD_STOCK,
        caught_by=checks.tools_are_in_groups,
        says=r"no table `\[dependency-groups\]`",
    ),
    Mistake(
        "named the extra instead of including the group",
        task=4,
        commands=_DROP + _groups(_TEST, 'dev = ["stock-list[test]", "twine", "build"]') + _BUILD_STOCK,
        caught_by=checks.tools_are_in_groups,
        says=r"gives `build`, `stock-list` and `twine`",
    ),
    Mistake(
        "included a group that isn't there",
        task=4,
        commands=_DROP + _groups(_TEST, 'dev = [{include-group = "tests"}, "twine", "build"]') + _BUILD_STOCK,
        caught_by=checks.tools_are_in_groups,
        says=r"can't be resolved",
    ),
    Mistake(
        "moved the tools to the dependencies",
        task=4,
        commands=_DROP
        + _groups(_TEST, _DEV)
        + 'sed -i \'s/^dependencies = .*/dependencies = ["leftpad>=1.1", "pytest>=8"]/\' stock/pyproject.toml\n'
        + _BUILD_STOCK,
        caught_by=checks.users_see_no_tools,
        says=r"`Requires-Dist` names `pytest`",
    ),
    # ---- Task 5
    Mistake(
        "edited a line of code, saw it, and believed the rest",
        task=5,
        commands="sed -i 's/dong/DONG/' chime/door_chime.py",
        caught_by=checks.chime_is_known,
        says=r"metadata is a snapshot",
    ),
    Mistake(
        "took another version for it, since something had changed",
        task=5,
        commands="""
        sed -i 's/^version = .*/version = "2.1"/' chime/pyproject.toml
        uv pip uninstall -q --python chime/.venv door-bell
        uv pip install -q --python chime/.venv -e chime
        """,
        caught_by=checks.chime_is_known,
        says=r"`door-chime` 2\.1 is installed",
    ),
    Mistake(
        "edited the metadata by hand",
        task=5,
        commands="""
        cd chime/.venv/lib/python3*/site-packages
        mv door_bell-1.3.dist-info door_chime-2.0.dist-info
        sed -i 's/^Name: .*/Name: door-chime/; s/^Version: .*/Version: 2.0/' door_chime-2.0.dist-info/METADATA
        """,
        caught_by=checks.chime_is_known,
        says=r"`METADATA`.* was edited|written by hand",
    ),
    Mistake(
        "installed it a second time, under its new name",
        task=5,
        commands="uv pip install -q --python chime/.venv -e chime",
        caught_by=checks.bell_is_gone,
        says=r"another name is another distribution",
    ),
    Mistake(
        "installed a copy",
        task=5,
        commands="uv pip uninstall -q --python chime/.venv door-bell; uv pip install -q --python chime/.venv ./chime",
        caught_by=checks.chime_is_editable,
        says=r"holds a copy",
    ),
    Mistake(
        "installed it without what it needs",
        task=5,
        commands="uv pip uninstall -q --python chime/.venv door-bell; uv pip install -q --python chime/.venv --no-deps -e chime",
        caught_by=checks.chime_has_its_needs,
        says=r"`leftpad` is not installed",
    ),
    # ---- Task 6
    Mistake(
        "built it as it was, since the file lies in the package",
        task=6,
        commands="uv build -q prices",
        caught_by=checks.prices_are_in_the_wheel,
        says=r"price list without prices",
    ),
    Mistake(
        "put it into the sdist, and told setuptools to leave it out of the wheel",
        task=6,
        commands="""
        echo 'include src/price_list/*.json' > prices/MANIFEST.in
        printf '\\n[tool.setuptools]\\ninclude-package-data = false\\n' >> prices/pyproject.toml
        uv build -q prices
        """,
        caught_by=checks.prices_are_in_the_wheel,
        says=r"price list without prices",
    ),
    Mistake(
        "gave it a folder of its own in the wheel",
        task=6,
        commands="""
        cd prices
        mkdir src/price_data
        cp src/price_list/prices.json src/price_data
        printf '\\n[tool.setuptools.package-data]\\nprice_data = ["*.json"]\\n' >> pyproject.toml
        uv build -q --wheel
        """,
        caught_by=checks.prices_are_in_the_wheel,
        says=r"not where the package looks for it",
    ),
    Mistake(
        "built only the wheel",
        task=6,
        commands="""
        printf '\\n[tool.setuptools.package-data]\\nprice_list = ["*.json"]\\n' >> prices/pyproject.toml
        uv build -q --wheel prices
        """,
        caught_by=checks.prices_are_in_the_sdist,
        says=r"no sdist in `prices/dist`",
    ),
]
