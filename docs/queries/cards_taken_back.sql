SELECT fixture_id, type, team, player, clock, received_at AS taken_back_at
FROM actions
WHERE type IN ('Yellow Card', 'Red Card') AND known_until IS NULL AND lower(send_type) IN ('deleted', 'cancelled')
ORDER BY received_at;
