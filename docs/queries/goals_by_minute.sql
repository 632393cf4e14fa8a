SELECT period, CAST((clock_seconds - clock_seconds % 60) / 60 AS integer) + 1 AS minute, count(*) AS goals
FROM timeline
WHERE sport = 'soccer' AND type IN ('Goal', 'Own Goal')
  AND occurred_at >= '2017-07-01T00:00:00.000000Z' AND occurred_at < '2018-07-01T00:00:00.000000Z'
GROUP BY 1, 2
ORDER BY 1, 2;
