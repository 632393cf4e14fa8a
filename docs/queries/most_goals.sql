SELECT player, team, count(*) AS goals, count(DISTINCT fixture_id) AS matches
FROM timeline
WHERE type = 'Goal' AND player_id IS NOT NULL
GROUP BY player_id, player, team
ORDER BY goals DESC, player
LIMIT 10;
