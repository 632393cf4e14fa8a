SELECT clock, type, team, player, home_score, away_score
FROM timeline
WHERE fixture_id = '39e713f0-ff68-57e7-89f6-d86eb5df59cb' AND type IN ('Goal', 'Own Goal')
ORDER BY ordinal;
