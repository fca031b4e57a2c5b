"""What PyPI demands of the form that comes with a file: the distribution's metadata, field by field.

The rules and their sentences are those of PyPI's own software (warehouse, Apache-2.0, its contributors), as of August 2026.
Classifiers are checked where `trove-classifiers` is installed, reStructuredText where `readme-renderer` is.
"""

from __future__ import annotations

__all__ = ["check_description", "check_form", "read_metadata"]

import email.utils
import re
from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from urllib.parse import urlsplit

from packaging.metadata import InvalidMetadata, Metadata, RawMetadata
from packaging.requirements import InvalidRequirement, Requirement

from autograder.index.multipart import Form
from autograder.index.refusal import Refused

_CORE = "https://packaging.python.org/specifications/core-metadata"
_LOCAL = "https://packaging.python.org/en/latest/specifications/version-specifiers/#local-version-identifiers"
NAME = re.compile(r"[A-Z0-9]|[A-Z0-9][A-Z0-9._-]*[A-Z0-9]", re.IGNORECASE)
_TEXTS = [
    "metadata_version",
    "name",
    "version",
    "summary",
    "description",
    "description_content_type",
    "home_page",
    "download_url",
    "author",
    "author_email",
    "maintainer",
    "maintainer_email",
    "license",
    "license_expression",
    "requires_python",
]
# Field of the form -> field of packaging's RawMetadata.
_LISTS = {
    "platform": "platforms",
    "supported_platform": "supported_platforms",
    "license_file": "license_files",
    "import_name": "import_names",
    "import_namespace": "import_namespaces",
    # What twine and flit send beside the above.
    "license_files": "license_files",
} | {
    name: name
    for name in [
        "classifiers",
        "requires",
        "provides",
        "obsoletes",
        "requires_dist",
        "provides_dist",
        "obsoletes_dist",
        "requires_external",
        "provides_extra",
        "dynamic",
    ]
}
_VERSIONS = ("1.0", "1.1", "1.2", "2.1", "2.2", "2.3", "2.4", "2.5")
_MOST_LETTERS = 8192
"""Of one value. PyPI knows no such bound, but some of what is standard to read them with takes its time over long ones."""
_LONG = ("description", "license", "attestations")
_FIRST = ("metadata-version", "name", "version")
"""Errors that tend to cause the others are told first."""


def check_form(form: Form) -> None:
    """Check what belongs to the upload rather than to the metadata.

    Raises:
        Refused: something of it is missing or wrong.
    """
    if (form.first("protocol_version") or "1") != "1":
        raise Refused(400, "Unknown protocol version.")
    if form.odd:
        raise Refused(400, f"{form.odd}: Should not be a tuple.")
    for field, values in form.fields.items():
        if field not in _LONG and any(len(value) > _MOST_LETTERS for value in values):
            raise Refused(400, f"Invalid value for {field[:40]}. Error: It is too long.")
    name = form.first("name")
    if not name:
        raise _invalid_field("Name", name, "This field is required.")
    if not NAME.fullmatch(name):
        sentence = "Start and end with a letter or numeral containing only ASCII numeric and '.', '_' and '-'."
        raise _invalid_field("Name", name, sentence)
    kind = form.first("filetype")
    if kind not in ("sdist", "bdist_wheel"):
        problem = "Use a known file type." if kind else "This field is required."
        raise Refused(400, f"Invalid value for filetype. Error: {problem}")
    for digest, length in (("blake2_256_digest", 64), ("sha256_digest", 64)):
        if not re.fullmatch(rf"([A-Fa-f0-9]{{{length}}})?", form.first(digest)):
            written = "BLAKE2" if digest.startswith("blake") else "SHA256"
            raise Refused(
                400, f"Invalid value for {digest}. Error: Use a valid, hex-encoded, {written} message digest."
            )
    if kind == "sdist" and form.first("pyversion") not in ("", "source"):
        raise Refused(400, "Invalid value for pyversion. Error: Use 'source' as Python version for an sdist.")
    if kind != "sdist" and not form.first("pyversion"):
        problem = "Python version is required for binary distribution uploads."
        raise Refused(400, f"Invalid value for pyversion. Error: {problem}")
    if not any(form.first(f"{name}_digest") for name in ("md5", "sha256", "blake2_256")):
        raise Refused(400, "Error: Include at least one message digest.")


def _invalid_field(field: str, value: str, problem: str) -> Refused:
    shown = f"{value[:30]}...{value[-30:]}" if len(value) > 60 else value
    return Refused(
        400, f"{shown!r} is an invalid value for {field}. Error: {problem} See {_CORE} for more information."
    )


def read_metadata(form: Form) -> Metadata:
    """Read the metadata that the form tells, and check them.

    Raises:
        Refused: some field is wrong.
    """
    problems: list[InvalidMetadata] = []
    raw = _raw(form, problems)
    metadata = None
    if not problems:
        try:
            metadata = Metadata.from_raw(raw)
            problems += _problems(metadata)
        except ExceptionGroup as group:
            problems += [error for error in group.exceptions if isinstance(error, InvalidMetadata)]
        except (ValueError, RecursionError):
            metadata = None  # a number of thousands of digits, a thousand brackets
    if metadata is not None and not problems:
        return metadata
    fields = [problem.field for problem in problems]
    field = next((name for name in _FIRST if name in fields), min(fields, default=""))
    sentence = next((str(problem) for problem in problems if problem.field == field), "The metadata can't be read")
    see = _LOCAL if "use of local versions" in sentence else _CORE
    raise Refused(400, f"{sentence}{'' if sentence.endswith('.') else '.'} See {see} for more information.")


def _raw(form: Form, problems: list[InvalidMetadata]) -> RawMetadata:
    raw: dict[str, object] = {}
    for name, values in form.fields.items():
        # An empty text is as good as none, and distutils wrote UNKNOWN where it knew nothing.
        told = [value.replace("\0", "\\x00") for value in values if value.strip() != "UNKNOWN"]
        if told in ([""], []):
            continue
        if name in _TEXTS and len(told) == 1:
            raw[name] = told[0]
        elif name in _LISTS:
            raw[_LISTS[name]] = told
        elif name == "keywords" and len(told) == 1:
            raw[name] = [keyword.strip() for keyword in told[0].split(",")]
        elif name == "project_urls":
            pairs = [[part.strip() for part in f"{value},".split(",", 2)[:2]] for value in told]
            raw[name] = dict(pairs)
            if len({label for label, _ in pairs}) < len(pairs):
                problems.append(InvalidMetadata(name, f"{name!r} has invalid data"))
        elif name in (*_TEXTS, "keywords"):
            problems.append(InvalidMetadata(name, f"{name!r} has invalid data"))
    return raw  # type: ignore[return-value]


def _problems(metadata: Metadata) -> Iterator[InvalidMetadata]:
    """Find what the standard allows and PyPI does not."""
    if metadata.metadata_version not in _VERSIONS:
        yield InvalidMetadata("metadata-version", f"{metadata.metadata_version!r} is not a valid metadata version")
    if metadata.version.local:
        yield InvalidMetadata("version", f"The use of local versions in '{metadata.version}' is not allowed.")
    if metadata.summary is not None and len(metadata.summary) > 512:
        yield InvalidMetadata("summary", "'summary' field must be 512 characters or less.")
    for field, written in (("author-email", metadata.author_email), ("maintainer-email", metadata.maintainer_email)):
        _, address = email.utils.parseaddr(written or "")
        if address and not re.fullmatch(r"[^@\s]+@[^@\s.]+(\.[^@\s.]+)+", address):
            problem = "The email address is not valid." if "@" in address else "An email address must have an @-sign."
            yield InvalidMetadata(field, f"{address!r} is not a valid email address: {problem}")
    yield from _classifiers(metadata.classifiers or [])
    for field, url in (("home-page", metadata.home_page), ("download-url", metadata.download_url)):
        if url is not None and not _is_url(url):
            yield InvalidMetadata(field, f"{url!r} is not a valid url.")
    for label, url in (metadata.project_urls or {}).items():
        if not label:
            yield InvalidMetadata("project-url", "Must have a label")
        elif len(label) > 32:
            yield InvalidMetadata("project-url", f"{label!r} must be 32 characters or less.")
        elif not url:
            yield InvalidMetadata("project-url", "Must have a URL")
        elif not _is_url(url):
            yield InvalidMetadata("project-url", f"{url!r} is not a valid url")
    for requirement in metadata.requires_dist or []:
        if requirement.url is not None:
            yield InvalidMetadata("requires-dist", f"Can't have direct dependency: {requirement}")
    for field, texts in (("provides-dist", metadata.provides_dist), ("obsoletes-dist", metadata.obsoletes_dist)):
        for text in texts or []:
            try:
                if Requirement(text).url is not None:
                    yield InvalidMetadata(field, f"Can't have direct dependency: {text!r}")
            except InvalidRequirement as error:
                yield InvalidMetadata(field, f"{text!r} is invalid: {error}")
    if metadata.license and metadata.license_expression:
        sentence = (
            "License is deprecated when License-Expression is present. Only License-Expression should be present."
        )
        yield InvalidMetadata("license", sentence)


def _classifiers(told: list[str]) -> Iterator[InvalidMetadata]:
    if not told or find_spec("trove_classifiers") is None:
        return
    from trove_classifiers import all_classifiers, deprecated_classifiers

    for classifier in sorted(set(told) - set(all_classifiers)):
        yield InvalidMetadata("classifier", f"{classifier!r} is not a valid classifier.")
    for classifier in sorted(set(told) & deprecated_classifiers.keys()):
        instead = deprecated_classifiers[classifier]
        more = f", use one of {instead} instead." if instead else "."
        yield InvalidMetadata("classifier", f"The classifier {classifier!r} has been deprecated{more}")


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.netloc or parts.path) and not re.search(r"[\s<>\"]", text)


def check_description(metadata: Metadata, help_page: str) -> None:
    """Check that the README can be shown; `help_page` is the address that the sentence names.

    Raises:
        Refused: it can't.
    """
    media = (metadata.description_content_type or "text/x-rst").partition(";")[0].strip().lower()
    if not metadata.description or media != "text/x-rst" or find_spec("readme_renderer") is None:
        return
    rst = import_module("readme_renderer.rst")
    if rst.render(metadata.description) is None:
        told = metadata.description_content_type
        how = f"for '{told}'." if told else "in the default format of reStructuredText."
        raise Refused(400, f"The description failed to render {how} See {help_page} for more information.")
