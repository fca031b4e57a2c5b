"""The command `pypi-manage` inside the sandbox: it stands for what you click on an index's web pages.

It is copied beside the system Python of each workspace and runs with the standard library alone.
The pages themselves are `autograder.index.manage` and, for `workflow`, `autograder.index.trusted`.
"""
# Nothing from __future__: in the copy another string stands before this one.

import argparse
import json
import os
import sys
import urllib.error
import urllib.request
from collections.abc import Sequence
from typing import Any, NoReturn
from urllib.parse import quote, urlencode

__all__ = ["main"]

SITES = {"pypi": "PyPI", "testpypi": "TestPyPI", "company": "the company's index"}
DESCRIPTION = """\
Stands for what you click on the web pages of PyPI: API tokens, yanking, deleting, trusted publishers.
Here you are logged in already. On the real PyPI you do the same in your browser, after logging in.
"""
EXAMPLES = """\
examples:
  pypi-manage list
  pypi-manage token --testpypi                                  Account settings > Add API token
  pypi-manage token --project till-slip
  pypi-manage yank till-slip 1.0 --reason "Prints no total"     Your projects > Manage > Options > Yank
  pypi-manage unyank till-slip 1.0
  pypi-manage delete till-slip 1.0 --yes
  pypi-manage status till-slip archived
  pypi-manage publisher add till-slip --repository shop/till-slip --workflow release.yml
  pypi-manage workflow --repository shop/till-slip --workflow release.yml -- twine upload dist/*
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what is asked for; gives the exit status."""
    options = _parser().parse_args(arguments)
    try:
        return int(options.do(options))
    except (OSError, ValueError) as error:
        _fail(f"The index can't be reached: {error}.")


class _Parser(argparse.ArgumentParser):
    """Answers a typing error with a sentence and the next step, where argparse would print its usage."""

    def error(self, message: str) -> NoReturn:
        """Say what was wrong and end with exit status 2."""
        self.exit(2, f"{self.prog}: {message}. Run `{self.prog} --help` to see how it is used.\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="pypi-manage",
        description=DESCRIPTION,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    site = _Parser(add_help=False)
    where = site.add_mutually_exclusive_group()
    where.add_argument("--testpypi", dest="site", action="store_const", const="testpypi", help="on TestPyPI")
    where.add_argument("--company", dest="site", action="store_const", const="company", help="on the company's index")
    site.set_defaults(site="pypi")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    def command(name: str, do: Any, told: str, **more: Any) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=told, description=told, parents=[site], **more)
        added.set_defaults(do=do)
        return added

    command("list", _list, "show your projects, tokens and publishers")
    added = command("token", _token, "make an API token and print it; it is shown this once")
    added.add_argument("--project", default="", help="only for this project (default: for your whole account)")
    added.add_argument("--name", default="", help="what you call it")
    added = command("revoke", _revoke, "take a token's power away")
    added.add_argument("token", help="its id or name, as `pypi-manage list` shows it")
    added = command("yank", _yank, "yank a release: installers leave it out unless a version is pinned with ==")
    added.add_argument("project")
    added.add_argument("version")
    added.add_argument("--reason", default="", help="installers show it")
    added = command("unyank", _unyank, "take a yank back")
    added.add_argument("project")
    added.add_argument("version")
    added = command("delete", _delete, "delete a project, a release or a file; its file names can never be used again")
    added.add_argument("project")
    added.add_argument("version", nargs="?", default="")
    added.add_argument("--file", default="", help="only this file")
    added.add_argument("--yes", action="store_true", help="stands for typing the project's name to confirm")
    added = command("status", _status, "say how a project stands; quarantine is for the index's administrators")
    added.add_argument("project")
    added.add_argument("status", choices=["active", "archived", "deprecated", "quarantined"])
    added.add_argument("--reason", default="")
    added = command("publisher", _publisher, "let a workflow publish without a token (trusted publishing)")
    added.add_argument("action", choices=["add", "remove"])
    added.add_argument("project", help="the project, or for `remove` the publisher's id")
    _workflow_options(added, required=False)
    added.add_argument(
        "--pending", action="store_true", help="the project doesn't exist yet; its first upload makes it"
    )
    added = command("workflow", _workflow, "run a command as a job of this workflow would: it can ask for its identity")
    _workflow_options(added, required=True)
    added.add_argument("--ref", default="refs/heads/main", help="the branch or tag (default: %(default)s)")
    added.add_argument("--event", default="push", help="what started it (default: %(default)s)")
    added.add_argument("command", nargs="+", metavar="-- COMMAND", help="what to run")
    return parser


def _workflow_options(parser: argparse.ArgumentParser, *, required: bool) -> None:
    parser.add_argument("--repository", required=required, default="", help="owner/name at the code forge")
    parser.add_argument("--workflow", required=required, default="", help="the file's name in .github/workflows")
    parser.add_argument("--environment", default="", help="the environment that the job runs in")


def _list(options: argparse.Namespace) -> int:
    found = _ask(options, "", None)
    print(f"On {SITES[options.site]} you are {found['user']}.")
    print("\nProjects:" if found["projects"] else "\nNo project.")
    for project in found["projects"]:
        status = "" if project["status"] == "active" else f" ({project['status']})"
        print(f"  {project['name']}{status}")
        for release in project["releases"]:
            yanked = release["yanked"]
            mark = "" if yanked is None else f"  yanked{yanked and ': ' + yanked}"
            print(f"    {release['version']}{mark}  {', '.join(release['files'])}")
    print("\nTokens:" if found["tokens"] else "\nNo token.")
    for token in found["tokens"]:
        print(f"  {token['id']}  {token['name']}  ({token['project'] or 'whole account'})")
    print("\nTrusted publishers:" if found["publishers"] else "\nNo trusted publisher.")
    for publisher in found["publishers"]:
        place = f", environment {publisher['environment']}" if publisher["environment"] else ""
        pending = " (pending)" if publisher["pending"] else ""
        print(
            f"  {publisher['id']}  {publisher['project']}: {publisher['repository']}, {publisher['workflow']}{place}{pending}"
        )
    return 0


def _token(options: argparse.Namespace) -> int:
    made = _ask(options, "account/token/", {"project": options.project, "name": options.name})
    scope = f"the project {made['project']}" if made["project"] else "your whole account"
    print(
        f"A token for {scope} on {SITES[options.site]}. The user name that goes with it is __token__.", file=sys.stderr
    )
    print(made["token"])
    return 0


def _revoke(options: argparse.Namespace) -> int:
    _ask(options, "account/token/revoke/", {"id": options.token})
    print("Revoked: whoever has it can do nothing with it any more.")
    return 0


def _release(options: argparse.Namespace, action: str, reason: str = "") -> None:
    path = f"project/{quote(options.project, '')}/release/{quote(options.version, '')}/"
    _ask(options, path, {"action": action, "reason": reason})


def _yank(options: argparse.Namespace) -> int:
    _release(options, "yank", options.reason)
    print(f"{options.project} {options.version} is yanked on {SITES[options.site]}.")
    return 0


def _unyank(options: argparse.Namespace) -> int:
    _release(options, "unyank")
    print(f"{options.project} {options.version} is not yanked any more.")
    return 0


def _delete(options: argparse.Namespace) -> int:
    what = options.file or f"{options.project} {options.version}".strip()
    if not options.yes:
        _fail(
            f"Deleting {what} can't be undone, and its file names can never be used again. "
            "Yanking is mostly the better way. If you mean it, add --yes."
        )
    if options.file:
        path = f"project/{quote(options.project, '')}/file/{quote(options.file, '')}/"
        _ask(options, path, {"action": "delete"})
    elif options.version:
        _release(options, "delete")
    else:
        _ask(options, f"project/{quote(options.project, '')}/delete/", {})
    print(f"{what} is deleted on {SITES[options.site]}.")
    return 0


def _status(options: argparse.Namespace) -> int:
    told = {"status": options.status, "reason": options.reason}
    _ask(options, f"project/{quote(options.project, '')}/status/", told)
    print(f"{options.project} is {options.status} now.")
    return 0


def _publisher(options: argparse.Namespace) -> int:
    if options.action == "remove":
        _ask(options, "publishing/remove/", {"id": options.project})
        print("Removed.")
        return 0
    told = {name: getattr(options, name) for name in ("repository", "workflow", "environment")}
    if options.pending:
        _ask(options, "account/publishing/", {"project": options.project, **told})
        print(f"Pending: the first upload of {options.workflow} in {options.repository} creates {options.project}.")
    else:
        _ask(options, f"project/{quote(options.project, '')}/publishing/", told)
        print(f"{options.workflow} in {options.repository} may publish {options.project} now, without a token.")
    return 0


def _workflow(options: argparse.Namespace) -> int:
    told = {name: getattr(options, name) for name in ("repository", "workflow", "environment", "ref")}
    run = _post(f"{_loopback()}/oidc/runs", {**told, "event_name": options.event})
    environment = {
        **os.environ,
        "CI": "true",
        "GITHUB_ACTIONS": "true",
        "GITHUB_REPOSITORY": options.repository,
        "GITHUB_REF": options.ref,
        "GITHUB_EVENT_NAME": options.event,
        "ACTIONS_ID_TOKEN_REQUEST_URL": run["url"],
        "ACTIONS_ID_TOKEN_REQUEST_TOKEN": run["token"],
    }
    try:
        os.execvpe(options.command[0], options.command, environment)
    except OSError as error:
        _fail(f"{options.command[0]} can't be run: {error.strerror}.")


def _loopback() -> str:
    found = os.environ.get("WHEELHOUSE_LOOPBACK", "")
    if not found:
        _fail("This command works inside the course's sandbox only: type it in its shell.")
    return found


def _ask(options: argparse.Namespace, path: str, told: dict[str, str] | None) -> Any:
    return _post(f"{_loopback()}/{options.site}/manage/{path}", told)


def _post(url: str, told: dict[str, str] | None) -> Any:
    data = None if told is None else urlencode(told).encode()
    request = urllib.request.Request(url, data, {"Accept": "application/json"})  # noqa: S310
    # Straight to this machine, whatever proxy the environment names.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=30) as reply:
            return json.load(reply)
    except urllib.error.HTTPError as error:
        with error:
            _fail(error.reason)


def _fail(sentence: str) -> NoReturn:
    print(f"pypi-manage: {sentence}", file=sys.stderr)
    sys.exit(1)


if __name__ == "__main__":
    sys.exit(main())
