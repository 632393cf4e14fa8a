SELECT fixture_id, type, period, clock, current_clock_seconds - clock_seconds AS seconds_late, delay_status
FROM actions
WHERE delay_status IS NOT NULL OR current_period = period AND current_clock_seconds - clock_seconds > 60
ORDER BY fixture_id, position;
