SELECT feed, sport, count(*) AS actions,
  min(CASE WHEN nth >= 0.50 * total THEN latency_ms END) AS p50_ms,
  min(CASE WHEN nth >= 0.95 * total THEN latency_ms END) AS p95_ms,
  max(latency_ms) AS max_ms
FROM (
  SELECT feed, sport, latency_ms,
    row_number() OVER (PARTITION BY feed, sport ORDER BY latency_ms) AS nth,
    count(*) OVER (PARTITION BY feed, sport) AS total
  FROM actions WHERE latency_ms IS NOT NULL
) ranked
GROUP BY feed, sport
ORDER BY feed, sport;
