"""JupyterHub for one class on one machine: ordinary Unix users, each with a JupyterLab of their own.

    groupadd wheelhouse-learners; groupadd wheelhouse-instructors
    useradd --create-home --groups wheelhouse-learners ada; chmod 700 /home/ada        # and a password
    cd /srv/jupyterhub && jupyterhub --config /srv/wheelhouse/autograder/hub/jupyterhub_config.py

`python -m proofs hub` runs a class with this very file. docs/classroom.md says all steps.
"""

import os
import shlex
import sys
from pathlib import Path

c = get_config()  # noqa: F821 - JupyterHub puts it here

here = Path(__file__).resolve().parent
binaries = Path(sys.prefix) / "bin"

PASSED_ON = ("WHEELHOUSE_EXCHANGE", "WHEELHOUSE_SHARED_CACHE", "PYTHONPATH")

# Who may log in: users of this machine, by PAM, who are in one of these groups.
c.JupyterHub.authenticator_class = "pam"
c.PAMAuthenticator.allowed_groups = {"wheelhouse-learners", "wheelhouse-instructors"}
c.PAMAuthenticator.open_sessions = False  # a login shell's business: limits, a seat

# Each user's server is a process of that user's; the kernel keeps them apart.
c.JupyterHub.spawner_class = "jupyterhub.spawner.LocalProcessSpawner"
c.Spawner.cmd = [str(here / "singleuser")]
c.Spawner.args = [
    # Kernels talk over files in the user's own folder: with ports, one or two of forty fail to start.
    "--KernelManager.transport=ipc",
    "--MappingKernelManager.cull_idle_timeout=1200",
    "--MappingKernelManager.cull_connected=True",
    "--LabApp.news_url=None",
    "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
    "--LabApp.extension_manager=readonly",
]
c.Spawner.default_url = "/lab"
c.Spawner.start_timeout = 120  # 40 learners who come at once take two minutes on two cores
c.Spawner.http_timeout = 120
c.Spawner.environment = {
    "PATH": f"{binaries}:/usr/local/bin:/usr/bin:/bin",
    **{name: os.environ[name] for name in PASSED_ON if name in os.environ},
}
c.Spawner.env_keep = ["LANG", "LC_ALL", "TZ"]

# configurable-http-proxy needs Node.js 20; `hub/proxy` has its lock. Say here where it is if it isn't on PATH.
c.ConfigurableHTTPProxy.command = shlex.split(os.environ.get("CONFIGURABLE_HTTP_PROXY", "configurable-http-proxy"))
c.JupyterHub.bind_url = "http://127.0.0.1:8000"  # TLS is the business of the web server in front of it
c.JupyterHub.concurrent_spawn_limit = 8
