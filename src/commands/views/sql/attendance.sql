WITH stays AS (
  SELECT session_id, person, {micros: effective_started_at} AS since, {micros: effective_ended_at} AS until
  FROM timelogs
  WHERE NOT is_excluded AND effective_started_at IS NOT NULL
), reaching AS (
  SELECT session_id, person, since, until,
    max(until) OVER (
      PARTITION BY session_id, person ORDER BY since, until ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
    ) AS reached
  FROM stays
), united AS (
  SELECT session_id, person,
    {millis: sum(greatest(0, until - greatest(since, coalesce(reached, since))))} AS attended_ms
  FROM reaching
  GROUP BY session_id, person
), listed AS (
  SELECT session_id, person,
    min_by(name, participant_index) FILTER (WHERE name IS NOT NULL) AS name,
    count(*) AS entries,
    CAST(sum(join_count) AS BIGINT) AS joins,
    min(first_joined_at) AS first_joined_at,
    max(last_left_at) AS last_left_at,
    bool_or(is_present) AS is_present
  FROM participants
  WHERE NOT is_excluded
  GROUP BY session_id, person
), timed AS (
  SELECT s.session_id, s.meeting_id, s.started_at, s.ended_at, s.duration_ms,
    l.person, l.name, l.entries, l.joins, l.first_joined_at, l.is_present,
    CASE WHEN NOT l.is_present THEN l.last_left_at END AS last_left_at,
    coalesce(u.attended_ms, 0) AS attended_ms
  FROM listed l
  JOIN sessions s ON s.session_id = l.session_id
  LEFT JOIN united u ON u.session_id = l.session_id AND u.person = l.person
)
SELECT session_id, meeting_id, started_at AS session_started_at, ended_at AS session_ended_at,
  person, name, entries, joins, first_joined_at, last_left_at, attended_ms,
  CAST(attended_ms AS DOUBLE) / nullif(duration_ms, 0) AS attended_share,
  CASE
    WHEN first_joined_at < started_at THEN CAST(0 AS BIGINT)
    ELSE {millis: {micros: first_joined_at} - {micros: started_at}}
  END AS late_ms,
  CASE
    WHEN last_left_at > ended_at THEN CAST(0 AS BIGINT)
    ELSE {millis: {micros: ended_at} - {micros: last_left_at}}
  END AS early_ms,
  is_present
FROM timed
