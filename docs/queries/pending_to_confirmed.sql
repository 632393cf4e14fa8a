SELECT sport, type, count(*) AS actions, round(CAST(avg(seconds) AS numeric), 3) AS mean_seconds,
  round(CAST(max(seconds) AS numeric), 3) AS longest_seconds
FROM (
  SELECT sport, type, extract(epoch FROM first_confirmed_at - first_received_at) AS seconds
  FROM timeline WHERE first_confirmed_at > first_received_at
) waited
GROUP BY sport, type
ORDER BY sport, type;
