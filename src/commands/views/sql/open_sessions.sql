WITH there AS (
  SELECT session_id, count(DISTINCT coalesce('i' || participant_id, 'e' || participant_index)) AS present
  FROM participants
  WHERE is_present AND NOT is_excluded
  GROUP BY session_id
)
SELECT s.session_id, s.meeting_id, s.started_at, s.observed_at, coalesce(t.present, 0) AS present
FROM sessions s
LEFT JOIN there t ON t.session_id = s.session_id
WHERE s.is_open
