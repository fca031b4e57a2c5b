"""Other right answers: other backends, other tools, another place for the same thing."""

from __future__ import annotations

from inspect import cleandoc

from autograder import Alternative

__all__ = ["ALTERNATIVES"]

_SCALES = cleandoc("""
    [project]
    name = "till_scales"
    version = "1.4.0"
    requires-python = " {{company.python}} "
    description = "Reads the scales at the till"
    dependencies = ["netcore <2, >=1.0", "leftpad >=1.1", 'drawer-lock ; platform_system == "Windows"']
    scripts = {weigh = "till_scales:main"}
""")

ALTERNATIVES = [
    # ---- Task 1
    Alternative(
        "hatchling, another marker, other spellings; built by pip",
        1,
        f"""
cat > scales/pyproject.toml <<'END'
{_SCALES}
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"
END
rm scales/setup.py scales/needs.txt scales/VERSION
pip wheel -q --no-deps -w scales/dist ./scales
""",
    ),
    Alternative(
        "setuptools, which also reads the old files; built by uv",
        1,
        """
cat > scales/pyproject.toml <<'END'
[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"

[project]
name = "till-scales"
dynamic = ["version", "dependencies"]
description = "Reads the scales at the till"
requires-python = ">=3.11"
scripts = {weigh = "till_scales:main"}

[tool.setuptools]
py-modules = ["till_scales"]

[tool.setuptools.dynamic]
version = {file = "VERSION"}
dependencies = {file = "needs.txt"}
END
echo "drawer-lock; os_name == 'nt'" >> scales/needs.txt
rm scales/setup.py
uv build -q --wheel scales
""",
    ),
    # ---- Task 2
    Alternative(
        "the text under the name that backends look for; built by uv",
        2,
        """
        mv tags/legal/our-terms.txt tags/LICENSE
        sed -i '/License ::/d; s/^license = .*/license = "MIT"/' tags/pyproject.toml
        uv build -q --wheel tags
        """,
    ),
    Alternative(
        "a pattern for the file, no classifiers at all, another backend",
        2,
        """
        sed -i '/^classifiers/,/^]/d; s|^license = .*|license = "mit"\\nlicense-files = ["legal/*"]|; s/"hatchling"/"flit_core>=3.12"/; s/hatchling.build/flit_core.buildapi/' tags/pyproject.toml
        uv build -q --wheel tags
        """,
    ),
    # ---- Task 3
    Alternative(
        "a main that says 0; built by pyproject-build",
        3,
        """
        printf '\\n\\ndef main() -> int:\\n    text = advice()\\n    print(text)\\n    return 0\\n' >> weather/weather.py
        sed -i '/^\\[project\\]/r /dev/stdin' weather/pyproject.toml <<< 'scripts.weather = "weather:main"'
        pyproject-build weather
        """,
    ),
    Alternative(
        "a package with a module for the command; built by uv",
        3,
        """
        cd weather
        mkdir -p src/weather
        mv weather.py src/weather/__init__.py
        printf 'import sys\\n\\nfrom weather import advice\\n\\n\\ndef run():\\n    print(advice())\\n    sys.exit()\\n' > src/weather/cli.py
        printf '\\n[project.scripts]\\nweather = "weather.cli:run"\\n' >> pyproject.toml
        sed -i 's/flit_core>=3.12/uv_build/; s/flit_core.buildapi/uv_build/' pyproject.toml
        uv build -q
        """,
    ),
    # ---- Task 4
    Alternative(
        "each group written out; built by uv",
        4,
        """
        sed -i '/^test = /d; /^dev = /d' stock/pyproject.toml
        printf '\\n[dependency-groups]\\ndev = ["build", "twine>=6", "PyTest>=8"]\\nTest = ["pytest"]\\n' >> stock/pyproject.toml
        uv build -q --wheel stock
        """,
    ),
    Alternative(
        "uv adds the groups by itself",
        4,
        """
        cd stock
        sed -i '/^test = /d; /^dev = /d' pyproject.toml
        uv add -q --no-sync --group test 'pytest>=8'
        uv add -q --no-sync --dev build twine pytest
        uv build -q --wheel
        """,
    ),
    # ---- Task 5
    Alternative(
        "the environment thrown away and made anew, with uv",
        5,
        """
        uv venv -q --clear chime/.venv
        uv pip install -q --python chime/.venv -e chime
        """,
    ),
    Alternative(
        "pip, from outside",
        5,
        """
        pip --python chime/.venv install -q --editable ./chime
        pip --python chime/.venv uninstall -q --yes door-bell
        """,
    ),
    # ---- Task 6
    Alternative(
        "MANIFEST.in",
        6,
        """
        echo 'recursive-include src *.json' > prices/MANIFEST.in
        uv build -q prices
        """,
    ),
    Alternative(
        "another backend, which takes all that lies in the package; built by uv",
        6,
        """
        sed -i 's/setuptools>=77/hatchling/; s/setuptools.build_meta/hatchling.build/' prices/pyproject.toml
        uv build -q prices
        """,
    ),
]
