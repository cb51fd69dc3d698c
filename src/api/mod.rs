//! The sessions API as a client sees it: URLs, credentials, limits, retries.
