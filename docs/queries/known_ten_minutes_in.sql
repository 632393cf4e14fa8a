WITH revision AS (
  SELECT * FROM actions WHERE fixture_id = '39e713f0-ff68-57e7-89f6-d86eb5df59cb'
), asked AS (
  SELECT min(received_at) AS moment FROM revision WHERE current_period = 1 AND current_clock_seconds >= 600
)
SELECT clock, type, team, player, send_type, home_score, away_score
FROM revision CROSS JOIN asked
WHERE received_at <= moment AND (known_until IS NULL OR known_until > moment)
  AND lower(coalesce(send_type, '')) NOT IN ('deleted', 'cancelled')
  AND type IN ('Goal', 'Yellow Card', 'Red Card', 'Corner', 'Shot On Target', 'Shot Off Target', 'Start Period')
ORDER BY fixture_seq_num;
