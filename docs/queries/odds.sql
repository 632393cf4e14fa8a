SELECT o.fixture_id, o.at, o.home, o.draw, o.away, s.home_score, s.away_score, s.period, s.clock_seconds
FROM odds o
LEFT JOIN states s ON s.fixture_id = o.fixture_id
  AND s.known_from <= o.at AND (s.known_until IS NULL OR s.known_until > o.at)
ORDER BY o.fixture_id, o.at;
