"""nbgrader for an instructor: the course's own settings, and its folder wherever the command or formgrader is started."""

from pathlib import Path

c = get_config()  # noqa: F821 - nbgrader puts it here

mine = Path.home() / "wheelhouse"
load_subconfig("nbgrader_config.py", path=str(mine))  # noqa: F821
c.CourseDirectory.root = str(mine)
