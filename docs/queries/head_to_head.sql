SELECT fixture_id, home_team, away_team, home_score, away_score, state
FROM matches
WHERE home_team IN ('France', 'Romania') AND away_team IN ('France', 'Romania')
ORDER BY first_received_at, fixture_id;
