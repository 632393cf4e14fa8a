"""What a scene has found, and how much is measured."""

from __future__ import annotations

from dataclasses import dataclass, field

from benchmarks.recording.measuring import Figures, median


@dataclass(frozen=True)
class Size:
    """How much is measured."""

    rounds: int
    burst: int
    """Frames of a burst; the slow ones get `slow` of them."""
    slow: int
    seconds: float
    settle: float
    """Seconds until a recorder of idle streams has done what connecting left to do."""
    idle: int
    in_play: int
    resumed: int
    """Of the streams of the large archive, which holds five times as many."""
    actions: int
    """Of the large archive."""

    @property
    def streams(self) -> int:
        """How many the large archive holds."""
        return 5 * self.resumed


FULL = Size(
    rounds=5, burst=50_000, slow=2_000, seconds=10.0, settle=15.0, idle=5_000, in_play=2_000, resumed=2_000,
    actions=1_000_000,
)  # fmt: skip
QUICK = Size(
    rounds=1, burst=2_000, slow=400, seconds=1.0, settle=1.0, idle=50, in_play=50, resumed=20, actions=10_000
)  # fmt: skip


@dataclass(frozen=True)
class Line:
    """One figure of ours against another one; ``goal``: what was asked for, at least or at most."""

    what: str
    ours: float
    theirs: float | None
    rival: str
    unit: str
    ratio: float | None
    goal: str = ""
    is_met: bool | None = None


@dataclass
class Scene:
    """What a scene has found: its lines, and every round of everybody."""

    name: str
    lines: list[Line] = field(default_factory=list)
    rounds: dict[str, list[Figures]] = field(default_factory=dict)

    def compare(
        self, what: str, figure: str, ours: str, theirs: str, *, least: float | None = None, most: float | None = None,
        beside: str = "",
    ) -> None:  # fmt: skip
        """Add the medians of a figure; the goal is one for their ratio. ``beside``: theirs is another figure."""
        mine, other = median(self.rounds[ours], figure), median(self.rounds[theirs], beside or figure)
        ratio = mine / other if other else None
        goal, is_met = judged(ratio, least, most)
        self.lines.append(Line(what, mine, other, theirs, unit(figure), ratio, goal, is_met))

    def tell(
        self, what: str, figure: str, ours: str, *, least: float | None = None, most: float | None = None,
        against: str = "",
    ) -> None:  # fmt: skip
        """Add the median of a figure; the goal is one for itself, whoever it stands beside."""
        mine = median(self.rounds[ours], figure)
        other = median(self.rounds[against], figure) if against else None
        goal, is_met = judged(mine, least, most)
        goal = f"{goal} {unit(figure)}" if goal else ""
        ratio = mine / other if other else None
        self.lines.append(Line(what, mine, other, against, unit(figure), ratio, goal, is_met))


def unit(figure: str) -> str:
    """Return what a figure is counted in."""
    return {"p99_ms": "ms", "frames/s in all": "frames/s", "core": "of a core", "bytes/byte": "bytes a byte"}.get(
        figure, figure.rpartition("'s ")[2].rpartition(", ")[2]
    )


def judged(found: float | None, least: float | None, most: float | None) -> tuple[str, bool | None]:
    """Return how a goal is written, and whether it is met; None where there is none, or nothing to judge."""
    if least is not None:
        return f">= {least:g}", found is not None and found >= least
    if most is not None:
        return f"<= {most:g}", found is not None and found <= most
    return "", None
