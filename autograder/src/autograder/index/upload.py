"""An upload: a form with one file, which becomes part of a release or is refused by PyPI's rules in PyPI's words.

The order of the checks and the sentences are those of PyPI's own software (warehouse, Apache-2.0, its contributors), as of August 2026.
Not checked are the signatures of attestations (PEP 740): only that they have the right shape and speak of this file.
"""

from __future__ import annotations

__all__ = ["Uploads", "unavailable"]

import base64
import binascii
import json
import sys
import threading
import uuid
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from packaging.metadata import Metadata
from packaging.utils import canonicalize_name

from autograder.index.answers import Answer
from autograder.index.archive_rules import check_archive, check_filename, check_names
from autograder.index.contents import Contents
from autograder.index.form_rules import check_description, check_form, read_metadata
from autograder.index.journal import Event, Journal
from autograder.index.ledger import TEAM_SITE, USER, Ledger, Publisher
from autograder.index.multipart import MOST_FILE_BYTES, Form, Sent, read_form
from autograder.index.refusal import Refused
from autograder.index.request import Body
from autograder.index.tokens import Grant, Keys, Macaroon, read_authorization, refusal

OPEN_DAYS = 14
"""So long files can be added to a release."""
MOST_PROJECT_BYTES = 64 << 20
MOST_SITE_BYTES = 256 << 20
"""So much can be uploaded to one site from one workspace, counting what was deleted since."""
MOST_JOURNAL_BYTES = 8 << 20
_STANDARD_LIBRARY = frozenset(canonicalize_name(name) for name in sys.stdlib_module_names)
_PREDICATES = ("/attestations/publish/v1", "https://slsa.dev/provenance/v1")
"""How the kinds of attestations end that PyPI takes."""
_AT_WORK = threading.BoundedSemaphore(4)
"""Archives are looked into by so many threads at once."""


class Uploads:
    """The upload API of all sites of a workspace."""

    def __init__(self, contents: Contents, journal: Journal, keys: Keys) -> None:
        """Publish into this journal."""
        self._contents = contents
        self._journal = journal
        self._keys = keys

    def take(self, site: str, headers: Mapping[str, str], body: Body, origin: str) -> Answer:
        """Take an upload; `origin` is where the site begins for the client.

        Raises:
            Refused: it breaks a rule.
            Malformed: the body is no form.
            OSError: nothing can be written.
        """
        help_page = f"{origin}/help/"
        grant = self._grant(site, headers.get("Authorization", ""), help_page)
        with self._journal.incoming() as file:
            form = read_form(body, headers.get("Content-Type", ""), file)
            if form.first(":action") in ("submit", "submit_pkg_info"):
                raise Refused(
                    410, "Project pre-registration is no longer required or supported, upload your files instead."
                )
            check_form(form)
            metadata = read_metadata(form)
            sent = form.file
            if sent is None:
                raise Refused(400, "Upload payload does not have a file.")
            upload = _Upload(site, grant, self._keys, form, metadata, sent, help_page)
            if upload.known(self._ledger(site)):
                return Answer(200)
            file.flush()
            with _AT_WORK:
                archive = check_archive(file, sent.size, sent.filename)
                check_names(sent.filename, metadata)
                archive.check_licences(metadata)
                archive.check_contents()
            details = {
                "filetype": form.first("filetype"),
                "requires_python": str(metadata.requires_python or ""),
                "blake2_256": sent.blake2,
                "metadata_sha256": self._journal.keep(archive.metadata) if archive.metadata else "",
            }
            with self._journal.change() as change:
                # Others may have published, or a token may have been taken away, while the file was looked at.
                ledger = self._contents.ledger(site, change.events)
                if upload.known(ledger):
                    return Answer(200)
                full = ledger.full or ledger.taken + sent.size > MOST_SITE_BYTES
                if full or self._journal.size > MOST_JOURNAL_BYTES:
                    raise Refused(403, "Read-only mode: Uploads are temporarily disabled.")
                if form.first("attestations"):
                    provenance = upload.provenance(ledger)
                    details["provenance_sha256"] = self._journal.keep(json.dumps(provenance).encode())
                self._journal.take(file, sent.sha256)
                change.append(*self._events(site, ledger, grant, metadata, sent, details))
        return Answer(200)

    @staticmethod
    def _events(
        site: str, ledger: Ledger, grant: Grant, metadata: Metadata, sent: Sent, details: Mapping[str, str]
    ) -> Iterator[Event]:
        project = canonicalize_name(metadata.name)
        if project not in ledger.projects:
            identity = {"id": str(uuid.uuid4()), "name": metadata.name}
            yield Event(site=site, kind="create", project=project, actor=grant.actor, details=identity)
        yield Event(
            site=site,
            kind="upload",
            project=project,
            version=str(metadata.version),
            filename=sent.filename,
            sha256=sent.sha256,
            size=sent.size,
            actor=grant.actor,
            details={key: value for key, value in details.items() if value},
        )

    def _ledger(self, site: str) -> Ledger:
        return self._contents.ledger(site, self._journal.events())

    def _grant(self, site: str, authorization: str, help_page: str) -> Grant:
        """Find out who asks; what they may is another question."""
        user, secret = read_authorization(authorization)
        if user and user != "__token__":
            raise Refused(
                403,
                "Username/Password authentication is no longer supported. Migrate to API Tokens or Trusted Publishers instead. "
                f"See {help_page}#apitoken and {help_page}#trusted-publishers",
            )
        try:
            macaroon = Macaroon.read(secret)
        except ValueError:
            macaroon = None
        token = self._ledger(site).tokens.get(macaroon.identifier) if macaroon else None
        if macaroon is None or token is None:
            raise Refused(
                403,
                "Invalid or non-existent authentication information. "
                f"See {help_page}#invalid-auth for more information.",
            )
        return Grant(token, macaroon)


class _Upload:
    """One upload and what it is measured by."""

    def __init__(
        self, site: str, grant: Grant, keys: Keys, form: Form, metadata: Metadata, sent: Sent, help_page: str
    ) -> None:
        self.site = site
        self.grant = grant
        self.keys = keys
        self.form = form
        self.metadata = metadata
        self.sent = sent
        self.help = help_page
        self.project = canonicalize_name(metadata.name)

    def known(self, ledger: Ledger) -> bool:
        """Check all that depends on what the site holds already; says whether this very file is there."""
        if self.grant.token.id not in ledger.tokens:
            raise Refused(
                403,
                f"Invalid or non-existent authentication information. See {self.help}#invalid-auth for more information.",
            )
        if self.project not in ledger.projects:
            self._check_new_project(ledger)
        self._check_permission(ledger)
        check_description(self.metadata, f"{self.help}#description-content-type")
        check_filename(self.sent.filename, self.form.first("filetype"))
        if self.sent.media.startswith("image/"):
            raise Refused(400, "Invalid distribution file.")
        self._check_size(ledger)
        for told, found in (
            (self.form.first("md5_digest"), self.sent.md5),
            (self.form.first("sha256_digest"), self.sent.sha256),
            (self.form.first("blake2_256_digest"), self.sent.blake2),
        ):
            if told and told.lower() != found:
                raise Refused(400, "The digest supplied does not match a digest calculated from the uploaded file.")
        return self._is_there(ledger)

    def _check_new_project(self, ledger: Ledger) -> None:
        name = self.form.first("name")
        if self.grant.token.publisher:
            raise Refused(
                400,
                "Non-user identities cannot create new projects. This was probably caused by successfully using a pending "
                "publisher but specifying the project name incorrectly (either in the publisher or in your project's "
                f"metadata). Please ensure that both match. See: {self.help}#trusted-publishers",
            )
        if problem := unavailable(ledger, name, f"{self.help}#project-name"):
            raise problem

    def _check_permission(self, ledger: Ledger) -> None:
        if problem := refusal(self.grant, self.keys, ledger, self.project):
            raise Refused(403, f"Invalid API Token: {problem}")
        if self.project not in ledger.projects:
            return
        status = ledger.status(self.project)
        see = f"See {self.help}#project-name for more information."
        name = ledger.name(self.project)
        if self.grant.token.publisher:
            if status in ("archived", "quarantined"):
                raise Refused(403, f"The given token isn't allowed to upload to project '{name}'. {see}")
        elif status == "archived" or not ledger.mine(self.project):
            raise Refused(403, f"The user '{USER}' isn't allowed to upload to project '{name}'. {see}")

    def _check_size(self, ledger: Ledger) -> None:
        name = ledger.name(self.project)
        if self.sent.too_large:
            raise Refused(
                400,
                f"File too large. Limit for project {name!r} is {MOST_FILE_BYTES >> 20} MB. "
                f"See {self.help}#file-size-limit for more information.",
            )
        total = sum(file.size for file in ledger.projects.get(self.project, {}).values() if file.origin == "published")
        if total + self.sent.size > MOST_PROJECT_BYTES:
            raise Refused(
                400,
                f"Project size too large. Limit for project {name!r} total size is {MOST_PROJECT_BYTES >> 20} MB. "
                f"See {self.help}#project-size-limit",
            )

    def _is_there(self, ledger: Ledger) -> bool:
        sent = self.sent
        files = [file for files in ledger.projects.values() for file in files.values()]
        for file in files:
            if file.filename == sent.filename and file.sha256 == sent.sha256:
                return True
        if any(sent.filename == file.filename or sent.sha256 == file.sha256 for file in files):
            # twine's --skip-existing looks for the first three words.
            raise Refused(
                400,
                f"File already exists ({sent.filename!r}, with blake2_256 hash {sent.blake2!r}). "
                f"See {self.help}#file-name-reuse for more information.",
            )
        if sent.filename in ledger.burned:
            raise Refused(
                400,
                "This filename was previously used by a file that has since been deleted. Use a different version. "
                f"See {self.help}#file-name-reuse for more information.",
            )
        version = str(self.metadata.version)
        release = [file for file in files if file.project == self.project and file.version == version]
        moments = [file.uploaded for file in release if file.uploaded]
        closed = (datetime.now(UTC) - timedelta(days=OPEN_DAYS)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        if moments and min(moments) < closed:
            raise Refused(400, f"Uploading new files to releases older than {OPEN_DAYS} days is not allowed.")
        if self.form.first("filetype") == "sdist" and any(not file.filename.endswith(".whl") for file in release):
            raise Refused(400, "Only one sdist may be uploaded per release.")
        return False

    def provenance(self, ledger: Ledger) -> dict[str, Any]:
        """Make what is served beside the file from the attestations that came with it (PEP 740)."""
        publisher = ledger.publishers.get(self.grant.token.publisher)
        if publisher is None:
            raise _attestations("Attestations are only supported when using Trusted Publishing")
        try:
            attestations = json.loads(self.form.first("attestations"))
        except (ValueError, RecursionError):
            raise _attestations("Malformed attestations: they are no JSON") from None
        if not isinstance(attestations, list) or not all(map(_is_attestation, attestations)):
            raise _attestations("Malformed attestations: they don't have the shape of PEP 740")
        if not attestations:
            raise _attestations("Malformed attestations: an empty attestation set is not permitted")
        if len(attestations) > len(_PREDICATES):
            raise _attestations(f"A maximum of {len(_PREDICATES)} attestations per file are supported")
        for attestation in attestations:
            if problem := _statement_problem(attestation["envelope"]["statement"], self.sent):
                raise _attestations(problem)
        bundle = {"publisher": _identity(publisher), "attestations": attestations}
        return {"version": 1, "attestation_bundles": [bundle]}


def _attestations(problem: str) -> Refused:
    return Refused(400, f"Invalid attestations supplied during upload: {problem}")


def _identity(publisher: Publisher) -> dict[str, Any]:
    return {
        "kind": "GitHub",
        "repository": publisher.repository,
        "workflow": publisher.workflow,
        "environment": publisher.environment or None,
    }


def _is_attestation(value: object) -> bool:
    match value:
        case {
            "version": 1,
            "verification_material": {"certificate": str(), "transparency_entries": list()},
            "envelope": {"statement": str(), "signature": str()},
        }:
            return True
    return False


def _statement_problem(written: str, sent: Sent) -> str:
    try:
        statement = json.loads(base64.b64decode(written, validate=True))
    except (ValueError, binascii.Error, RecursionError):
        return "Malformed attestations: the statement can't be read"
    match statement:
        case {"predicateType": str(kind), "subject": [{"name": str(name), "digest": {"sha256": str(sha256)}}]}:
            if not kind.endswith(_PREDICATES):
                return f"Attestation with unsupported predicate type: {kind}"
            if (name, sha256) != (sent.filename, sent.sha256):
                return "Verification failed: subject does not match distribution"
            return ""
    return "Malformed attestations: the statement has not one subject with a SHA-256"


def unavailable(ledger: Ledger, name: str, help_address: str) -> Refused | None:
    """Say why no project of this name can be created; None if it can."""
    see = f"See {help_address} for more information."
    project = canonicalize_name(name)
    if ledger.site == TEAM_SITE:
        return None  # in a private index nobody squats
    if project in _STANDARD_LIBRARY:
        return Refused(
            400, f"The name {name!r} isn't allowed (conflict with Python Standard Library module name). {see}"
        )
    if any(_skeleton(project) == _skeleton(other) for other in ledger.projects if other != project):
        return Refused(400, f"The name {name!r} is too similar to an existing project. {see}")
    return None


_CONFUSABLE = str.maketrans({"l": "1", "i": "1", "o": "0", "-": None, "_": None, ".": None})


def _skeleton(project: str) -> str:
    """Give the same for names that the eye takes for one another."""
    return project.lower().translate(_CONFUSABLE)
