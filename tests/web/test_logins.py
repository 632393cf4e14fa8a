"""Logins that are refused: told once in a while, and fewer and fewer of them compared."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from recorder.web import logins
from recorder.web.logins import AT_ONCE, EACH_S, Logins
from recorder.web.serving import guarded
from tests.archive.filling import Filled
from tests.web.api.conftest import listening

RIGHT, WRONG = ("ada", "lovelace"), ("ada", "a-wrong-password")


class Clock:
    """Time that goes on when it is told to."""

    def __init__(self) -> None:
        self.now_s = 1_000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def tried(clock: Clock) -> Logins:
    return Logins(clock)


@pytest.fixture
def client(file: Filled, tmp_path: Path) -> Iterator[httpx.Client]:
    """A visitor of a page that asks for a password."""
    file.write()
    auth = tmp_path / "auth"
    auth.touch(mode=0o600)
    auth.write_text(":".join(RIGHT))
    app = guarded(file.url, "0.0.0.0", auth)
    with listening(app) as address, httpx.Client(base_url=address) as visitor:
        yield visitor


def exhaust(tried: Logins, address: str) -> None:
    for _ in range(AT_ONCE):
        assert tried.wait_s(address) == 0
        tried.refused(address)


def test_after_some_in_a_row_an_address_has_to_wait_and_then_has_one_more(tried: Logins, clock: Clock) -> None:
    exhaust(tried, "192.0.2.1")
    assert tried.wait_s("192.0.2.1") == EACH_S
    clock.now_s += EACH_S
    assert tried.wait_s("192.0.2.1") == 0
    tried.refused("192.0.2.1")
    assert tried.wait_s("192.0.2.1") > 0


def test_one_address_does_not_make_another_wait(tried: Logins) -> None:
    exhaust(tried, "192.0.2.1")
    assert tried.wait_s("192.0.2.2") == 0


def test_one_customer_has_many_addresses(tried: Logins) -> None:
    exhaust(tried, "2001:db8::1")
    assert tried.wait_s("2001:db8::ffff:1") > 0
    assert tried.wait_s("2001:db8:0:1::1") == 0


def test_what_is_remembered_is_bounded(tried: Logins, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logins, "_MOST", 10)
    for number in range(1_000):
        tried.refused(f"192.0.2.{number}")
    assert len(tried._tries) == 10


def test_the_log_hears_of_an_address_once_a_minute(
    tried: Logins, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(3):
        tried.refused("192.0.2.1")
    tried.refused("192.0.2.2")
    clock.now_s += 60
    tried.refused("192.0.2.1")
    assert [record.getMessage().split()[3] for record in caplog.records] == ["192.0.2.1", "192.0.2.2", "192.0.2.1"]


def test_who_guesses_is_not_told_whether_the_last_guess_was_right(
    client: httpx.Client, caplog: pytest.LogCaptureFixture
) -> None:
    """Once too many were wrong none is compared; neither was is in the log."""
    caplog.set_level(logging.DEBUG)
    assert client.get("/", auth=RIGHT).status_code == 200
    assert {client.get("/", auth=WRONG).status_code for _ in range(AT_ONCE)} == {401}
    for auth in (WRONG, RIGHT):
        answer = client.get("/api/v1/streams", auth=auth)
        assert (answer.status_code, list(answer.json())) == (429, ["error"])
        assert 0 < int(answer.headers["Retry-After"]) <= EACH_S
    assert "a login from 127.0.0.1 was refused" in caplog.text
    assert WRONG[1] not in caplog.text


def test_to_ask_without_a_password_is_no_login(client: httpx.Client) -> None:
    """So does every browser, to be asked for it."""
    assert {client.get("/").status_code for _ in range(AT_ONCE + 1)} == {401}
    assert client.get("/", auth=RIGHT).status_code == 200


def test_a_proxy_on_this_machine_says_who_it_was(client: httpx.Client) -> None:
    """The last address in its header, which is the one that it has seen itself."""
    for number in range(AT_ONCE):
        client.get("/", auth=WRONG, headers={"X-Forwarded-For": f"10.0.0.{number}, 192.0.2.1"})
    assert client.get("/", auth=RIGHT, headers={"X-Forwarded-For": "192.0.2.1"}).status_code == 429
    assert client.get("/", auth=RIGHT, headers={"X-Forwarded-For": "192.0.2.2"}).status_code == 200
