WITH changes AS (
  SELECT {micros: changed_at} AS moment,
    present - coalesce(lag(present) OVER (PARTITION BY session_id ORDER BY changed_at), 0) AS change
  FROM presence
), moments AS (
  SELECT moment, sum(change) AS change
  FROM changes
  GROUP BY moment
), spells AS (
  SELECT moment AS since, lead(moment) OVER (ORDER BY moment) AS until,
    CAST(sum(change) OVER (ORDER BY moment ROWS UNBOUNDED PRECEDING) AS BIGINT) AS present
  FROM moments
), running AS (
  SELECT session_id, {micros: started_at} AS since,
    {micros: CASE WHEN is_open THEN observed_at ELSE ended_at END} AS until
  FROM sessions
), quarters AS (
  SELECT {quarters: since, until} AS quarter, CAST(NULL AS {text}) AS session_id, present
  FROM spells
  WHERE present > 0
  UNION ALL
  SELECT {quarters: since, until} AS quarter, session_id, CAST(0 AS BIGINT) AS present
  FROM running
  WHERE since < until
), clocks AS (
  SELECT quarter, {local: quarter} AS clock, session_id, present
  FROM quarters
), hours AS (
  SELECT quarter - CAST(minute(clock) * 60 + second(clock) AS BIGINT) * 1000000 AS began, session_id, present
  FROM clocks
)
SELECT {instant: began} AS hour, count(DISTINCT session_id) AS sessions, max(present) AS peak_present
FROM hours
GROUP BY began
