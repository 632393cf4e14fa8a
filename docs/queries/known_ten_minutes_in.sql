WITH revision AS (
  SELECT * FROM actions WHERE fixture_id = '39e713f0-ff68-57e7-89f6-d86eb5df59cb'
), asked AS (
  SELECT min(received_at) + interval '10 minutes' AS moment
  FROM revision WHERE type = 'Start Period' AND period = 1
)
SELECT clock, type, team, player, send_type, home_score, away_score
FROM revision CROSS JOIN asked
WHERE received_at <= moment AND (known_until IS NULL OR known_until > moment)
  AND lower(coalesce(send_type, '')) NOT IN ('deleted', 'cancelled')
  AND type IN ('Goal', 'Yellow Card', 'Red Card', 'Corner', 'Shot On Target', 'Shot Off Target', 'Start Period')
ORDER BY fixture_seq_num;
