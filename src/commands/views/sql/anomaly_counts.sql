WITH named AS (
  SELECT 'sessions' AS table_name, {each: anomalies} AS anomaly FROM sessions
  UNION ALL
  SELECT 'participants' AS table_name, {each: anomalies} AS anomaly FROM participants
  UNION ALL
  SELECT 'timelogs' AS table_name, {each: anomalies} AS anomaly FROM timelogs
)
SELECT table_name, anomaly, count(*) AS rows
FROM named
GROUP BY table_name, anomaly
