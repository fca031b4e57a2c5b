"""nbgrader for everybody where the exchange is ngshare, a service of the hub's: in place of `settings/everybody/nbgrader_config.py`.

For instructors the same lines stand at the end of `settings/instructor/nbgrader_config.py`, since the course's own settings name another collect.
In the users' environment: `pip install --no-deps ngshare-exchange==0.5.3` (it asks for a jupyter_core older than JupyterLab's own).
"""

from ngshare_exchange import configureExchange

c = get_config()  # noqa: F821 - nbgrader puts it here

configureExchange(c, "http://127.0.0.1:10101/services/ngshare")
c.CourseDirectory.course_id = "wheelhouse"
