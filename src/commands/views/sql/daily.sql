WITH dated AS (
  SELECT session_id, CAST({local: {micros: started_at}} AS DATE) AS day,
    meeting_id, duration_ms, occupied_ms, peak_participants
  FROM sessions
), held AS (
  SELECT day,
    count(*) AS sessions,
    count(DISTINCT meeting_id) AS meetings,
    CAST(coalesce(sum(duration_ms), 0) AS BIGINT) AS duration_ms,
    CAST(sum(occupied_ms) AS BIGINT) AS occupied_ms,
    max(peak_participants) AS peak
  FROM dated
  GROUP BY day
), attended AS (
  SELECT d.day, CAST(sum(a.attended_ms) AS BIGINT) AS attended_ms, count(DISTINCT a.person) AS persons
  FROM attendance a
  JOIN dated d ON d.session_id = a.session_id
  GROUP BY d.day
)
SELECT h.day, h.sessions, h.meetings, coalesce(a.persons, 0) AS persons, h.duration_ms, h.occupied_ms,
  coalesce(a.attended_ms, 0) AS attended_ms, h.peak
FROM held h
LEFT JOIN attended a ON a.day IS NOT DISTINCT FROM h.day
