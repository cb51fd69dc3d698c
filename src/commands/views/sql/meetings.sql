WITH held AS (
  SELECT meeting_id,
    count(*) AS sessions,
    min(started_at) AS first_started_at,
    max(started_at) AS last_started_at,
    CAST(coalesce(sum(duration_ms), 0) AS BIGINT) AS duration_ms,
    CAST(sum(occupied_ms) AS BIGINT) AS occupied_ms,
    max(peak_participants) AS peak
  FROM sessions
  GROUP BY meeting_id
), attended AS (
  SELECT meeting_id, CAST(sum(attended_ms) AS BIGINT) AS attended_ms, count(DISTINCT person) AS persons
  FROM attendance
  GROUP BY meeting_id
)
SELECT h.meeting_id, h.sessions, h.first_started_at, h.last_started_at, h.duration_ms, h.occupied_ms,
  coalesce(a.attended_ms, 0) AS attended_ms, coalesce(a.persons, 0) AS persons, h.peak
FROM held h
LEFT JOIN attended a ON a.meeting_id IS NOT DISTINCT FROM h.meeting_id
