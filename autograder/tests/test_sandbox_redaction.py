"""Tests of `autograder.sandbox.redaction`."""

from __future__ import annotations

import time

import pytest

from autograder.sandbox.redaction import HIDDEN, hides, redact

SECRET = "hunter2XYZ"
TOKEN = "pypi-AgEIcHlwaS5vcmcCJDU2hunter2XYZ"

LEAKS = [
    f"twine upload -u __token__ -p {TOKEN} dist/*",
    f"twine upload --password {SECRET} dist/*",
    f'twine upload --password="hun ter {SECRET}" dist/*',
    f"twine upload dist/* -p{SECRET}",
    f"TWINE_PASSWORD={SECRET} twine upload dist/*",
    f"export UV_PUBLISH_TOKEN='a {SECRET}'; ls",
    f"export GH_TOKEN=a\\ {SECRET}",
    f"uv publish --token {SECRET}",
    f"uv publish -t {SECRET}",
    f"hatch publish -u __token__ -a {SECRET}",
    f"poetry config pypi-token.pypi {SECRET}",
    f"poetry config http-basic.main bob {SECRET}",
    f"pip install -i https://bob:{SECRET}@index.example/simple x",
    f"pip install https://{SECRET}0123456789@index.example/x.whl",
    f"pip config set global.index-url https://__token__:{SECRET}@index.example/simple",
    f"git clone https://x:{SECRET}@forge.example/x.git",
    f"echo ghp_0123456789{SECRET}",
    f"curl -u bob:{SECRET} https://index.example",
    f"curl -H 'Authorization: Bearer {SECRET}' https://index.example",
    f"docker login -p {SECRET}",
    f"cat > ~/.pypirc <<E\n[pypi]\nusername = __token__\npassword = {SECRET}\nE",
    f"cat > ~/.pypirc <<E\n[pypi]\nusername: __token__\npassword: {SECRET}\nE",
    f"echo 'machine index.example login bob password {SECRET}' > ~/.netrc",
    f"cat > ~/.netrc <<E\nmachine index.example\nlogin bob\npassword {SECRET}\nE",
    f"printf '-----BEGIN OPENSSH PRIVATE KEY-----\n{SECRET}",
    f"export PASSWORD='{SECRET}",
    f"export TOKEN=$(echo a $(echo b) | tr a {SECRET})",
]


@pytest.mark.parametrize("text", LEAKS, ids=range(len(LEAKS)))
def test_a_secret_goes(text: str) -> None:
    """Wherever people put a secret, it is taken out; what was done with it can still be read."""
    redacted = redact(text)

    assert SECRET not in redacted
    assert HIDDEN in redacted
    assert redacted.split()[0].partition("=")[0] == text.split()[0].partition("=")[0]


@pytest.mark.parametrize(
    "text",
    [
        "pip install --user leftpad",
        "pypi-manage token --project mine",
        "uv pip install -p .venv leftpad",
        'twine upload --password "$TWINE_PASSWORD" dist/*',
        "git clone ssh://git@forge.example/x.git",
        "git remote add origin git@forge.example:x.git",
        "pip install 'leftpad @ git+https://forge.example/x@v1.0'",
        "cat passwords.txt",
        "python -m pip install --require-hashes -r requirements.txt --hash sha256:0123456789abcdef",
        "curl http://127.0.0.1:8080/pypi/simple/",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    """A command without a secret is recorded as it was typed."""
    assert redact(text) == text


def test_names_of_variables() -> None:
    """By its name it is known whether a variable's value is shown."""
    hidden = {"TWINE_PASSWORD", "UV_PUBLISH_TOKEN", "GITHUB_TOKEN", "API_KEY", "PYPI_SECRET", "DB_PASSWD", "MYTOKEN"}
    shown = {"PATH", "PYTHONPATH", "VIRTUAL_ENV", "TWINE_USERNAME", "AUTHOR", "COMPASS", "PIP_INDEX_URL", "BYPASS"}

    assert {name for name in hidden | shown if hides(name)} == hidden


@pytest.mark.parametrize("part", ["password=", "a:", "-p ", "'", "://", "token", "\\", "twine ", "password "])
def test_nonsense_costs_no_time(part: str) -> None:
    """A long text of what the patterns look for is done in a moment."""
    begun = time.process_time()
    redact(part * 20_000)
    assert time.process_time() - begun < 5
