SELECT
  {field: session_id} AS session_id,
  TRY_CAST({field: noticed_at} AS {time}) AS noticed_at,
  TRY_CAST({field: last_listed_at} AS {time}) AS last_listed_at
FROM {gone}
WHERE {field: session_id} IS NOT NULL
