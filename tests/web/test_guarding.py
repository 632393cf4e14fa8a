"""Who may ask, by which name, and what a browser may do with the answer."""

from __future__ import annotations

import base64
import hmac
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from recorder.errors import ConfigurationError
from recorder.web.guarding import LONGEST_ADDRESS, Credentials, is_loopback, read_credentials
from recorder.web.serving import guarded
from tests.archive.filling import Filled, fill
from tests.vendor import load
from tests.web.api.conftest import listening

PASSWORD = "correct horse: battery"  # a colon may be in it
TOKEN = "a-token-for-the-page"


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Filled:
    path = tmp_path_factory.mktemp("guarded") / "archive.db"
    fill(path, load("snooker-1"))
    return Filled(path)


@pytest.fixture(scope="module")
def auth_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("auth") / "auth"
    path.touch(mode=0o600)
    path.write_text(f"# who may see it\n\nada:{PASSWORD}\n{TOKEN}\n")
    return path


@pytest.fixture(scope="module")
def local(archive: Filled) -> Iterator[httpx.Client]:
    with listening(guarded(archive.url, "127.0.0.1", None)) as address, httpx.Client(base_url=address) as client:
        yield client


@pytest.fixture
def shared(archive: Filled, auth_file: Path) -> Iterator[httpx.Client]:
    """The page as it is served to other machines (on loopback here: a test opens no port to anybody)."""
    with listening(guarded(archive.url, "0.0.0.0", auth_file)) as address, httpx.Client(base_url=address) as client:
        yield client


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.8.9.1:8080", "[::1]:8080", "LOCALHOST:1"])
def test_a_page_of_this_machine_answers_to_its_names(local: httpx.Client, host: str) -> None:
    assert local.get("/", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example", "127.0.0.1.evil.example", "192.168.1.7:8080", "", "[fe80::1]", "[", "[::1", "[::1]evil.example",
        "127.0.0.1:80@evil.example", "127.0.0.1:80:80", "127.0.0.1:x/../", "127.0.0.1.", "localhost.",
    ],
)  # fmt: skip
@pytest.mark.parametrize("path", ["/", "/api/v1/streams", "/static/page.css"])
def test_a_page_of_this_machine_answers_to_no_other_name(local: httpx.Client, host: str, path: str) -> None:
    """A page of somebody else's can have its name lead here, and would read the answer as its own."""
    assert local.get(path, headers={"Host": host}).status_code == 421


@pytest.mark.parametrize("path", ["/", "/api/v1/streams", "/matches/nothing", "/static/vendor/pico.classless.min.css"])
def test_every_answer_forbids_what_is_not_needed(local: httpx.Client, path: str) -> None:
    headers = local.get(path).headers
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "MADEUP"])
def test_nothing_but_reading(local: httpx.Client, method: str) -> None:
    answer = local.request(method, "/")
    assert (answer.status_code, answer.headers["Allow"]) == (405, "GET, HEAD")


@pytest.mark.parametrize("host", ["[", "[::1", "a]b", "a/b?c#d", "evil.example:99999999"])
@pytest.mark.parametrize("path", ["/nothing", "/api/v1/nothing", "/matches/a4df", "/matches/nobody"])
def test_a_name_that_is_none_breaks_nothing(shared: httpx.Client, host: str, path: str) -> None:
    """And leads nowhere else."""
    answer = shared.get(path, headers={"Host": host, "Authorization": f"Bearer {TOKEN}"})
    assert answer.status_code in (307, 404)
    assert answer.headers.get("location", "/matches/").startswith("/matches/")


@pytest.mark.parametrize("said", [{"Content-Length": "3"}, {"Transfer-Encoding": "chunked"}])
def test_a_request_that_brings_something_ends_its_connection(local: httpx.Client, said: dict[str, str]) -> None:
    """What a proxy takes for the rest of one request must not be another one to us."""
    answer = local.request("GET", "/", headers=said, content=iter([b"abc"]) if "Transfer-Encoding" in said else b"abc")
    assert (answer.status_code, answer.headers["Connection"]) == (400, "close")


@pytest.mark.parametrize(
    ("method", "path", "host", "status"),
    [
        ("POST", "/api/v1/streams", "127.0.0.1", 405),
        ("GET", "/api/v1/streams", "evil.example", 421),
        ("GET", "/api/v1/streams?q=" + "a" * LONGEST_ADDRESS, "127.0.0.1", 414),
    ],
)
def test_a_program_is_refused_in_json(local: httpx.Client, method: str, path: str, host: str, status: int) -> None:
    answer = local.request(method, path, headers={"Host": host})
    assert (answer.status_code, list(answer.json())) == (status, ["error"])


def test_an_address_without_end(local: httpx.Client) -> None:
    assert local.get("/", params={"q": "a" * LONGEST_ADDRESS}).status_code == 414


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "",
        "Basic",
        "Basic !!!",
        "Basic " + base64.b64encode(b"\xff\xfe").decode(),
        basic("ada", "wrong"),
        basic("eve", PASSWORD),
        basic("", ""),
        f"Bearer {TOKEN}x",
        f"Bearer ada:{PASSWORD}",
        f"Basic {TOKEN}",
        TOKEN,
    ],
)
def test_who_is_not_named_is_not_let_in(shared: httpx.Client, authorization: str | None) -> None:
    headers = {} if authorization is None else {"Authorization": authorization}
    for path in ("/", "/api/v1/streams", "/static/page.css"):
        answer = shared.get(path, headers=headers)
        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"].startswith("Basic ")


@pytest.mark.parametrize("authorization", [basic("ada", PASSWORD), basic("ada", "wrong"), basic("eve", ""), None])
def test_a_refusal_takes_as_long_whoever_asks(authorization: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Digests of one length are compared, each of them each time, in constant time."""
    compared: list[tuple[int, int]] = []
    plain = hmac.compare_digest

    def noted(given: bytes, known: bytes) -> bool:
        compared.append((len(given), len(known)))
        return plain(given, known)

    credentials = Credentials([f"ada:{PASSWORD}", "bob:another", TOKEN])
    monkeypatch.setattr(hmac, "compare_digest", noted)
    assert credentials.admit(authorization) is (authorization == basic("ada", PASSWORD))
    assert compared == [(32, 32)] * 3


@pytest.mark.parametrize("authorization", [basic("ada", PASSWORD), f"Bearer {TOKEN}", f"bearer {TOKEN}"])
def test_who_is_named_is_let_in(shared: httpx.Client, authorization: str) -> None:
    """By whichever name the page is dialled: it has one that we do not know."""
    headers = {"Authorization": authorization, "Host": "recorder.example"}
    assert shared.get("/", headers=headers).status_code == 200


def test_beyond_this_machine_only_with_an_auth_file(archive: Filled) -> None:
    with pytest.raises(ConfigurationError, match=r"--host 0\.0\.0\.0 lets other machines in: name with --auth-file"):
        guarded(archive.url, "0.0.0.0", None)


def test_an_auth_file_that_others_can_read(tmp_path: Path) -> None:
    path = tmp_path / "auth"
    path.write_text("ada:secret-of-hers")
    path.chmod(0o644)
    with pytest.raises(ConfigurationError, match=r"auth file .* can be read by others; run: chmod 600") as refused:
        read_credentials(path)
    assert "secret-of-hers" not in str(refused.value)


def test_an_auth_file_that_names_nobody(tmp_path: Path) -> None:
    path = tmp_path / "auth"
    path.touch(mode=0o600)
    path.write_text("# nobody yet\n")
    with pytest.raises(ConfigurationError, match="names nobody"):
        read_credentials(path)


def test_an_auth_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"auth file .* cannot be read: No such file"):
        read_credentials(tmp_path / "auth")


def test_credentials_show_nothing() -> None:
    """Neither they nor what they are made of can be read off in a log or a traceback."""
    credentials = Credentials([f"ada:{PASSWORD}"])
    assert PASSWORD not in repr(credentials) + repr(vars(credentials))


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.255.0.3", "::1", "[::1]"])
def test_names_of_this_machine(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "localhost.example", "", "127.0.0.1 "])
def test_names_of_others(host: str) -> None:
    assert not is_loopback(host)
