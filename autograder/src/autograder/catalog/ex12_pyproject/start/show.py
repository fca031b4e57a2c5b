"""Show what is in a project's wheels and sdists: `python3 show.py tags` looks into tags/dist."""

import sys
import tarfile
import zipfile
from pathlib import Path

dist = Path(sys.argv[1], "dist")
built = sorted([*dist.glob("*.whl"), *dist.glob("*.tar.gz")])
if not built:
    print(f"{dist} holds no wheel and no sdist")
for path in built:
    print("=====", path)
    if path.suffix == ".whl":
        with zipfile.ZipFile(path) as wheel:
            for name in wheel.namelist():
                print("  ", name)
            for name in wheel.namelist():
                if name.endswith(("dist-info/METADATA", "dist-info/entry_points.txt")):
                    print("-----", name)
                    print(wheel.read(name).decode().strip())
    else:
        with tarfile.open(path) as sdist:
            for name in sdist.getnames():
                print("  ", name)
