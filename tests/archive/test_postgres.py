"""What is Postgres' own: settings that make commits durable, harmless readers, and what its errors mean to a user."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import URL, make_url
from sqlalchemy.exc import ProgrammingError

from recorder.archive.dialect import DiskErrors, parse_url
from recorder.archive.postgres import POSTGRES
from recorder.errors import ConfigurationError, DatabaseAway, DiskError, RecorderError
from recorder.query.reading import reading
from tests.archive.filling import fill
from tests.postgres import PostgresServer
from tests.vendor import load


@pytest.fixture
def url(postgres: PostgresServer) -> Iterator[URL]:
    """An empty archive."""
    name = postgres.archive()
    yield parse_url(postgres.url(name))[0]
    postgres.drop(name)


@pytest.fixture
def fragile() -> Iterator[PostgresServer]:
    """A server for this test alone, to be harmed."""
    with PostgresServer() as server:
        yield server


def test_the_writers_settings(url: URL) -> None:
    """Commits are durable, nothing waits for ever, the name is ours; each is read back from the connection."""
    wanted = {
        "synchronous_commit": "on", "lock_timeout": "20s", "statement_timeout": "2min", "TimeZone": "UTC",
        "idle_in_transaction_session_timeout": "2min", "application_name": "recorder", "client_encoding": "UTF8",
    }  # fmt: skip
    with POSTGRES.writer(url).connect() as connection:
        assert {name: connection.exec_driver_sql(f"SHOW {name}").scalar() for name in wanted} == wanted
        driver = connection.connection.driver_connection
        assert isinstance(driver, psycopg.Connection)
        options = driver.info.get_parameters()
    assert {name: options[name] for name in ("target_session_attrs", "connect_timeout", "tcp_user_timeout")} == {
        "target_session_attrs": "read-write", "connect_timeout": "10", "tcp_user_timeout": "20000",
    }  # fmt: skip


def test_the_users_settings_stand(url: URL) -> None:
    """What the URL says goes before what we would choose."""
    chosen = url.update_query_dict({"application_name": "mine", "connect_timeout": "3"})
    with POSTGRES.reader(chosen).connect() as connection:
        assert connection.exec_driver_sql("SHOW application_name").scalar() == "mine"


def test_a_service_file(postgres: PostgresServer, url: URL, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`?service=` finds everything in libpq's own file."""
    services = tmp_path / "services"
    services.write_text(f"[ours]\nhost={postgres.directory}\nuser=recorder\ndbname={url.database}\n")
    monkeypatch.setenv("PGSERVICEFILE", str(services))
    with reading("postgresql://?service=ours") as reader:
        assert reader.rows("SELECT * FROM streams") == []


def test_readers_leave_no_transaction_open(postgres: PostgresServer, tmp_path: Path) -> None:
    """A notebook that stays open all day holds up no change of the schema."""
    filled = fill(tmp_path / "a.db", load("snooker-1"), url=postgres.url(postgres.archive()))
    with reading(filled.url) as reader:
        reader.rows("SELECT * FROM streams")
        next(iter(reader.stream("SELECT * FROM actions")))
        postgres.execute("SET lock_timeout = '1s'; LOCK action", database=str(make_url(filled.url).database))


def test_long_results_come_piece_by_piece(postgres: PostgresServer, tmp_path: Path) -> None:
    """A stream is read through a cursor of the server's: not all of it is in memory."""
    filled = fill(tmp_path / "a.db", load("snooker-1"), url=postgres.url(postgres.archive()))
    with reading(filled.url) as reader:
        rows = reader.stream("SELECT * FROM raw_frames")
        next(rows)
        assert postgres.execute("SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'FETCH FORWARD%'") == [(1,)]
        assert len(list(rows)) == 471


def test_a_database_in_another_encoding(postgres: PostgresServer) -> None:
    """One that cannot hold every name is refused before anything is written: 78."""
    postgres.execute("CREATE DATABASE latin TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'")
    with pytest.raises(ConfigurationError, match=r"LATIN1.*UTF8"):
        POSTGRES.writer(parse_url(postgres.url("latin"))[0]).connect()


# -- what goes wrong ---------------------------------------------------------------------------------------------------


def run(url: URL, *statements: str, between_s: float = 0) -> None:
    with DiskErrors(POSTGRES, url), POSTGRES.writer(url).begin() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)
            time.sleep(between_s)


def told(url: URL, *statements: str) -> RecorderError:
    """Return what a user is told when these statements are run."""
    with pytest.raises(RecorderError) as raised:
        run(url, *statements)
    assert str(raised.value).startswith(POSTGRES.place(url))
    assert "hunter2" not in str(raised.value)
    assert "\n" not in str(raised.value)
    return raised.value


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"database": "nonesuch"}, "does not exist"),
        ({"username": "nobody"}, "does not exist"),
        ({"query": {"service": "nonesuch"}}, "nonesuch"),
        ({"query": {"sslmode": "nonesuch"}}, "sslmode"),
        ({"query": {"nonesuch": "1"}}, "nonesuch"),
    ],
)
def test_what_the_user_must_mend(url: URL, change: dict[str, object], says: str) -> None:
    """A role, a database, a service or an option that there is not: 78."""
    query = dict(url.query) | change.pop("query", {})  # type: ignore[operator]
    error = told(url.set(password="hunter2", query=query, **change))  # type: ignore[arg-type]
    assert (type(error), error.exit_code) == (ConfigurationError, 78)
    assert says in str(error)


def test_a_wrong_password(fragile: PostgresServer) -> None:
    """78, with the server's sentence and without the password."""
    (fragile.data / "pg_hba.conf").write_text("local all recorder trust\nlocal all all scram-sha-256\n")
    fragile.execute("CREATE ROLE me LOGIN PASSWORD 'right'")
    fragile.execute("SELECT pg_reload_conf()")
    url = parse_url(fragile.url())[0].set(username="me")
    deadline = time.monotonic() + 10
    while True:
        try:
            assert isinstance(told(url.set(password="hunter2")), ConfigurationError)
            assert isinstance(told(url), ConfigurationError)
            break
        except pytest.fail.Exception:
            assert time.monotonic() < deadline


def test_what_the_role_may_not_do(postgres: PostgresServer, url: URL) -> None:
    """No privilege: 78."""
    error = told(url, "CREATE ROLE weak", "SET ROLE weak", "SELECT * FROM stream")
    assert isinstance(error, ConfigurationError)


def test_nobody_listens(tmp_path: Path) -> None:
    """75: it may be up again soon."""
    for place in (
        f"postgresql:///db?host={tmp_path}",
        "postgresql://127.0.0.1:1/db",
        "postgresql://nonesuch.invalid/db",
    ):
        error = told(parse_url(place)[0])
        assert (type(error), error.exit_code) == (DatabaseAway, 75)


@pytest.mark.parametrize(
    "statements",
    [
        ("SET statement_timeout = 1", "SELECT pg_sleep(9)"),
        ("SET TRANSACTION READ ONLY", "DELETE FROM stream"),
        ("SELECT pg_terminate_backend(pg_backend_pid())",),
    ],
)
def test_what_passes(url: URL, statements: tuple[str, ...]) -> None:
    """Too slow, read-only, thrown out: 75."""
    assert isinstance(told(url, *statements), DatabaseAway)


def test_a_transaction_in_which_nothing_happens(url: URL) -> None:
    """75: the server lets go of what a recorder that hangs has locked."""
    with pytest.raises(DatabaseAway):
        run(url, "SET idle_in_transaction_session_timeout = 1", "SELECT 1", between_s=0.5)


def test_a_lock_that_is_not_let_go(url: URL) -> None:
    """75 when the lock time-out is over."""
    with POSTGRES.writer(url).begin() as other:
        other.exec_driver_sql("LOCK stream")
        assert isinstance(told(url, "SET lock_timeout = '10ms'", "SELECT * FROM stream"), DatabaseAway)


def test_a_server_that_stops(fragile: PostgresServer) -> None:
    """Stopped, crashed, starting: 75 each time, and afterwards it goes on."""
    url = parse_url(fragile.url())[0]
    for mode in ("fast", "immediate"):
        stopping = threading.Timer(0.3, fragile.stop, [mode])
        stopping.start()
        assert isinstance(told(url, "SELECT pg_sleep(30)"), DatabaseAway)
        stopping.join()
        assert isinstance(told(url), DatabaseAway)
        fragile.start()
    run(url, "SELECT 1")


def test_a_disk_that_is_full(url: URL) -> None:
    """The server's sentence, and what to do: 74."""
    raised = "DO $$ BEGIN RAISE 'could not extend file' USING ERRCODE = '53100'; END $$"
    error = told(url, raised)
    assert (type(error), error.exit_code) == (DiskError, 74)
    assert "make room" in str(error)


def test_a_defect_is_no_sentence(url: URL) -> None:
    """What only a defect of ours can cause is not explained away."""
    with pytest.raises(ProgrammingError, match="nonesuch"):
        run(url, "SELECT nonesuch")


# -- the tests' own server ---------------------------------------------------------------------------------------------


def test_an_older_state_comes_back(fragile: PostgresServer) -> None:
    """A copy holds what was there when it was made, and nothing since."""
    fragile.execute("CREATE TABLE told (word text)")
    copy = fragile.base_copy()
    fragile.execute("INSERT INTO told VALUES ('later')")
    fragile.restore(copy)
    assert fragile.execute("SELECT * FROM told") == []


def test_a_server_that_stands_still(fragile: PostgresServer) -> None:
    """It answers nobody until it goes on."""
    fragile.pause()
    answered = threading.Event()

    def ask() -> None:
        fragile.execute("SELECT 1")
        answered.set()

    asking = threading.Thread(target=ask)
    asking.start()
    assert not answered.wait(0.3)
    fragile.resume()
    assert answered.wait(30)
    asking.join()
