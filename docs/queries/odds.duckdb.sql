SELECT o.fixture_id, o.at, o.home, o.draw, o.away, s.home_score, s.away_score, s.period, s.clock_seconds
FROM read_csv('odds.csv', types = {'at': 'TIMESTAMPTZ'}) o
ASOF LEFT JOIN (SELECT * FROM states WHERE known_until IS NULL OR known_until > known_from) s
  ON o.fixture_id = s.fixture_id AND o.at >= s.known_from
ORDER BY o.fixture_id, o.at;
