# Nothing here needs a network: the indexes are the course's own.

# Task 3: an environment with a history, and with a pip of its own, which pip-sync needs.
python3 -m venv stock/.venv
uv pip install --quiet --python stock/.venv/bin/python pricetag==1.0 leftpad==1.2 orm==1.3 netcore==1.1

# Task 4: what the branch's own mirror delivered last night. One file of it is not the one that was locked.
python3 - <<'END'
import json, os, pathlib, urllib.parse, urllib.request

delivery = pathlib.Path("accounts/wheels")
delivery.mkdir()
for index, name, version in (("PYPI", "leftpad", "1.1"), ("PYPI", "pricetag", "1.1"), ("COMPANY", "price-rounding", "1.0")):
    page = urllib.request.Request(
        urllib.parse.urljoin(os.environ[f"WHEELHOUSE_{index}"], f"{name}/"),
        headers={"Accept": "application/vnd.pypi.simple.v1+json"},
    )
    with urllib.request.urlopen(page) as answer:
        place, files = answer.url, json.load(answer)["files"]
    (file,) = (one for one in files if f"-{version}-" in one["filename"] and one["filename"].endswith(".whl"))
    with urllib.request.urlopen(urllib.parse.urljoin(place, file["url"])) as answer:
        (delivery / file["filename"]).write_bytes(answer.read())
END

# Task 6: uv locked the project as it was last month; since then its wishes have changed.
now=$(cat labels/pyproject.toml)
sed -i '/opening-hours/d; s/shoplib>=2/shoplib<2/' labels/pyproject.toml
uv lock --quiet --project labels --upgrade-package pricetag==1.0 --upgrade-package leftpad==1.1
printf '%s\n' "$now" > labels/pyproject.toml

rm -f */.venv/.lock # uv's own
