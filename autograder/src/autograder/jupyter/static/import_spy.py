"""Watch an import: the text that the import tracer hands to a Python in the sandbox (see pictures/import_tracer.py).

It is executed in the namespace of the file that was started, imports nothing before the statement but what every Python has loaded,
and tells what it saw as one line of plain data.
"""

# It has no types, since `typing` would have to be loaded for them, and would be found in sys.modules by those who ask for it.
# mypy: ignore-errors
# ruff: noqa: ANN001, ANN002, ANN003, ANN201, ANN202, ANN204


def wheelhouse_spy(statement, namespace, mark):
    """Execute an import statement in a namespace, and print what happened after the mark."""
    import builtins
    import sys

    steps = []
    wrapped = set()
    state = {"asked": 0, "bodies": 0}
    real_import = builtins.__import__
    real_path = sys.meta_path[:]
    path = list(sys.path)

    def depth():
        """Say how far this is from the statement: what a body asks for is one deeper than what asked for the body."""
        return max(state["asked"] - 1, state["bodies"])

    def add(kind, name, **more):
        if len(steps) < 200:
            steps.append({"kind": kind, "name": name, "depth": depth(), **more})

    def own_names(module):
        return [name for name in list(vars(module)) if not name.startswith("__")][:40]

    def absolute(name, scope, level):
        if not level:
            return name
        package = (scope or {}).get("__package__") or ""
        above = package.rsplit(".", level - 1)[0] if level > 1 else package
        return f"{above}.{name}" if name else above

    def watched_import(name, globals=None, locals=None, fromlist=(), level=0):
        if (globals or {}).get("__name__", "").startswith(("importlib._bootstrap", "_frozen_importlib")):
            return real_import(name, globals, locals, fromlist, level)  # the machinery's own errands
        full = absolute(name, globals, level)
        state["asked"] += 1
        here = len(steps)
        if depth() <= 1:
            add("ask", full, known=full in sys.modules)
        try:
            return real_import(name, globals, locals, fromlist, level)
        finally:
            if depth() == 1 and here < len(steps):
                spec = getattr(sys.modules.get(full), "__spec__", None)
                steps[here]["origin"] = str(getattr(spec, "origin", None) or "")
            state["asked"] -= 1

    class Watch:
        """A finder that tells when it is asked."""

        def __init__(self, finder):
            self.finder = finder
            self.called = getattr(finder, "__name__", None) or type(finder).__name__

        def find_spec(self, name, path=None, target=None):
            if depth():
                return self.finder.find_spec(name, path, target)
            if self.called == "PathFinder":
                return self.search(name, path, target)
            spec = self.finder.find_spec(name, path, target)
            add(
                "finder",
                name,
                finder=self.called,
                found=spec is not None,
                origin=str(getattr(spec, "origin", "") or ""),
            )
            return watch(spec)

        def search(self, name, path, target):
            add("finder", name, finder=self.called, found=None, origin="")
            asked = len(steps) - 1
            chosen = None
            for number, entry in enumerate(sys.path if path is None else path):
                here = self.finder.find_spec(name, [entry])
                portion = here is not None and here.origin is None and here.submodule_search_locations is not None
                found = here is not None and not portion
                add(
                    "entry",
                    name,
                    entry=str(entry),
                    number=number if path is None else -1,
                    found=found,
                    portion=portion,
                    origin=str(getattr(here, "origin", "") or ""),
                )
                if found:
                    chosen = here
                    break
            spec = chosen or self.finder.find_spec(name, path, target)
            if asked < len(steps):
                steps[asked]["found"] = spec is not None
            return watch(spec)

        def __getattr__(self, name):
            return getattr(self.finder, name)

    def watch(spec):
        loader = getattr(spec, "loader", None)
        if spec is None:
            return None
        called = getattr(loader, "__name__", None) if isinstance(loader, type) else type(loader).__name__
        bare = spec.origin is None and spec.submodule_search_locations is not None
        add(
            "spec",
            spec.name,
            loader=str(called),
            origin=str(spec.origin or ""),
            bare=bare,
            package=spec.submodule_search_locations is not None,
        )
        if hasattr(loader, "exec_module") and not isinstance(loader, type) and not bare and id(loader) not in wrapped:
            wrapped.add(id(loader))
            watch_loader(loader)
        return spec

    def watch_loader(loader):
        real_exec = loader.exec_module

        def exec_module(module):
            name, bodies = module.__name__, state["bodies"]
            add("store", name, stored=sys.modules.get(name) is module, names=own_names(module))
            try:
                real_exec(module)
            except BaseException as error:
                state["bodies"] = bodies
                add("failed", name, error=f"{type(error).__name__}: {error}"[:300])
                raise
            state["bodies"] = bodies
            add("executed", name, names=own_names(module))

        loader.exec_module = exec_module
        if not hasattr(loader, "source_to_code"):
            return
        real = {name: getattr(loader, name) for name in ("get_code", "get_data", "set_data", "source_to_code")}
        seen = {}

        def get_data(path):
            data = real["get_data"](path)
            if str(path).endswith(".pyc"):
                seen["read"] = str(path)
                seen["header"] = [int.from_bytes(data[at : at + 4], "little") for at in (4, 8, 12)]
            return data

        def set_data(path, data, **more):
            real["set_data"](path, data, **more)
            seen["written"] = str(path)

        def source_to_code(*given, **more):
            seen["compiled"] = True
            return real["source_to_code"](*given, **more)

        def get_code(name):
            seen.clear()
            code = real["get_code"](name)
            add(
                "code",
                name,
                read=seen.get("read", ""),
                header=seen.get("header", []),
                compiled="compiled" in seen,
                written=seen.get("written", ""),
            )
            state["bodies"] += 1  # what is asked for from here on, the body asks for
            return code

        loader.get_data, loader.set_data, loader.source_to_code, loader.get_code = (
            get_data,
            set_data,
            source_to_code,
            get_code,
        )

    before = set(namespace)
    code = compile(statement, "<your statement>", "exec")
    sys.meta_path[:] = [Watch(finder) for finder in real_path]
    builtins.__import__ = watched_import
    problem = ""
    try:
        exec(code, namespace)  # noqa: S102 - this is what was asked for, in the sandbox
    except BaseException as error:
        problem = f"{type(error).__name__}: {error}"[:300]
    builtins.__import__ = real_import
    sys.meta_path[:] = real_path
    bound = [name for name in namespace if name not in before and not name.startswith("__")]
    told = {
        "steps": steps,
        "path": path,
        "problem": problem,
        "bound": bound[:40],
        "called": namespace.get("__name__", ""),
    }
    sys.stdout.flush()
    sys.stdout.write(f"\n{mark}{told!r}\n")
    sys.stdout.flush()
