"""Each price with the state of the match that was known when it was set."""

import pandas

from recorder import Archive

odds = pandas.read_csv("odds.csv", parse_dates=["at"]).sort_values("at")
with Archive.open("sqlite:///recorder.db") as archive:
    states = archive.sql("SELECT * FROM states WHERE known_until IS NULL OR known_until > known_from").to_pandas()
known = pandas.merge_asof(odds, states.sort_values("known_from"), left_on="at", right_on="known_from", by="fixture_id")
