"""What pip-audit's answer means for a change: red is only what could be mended by a newer version."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

CANARY = "jinja2", "3.1.2"
"""A package of which everybody who knows advisories knows one: who tells of none has not been asked."""


class Verdict(NamedTuple):
    """What to say, a line each, and whether the change must wait."""

    lines: list[str]
    is_red: bool


def knows_advisories(answer: object) -> bool:
    """Whether PyPI's JSON about `CANARY` tells of its advisories; a mirror may leave them out."""
    return isinstance(answer, dict) and bool(answer.get("vulnerabilities"))


def judge(answer: Mapping[str, Any]) -> Verdict:
    """Judge what `pip-audit --format json` printed."""
    packages = answer["dependencies"]
    skipped = [package["name"] for package in packages if "skip_reason" in package]
    found = list(_found(packages))
    lines = [line for line, _ in found]
    if skipped:
        lines.append(f"{len(skipped)} of {len(packages)} packages could not be asked for: {', '.join(skipped)}")
    lines.append(f"{len(packages) - len(skipped)} packages, {len(found)} known vulnerabilities")
    return Verdict(lines, any(is_fixed for _, is_fixed in found))


def _found(packages: Iterable[Mapping[str, Any]]) -> Iterable[tuple[str, bool]]:
    for package in packages:
        for known in package.get("vulns", ()):
            fixed = ", ".join(known["fix_versions"])
            remedy = f"mended in {fixed}: pin that" if fixed else "no version mends it yet"
            yield f"{package['name']} {package['version']}: {known['id']}; {remedy}", bool(fixed)
