import sys
from pathlib import Path

from setuptools import setup

here = Path(__file__).parent

# Karl, 2014: don't ask.
with open(here / "setup-was-run.log", "a") as log:
    print(sys.version, sys.argv, file=log)

requires = (here / "needs.txt").read_text().split()
if sys.platform == "win32":
    requires.append("drawer-lock")

setup(
    name="till-scales",
    version=(here / "VERSION").read_text().strip(),
    description="Reads the scales at the till",
    py_modules=["till_scales"],
    python_requires="{{company.python}}",
    install_requires=requires,
    entry_points={"console_scripts": ["weigh = till_scales:main"]},
)
