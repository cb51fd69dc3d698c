SELECT
  {field: run_id} AS run_id,
  {field: command} AS command,
  TRY_CAST({field: started_at} AS {time}) AS started_at,
  TRY_CAST({field: finished_at} AS {time}) AS finished_at,
  TRY_CAST({field: exit_code} AS INTEGER) AS exit_code,
  {field: outcome} AS outcome,
  CASE WHEN {field: goal.kind} IN ('full', 'nightly', 'range') THEN {field: walk.evidence} END AS evidence,
  TRY_CAST({field: walk.requests} AS BIGINT) AS requests,
  TRY_CAST({field: sessions} AS BIGINT) AS sessions,
  TRY_CAST({field: changes.new} AS BIGINT) AS new,
  TRY_CAST({field: changes.updated} AS BIGINT) AS updated,
  TRY_CAST({field: rejects.total} AS BIGINT) AS rejects
FROM {receipts}
WHERE {field: run_id} IS NOT NULL
