//! Names and ids as somebody types them.

use crate::words::text::is_quoted;

/// A name or an id of somebody, as it is. An empty one is a variable of a shell that was not set.
pub fn not_blank(text: &str) -> Result<String, String> {
    if text.trim().is_empty() {
        return Err("it is empty; is a variable unset?".to_owned());
    }
    Ok(text.to_owned())
}

/// The id of one meeting, without blanks around it. Several ids in one text, or quotes, are refused.
pub fn one_id(text: &str) -> Result<String, String> {
    if text.contains([',', ';']) || text.trim().contains(char::is_whitespace) {
        return Err("give each id with a flag of its own: --meeting-id ID --meeting-id ID".to_owned());
    }
    if is_quoted(text) {
        return Err("write it without quotes".to_owned());
    }
    not_blank(text.trim())
}
