# What files alone can't hold: environments, and a git repository.
# Light on purpose: no pip but where pip is the point, and uv to fill them.

fill() { uv pip install --quiet --python "$1/bin/python" "${@:2}"; }
bare() { python3 -m venv --without-pip "$@"; }

# Task 2: whoever installed last has won.
bare shared
fill shared shoplib==2.3

# Task 3: the folder gets its new name after its environment was made.
mv stock warehouse
python3 -m venv warehouse/.venv
fill warehouse/.venv leftpad==1.1 pricetag==1.0
mv warehouse stock

# Task 4: one library comes from PYTHONPATH, the other one from the system Python.
uv pip install --quiet --system leftpad==1.0
bare --system-site-packages report/.venv
fill report/.venv shoplib==2.3

# Task 5: a repository with an environment in it.
bare website/venv
rm -f website/venv/.gitignore # written since Python 3.13, and it would spare us the whole task
fill website/venv shopfront==1.0 shoplib==2.3
rm -f */venv/.lock */.venv/.lock shared/.lock # uv's own
cd website
git init --quiet --initial-branch=main --template= .
git config user.name "You"
git config user.email "you@shop.example"
export GIT_AUTHOR_NAME=Nour GIT_AUTHOR_EMAIL=nour@shop.example
export GIT_COMMITTER_NAME=Nour GIT_COMMITTER_EMAIL=nour@shop.example
export GIT_AUTHOR_DATE="2026-03-02T09:00:00+00:00" GIT_COMMITTER_DATE="2026-03-02T09:00:00+00:00"
git add app.py README.md
git commit --quiet --message "Begin the website"
export GIT_AUTHOR_DATE="2026-03-06T18:30:00+00:00" GIT_COMMITTER_DATE="2026-03-06T18:30:00+00:00"
git add venv
git commit --quiet --message "Add the environment, so that it works for everybody"
