"""What lies in the directory of an export: whole files, only what has changed, nothing that was purged."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from sqlalchemy import update

from recorder.archive import tables
from recorder.archive.purging import purge
from recorder.errors import DamagedArchive, TemporaryError, UsageError
from recorder.export import taking, writing
from recorder.export.bringing import bring
from recorder.export.codecs import CODECS
from recorder.export.columns import ACTIONS, EPOCHS, GAPS, RAW_FRAMES, SESSIONS, STREAMS
from recorder.export.directory import held
from recorder.export.formats import Format
from recorder.export.selecting import Wanted
from recorder.export.taking import actions
from recorder.export.writing import export
from recorder.model import Stream
from recorder.query.listing import Filter
from tests.archive.filling import START_US, Filled, fill, stream_of
from tests.export.making import Told, held_by, odd, operations_of, packet
from tests.merging.making import change, rows_of
from tests.vendor import load

FRANCE = "39e713f0-ff68-57e7-89f6-d86eb5df59cb"
FRANCE_FILE = "feed=media/sport=soccer/date=2016-06-10/part-0.parquet"


def files(directory: Path) -> list[str]:
    return sorted(str(path.relative_to(directory)) for path in directory.rglob("*") if path.is_file())


def times(directory: Path) -> dict[str, int]:
    return {name: (directory / name).stat().st_mtime_ns for name in files(directory)}


def manifest(directory: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((directory / "manifest.json").read_bytes())
    return found


# Where things are


def test_the_layout(one: Filled, tmp_path: Path) -> None:
    """Two files for the partition, by feed, sport and date; one for each small table; the manifest."""
    export(one.url, tmp_path)
    small = [f"{name}/{name}.parquet" for name in ("audits", "epochs", "gaps", "sessions", "streams")]
    assert files(tmp_path) == sorted([f"actions/{FRANCE_FILE}", f"raw_frames/{FRANCE_FILE}", *small, "manifest.json"])


def test_one_file_for_a_partition(archive: Filled, tmp_path: Path) -> None:
    """Slashes and leading dots of a sport are encoded; streams stand in it in their order, and each in its own."""
    out = tmp_path / "out"
    streams = [Stream("betting", sport, f"{sport}-{n}") for sport in ("v2/volleyball", "..") for n in range(3)]
    streams.append(Stream("betting", "v2/volleyball", "x", "statistics"))
    archive.write(*(operation for stream in streams for operation in Told(stream).add(packet(1)).operations))
    export(archive.url, out)
    found = [name.removeprefix("actions/feed=betting/") for name in files(out) if name.startswith("actions")]
    assert found == [f"sport={sport}/date=2023-11-14/part-0.parquet" for sport in ("%2E.", "v2%2Fvolleyball")]
    rows = pq.read_table(out / "actions/feed=betting" / found[1]).select(["stream_id", "position"]).to_pylist()
    keys = [(row["stream_id"], row["position"]) for row in rows]
    assert keys == sorted((one.stream_id, 0) for one in streams if one.sport == "v2/volleyball")


@pytest.mark.parametrize("form", list(Format))
def test_a_large_partition_has_parts(
    small: Filled, target: Filled, tmp_path: Path, form: Format, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stream is in one of them as a whole; some of the parts go when a match does."""
    monkeypatch.setitem(CODECS, form, replace(CODECS[form], most_bytes=1))
    told = [odd() for _ in range(3)]
    small.write(*operations_of(told))
    out = tmp_path / "out"
    export(small.url, out, form)
    assert len([name for name in files(out) if name.startswith("actions")]) == 4
    purge(small.url, [told[1].stream.stream_id], "contract", vacuum=False)
    export(small.url, out, form)
    assert len([name for name in files(out) if name.startswith("actions")]) == 3
    bring(out, target.url)
    assert held_by(target) == held_by(small)


def test_the_columns_are_the_views(one: Filled) -> None:
    """Each table has every column of its view, feed and sport in the path; actions say what the current epoch is."""
    for table, view in ((ACTIONS, "actions_all"), (RAW_FRAMES, "raw_frames"), (STREAMS, "streams"),
                        (SESSIONS, "sessions"), (GAPS, "gaps")):  # fmt: skip
        in_path = {"feed", "sport"} if table.is_partitioned else set()
        assert set(one.columns(view)) - in_path <= {column.name for column in table.columns}
    assert {column.name for column in ACTIONS.columns} - set(one.columns("actions_all")) == {"is_current"}


def test_what_comes_back_is_every_column_of_the_tables() -> None:
    """But of actions, which are read from the messages again."""
    behind = {STREAMS: tables.stream, SESSIONS: tables.session, GAPS: tables.gap, EPOCHS: tables.epoch,
              RAW_FRAMES: tables.frame}  # fmt: skip
    for table, stored in behind.items():
        assert {column.stored for column in table.columns if column.stored} == set(stored.columns.keys())


@pytest.mark.parametrize("column", ["timeline_sequence", "received_at", "finished", "latency_ms", "payload"])
def test_types_are_exact(one: Filled, tmp_path: Path, column: str) -> None:
    """Decimals as decimals, times in microseconds UTC, flags as flags."""
    export(one.url, tmp_path)
    table = "raw_frames" if column == "payload" else "actions"
    expected = {"timeline_sequence": "decimal128(26, 20)", "received_at": "timestamp[us, tz=UTC]",
                "finished": "bool", "latency_ms": "double", "payload": "binary"}  # fmt: skip
    assert str(pq.read_schema(tmp_path / table / FRANCE_FILE).field(column).type) == expected[column]


def test_the_current_epoch_is_told(archive: Filled, tmp_path: Path) -> None:
    """Actions of all epochs are there; those of the current one are marked, and no others."""
    out = tmp_path / "out"
    archive.write(*odd().operations)
    export(archive.url, out)
    (file,) = (out / "actions").rglob("*.parquet")
    rows = pq.read_table(file).to_pylist()
    assert {(row["epoch"], row["is_current"]) for row in rows} == {(0, False), (1, True), (2, False)}


# Which streams


@pytest.mark.parametrize(
    ("wanted", "sports"),
    [
        (Wanted(), ["snooker", "snooker", "soccer"]),
        (Wanted(fixtures=["france-romania"]), ["soccer"]),
        (Wanted(fixtures=["a4dfa47b"]), ["snooker", "snooker"]),
        (Wanted(fixtures=["a4dfa47b"], feed="media"), ["snooker"]),
        (Wanted(filter=Filter(sport="Snooker"), feed="betting"), ["snooker"]),
        (Wanted(filter=Filter(until="2016-06-10")), ["soccer"]),
        (Wanted(filter=Filter(since="2016-06-11", team="fran")), []),
    ],
)
def test_filters(three: Filled, tmp_path: Path, wanted: Wanted, sports: list[str]) -> None:
    """As `fixtures` has them; a fixture comes with both feeds unless one is said."""
    export(three.url, tmp_path, wanted=wanted)
    assert [entry["name"].split("/")[1] for entry in manifest(tmp_path)["streams"]] == sports


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Filled:
    """A match of snooker from both feeds, one of football."""
    path = tmp_path_factory.mktemp("three") / "archive.db"
    return fill(path, load("snooker-1", "betting"), load("snooker-1", "media"), load("soccer-france-romania"))


def test_a_stream_is_exported_as_it_was_at_one_moment(
    archive: Filled, target: Filled, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a recorder stores meanwhile comes with the next export, whole."""
    told = odd()
    archive.write(*told.operations)
    before = held_by(archive)

    def meanwhile(*arguments: Any) -> Iterator[Any]:
        told.operations.clear()
        archive.write(*told.add(packet(77)).gap(3).count().operations)
        yield from actions(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(taking, "actions", meanwhile)
        export(archive.url, tmp_path / "out")
    bring(tmp_path / "out", target.url)
    assert rows_of(target.url) == before[0]
    assert export(archive.url, tmp_path / "out").written == 1
    bring(tmp_path / "out", target.url)
    assert rows_of(target.url) == rows_of(archive.url)


def test_processes_write_the_same_files(three: Filled, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two of them, a partition each, what one writes."""
    export(three.url, tmp_path / "one")
    monkeypatch.setattr(writing, "_MUCH", 0)
    done = export(three.url, tmp_path / "two", processes=2)
    assert done.written == 3
    assert manifest(tmp_path / "two") == manifest(tmp_path / "one")


# Only what has changed


def test_nothing_is_written_again(copy: Filled, tmp_path: Path) -> None:
    """A second run leaves every file as it is."""
    export(copy.url, tmp_path / "out")
    before = times(tmp_path / "out")
    done = export(copy.url, tmp_path / "out")
    after = times(tmp_path / "out")
    assert (done.written, done.unchanged) == (0, 1)
    assert after == before


@pytest.mark.parametrize("what", ["action", "gap", "session", "reparsed", "merged"])
def test_what_has_changed_is_written_again(copy: Filled, tmp_path: Path, what: str) -> None:
    """One more action, a doubt that is resolved, a session that ended, fields read anew, a frame of earlier."""
    told, out = Told().add(packet(1)).add(packet(2)).gap(1), tmp_path / "out"
    stream_id = told.stream.stream_id
    copy.write(*told.operations)
    export(copy.url, out)
    before = times(out)
    if what == "action":
        told.operations.clear()
        copy.write(*told.add(packet(3)).operations)
    else:
        statement = {
            "gap": update(tables.gap).values(resolved_us=START_US + 7),
            "session": update(tables.session).values(closed_us=START_US + 8, outcome="recorder_died"),
            "reparsed": update(tables.action).values(extra='{"more":1}'),
            "merged": update(tables.action).values(received_us=START_US - 1),
        }[what]
        change(copy.url, statement.where(statement.table.c.stream_id == stream_id))
    done = export(copy.url, out)
    written = {name for name, at in times(out).items() if before.get(name) != at}
    assert (done.written, done.unchanged) == (1, 1)
    assert not any("soccer" in name for name in written)
    assert sum("v2%2Fvolleyball" in name for name in written) == 2


def test_another_date_leaves_no_file_behind(copy: Filled, tmp_path: Path) -> None:
    """The list says later when a match starts: its files move."""
    export(copy.url, tmp_path / "out")
    change(copy.url, update(tables.stream).values(starts_us=START_US))
    export(copy.url, tmp_path / "out")
    found = [name for name in files(tmp_path / "out") if name.startswith("actions")]
    assert found == [f"actions/{FRANCE_FILE.replace('2016-06-10', '2023-11-14')}"]
    assert not (tmp_path / "out/actions/feed=media/sport=soccer/date=2016-06-10").exists()


@pytest.mark.parametrize("form", list(Format))
def test_what_is_not_selected_stays(small: Filled, target: Filled, tmp_path: Path, form: Format) -> None:
    """Matches exported one after the other come back together."""
    small.write(*odd().operations, *odd().operations)
    names = [row[0] for row in small.select("SELECT fixture_id FROM stream")]
    for name in names:
        export(small.url, tmp_path / "out", form, Wanted(fixtures=[name]))
    bring(tmp_path / "out", target.url)
    assert held_by(target) == held_by(small)


@pytest.mark.parametrize("lost", [f"actions/{FRANCE_FILE}", "sessions/sessions.parquet"])
def test_a_lost_file_is_written_again(copy: Filled, tmp_path: Path, lost: str) -> None:
    """Though nothing has changed, and though another match is asked for."""
    copy.write(*odd().operations)
    export(copy.url, tmp_path / "out")
    (tmp_path / "out" / lost).unlink()
    export(copy.url, tmp_path / "out", wanted=Wanted(filter=Filter(sport="v2/volleyball")))
    assert lost in files(tmp_path / "out")
    bring(tmp_path / "out", copy.url)


def test_what_was_purged_is_removed(copy: Filled, target: Filled, tmp_path: Path) -> None:
    """From the files at the next export, whatever that one selects; and an import does not bring it back."""
    copy.write(*odd().operations)
    export(copy.url, tmp_path / "out")
    stream = stream_of(load("soccer-france-romania"))
    purge(copy.url, [stream.stream_id], "contract")
    assert bring(tmp_path / "out", copy.url).purged == 1
    done = export(copy.url, tmp_path / "out", wanted=Wanted(filter=Filter(sport="v2/volleyball")))
    assert done.removed == [stream.name]
    assert not [name for name in files(tmp_path / "out") if "sport=soccer" in name]
    assert FRANCE.encode() not in b"".join((tmp_path / "out" / name).read_bytes() for name in files(tmp_path / "out"))
    bring(tmp_path / "out", target.url)
    assert target.value("SELECT count(*) FROM stream") == 1


def test_a_partition_is_filled_from_several_archives(small: Filled, target: Filled, tmp_path: Path) -> None:
    """What is there of another archive stays, in the same file."""
    other, out = Filled(tmp_path / "other.db"), tmp_path / "out"
    other.write(*operations_of([odd(), odd()]))
    for one in (small, other, small):
        change(one.url, update(tables.stream).values(competition="Cup"))
        export(one.url, out)
    assert [entry["counts"]["actions"] for entry in manifest(out)["streams"]] == [14, 14, 14]
    assert len([name for name in files(out) if name.startswith("actions")]) == 1
    bring(out, target.url)
    for one in (small, other):
        bring(out, one.url)
        assert held_by(one) == held_by(target)


def test_a_damaged_file_is_not_carried_over(small: Filled, tmp_path: Path) -> None:
    """It would get a digest that says that it is whole."""
    told, out = odd(), tmp_path / "out"
    export(small.url, out)
    (file,) = (out / "actions").rglob("*.parquet")
    said = file.read_bytes()
    file.write_bytes(said[:400] + bytes([said[400] ^ 1]) + said[401:])
    small.write(*told.operations)
    with pytest.raises(DamagedArchive, match="holds what this export has to keep"):
        export(small.url, out, wanted=Wanted(fixtures=[told.stream.fixture_id]))
    file.unlink()
    assert export(small.url, out, wanted=Wanted(fixtures=[told.stream.fixture_id])).written == 2


def test_what_cannot_be_mended_is_dropped(small: Filled, target: Filled, tmp_path: Path) -> None:
    """A match of another archive without its messages: its actions go too, what lies beside them stays."""
    other, out = Filled(tmp_path / "other.db"), tmp_path / "out"
    other.write(*odd().operations)
    export(other.url, out)
    export(small.url, out)
    (file,) = (out / "raw_frames").rglob("*.parquet")
    file.unlink()
    done = export(small.url, out)
    name = other.value("SELECT fixture_id FROM stream")
    assert (done.lost, done.written) == ([f"betting/v2/volleyball/{name}/actions"], 1)
    (left,) = (out / "actions").rglob("*.parquet")
    assert set(pq.read_table(left)["stream_id"].to_pylist()) == {small.value("SELECT stream_id FROM stream")}
    bring(out, target.url)
    assert held_by(target) == held_by(small)


# Whole or not at all

DIES = """
import os, signal, sys
from pathlib import Path
from recorder.export import directory, manifest
from recorder.export.writing import export
place = manifest if sys.argv[3] == "described" else directory.Directory
calls, real = 0, getattr(place, sys.argv[3])
def dies(*arguments):
    global calls
    calls += 1
    if calls == int(sys.argv[4]):
        os.kill(os.getpid(), signal.SIGKILL)
    return real(*arguments)
setattr(place, sys.argv[3], dies)
export(sys.argv[1], Path(sys.argv[2]))
"""


def kill(url: str, out: Path, name: str, at: int) -> None:
    """Export, and die at this call: of `described` a file is complete, of a method of `Directory` all of them."""
    died = subprocess.run([sys.executable, "-c", DIES, url, str(out), name, str(at)], check=False)
    assert died.returncode == -signal.SIGKILL


@pytest.mark.parametrize(("name", "at"), [("described", 1), ("complete", 2), ("install", 2), ("clean", 1)])
def test_killed_anywhere(small: Filled, target: Filled, tmp_path: Path, name: str, at: int) -> None:
    """No half file has a reader's name, an import refuses what is there, and running it again makes it whole."""
    out = tmp_path / "out"
    kill(small.url, out, name, at)
    for file in out.rglob("*.parquet"):
        pq.read_table(file)
    with pytest.raises(TemporaryError, match=r"was killed; .* run the same export again"):
        bring(out, target.url)
    export(small.url, out)
    assert not [name for name in files(out) if name.startswith(".")]
    bring(out, target.url)
    assert held_by(target) == held_by(small)


@pytest.mark.parametrize(("name", "at", "host"), [("commit", 1, "h1"), ("install", 3, "h2")])
def test_killed_over_an_older_export(
    small: Filled, target: Filled, tmp_path: Path, name: str, at: int, host: str
) -> None:
    """All of it has happened or nothing, also of a match whose archive is not there when it is run again."""
    other, out = Filled(tmp_path / "other.db"), tmp_path / "out"
    other.write(*odd().operations)
    export(small.url, out)
    change(small.url, update(tables.session).values(host="h2"))
    kill(small.url, out, name, at)
    done = export(other.url, out)
    assert done.lost == []
    bring(out, target.url)
    stream_id = small.value("SELECT stream_id FROM stream")
    assert target.value("SELECT count(*) FROM stream") == 2
    assert {row[0] for row in target.select("SELECT host FROM session WHERE stream_id = ?", stream_id)} == {host}


def test_two_exports_at_once(one: Filled, tmp_path: Path) -> None:
    """The second one leaves."""
    with held(tmp_path / "out"), pytest.raises(TemporaryError, match="another process exports into"):
        export(one.url, tmp_path / "out")


def test_other_files_are_left_alone(one: Filled, tmp_path: Path) -> None:
    """A directory that holds anything else is refused; what users put beside an export stays."""
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(UsageError, match="holds other files than an export's"):
        export(one.url, tmp_path)
    (tmp_path / "thesis.txt").unlink()
    export(one.url, tmp_path)
    (tmp_path / "thesis.txt").write_text("mine")
    export(one.url, tmp_path, again=True)
    assert (tmp_path / "thesis.txt").read_text() == "mine"


def test_one_format_each(one: Filled, tmp_path: Path) -> None:
    """An export goes on in the format that it has."""
    export(one.url, tmp_path, Format.CSV)
    with pytest.raises(UsageError, match="is an export as csv; go on with --format csv"):
        export(one.url, tmp_path)
    assert not [name for name in files(tmp_path) if name.startswith(".")]


# Damage


@pytest.mark.parametrize("where", ["actions/", "raw_frames/", "streams/", "gaps/"])
@pytest.mark.parametrize("how", ["flipped", "cut", "gone"])
def test_a_damaged_file_is_named(exported: Path, target: Filled, tmp_path: Path, where: str, how: str) -> None:
    """And nothing is imported."""
    name = next(name for name in files(exported) if name.startswith(where))
    file, said = exported / name, (exported / name).read_bytes()
    try:
        match how:
            case "flipped":
                middle = len(said) // 2
                file.write_bytes(said[:middle] + bytes([said[middle] ^ 1]) + said[middle + 1 :])
            case "cut":
                file.write_bytes(said[:-1])
            case "gone":
                file.unlink()
        with pytest.raises(DamagedArchive, match=Path(name).name):
            bring(exported, target.url)
    finally:
        file.write_bytes(said)
    assert target.value("SELECT count(*) FROM stream") == 0


@pytest.fixture(scope="module")
def exported(one: Filled, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One match as files; what a test changes it puts back."""
    out = tmp_path_factory.mktemp("exported") / "out"
    export(one.url, out)
    return out


def test_a_damaged_frame_is_not_exported(copy: Filled, tmp_path: Path) -> None:
    """It must not go where somebody may have it whole."""
    change(copy.url, update(tables.frame).where(tables.frame.c.frame_number == 7).values(payload=b"other"))
    with pytest.raises(DamagedArchive, match="frame 7 of session"):
        export(copy.url, tmp_path / "out")


def test_a_manifest_that_is_wrong_about_the_frames(one: Filled, target: Filled, tmp_path: Path) -> None:
    """The digest of the messages is compared too, whatever the files' own digests say."""
    out = tmp_path / "out"
    export(one.url, out)
    said = (out / "manifest.json").read_text()
    digest = manifest(out)["streams"][0]["frames_digest"]
    (out / "manifest.json").write_text(said.replace(digest, digest[::-1]))
    with pytest.raises(DamagedArchive, match="does not hold the messages"):
        bring(out, target.url)


def test_no_export_there(target: Filled, tmp_path: Path) -> None:
    """The place that was tried is named."""
    with pytest.raises(UsageError, match=f"there is no export at {tmp_path}"):
        bring(tmp_path, target.url)


def test_a_path_that_leads_out_is_not_followed(one: Filled, target: Filled, tmp_path: Path) -> None:
    """A manifest is somebody else's file."""
    out = tmp_path / "out"
    export(one.url, out)
    said = (out / "manifest.json").read_text()
    (out / "manifest.json").write_text(said.replace('"streams/streams', '"../streams/streams'))
    with pytest.raises(DamagedArchive, match="is missing"):
        bring(out, target.url)
