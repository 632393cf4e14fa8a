CREATE MACRO julianday(t) AS epoch_us(t) / 86400000000 + 2440587.5;

CREATE VIEW actions AS
SELECT * FROM read_parquet('export/actions/**/*.parquet', hive_partitioning = true) WHERE is_current;

CREATE VIEW timeline AS
SELECT * EXCLUDE (confirmed_at), min(confirmed_at) OVER revisions AS first_confirmed_at,
  min(received_at) OVER revisions AS first_received_at, count(*) OVER revisions AS revisions
FROM (
  SELECT *, CASE WHEN lower(send_type) IN ('confirmed', 'updated') THEN received_at END AS confirmed_at FROM actions
)
WINDOW revisions AS (PARTITION BY stream_id, coalesce(action_id, 'position ' || position))
QUALIFY known_until IS NULL AND lower(coalesce(send_type, '')) NOT IN ('deleted', 'cancelled');

CREATE VIEW states AS
SELECT stream_id, fixture_id, received_at AS known_from, min(received_at) OVER behind AS known_until, position,
  home_score, away_score, current_period AS period, current_clock_seconds AS clock_seconds, clock_state, possession,
  status, collection_status, finished
FROM actions
WINDOW behind AS (
  PARTITION BY stream_id ORDER BY position ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING
);

CREATE VIEW matches AS
SELECT * FROM read_parquet('export/streams/*.parquet') WHERE channel = 'actions'
QUALIFY row_number() OVER (PARTITION BY fixture_id ORDER BY feed, stream_id) = 1;
