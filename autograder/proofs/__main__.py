"""List the proofs, or run one: `python -m proofs [NAME [--keep] …]`, from the folder `autograder/`.

A proof is a module in this folder with a constant `PROOF`, its name on the command line, and a function
`main(arguments: Sequence[str]) -> int` (exit status 0 when all rows are good, 1 when one isn't, 2 when the proof can't run here).
Its first line says in a sentence what it proves.
"""

from __future__ import annotations

import ast
import importlib
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from proofs.results import begin

__all__ = ["main", "proofs"]

HERE = Path(__file__).resolve().parent


def proofs() -> dict[str, tuple[str, str]]:
    """Find the proofs by looking at the files: name -> (module, first line of its docstring), in the order of their names."""
    found = {}
    for path in HERE.glob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in tree.body:
            match node:
                case ast.Assign(targets=[ast.Name(id="PROOF")], value=ast.Constant(value=str(name))):
                    found[name] = (f"{__package__}.{path.stem}", (ast.get_docstring(tree) or "").partition("\n")[0])
    return dict(sorted(found.items()))


def main(arguments: Sequence[str]) -> int:
    """Run the proof that is named, or list them all; SIGTERM ends one as Ctrl-C does, so it can clean up."""
    known = proofs()
    if not arguments or arguments[0] in ("-h", "--help"):
        width = max(map(len, known), default=0)
        for name, (_, about) in known.items():
            print(f"  {name:{width}}  {about}")
        print("\nRun one with: python -m proofs NAME   (--help after the name says more; --keep leaves what it made)")
        return 0
    if arguments[0] not in known:
        print(f"There is no proof {arguments[0]!r}; there are: {', '.join(known) or 'none'}.", file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    begin()
    module = importlib.import_module(known[arguments[0]][0])
    try:
        return int(module.main(arguments[1:]))
    except KeyboardInterrupt:
        print("\nStopped; nothing was recorded.", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
