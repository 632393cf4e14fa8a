"""The decision table, one row a test."""

from __future__ import annotations

import pytest

from recorder.feed.alignment import (
    LIVE,
    Append,
    Calibration,
    Effect,
    EpochCurrent,
    Fork,
    Heal,
    Item,
    Match,
    OpenGap,
    Park,
    Proven,
    Reconnect,
    Resent,
    Resume,
)
from tests.feed.alignment.resume_model import thing

EXACT = Calibration(frozenset({0}))


def items(count: int, *, seqs: bool = True) -> list[Item]:
    return [thing(i, i if seqs else None) for i in range(1, count + 1)]


def holding(stored: list[Item], calibration: Calibration | None = EXACT, **more: object) -> Resume:
    return Resume([(x.digest, x.seq) for x in stored], calibration=calibration, **more)  # type: ignore[arg-type]


def reading(stored: list[Item], **more: object) -> Resume:
    """A recorder on a connection that is read from 0."""
    resume = holding(stored, **more)  # type: ignore[arg-type]
    resume.demand_proof()
    assert resume.ask().from_zero
    return resume


def feed(resume: Resume, *arriving: Item) -> list[Effect]:
    return [effect for item in arriving for effect in resume.item(item)]


def kinds(effects: list[Effect]) -> list[str]:
    return [type(effect).__name__ for effect in effects]


def causes(effects: list[Effect]) -> list[str]:
    return [effect.cause for effect in effects if isinstance(effect, OpenGap)]


# -- dialling --------------------------------------------------------------------------------------------------------


def test_resume_asks_for_the_overlap() -> None:
    """dialling: R at n − overlap."""
    ask = holding(items(10)).ask()
    assert (ask.start_position, ask.from_zero, ask.overlap) == (7, False, 3)


@pytest.mark.parametrize(("shift", "asked"), [(-2, 9), (-1, 8), (0, 7), (1, 6), (2, 5)])
def test_the_proven_shift_is_made_up_for(shift: int, asked: int) -> None:
    """With shift d we ask for n − overlap − d."""
    assert holding(items(10), Calibration(frozenset({shift}))).ask().start_position == asked


def test_a_short_list_is_read_from_0() -> None:
    """dialling, n ≤ overlap: Z; and `startPosition` is left out when it is 0 (rule 8)."""
    ask = holding(items(3)).ask()
    assert (ask.start_position, ask.from_zero) == (None, True)


def test_proof_due_parked_or_behind_reads_from_0() -> None:
    """dialling, proof due, parked or behind: Z."""
    due = holding(items(9))
    due.demand_proof("finished")
    behind = holding(items(9), open_gaps=["server_behind"])
    parked = holding(items(9), parked=[thing("x", 11)], open_gaps=["unplaced"])
    assert [resume.ask().from_zero for resume in (due, behind, parked)] == [True, True, True]
    assert due.ask().why == "finished"


# -- a resume --------------------------------------------------------------------------------------------------------


def test_resume_as_proven_aligns() -> None:
    """R, q unique, start as proven: align, p = q + 1; then p = n, unknown: append."""
    x = items(12)
    resume = holding(x[:10])
    resume.ask()
    assert feed(resume, *x[7:]) == [
        Match(7, x[7]), Match(8, x[8]), Match(9, x[9]), Append(10, x[10]), Append(11, x[11]),
    ]  # fmt: skip


def test_resume_that_starts_differently_is_suspect() -> None:
    """R, q known, start differs from the proven one: close, Z; the new start is proven there."""
    x = items(10)
    resume = holding(x)
    resume.ask()
    assert kinds(resume.item(x[6])) == ["Reconnect"]
    assert resume.item(x[7]) == []
    resume.ended(authorised=True)
    assert resume.ask().from_zero
    assert feed(resume, *x)[-1] == Proven(Calibration(frozenset({-1})))


def test_a_server_one_early_whose_past_lost_one_is_found_out() -> None:
    """Rule 1: an aligned item is not proof; its place is."""
    x = items(10)
    resume = holding(x)
    resume.ask()
    assert kinds(resume.item(x[8])) == ["Reconnect"]
    resume.ended(authorised=True)
    resume.ask()
    effects = feed(resume, *x[:4], *x[5:])
    assert next(e for e in effects if isinstance(e, Fork)).position == 4


def test_an_ambiguous_start_that_becomes_clear_is_proven_again() -> None:
    """Rule 1: asked 3, got 0 may be a shift of −3 or a server that ignores us."""
    x = items(8)
    resume = holding(x[:6], Calibration(frozenset({-3}), zero=True))
    assert resume.ask().start_position == 3
    assert kinds(resume.item(x[0])) == ["Match"]
    resume.ended(authorised=True)
    resume = holding(x, Calibration(frozenset({-3}), zero=True))
    assert resume.ask().start_position == 5
    assert kinds(resume.item(x[0])) == ["Reconnect"]
    resume.ended(authorised=True)
    resume.ask()
    assert feed(resume, *x)[-1] == Proven(Calibration(zero=True))


def test_an_unknown_first_item_is_parked() -> None:
    """R, unknown: park; close, Z; and the Z places it."""
    x = items(12)
    resume = holding(x[:10])
    resume.ask()
    effects = resume.item(x[11])
    assert kinds(effects) == ["Park", "OpenGap", "Reconnect"]
    resume.ended(authorised=True)
    assert resume.ask().from_zero
    assert feed(resume, *x)[-2:] == [Append(11, x[11], parked=x[11]), Heal(("unplaced",))]


def test_an_ambiguous_first_item_reads_from_0() -> None:
    """R, ambiguous: close, Z; nothing is parked, its content is stored."""
    x = [thing(name) for name in "abcabc"]
    resume = holding(x)
    resume.ask()
    assert kinds(resume.item(x[3])) == ["Reconnect"]


def test_silence_of_a_resume_reads_from_0() -> None:
    """R, not aligned, quiet: Z (rule 2)."""
    resume = holding(items(10))
    resume.ask()
    assert kinds(resume.quiet()) == ["Reconnect"]
    resume.ended(authorised=True)
    assert resume.ask().from_zero


def test_a_resume_that_ended_without_an_item_reads_from_0() -> None:
    """R, not aligned, ended: Z; but a connection that was never authorised says nothing."""
    resume = holding(items(10))
    resume.ask()
    resume.ended(authorised=False)
    assert not resume.ask().from_zero
    resume.ended(authorised=True)
    assert resume.ask().from_zero


# -- a read from 0 ---------------------------------------------------------------------------------------------------


def test_the_first_connection_appends() -> None:
    """Z, n = 0, x: append."""
    x = items(2)
    resume = Resume()
    assert resume.ask().from_zero
    assert feed(resume, *x) == [Append(0, x[0]), Append(1, x[1])]


def test_reading_all_again_proves_and_heals() -> None:
    """Z, q = 0: match, p = 1; p reaches n: proven (rule 4)."""
    x = items(5)
    resume = reading(x, open_gaps=["server_behind", "unproven", "head", "list_changed"])
    assert feed(resume, *x) == [
        *(Match(i, item) for i, item in enumerate(x)),
        Heal(("server_behind", "unproven", "head")),
    ]
    resume.ended(authorised=True)
    assert not resume.ask().from_zero


def test_an_unknown_head_is_held_and_parked() -> None:
    """Z, first item unknown: hold and park."""
    resume = reading(items(5))
    assert kinds(resume.item(thing("x", 6))) == ["Park", "OpenGap"]
    assert resume.n == 5


def test_a_changed_head_forks() -> None:
    """Z, held, a known item: fork at 0 with held + x."""
    x, new = items(5), thing("new", 1)
    resume = reading(x)
    resume.item(new)
    effects = resume.item(x[1])
    assert effects[0] == Fork(0, "the first item has changed")
    assert causes(effects) == ["list_changed"]
    assert [e for e in effects if isinstance(e, Append)] == [Append(0, new, parked=new), Append(1, x[1], same_as=1)]
    assert EpochCurrent() in feed(resume, *x[2:])


def test_two_unknown_later_items_are_a_live_only_seam() -> None:
    """Z, held, a second unknown (or quiet), seq later: live-only seam, gap; what was parked before comes first."""
    x = items(9)
    for second in (True, False):
        resume = reading(x[:5], parked=[x[6]], open_gaps=["unplaced"])
        resume.item(x[7])
        effects = resume.item(x[8]) if second else resume.quiet()
        assert next(g for g in effects if isinstance(g, OpenGap)).from_position == 5
        assert causes(effects) == ["live_only"]
        appended = [e for e in effects if isinstance(e, Append)]
        assert appended[:2] == [Append(5, x[6], parked=x[6]), Append(6, x[7], parked=x[7])]
        assert len(appended) == 2 + second
        assert resume.calibration == LIVE
        assert Heal(("unplaced",)) in effects


def test_a_replay_of_another_list_is_read_twice() -> None:
    """Z, held, second unknown, seq(first) ≤ seq(last): close, Z once; same first again: fork at 0."""
    x, y = items(5), [thing(f"y{i}", i) for i in range(1, 4)]
    resume = reading(x)
    assert kinds(feed(resume, y[0], y[1])) == ["Park", "OpenGap", "Park", "Reconnect"]
    resume.ended(authorised=True)
    assert resume.ask().from_zero
    effects = feed(resume, *y)
    assert isinstance(effects[0], Fork)
    assert list(resume.digests) == [item.digest for item in y]
    assert Heal(("unplaced",)) in effects


def test_a_late_start_from_0_is_a_gap_and_then_a_deleted_head() -> None:
    """Z, first item q > 0: gap `head`; late by exactly q before: fork at 0."""
    x = items(6)
    resume = reading(x)
    effects = feed(resume, *x[2:])
    assert causes(effects) == ["head"]
    assert kinds(effects) == ["OpenGap", *["Match"] * 4]
    resume.ended(authorised=True)
    assert resume.ask().from_zero
    assert kinds(resume.item(x[2]))[:2] == ["Fork", "OpenGap"]


def test_a_late_start_and_earlier_items_fork() -> None:
    """Z, first item q > 0, earlier items follow: fork, with all that this read has shown."""
    x = items(4)
    resume = reading(x)
    effects = feed(resume, x[2], x[3], x[0], x[1])
    assert list(resume.digests) == [item.digest for item in (x[2], x[3], x[0], x[1])]
    assert [e.same_as for e in effects if isinstance(e, Append)] == [2, 3, 0, 1]


# -- aligned ---------------------------------------------------------------------------------------------------------


def test_a_resend_is_counted() -> None:
    """aligned, equals stored[p − 1]: a re-send."""
    x = items(11)
    resume = holding(x[:10])
    resume.ask()
    effects = feed(resume, x[7], x[7], x[8], x[9], x[9], x[10], x[10])
    assert kinds(effects) == ["Match", "Resent", "Match", "Match", "Resent", "Append", "Resent"]


def test_equal_content_without_seq_is_collapsed_and_noted() -> None:
    """Rule 9: twice in a row without seq: kept once, gap `dup_suspect`, one while it is open."""
    resume = Resume()
    resume.ask()
    effects = feed(resume, *[thing("a")] * 3)
    assert kinds(effects) == ["Append", "Resent", "OpenGap", "Resent"]
    assert causes(effects) == ["dup_suspect"]


def test_equal_content_later_without_seq_is_appended() -> None:
    """aligned, p = n, q < n − 1, no seq: append."""
    resume = Resume()
    resume.ask()
    assert kinds(feed(resume, thing("a"), thing("b"), thing("a"))) == ["Append"] * 3


def test_unreadable_frames_account_for_a_skip() -> None:
    """aligned, p < n, q within p+1..p+k after k unreadable frames: accept the skip."""
    x = items(10)
    resume = holding(x)
    resume.ask()
    resume.item(x[7])
    assert resume.unreadable() == []
    assert resume.item(x[9]) == [Match(9, x[9])]


def test_another_mismatch_in_a_resume_reads_from_0() -> None:
    """aligned, p < n, any other mismatch, R: park, close, Z."""
    x = items(10)
    resume = holding(x)
    resume.ask()
    assert kinds(feed(resume, x[7], thing("new", 9))) == ["Match", "Park", "OpenGap", "Reconnect"]


def test_a_mismatch_in_a_read_from_0() -> None:
    """aligned, p < n, any other mismatch, Z: q < p: gap `disorder`; else fork at p."""
    x = items(6)
    resume = reading(x)
    assert causes(feed(resume, x[0], x[1], x[2], x[0])) == ["disorder"]
    assert resume.item(x[3]) == [Match(3, x[3])]
    effects = resume.item(thing("new", 5))
    assert isinstance(effects[0], Fork)
    assert effects[0].position == 4
    detail = next(e.detail for e in effects if isinstance(e, OpenGap))
    assert x[4].digest.hex() in detail
    assert thing("new", 5).digest.hex() in detail
    assert EpochCurrent() in resume.quiet()


def test_an_old_item_behind_the_end() -> None:
    """aligned, p = n, q < n − 1, has seq: R: close, Z. Z: gap `disorder`."""
    x = items(10)
    resume = holding(x)
    resume.ask()
    assert kinds(feed(resume, *x[7:], x[2]))[-1] == "Reconnect"
    resume.ended(authorised=True)
    resume.ask()
    assert causes(feed(resume, *x, x[2])) == ["disorder"]
    assert resume.n == 10


def test_a_shorter_list_is_behind() -> None:
    """aligned, p < n, quiet: `server_behind`: keep ours, stay; one gap; next Z, and then it heals."""
    x = items(6)
    resume = reading(x)
    feed(resume, *x[:3])
    assert causes(resume.quiet()) == ["server_behind"]
    assert resume.quiet() == []
    resume.ended(authorised=True)
    assert resume.ask().from_zero
    assert Heal(("server_behind",)) in feed(resume, *x)


def test_what_is_old_behind_a_seam_is_asked_about_once() -> None:
    """Z, behind its own seam, q before the seam: no live-only server: close, Z once."""
    x = items(4)
    resume = reading(x, calibration=None)
    assert kinds(feed(resume, thing(5, 5), thing(6, 6), x[0]))[-1] == "Reconnect"
    assert resume.calibration is None
    resume.ended(authorised=True)
    assert resume.ask().from_zero
    assert causes(feed(resume, thing(7, 7), thing(8, 8)))[-1] == "live_only"
    assert resume.calibration == LIVE
    assert causes(feed(resume, x[1])) == ["disorder"]


def test_a_live_only_server_is_known_from_then_on() -> None:
    """A later R with an unknown, later item is a seam at once; silence is natural."""
    x = items(12)
    resume = holding(x[:5], LIVE)
    resume.ask()
    assert resume.quiet() == []
    assert kinds(resume.item(x[9])) == ["OpenGap", "Append"]


@pytest.mark.parametrize("text", ["-1", "0", "-3,zero", "zero", "live"])
def test_calibration_is_kept_as_text(text: str) -> None:
    calibration = Calibration.from_text(text)
    assert calibration is not None
    assert calibration.to_text() == text


@pytest.mark.parametrize("text", ["", None, "nonsense", "1,live"])
def test_a_calibration_that_cannot_be_read_is_proven_again(text: str | None) -> None:
    assert Calibration.from_text(text) is None


def test_reconnect_and_resent_say_what_they_mean() -> None:
    """The effects that carry no position of their own."""
    assert Reconnect("why").why == "why"
    assert Park(thing("a"), "why").item == thing("a")
    assert Resent(thing("a")).position is None
