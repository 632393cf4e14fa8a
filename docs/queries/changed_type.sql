SELECT fixture_id, clock, player, type_before, type, received_at AS changed_at
FROM (
  SELECT fixture_id, clock, player, type, received_at,
    lag(type) OVER (PARTITION BY fixture_id, stream_id, action_id ORDER BY position) AS type_before
  FROM actions WHERE action_id IS NOT NULL
) revision
WHERE type <> type_before
ORDER BY received_at;
