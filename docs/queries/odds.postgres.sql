SELECT o.fixture_id, o.at, o.home, o.draw, o.away, s.home_score, s.away_score, s.period, s.clock_seconds
FROM odds o
LEFT JOIN LATERAL (
  SELECT * FROM states
  WHERE states.fixture_id = o.fixture_id AND known_from <= o.at AND (known_until IS NULL OR known_until > o.at)
  LIMIT 1
) s ON true
ORDER BY o.fixture_id, o.at;
