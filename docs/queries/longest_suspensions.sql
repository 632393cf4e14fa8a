WITH told AS (
  SELECT fixture_id, stream_id, position, known_from, period, clock_seconds, collection_status,
    lag(collection_status) OVER (PARTITION BY fixture_id, stream_id ORDER BY position) AS status_before
  FROM states WHERE collection_status IS NOT NULL
), change AS (
  SELECT told.*, lead(known_from) OVER (PARTITION BY fixture_id, stream_id ORDER BY position) AS until
  FROM told WHERE status_before IS NULL OR status_before <> collection_status
)
SELECT fixture_id, period, clock_seconds, known_from,
  round((julianday(until) - julianday(known_from)) * 86400, 3) AS seconds
FROM change
WHERE collection_status = 'CollectionSuspended' AND until IS NOT NULL
ORDER BY seconds DESC, fixture_id, known_from
LIMIT 10;
