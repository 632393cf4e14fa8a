"""The rules against a vendor that misbehaves in every way we know; the rows one by one: test_decision_table.py."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recorder.feed.alignment import Calibration, Item, Resume
from tests.feed.alignment.resume_model import Archive, Line, Vendor, thing

SHIFTS: list[int | str] = [-2, -1, 0, 1, 2]
MODES: list[int | str] = [*SHIFTS, "ignore"]


@contextmanager
def explained(line: Line, what: object) -> Iterator[None]:
    try:
        yield
    except AssertionError as error:
        raise AssertionError(f"{what}: {error}\n" + "\n".join(line.trace)) from error


def honest(mode: int | str, seed: int, *, seqs: bool, bad: float, resend: float, long: bool) -> int:
    """An honest server: 0 lost, 0 doubled, 0 invented, no fork, no open gap. Returns the number of connections."""
    random = Random(seed)
    line = Line(Vendor(mode, seqs), Resume(), random=random, resend=resend)
    line.vendor.grow(random.randrange(6))
    cuts = 0
    for _ in range(random.randrange(1, 7)):
        most = len(line.vendor.items) + 4
        limit = None if random.random() < 0.2 else (most + random.randrange(5) if long else random.randrange(most))
        how = line.connect(limit=limit, growth=random.randrange(6), quiet=random.random() < 0.4, bad=bad)
        cuts += how != "closed"
    line.settle()
    line.resume.demand_proof("finished")
    line.settle()
    with explained(line, (mode, seed, seqs, bad, resend, long)):
        assert line.archive.working == line.vendor.readable
        assert not line.archive.forks
        assert not line.archive.open
        if long:  # one for each cut, and the two connections of the settling
            assert line.archive.reconnects <= cuts + 2
    return line.archive.connections


def honest_runs(seeds: int) -> int:
    cases = 0
    for mode, seqs, bad, resend, long in itertools.product(MODES, [True, False], [0, 0.15], [0, 0.2], [True, False]):
        if resend and not seqs:
            continue  # collapsed and noted: not decidable
        for seed in range(seeds):
            honest(mode, seed, seqs=seqs, bad=bad, resend=resend, long=long)
            cases += 1
    return cases


def test_honest_servers() -> None:
    print("honest servers:", honest_runs(60), "cases")


@pytest.mark.campaign
@pytest.mark.timeout(3600)
def test_honest_servers_campaign() -> None:
    print("honest servers:", honest_runs(3000), "cases")


def exhaustive(longest: int) -> int:
    """Every mode, every length, three connections cut at every point, with and without growth and quiet."""
    cases = 0
    for mode, seqs, n in itertools.product(MODES, [True, False], range(longest + 1)):
        limits = [*range(n + 3), None]
        for cuts in itertools.product(limits, limits, [0, 1, n, None]):
            for growth, quiet in itertools.product([0, 2], [True, False]):
                line = Line(Vendor(mode, seqs), Resume())
                line.vendor.grow(n)
                for limit in cuts:
                    line.connect(limit=limit, growth=growth, quiet=quiet)
                line.settle()
                with explained(line, (mode, seqs, n, cuts, growth, quiet)):
                    assert line.archive.working == line.vendor.readable
                    assert not line.archive.forks
                    assert not line.archive.open
                cases += 1
    return cases


def test_every_cut_of_a_short_list() -> None:
    print("every cut:", exhaustive(4), "cases")


@pytest.mark.campaign
@pytest.mark.timeout(3600)
def test_every_cut_campaign() -> None:
    print("every cut:", exhaustive(9), "cases")


@pytest.mark.parametrize("growing", [False, True])
@pytest.mark.parametrize("stored", [0, 5, 20])
@pytest.mark.parametrize("seqs", [True, False])
@pytest.mark.parametrize("mode", [-1, 0])
@pytest.mark.parametrize("every", [1, 2, 3, 7])
def test_a_server_that_cuts_every_few_packets(every: int, mode: int, seqs: bool, stored: int, growing: bool) -> None:
    """The whole list in at most 12 connections and a share per item: no livelock, however the proof is cut."""
    bound = 12 + 61 if growing or every == 1 else 12 + 61 // (every - 1)
    for n in (21, 22, 23, 40, 61):
        vendor = Vendor(mode, seqs)
        vendor.grow(n)
        known = [(x.digest, x.seq) for x in vendor.items[:stored] if x is not None]
        line = Line(vendor, Resume(known), Archive(epochs=[[digest for digest, _ in known]]))
        later = vendor.items[stored + 1 :] if growing else []
        vendor.items = vendor.items[: stored + 1] if growing else vendor.items
        while later or line.archive.working != vendor.readable:
            if line.archive.working == vendor.readable:
                vendor.items.append(later.pop(0))
            line.connect(limit=every)
            with explained(line, n):
                assert line.archive.connections <= (bound if seqs or every > 1 or mode else bound + 12)
        with explained(line, n):
            assert not line.archive.forks
            # One packet a connection and no numbers: nothing shows that nothing was skipped. Then a gap says so.
            undecidable = every == 1 and mode == 0 and not seqs and not stored
            assert set(line.archive.open) <= ({"unproven"} if undecidable else set())


def test_one_packet_a_connection_needs_one_connection_an_item() -> None:
    """cut_every 1, shift 0, gap-free seqs: about one connection per item, not five."""
    line = Line(Vendor(0), Resume())
    line.vendor.grow(100)
    while line.archive.working != line.vendor.readable:
        line.connect(limit=1)
    assert line.archive.connections <= 103


def live_only(seed: int, *, seqs: bool, resend: float) -> None:
    random = Random(seed)
    line = Line(Vendor("live", seqs), Resume(), random=random, resend=resend)
    for _ in range(random.randrange(1, 9)):
        line.vendor.grow(random.randrange(3))
        limit = random.choice([None, 1, 2, 3, 5])
        line.connect(limit=limit, growth=random.randrange(6), quiet=random.random() < 0.5)
    with explained(line, (seed, seqs, resend)):
        index = {digest: i for i, digest in enumerate(line.vendor.readable)}
        held = [index[digest] for digest in line.archive.working]  # a KeyError: invented
        assert held == sorted(set(held)), "order kept, nothing doubled"
        assert not line.archive.forks
        gaps = [g for g in line.archive.gaps if g.cause in {"live_only", "unproven"}]
        for i, (before, after) in enumerate(itertools.pairwise(held), 1):
            told = any((g.from_position or 0) <= i <= (i if g.to_position is None else g.to_position) for g in gaps)
            assert after == before + 1 or told, f"a silent hole before {i}"


@pytest.mark.parametrize("resend", [0, 0.2])
@pytest.mark.parametrize("seqs", [True, False])
def test_live_only_servers(seqs: bool, resend: float) -> None:
    """Nothing doubled, nothing invented, order kept, and a gap for each seam that lost something."""
    for seed in range(500):
        live_only(seed, seqs=seqs, resend=resend)
    print("live only: 500 cases")


@pytest.mark.campaign
@pytest.mark.timeout(3600)
def test_live_only_servers_campaign() -> None:
    for seed, seqs, resend in itertools.product(range(50_000), [True, False], [0, 0.2]):
        live_only(seed, seqs=seqs, resend=resend)
    print("live only: 200000 cases")


CHANGES = ("edit", "insert", "delete", "swap", "truncate", "reset", "renumber")


def change(vendor: Vendor, how: str, at: int, random: Random) -> None:
    entries, n = vendor.items, len(vendor.items)
    if how == "edit":
        old = entries[at]
        entries[at] = thing(f"edited {at}", old.seq if old else None)
    elif how == "insert":
        entries.insert(at, thing("inserted", n + 50 if vendor.seqs else None))
    elif how == "delete":
        del entries[at]
    elif how == "swap":
        entries[at], entries[(at + 1) % n] = entries[(at + 1) % n], entries[at]
    elif how == "truncate":
        del entries[at:]
    else:
        first, length = (101, n) if how == "renumber" else (1, random.randrange(1, n + 2))
        vendor.items = [thing(f"{how} {i}", first + i if vendor.seqs else None) for i in range(length)]


def changed_past(how: str, at: int, n: int, mode: int | str, seqs: bool, seed: int) -> None:
    """Never silent: a fork or an open gap; no alarm without cause; the old list stays as it was."""
    random = Random(seed)
    line = Line(Vendor(mode, seqs), Resume(), random=random)
    line.vendor.grow(n)
    line.connect(quiet=random.random() < 0.5)
    if random.random() < 0.6:
        line.connect(growth=random.randrange(3), quiet=True)
        line.connect(quiet=True)
    before = list(line.archive.working)
    change(line.vendor, how, at, random)
    if random.random() < 0.5:
        line.vendor.grow(random.randrange(1, 4))
    for _ in range(random.randrange(3)):
        limit = random.choice([None, 1, 2, 4, len(line.vendor.items) + 2])
        line.connect(limit=limit, growth=random.randrange(3), quiet=random.random() < 0.5)
    line.resume.demand_proof("finished")
    line.settle()
    line.settle()
    archive, now = line.archive, line.vendor.readable
    with explained(line, (how, at, n, mode, seqs, seed)):
        assert archive.epochs[0][: len(before)] == before
        if now[: len(before)] == before:
            assert not archive.forks
            assert not archive.open
            assert archive.working == now
            return
        assert archive.forks or archive.open, "silent"
        if archive.working != now:
            assert set(archive.open) & {"server_behind", "live_only", "disorder", "head", "unproven"}
        if len(set(archive.working)) < len(archive.working):
            assert not seqs, "doubled"  # without numbers a reset looks like a live-only server
            assert archive.open["live_only"]


def changed_pasts(lengths: tuple[int, ...], seeds: int) -> int:
    cases = 0
    for how, mode, seqs, n in itertools.product(CHANGES, MODES, [True, False], lengths):
        for at, seed in itertools.product(range(n), range(seeds)):
            changed_past(how, at, n, mode, seqs, seed)
            cases += 1
    return cases


def test_changed_pasts_are_never_silent() -> None:
    print("changed pasts:", changed_pasts((1, 2, 4, 7), 6), "cases")


@pytest.mark.campaign
@pytest.mark.timeout(3600)
def test_changed_pasts_campaign() -> None:
    print("changed pasts:", changed_pasts((1, 2, 3, 5, 8, 13), 60), "cases")


@pytest.mark.parametrize("mode", MODES)
def test_repeated_content_without_seq(mode: int | str) -> None:
    """Four contents, over and over, never twice in a row: nothing is lost, doubled or suspected."""
    for seed in range(150):
        random = Random(seed)
        line = Line(Vendor(mode, seqs=False), Resume(), random=random)
        for _ in range(5):
            for _ in range(random.randrange(6)):
                last = line.vendor.items[-1:]
                line.vendor.items.append(random.choice([x for x in map(thing, "abcd") if [x] != last]))
            limit = random.choice([None, None, len(line.vendor.items) + random.randrange(6)])
            line.connect(limit=limit, quiet=random.random() < 0.5)
        line.settle()
        with explained(line, (mode, seed)):
            assert line.archive.working == line.vendor.readable
            assert not line.archive.forks
            assert not line.archive.open


def test_a_later_proof_does_not_go_on_where_an_earlier_one_was_cut() -> None:
    """Rule 1: a start that changes is proven from 0, although the last proof was in pieces; else the edit is silent."""
    line = Line(Vendor(0), Resume())
    line.vendor.grow(20)
    line.connect()
    line.resume.demand_proof()
    line.connect(limit=10)
    line.connect(quiet=True)
    assert line.archive.asked[-1].start_position == 9, "the proof was in pieces"
    line.settle()
    del line.vendor.items[3]
    line.vendor.mode = -2
    line.settle()
    with explained(line, "moved"):
        assert [fork.position for fork in line.archive.forks] == [3]
        assert line.archive.working == line.vendor.readable


def test_nothing_stored_is_always_read_from_0() -> None:
    """n ≤ overlap: Z, also where an earlier run left a proof to be made, and a read that was cut before any item."""
    resume = Resume(calibration=Calibration(frozenset({-2})), open_gaps=["unproven"])
    for _ in range(4):
        assert resume.ask().from_zero
        resume.ended(authorised=True)


_CALLS = st.one_of(
    st.builds(lambda name, seq: ("item", thing(name, seq)), st.integers(0, 5), st.sampled_from([None, 1, 2, 3])),
    st.sampled_from([("ask", None), ("unreadable", None), ("quiet", None), ("ended", True), ("ended", False),
                     ("demand", None)]),
)  # fmt: skip
_STORED = st.lists(st.builds(lambda name: thing(name, None), st.integers(0, 5)), max_size=8)
_TEXTS = st.sampled_from([None, "0", "-1", "2", "-2,zero", "zero", "live"])


@settings(max_examples=400, deadline=None)
@given(_STORED, _TEXTS, st.integers(0, 4), st.lists(_CALLS, max_size=40))
def test_no_order_of_calls_raises(
    stored: list[Item], text: str | None, overlap: int, calls: list[tuple[str, object]]
) -> None:
    """Whatever comes, in any order: no exception, dense positions, and matches that match."""
    archive = Archive(epochs=[[x.digest for x in stored]])
    resume = Resume([(x.digest, x.seq) for x in stored], overlap=overlap, calibration=Calibration.from_text(text))
    for name, value in calls:
        if name == "ask":
            resume.ask()
        elif name == "demand":
            resume.demand_proof()
        elif isinstance(value, Item):
            archive.obey(resume.item(value), value)
        elif name == "ended":
            archive.obey(resume.ended(authorised=bool(value)), None)
        else:
            archive.obey(resume.quiet() if name == "quiet" else resume.unreadable(), None)
        assert list(resume.digests) == archive.working
        assert {x.digest for x in resume.parked} == set(archive.parked)
