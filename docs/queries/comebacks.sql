SELECT m.home_team, m.away_team, m.home_score, m.away_score,
  max(CASE WHEN m.home_score > m.away_score THEN s.away_score - s.home_score
    ELSE s.home_score - s.away_score END) AS behind
FROM matches m JOIN states s ON s.fixture_id = m.fixture_id
WHERE m.state = 'finished' AND m.home_score <> m.away_score
  AND (s.known_until IS NULL OR s.known_until > s.known_from)
GROUP BY m.fixture_id, m.home_team, m.away_team, m.home_score, m.away_score
HAVING max(CASE WHEN m.home_score > m.away_score THEN s.away_score - s.home_score
    ELSE s.home_score - s.away_score END) > 0
ORDER BY behind DESC, m.home_team, m.fixture_id;
