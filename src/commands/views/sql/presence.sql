WITH stays AS (
  SELECT session_id, coalesce('i' || participant_id, 'e' || participant_index) AS who,
    {micros: effective_started_at} AS since, {micros: effective_ended_at} AS until
  FROM timelogs
  WHERE NOT is_excluded AND effective_started_at IS NOT NULL
  UNION ALL
  SELECT t.session_id, coalesce('i' || t.participant_id, 'e' || t.participant_index) AS who,
    greatest({micros: t.started_at}, {micros: s.started_at}) AS since, {micros: s.observed_at} AS until
  FROM timelogs t
  JOIN sessions s ON s.session_id = t.session_id
  WHERE s.is_open AND t.is_open AND NOT t.is_excluded AND t.started_at IS NOT NULL
    AND NOT array_contains(t.anomalies, 'left_open')
), steps AS (
  SELECT session_id, who, moment, sum(step) AS step
  FROM (
    SELECT session_id, who, since AS moment, 1 AS step FROM stays WHERE since < until
    UNION ALL
    SELECT session_id, who, until AS moment, -1 AS step FROM stays WHERE since < until
  ) ends
  GROUP BY session_id, who, moment
), levels AS (
  SELECT session_id, moment, step,
    sum(step) OVER (PARTITION BY session_id, who ORDER BY moment ROWS UNBOUNDED PRECEDING) AS level
  FROM steps
), changes AS (
  SELECT session_id, moment,
    sum(CASE WHEN level > 0 THEN 1 ELSE 0 END - CASE WHEN level > step THEN 1 ELSE 0 END) AS change
  FROM levels
  GROUP BY session_id, moment
), sums AS (
  SELECT session_id, moment,
    CAST(sum(change) OVER (PARTITION BY session_id ORDER BY moment ROWS UNBOUNDED PRECEDING) AS BIGINT) AS present
  FROM changes
  WHERE change <> 0
)
SELECT c.session_id, s.meeting_id, {instant: c.moment} AS changed_at, c.present
FROM sums c
JOIN sessions s ON s.session_id = c.session_id
