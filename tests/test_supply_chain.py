"""What is installed is what was pinned, what is built is what is here, and both can be told to others."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from email.parser import HeaderParser
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest
from packaging.requirements import Requirement

from docs import make_sbom
from tests.supply.__main__ import main, unasked
from tests.supply.judging import judge

ROOT = Path(__file__).parents[1]
REQUIREMENTS = sorted((ROOT / "requirements").glob("*.txt"))
SBOM = make_sbom.bill(make_sbom.project(), make_sbom.pins(make_sbom.PINS.read_text(encoding="utf-8")), None)

KNOWN_PTH = {"_recorder.pth", "distutils-precedence.pth", "a1_coverage.pth"}
"""Of the development environment: recorder itself, editable; setuptools, where Python brings it; coverage."""


# -- the pins ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("file", REQUIREMENTS, ids=lambda path: path.name)
def test_every_pin_has_its_hashes_and_no_address(file: Path) -> None:
    """One version each, the hash of every file it may be, no option of pip's, and nowhere where to fetch it."""
    text = file.read_text(encoding="utf-8")
    assert "://" not in text
    for block in re.split(r"\n(?=\S)", re.sub(r"^ *#.*\n", "", text, flags=re.MULTILINE).strip()):
        pin, *rest = block.split(" \\\n")
        assert re.fullmatch(r"[a-z0-9-]+(\[[a-z,]+\])?==[^ ]+( ; .+)?", pin), pin
        assert rest, f"{pin} has no hash"
        assert all(re.fullmatch(r" +--hash=sha256:[0-9a-f]{64}", line) for line in rest), pin


def test_whatever_is_installed_has_its_hash_checked() -> None:
    """Each `pip install` of the Makefile: by hash; but recorder itself, and the tool that makes the pins."""
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    installed = [line.split("pip install", 1)[1] for line in text.splitlines() if "-m pip install" in line]
    assert len(installed) >= 4
    unchecked = [line for line in installed if "--require-hashes -r" not in line]
    assert all(line.endswith(("--no-deps --no-build-isolation --editable .", "--quiet uv")) for line in unchecked)
    assert "pip install" not in (ROOT / ".ci" / "run").read_text(encoding="utf-8")


def mini_wheel(directory: Path, said: str) -> Path:
    """Make a wheel of one module."""
    path = directory / "mini-1-py3-none-any.whl"
    about = {"METADATA": "Metadata-Version: 2.1\nName: mini\nVersion: 1\n", "RECORD": "",
             "WHEEL": "Wheel-Version: 1.0\nGenerator: us\nRoot-Is-Purelib: true\nTag: py3-none-any\n"}  # fmt: skip
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("mini.py", said)
        for name, text in about.items():
            archive.writestr(f"mini-1.dist-info/{name}", text)
    return path


def test_a_file_that_was_tampered_with_is_refused(tmp_path: Path) -> None:
    """pip installs the file that was pinned, and nothing of one that is as good but another."""
    pinned = hashlib.sha256(mini_wheel(tmp_path, "said = 'good'").read_bytes()).hexdigest()
    (tmp_path / "pins.txt").write_text(f"mini==1 \\\n    --hash=sha256:{pinned}\n")

    def install(into: str) -> subprocess.CompletedProcess[str]:
        pip = [sys.executable, "-m", "pip", "install", "--isolated", "--no-index", "--find-links", str(tmp_path)]
        pip += ["--require-hashes", "-r", str(tmp_path / "pins.txt"), "--target", str(tmp_path / into)]
        environment = {**os.environ, "PIP_CONFIG_FILE": os.devnull}
        return subprocess.run(pip, env=environment, capture_output=True, text=True, timeout=60, check=False)

    assert install("good").returncode == 0
    assert (tmp_path / "good" / "mini.py").read_text() == "said = 'good'"
    mini_wheel(tmp_path, "said = 'evil'")
    refused = install("evil")
    assert refused.returncode == 1
    assert "DO NOT MATCH THE HASHES" in refused.stderr
    assert not (tmp_path / "evil" / "mini.py").exists()


# -- the wheel ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_sbom.build(tmp_path_factory.mktemp("wheel"))


def elsewhere(directory: Path) -> Path:
    """Copy what is built to another place, with other times and modes."""
    without = shutil.ignore_patterns("__pycache__")
    for name in ("recorder", "migrations", "deploy", "docs/man", "docs/completions"):
        shutil.copytree(ROOT / name, directory / name, ignore=without, copy_function=shutil.copy)
    for name in ("pyproject.toml", "README.md", "LICENSE", ".gitignore"):
        shutil.copyfile(ROOT / name, directory / name)
    for file in (directory / "recorder").rglob("*.py"):
        file.chmod(0o600)
    return directory


def test_two_builds_are_the_same_bytes(wheel: Path, tmp_path: Path) -> None:
    """Another place, other times and modes of the files, another hour: the same wheel."""
    (tmp_path / "there").mkdir()
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(tmp_path / "dist")]
    subprocess.run(build, cwd=elsewhere(tmp_path / "there"), check=True, capture_output=True, timeout=100)
    assert (tmp_path / "dist" / wheel.name).read_bytes() == wheel.read_bytes()


EXPECTED = re.compile(
    r"recorder/([a-z0-9_]+/)*[a-z0-9_]+\.py|recorder/py\.typed"
    r"|recorder/replay/matches/(ATTRIBUTION\.md|(snooker-1|soccer-france-romania)\.jsonl\.gz)"
    r"|recorder/web/api/(columns\.toml|examples\.json)|recorder/web/templates/[a-z_]+\.html|recorder/web/static/[a-z]+\.(js|css)"
    r"|recorder/web/static/vendor/(SHA256SUMS|(uPlot|pico)\.LICENSE|uPlot\.iife\.min\.js|uPlot\.min\.css|pico\.classless\.min\.css)"
    r"|recorder/_migrations/(env\.py|script\.py\.mako|versions/\d{4}_\w+\.py)"
    r"|recorder-[0-9.]+\.dist-info/(METADATA|WHEEL|RECORD|entry_points\.txt|licenses/.+)"
    r"|recorder-[0-9.]+\.data/data/share/(recorder|man|bash-completion|zsh|fish)/.+"
)


def test_what_is_in_the_wheel(wheel: Path) -> None:
    """All modules, the migrations, the matches of the demonstration, the page's files, manual and units; no more."""
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    assert [name for name in sorted(names) if not EXPECTED.fullmatch(name)] == []
    modules = {str(path.relative_to(ROOT)) for path in (ROOT / "recorder").rglob("*.py")}
    revisions = {path.name for path in (ROOT / "migrations" / "versions").glob("*.py")}
    assert modules | {f"recorder/_migrations/versions/{name}" for name in revisions} <= names
    assert len([name for name in names if name.endswith(".jsonl.gz")]) == 2


def test_nothing_runs_by_itself_where_it_is_installed(wheel: Path, tmp_path: Path) -> None:
    """A fresh environment with the wheel has no .pth file, which Python would obey at each of its starts."""
    venv.create(tmp_path / "fresh", with_pip=False)
    python = tmp_path / "fresh" / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--no-index", "--no-deps", "--no-compile"]
    subprocess.run([*pip, str(wheel)], check=True, capture_output=True, timeout=60)
    assert [str(path) for path in (tmp_path / "fresh").rglob("*.pth")] == []
    [package] = (tmp_path / "fresh").rglob("site-packages/recorder/__init__.py")
    where = [str(python), "-I", "-c", "import recorder; print(recorder.__file__)"]
    assert subprocess.run(where, check=True, capture_output=True, text=True).stdout.strip() == str(package)


def test_what_runs_by_itself_here() -> None:
    """The development environment obeys three files at most, and the one of recorder's only names the checkout."""
    packages = Path(sysconfig.get_path("purelib"))
    assert {path.name for path in packages.glob("*.pth")} <= KNOWN_PTH
    ours = packages / "_recorder.pth"
    if ours.exists():
        assert [Path(line) for line in ours.read_text().split()] == [ROOT]


# -- what it runs with -------------------------------------------------------------------------------------------------


def test_the_bill_names_every_dependency(wheel: Path) -> None:
    """All that the wheel says it requires, by default or by an extra of users, and all that these require in turn."""
    with zipfile.ZipFile(wheel) as archive:
        [name] = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        about = HeaderParser().parsestr(archive.read(name).decode())
    wanted = [Requirement(text) for text in about.get_all("Requires-Dist") or []]
    meant = {each.name for each in wanted if 'extra == "dev"' not in str(each.marker) and each.name != "recorder"}
    scopes = {component["name"]: component["scope"] for component in SBOM["components"]}
    assert {"websockets", "psycopg", "pyarrow", "httpx", "duckdb"} <= meant <= set(scopes)
    assert all(scopes[each.name] == "required" for each in wanted if each.marker is None)
    assert {"psycopg-binary", "markupsafe", "pydantic-core"} <= set(scopes)
    assert {"pytest", "mypy", "hatchling"} & set(scopes) == set()


def test_the_bill_is_of_the_pins() -> None:
    """Version and every hash of each package as requirements/dev.txt has them; each edge leads to a package of it."""
    text = make_sbom.PINS.read_text(encoding="utf-8")
    for component in SBOM["components"]:
        [hashes] = [reference["hashes"] for reference in component["externalReferences"]]
        block = text[re.search(rf"^{component['name']}(\[\w+\])?=={component['version']} ", text, re.M).start() :]  # type: ignore[union-attr]
        pinned = re.findall(r"sha256:(\w{64})", re.split(r"\n(?=[a-z])", block)[0])
        assert pinned == [one["content"] for one in hashes]
        assert pinned
    refs = {component["bom-ref"] for component in SBOM["components"]}
    assert {ref for edge in SBOM["dependencies"] for ref in edge["dependsOn"]} == refs


def test_the_bill_says_which_wheel(wheel: Path) -> None:
    """The digest of what was built; the same sources make the same list."""
    said, pinned = make_sbom.project(), make_sbom.pins(make_sbom.PINS.read_text(encoding="utf-8"))
    one, other = (make_sbom.bill(said, pinned, wheel) for _ in range(2))
    [told] = one["metadata"]["component"]["hashes"]
    assert told == {"alg": "SHA-256", "content": hashlib.sha256(wheel.read_bytes()).hexdigest()}
    assert one == other
    assert one["serialNumber"] != SBOM["serialNumber"]


# -- advisories --------------------------------------------------------------------------------------------------------

# As pip-audit 2.10.1 prints it, of an advisory service that knows two of these.
ANSWER = json.loads(
    '{"dependencies": [{"name": "jinja2", "version": "3.1.2", "vulns": [{"id": "CVE-2024-22195", "fix_versions": '
    '["3.1.3"], "aliases": ["GHSA-h5c8-rqwp-cp95"], "description": "xss"}]}, {"name": "idna", "version": "3.20", '
    '"vulns": [{"id": "GHSA-none", "fix_versions": [], "aliases": [], "description": "y"}]}, {"name": "mdurl", '
    '"version": "0.1.2", "vulns": []}, {"name": "rich", "skip_reason": "Dependency not found on PyPI and could not be '
    'audited: rich (15.0.0)"}], "fixes": []}'
)


def test_only_what_can_be_mended_is_red() -> None:
    """A known vulnerability that a version mends stops a change; one that none mends is told, and who was skipped."""
    whole = judge(ANSWER)
    assert whole.is_red
    assert whole.lines == [
        "jinja2 3.1.2: CVE-2024-22195; mended in 3.1.3: pin that",
        "idna 3.20: GHSA-none; no version mends it yet",
        "1 of 4 packages could not be asked for: rich",
        "3 packages, 2 known vulnerabilities",
    ]
    assert not judge({"dependencies": ANSWER["dependencies"][1:]}).is_red


@contextmanager
def service(status: int, body: bytes) -> Iterator[str]:
    """Answer every question so; yield the address."""

    class Answering(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Answering) as running:
        thread = Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{running.server_port}"
        finally:
            running.shutdown()
            thread.join()


@pytest.mark.parametrize(
    ("status", "body", "why"),
    [
        (200, b'{"vulnerabilities": [{"id": "CVE-2024-22195"}]}', None),
        (200, b'{"vulnerabilities": []}', "tells of no advisories"),
        (200, b"<html>welcome to this network</html>", "does not answer"),
        (404, b"", "does not answer"),
    ],
)
def test_who_may_be_asked(status: int, body: bytes, why: str | None) -> None:
    """Only who knows the advisory that everybody knows: a mirror without advisories would call all of it sound."""
    with service(status, body) as address:
        told = unasked(address)
    assert told is None if why is None else told is not None and why in told


def test_nobody_there(capsys: pytest.CaptureFixture[str]) -> None:
    """Without a network one line says that nobody was asked, and that is no failure."""
    with service(200, b"") as address:
        pass
    assert main(address) == 0
    assert re.fullmatch(
        rf"audit: advisories were not asked for: {address} does not answer .*\n", capsys.readouterr().out
    )
