# What files alone can't hold: an environment in which a project was installed when it had another name.
python3 -m venv --without-pip chime/.venv
cd chime
mkdir today
mv pyproject.toml door_chime.py today
sed 's/door-chime/door-bell/; s/door_chime/door_bell/; s/^version = .*/version = "1.3"/; s/^chime = /bell = /; /^dependencies/d; /^chime-test/d' today/pyproject.toml > pyproject.toml
cp today/door_chime.py door_bell.py
uv pip install --quiet --python .venv/bin/python --editable .
mv today/* .
rmdir today
rm -rf door_bell.py .venv/.lock # the latter is uv's own
