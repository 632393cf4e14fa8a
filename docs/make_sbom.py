"""Build the wheel and write beside it what it runs with: a CycloneDX list of every pinned package, with its hashes.

`make sbom`. Made of `pyproject.toml`, the pins in `requirements/dev.txt` and the metadata of what is installed from
them; nothing is asked of the network. The same sources make the same bytes.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
import uuid
from collections.abc import Iterator, Mapping
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PINS = ROOT / "requirements" / "dev.txt"
DIST = ROOT / "dist"

_PIN = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^]]*\])?==([^ \\;]+)(.*?)(?=^\S|\Z)", re.MULTILINE | re.DOTALL)
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")
# Where it runs, on whichever machine the list is made: Linux, the oldest Python that it takes.
_ENVIRONMENT = {
    "implementation_name": "cpython",
    "os_name": "posix",
    "platform_machine": "x86_64",
    "platform_python_implementation": "CPython",
    "platform_system": "Linux",
    "python_full_version": "3.11.0",
    "python_version": "3.11",
    "sys_platform": "linux",
}


def project() -> dict[str, Any]:
    """Return the table of the project in pyproject.toml."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        found: dict[str, Any] = tomllib.load(file)["project"]
    return found


def pins(text: str) -> dict[str, tuple[str, list[str]]]:
    """Return each pinned package with its version and the SHA-256 of every file that it may be installed from."""
    return {canonicalize_name(name): (version, _HASH.findall(rest)) for name, version, rest in _PIN.findall(text)}


def wanted(said: Mapping[str, Any]) -> list[str]:
    """Return the requirements of an installation with every extra that is for users."""
    extras = (each for extra, each in said["optional-dependencies"].items() if extra not in ("all", "dev"))
    return [*said["dependencies"], *(one for each in extras for one in each)]


def closure(requirements: list[str]) -> dict[str, set[str]]:
    """Return every package that these bring, each with those that it brings itself."""
    found: dict[str, set[str]] = {}
    seen = set[tuple[str, frozenset[str]]]()
    waiting = list(_meant(requirements, frozenset()))
    while waiting:
        name, extras = each = waiting.pop()
        if each not in seen:
            seen.add(each)
            brought = list(_meant(distribution(name).requires or [], extras))
            found.setdefault(name, set()).update(other for other, _ in brought)
            waiting += brought
    return found


def _meant(requirements: list[str], extras: frozenset[str]) -> Iterator[tuple[str, frozenset[str]]]:
    """Give what of these requirements holds where it runs, with the extras that are asked for."""
    for requirement in map(Requirement, requirements):
        environments = [_ENVIRONMENT | {"extra": extra} for extra in ("", *extras)]
        if requirement.marker is None or any(map(requirement.marker.evaluate, environments)):
            yield canonicalize_name(requirement.name), frozenset(requirement.extras)


def bill(said: Mapping[str, Any], pinned: Mapping[str, tuple[str, list[str]]], wheel: Path | None) -> dict[str, Any]:
    """Return the list as CycloneDX 1.6 has it; with the digest of the wheel where there is one."""
    brings, needed = closure(wanted(said)), closure(said["dependencies"]).keys()
    purls = {name: _purl(name, pinned[name][0]) for name in sorted(brings)}
    direct = _meant(wanted(said), frozenset())
    ours = _purl(said["name"], said["version"])
    made = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application",
                "bom-ref": ours,
                "name": said["name"],
                "version": said["version"],
                "purl": ours,
                "licenses": [{"license": {"id": said["license"]}}],
                **({} if wheel is None else {"hashes": [_sha256(hashlib.sha256(wheel.read_bytes()).hexdigest())]}),
            }
        },
        "components": [_component(name, *pinned[name], needed=name in needed) for name in purls],
        "dependencies": [
            {"ref": ours, "dependsOn": [purls[name] for name in sorted({name for name, _ in direct})]},
            *({"ref": purls[name], "dependsOn": [purls[one] for one in sorted(brings[name])]} for name in purls),
        ],
    }
    serial = uuid.uuid5(uuid.NAMESPACE_URL, json.dumps(made, sort_keys=True))
    return {"$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json", "serialNumber": f"urn:uuid:{serial}", **made}


def _component(name: str, version: str, hashes: list[str], *, needed: bool) -> dict[str, Any]:
    purl = _purl(name, version)
    return {
        "type": "library",
        "bom-ref": purl,
        "name": name,
        "version": version,
        "scope": "required" if needed else "optional",
        "purl": purl,
        # One package is many files, of which pip takes the one that fits the machine.
        "externalReferences": [{"type": "distribution", "url": purl, "hashes": [_sha256(one) for one in hashes]}],
    }


def _purl(name: str, version: str) -> str:
    return f"pkg:pypi/{name}@{version}"


def _sha256(digest: str) -> dict[str, str]:
    return {"alg": "SHA-256", "content": digest}


def build(directory: Path) -> Path:
    """Build the wheel into a directory; return its path."""
    hatch = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(directory)]
    subprocess.run(hatch, cwd=ROOT, check=True, capture_output=True, timeout=100)
    [wheel] = directory.glob("*.whl")
    return wheel


def main() -> None:
    """Write the wheel and its list into dist/, over older ones of the same name."""
    with tempfile.TemporaryDirectory() as directory:
        built = build(Path(directory))
        DIST.mkdir(exist_ok=True)
        wheel = Path(shutil.copy(built, DIST / built.name))
    said = project()
    made = bill(said, pins(PINS.read_text(encoding="utf-8")), wheel)
    file = DIST / f"{said['name']}-{said['version']}.cdx.json"
    file.write_text(json.dumps(made, indent=2) + "\n", encoding="utf-8")
    sys.stdout.write(f"{file.relative_to(ROOT)}: {len(made['components'])} packages\n")


if __name__ == "__main__":
    main()
