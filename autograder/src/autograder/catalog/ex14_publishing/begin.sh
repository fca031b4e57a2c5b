# What the team released earlier: uploaded by the account that is yours now, in the way every client does it.
python3 - <<'END'
import base64, gzip, hashlib, io, json, os, pathlib, re, tarfile, urllib.parse, urllib.request, zipfile

HERE = os.environ["WHEELHOUSE_LOOPBACK"]
open_url = urllib.request.build_opener(urllib.request.ProxyHandler({})).open
tokens = {}


def post(path, data, **headers):
    with open_url(urllib.request.Request(HERE + path, data, headers), timeout=60) as reply:
        return reply.read()


def upload(site, name, version, filename, data, requires):
    if site not in tokens:
        made = post(f"/{site}/manage/account/token/", b"name=Nour", Accept="application/json")
        tokens[site] = base64.b64encode(b"__token__:" + json.loads(made)["token"].encode()).decode()
    built = filename.endswith(".whl")
    form = [(":action", "file_upload"), ("protocol_version", "1"), ("metadata_version", "2.1"), ("name", name),
            ("version", version), ("filetype", "bdist_wheel" if built else "sdist"), ("pyversion", "py3" if built else "source"),
            ("requires_python", ">=3.9"), ("sha256_digest", hashlib.sha256(data).hexdigest())]
    form += [("requires_dist", one) for one in requires]
    parts = [f'--shop\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{value}\r\n'.encode() for key, value in form]
    parts.append(f'--shop\r\nContent-Disposition: form-data; name="content"; filename="{filename}"\r\n\r\n'.encode() + data + b"\r\n--shop--\r\n")
    kind = {"Content-Type": "multipart/form-data; boundary=shop", "Authorization": f"Basic {tokens[site]}"}
    post(f"/{site}/legacy/", b"".join(parts), **kind)


def archives(name, version, files, sdist, requires, readme=""):
    """Give a wheel, and an sdist of these files, both the same whenever they are made."""
    stem = f"{name.replace('-', '_')}-{version}"
    head = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\nRequires-Python: >=3.9\n"
    head += "".join(f"Requires-Dist: {one}\n" for one in requires) + "\n" + readme
    info = f"{stem}.dist-info"
    inside = {path: text for path, text in files.items() if path.endswith(".py")}
    inside |= {f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: shop\nRoot-Is-Purelib: true\nTag: py3-none-any\n", f"{info}/METADATA": head}
    digest = lambda text: base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
    record = [f"{path},sha256={digest(text)},{len(text.encode())}" for path, text in inside.items()]
    inside[f"{info}/RECORD"] = "\n".join([*record, f"{info}/RECORD,,", ""])
    wheel = io.BytesIO()
    with zipfile.ZipFile(wheel, "w") as archive:
        for path, text in inside.items():
            archive.writestr(zipfile.ZipInfo(path), text)
    yield f"{stem}-py3-none-any.whl", wheel.getvalue()
    if sdist:
        source = io.BytesIO()
        with tarfile.open(fileobj=source, mode="w") as archive:
            for path, text in {**files, "PKG-INFO": head}.items():
                member = tarfile.TarInfo(f"{stem}/{path}")
                member.size = len(text.encode())
                archive.addfile(member, io.BytesIO(text.encode()))
        yield f"{stem}.tar.gz", gzip.compress(source.getvalue(), mtime=0)


def release(site, name, version, files, sdist=False, requires=(), keep=""):
    for filename, data in archives(name, version, files, sdist, requires, files.get("README.md", "")):
        if site:
            upload(site, name, version, filename, data, requires)
        if keep:
            pathlib.Path(keep, "dist").mkdir(exist_ok=True)
            pathlib.Path(keep, "dist", filename).write_bytes(data)


def read(folder, *names):
    return {name: pathlib.Path(folder, name).read_text() for name in names}


# Task 1: what was built to try the build, and never left the house.
release("", "price-stickers", "0.9.0", read("stickers", "price_stickers.py", "pyproject.toml", "README.md", "LICENSE"), True, ["leftpad>=1.1"], "stickers")

# Task 2: released with its bug; the files still lie in dist/.
release("pypi", "cash-rounding", "1.0.0", read("rounding", "cash_rounding.py", "pyproject.toml", "README.md"), True, keep="rounding")

# Task 3: three releases, of which the last is bad.
FOOTER = '"""The last line of a receipt."""\n\n\ndef footer(days=7):\n    """Invite the customer to come again."""\n    return f"Thank you, see you in {DAYS} days!"\n'
for version, days in (("1.0.0", "days"), ("1.0.1", "max(1, days)"), ("1.0.2", "days // 14")):
    release("pypi", "receipt-footer", version, {"receipt_footer.py": FOOTER.replace("DAYS", days)})

# Task 4: on TestPyPI only.
SIGN = '"""Signs for the shop window."""\n\nimport label_sizes\nimport leftpad\n\n\ndef sign(name, cents):\n    """Give the text of a sign, and how large it must be."""\n    text = f"{name} {leftpad.pad(cents, 6)}"\n    return text, label_sizes.size(text)\n'
release("testpypi", "sign-writer", "0.3", {"sign_writer.py": SIGN}, requires=["label-sizes>=1.0", "leftpad>=1.0"])
END
