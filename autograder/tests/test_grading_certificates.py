"""Tests of `autograder.grading.certificates`: mutual TLS for a cluster."""

from __future__ import annotations

import socket
import ssl
import stat
import threading
from pathlib import Path

import pytest
import yaml  # type: ignore[import-untyped]

from autograder.exceptions import UsageError
from autograder.grading.certificates import ROLES, main, write_certificates


def meet(server: Path, client: Path) -> str:
    """Let a worker of one folder's certificates meet a client of another's; gives why they refuse each other, or nothing."""
    ours, theirs = socket.socketpair()
    said: list[str] = []

    def serve() -> None:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(server / "authority.pem"))
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_cert_chain(server / "worker.pem")
        try:
            with context.wrap_socket(theirs, server_side=True) as line:
                line.sendall(b"hello")
        except OSError as error:
            said.append(type(error).__name__)
            theirs.close()

    thread = threading.Thread(target=serve)
    thread.start()
    context = ssl.create_default_context(cafile=str(client / "authority.pem"))
    context.check_hostname = False  # as Dask does: the authority signs for this cluster only
    context.load_cert_chain(client / "client.pem")
    try:
        with context.wrap_socket(ours) as line:
            line.recv(5)
    except OSError as error:
        said.append(type(error).__name__)
        ours.close()
    thread.join()
    return " ".join(said)


def test_who_has_them_is_let_in_and_nobody_else(tmp_path: Path) -> None:
    """Both sides ask for a certificate of one folder; one of another folder, made the same way, opens nothing."""
    for name in ("own", "strange"):
        write_certificates(tmp_path / name)
    assert meet(tmp_path / "own", tmp_path / "own") == ""
    assert "SSL" in meet(tmp_path / "own", tmp_path / "strange")
    assert "SSL" in meet(tmp_path / "strange", tmp_path / "own")


def test_only_their_owner_reads_them(tmp_path: Path) -> None:
    """Folder and files are closed to others, and the authority's key is not among them."""
    folder = tmp_path / "own"
    write_certificates(folder)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}
    assert b"PRIVATE" not in (folder / "authority.pem").read_bytes()


def test_dask_is_told_to_encrypt(tmp_path: Path) -> None:
    """The settings beside them name every role's file, and refuse whoever speaks in clear."""
    folder = tmp_path / "with 'quotes' and ü"
    write_certificates(folder)
    settings = yaml.safe_load((folder / "dask.yaml").read_text("utf-8"))["distributed"]["comm"]
    assert settings["require-encryption"] is True
    assert all(Path(settings["tls"][role]["cert"]).read_bytes() for role in ROLES)


def test_nothing_is_written_over(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A folder that holds something is left alone, since a cluster may live by it."""
    write_certificates(tmp_path / "own")
    before = (tmp_path / "own/client.pem").read_bytes()
    with pytest.raises(UsageError, match="isn't empty"):
        write_certificates(tmp_path / "own")
    assert main([str(tmp_path / "own")]) == 2
    assert "isn't empty" in capsys.readouterr().err
    assert (tmp_path / "own/client.pem").read_bytes() == before


def test_the_command_says_what_to_do_next(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Who made a folder is told what to do with it; who asks wrongly, how it is used."""
    assert main([str(tmp_path / "own")]) == 0
    assert "DASK_CONFIG=" in capsys.readouterr().out
    assert main([]) == 2
    assert main(["--help"]) == 0
    assert "usage:" in capsys.readouterr().err
