"""What the command says when something is not as it has to be."""

from __future__ import annotations

from pathlib import Path

import pytest

from recorder.errors import ConfigurationError
from recorder.publishing.places import place_of
from tests.archive.filling import Filled
from tests.lake.conftest import Call


def test_a_lake_keeps_the_form_that_it_has(few: Filled, tmp_path: Path, form: str, call: Call) -> None:
    call("--format", form, to=tmp_path / "lake", database=few)
    other = {"delta": "parquet", "parquet": "delta"}[form]
    refused = call("--format", other, to=tmp_path / "lake", database=few)
    assert (refused.code, f"is a lake as {form}" in refused.err) == (2, True)


def test_a_place_without_a_lake_cannot_be_checked(few: Filled, tmp_path: Path, call: Call) -> None:
    refused = call("--check", to=tmp_path / "lake", database=few)
    assert (refused.code, "there is no lake at" in refused.err) == (2, True)
    assert not (tmp_path / "lake").exists()


def test_a_bucket_that_is_not_there_is_named(few: Filled, s3: str, form: str, call: Call) -> None:
    refused = call("--format", form, to="s3://nobody-has-it/season", database=few)
    assert (refused.code, "there is no bucket for s3://nobody-has-it/season" in refused.err) == (2, True)


def test_a_store_that_is_away_is_temporary_and_no_key_is_told(
    few: Filled, s3: str, dead_address: str, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", dead_address)
    away = call(to="s3://lake/season", database=few)
    assert (away.code, "cannot be used" in away.err) == (75, True)
    assert "who-may-write" not in away.err
    assert "a-secret-for-tests" not in away.err


@pytest.mark.parametrize("url", ["s3://key:secret@bucket/prefix", "s3://bucket/prefix?secret=x"])
def test_keys_do_not_belong_into_the_url(few: Filled, url: str, call: Call) -> None:
    refused = call(to=url, database=few)
    assert (refused.code, "AWS_ACCESS_KEY_ID" in refused.err, "secret" in refused.err) == (78, True, False)


def test_nothing_but_folders_and_s3_is_a_lake(few: Filled, call: Call) -> None:
    assert call(to="ftp://somewhere/lake", database=few).code == 2


@pytest.mark.parametrize("host", ["store.example", "192.0.2.1"])
def test_a_store_beyond_this_machine_is_spoken_to_by_https_only(host: str) -> None:
    with pytest.raises(ConfigurationError, match="use https"):
        place_of("s3://bucket/prefix", {"AWS_ENDPOINT_URL": f"http://{host}:9000"})


@pytest.mark.parametrize("address", ["http://127.0.0.1:9000", "http://localhost:9000", "https://store.example", ""])
def test_a_store_on_loopback_or_by_https_is_fine(address: str) -> None:
    assert place_of("s3://bucket/prefix/", {"AWS_ENDPOINT_URL": address}).url == "s3://bucket/prefix"


def test_check_goes_with_nothing_that_writes(few: Filled, tmp_path: Path, call: Call) -> None:
    assert call("--check", "--compact", to=tmp_path / "lake", database=few).code == 2
