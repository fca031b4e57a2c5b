# Environments with a history. Light on purpose: none has a pip, and uv fills them; pip, where there is no uv.

make() {
  python3 -m venv --without-pip "$1/.venv"
  fill "$@"
}
fill() {
  if command -v uv > /dev/null; then
    uv pip install --quiet --python "$1/.venv/bin/python" "${@:2}"
  else
    pip --python "$1/.venv/bin/python" install --quiet "${@:2}" 2> /dev/null # it complains, rightly, and that is the exercise
  fi
}

# Task 1: two commands, of which the second broke what the first had built.
make reports moderntool
fill reports legacytool==1.0

# Task 3: three that need shoplib, one of which limits it.
make till legacytool==1.0 till-flexi day-ledger

# Task 4: installed under one name, imported under another.
make receipts receipt-printer==1.3

# Task 5: satisfied long ago, and never looked at since.
make stock legacytool==1.0 shoplib==1.5

rm -f */.venv/.lock # uv's own
