WITH named AS (
  SELECT person,
    max_by(name, (coalesce({micros: session_started_at}, -9000000000000000000), session_id, participant_index))
      FILTER (WHERE name IS NOT NULL) AS name
  FROM participants
  WHERE NOT is_excluded
  GROUP BY person
), attended AS (
  SELECT a.person,
    count(*) AS sessions,
    count(DISTINCT a.meeting_id) AS meetings,
    CAST(sum(a.attended_ms) AS BIGINT) AS attended_ms,
    min(a.first_joined_at) AS first_seen_at,
    max(CASE WHEN a.is_present THEN s.observed_at ELSE a.last_left_at END) AS last_seen_at,
    avg(a.attended_share) AS mean_share
  FROM attendance a
  JOIN sessions s ON s.session_id = a.session_id
  GROUP BY a.person
)
SELECT a.person, n.name, a.sessions, a.meetings, a.attended_ms, a.first_seen_at, a.last_seen_at, a.mean_share
FROM attended a
JOIN named n ON n.person = a.person
