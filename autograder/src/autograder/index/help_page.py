"""The page that refusals of an upload lead to: what the sentence means, and what to do."""

from __future__ import annotations

__all__ = ["ANCHORS", "help_page"]

from autograder.index.project_pages import frame
from autograder.index.site import Site

_TOPICS = (
    (
        "invalid-auth",
        "Invalid or non-existent authentication information",
        """<p>The index doesn't know the token that came with the upload, or none came.</p>
<ul>
<li>The user name is <code>__token__</code>, with two underscores on each side; the password is the token, with its
<code>pypi-</code> at the beginning.</li>
<li>A token of PyPI is unknown to TestPyPI, and the other way round: these are two accounts.</li>
<li>A token is shown once. If yours is lost, make a new one: <code>pypi-manage token</code>.</li>
</ul>""",
    ),
    (
        "apitoken",
        "API tokens",
        """<p>A token stands for your account, or for one project of it. Passwords are not accepted for uploads.</p>
<p>The real index makes one on your account's page. Here <code>pypi-manage token</code> does, and
<code>pypi-manage token --project NAME</code> makes one that is good for that project only.
Take the narrow one as soon as the project exists: whoever finds it can do less with it.</p>""",
    ),
    (
        "trusted-publishers",
        "Trusted publishers",
        """<p>A project may trust a workflow of a repository: then the workflow proves who it is, and no token has to be kept anywhere.
The token that it gets in exchange is good for a quarter of an hour.</p>
<p>Repository, workflow file and environment must be those which the project trusts, letter by letter.
Here <code>pypi-manage publisher add</code> stands for the form on the project's page, with <code>--pending</code> for a project
that doesn't exist yet; its name must then be the one in the project's metadata.</p>""",
    ),
    (
        "project-name",
        "Names of projects",
        """<p>A name belongs to whoever published under it first, and <code>-</code>, <code>_</code>, <code>.</code> and capitals
make no difference. Names of modules of the standard library, and names that look like one that is taken, are nobody's.</p>
<p>If the project is somebody else's, choose another name in <code>pyproject.toml</code> and build again.</p>""",
    ),
    (
        "file-name-reuse",
        "Names of files are used once",
        """<p>A file that was published never changes: others may have locked its hash. So its name is taken for ever, also after
it was deleted.</p>
<p>Give the change a new version, build again, and upload the new files. If the old release is broken, yank it.</p>""",
    ),
    (
        "description-content-type",
        "The description failed to render",
        """<p>The README can't be shown as what the metadata call it. <code>twine check dist/*</code> says where it breaks.</p>""",
    ),
    (
        "file-size-limit",
        "The size of files",
        "<p>A file may be as large as the sentence says, which is ample for code.</p>",
    ),
    (
        "project-size-limit",
        "The size of projects",
        "<p>All files of a project together may be as large as the sentence says.</p>",
    ),
)
ANCHORS = tuple(anchor for anchor, _, _ in _TOPICS)
"""What may stand after the `#` of this page's address."""


def help_page(site: Site, *, top: str) -> str:
    """Write the page; `top` leads from it to where the index begins."""
    topics = "\n".join(f'<h2 id="{anchor}">{title}</h2>\n{text}' for anchor, title, text in _TOPICS)
    return frame("When an upload is refused", f"<h1>When an upload is refused</h1>\n{topics}", site=site, top=top)
