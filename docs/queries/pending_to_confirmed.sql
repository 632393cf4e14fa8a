SELECT sport, type, count(*) AS actions, round(avg(seconds), 3) AS mean_seconds,
  round(max(seconds), 3) AS longest_seconds
FROM (
  SELECT sport, type, (julianday(first_confirmed_at) - julianday(first_received_at)) * 86400 AS seconds
  FROM timeline WHERE first_confirmed_at > first_received_at
) waited
GROUP BY sport, type
ORDER BY sport, type;
