# Tries out what is on TestPyPI, before the world gets it: a new environment, and sign-writer in it.
# sign-writer itself comes from TestPyPI; what it needs, label-sizes and leftpad, is on PyPI, and has to come from there.
cd "$(dirname "$0")"
rm -rf .venv
python3 -m venv .venv
.venv/bin/python -m pip install --index-url "$WHEELHOUSE_TESTPYPI" sign-writer
.venv/bin/python -c 'import sign_writer; print(sign_writer.sign("Tea", 320))'
