SELECT fixture_id, type, clock, team, player, revisions,
  round((julianday(taken_back_at) - julianday(first_received_at)) * 86400, 3) AS stood_seconds
FROM (
  SELECT fixture_id, type, clock, team, player, send_type, known_until, received_at AS taken_back_at,
    min(received_at) OVER (PARTITION BY fixture_id, stream_id, action_id) AS first_received_at,
    count(*) OVER (PARTITION BY fixture_id, stream_id, action_id) AS revisions
  FROM actions WHERE action_id IS NOT NULL
) revision
WHERE known_until IS NULL AND lower(send_type) IN ('deleted', 'cancelled')
ORDER BY stood_seconds DESC, fixture_id, clock;
