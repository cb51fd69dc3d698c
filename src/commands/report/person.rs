//! Who is one person: stands here until the tables have a column for it.

use std::borrow::Cow;

use crate::words::name::normal;

/// The person behind an entry: by the name in its normal form, else by the id, else the entry alone.
pub fn person<'a>(name: Option<&'a str>, id: Option<&str>, session_id: &str, index: i32) -> Cow<'a, str> {
    match name.map(normal).filter(|name| !name.is_empty()) {
        Some(name) if name.starts_with(['=', '#']) || name.starts_with("id:") => format!("={name}").into(),
        Some(name) => name,
        None => id.map_or_else(|| format!("#{session_id}/{index}"), |id| format!("id:{id}")).into(),
    }
}
