CREATE FUNCTION julianday(t timestamptz) RETURNS numeric LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS 'SELECT CAST(extract(epoch FROM t) AS numeric) / 86400 + 2440587.5';
