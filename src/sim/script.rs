//! What happens at which request. Empty so far.

/// A list of rules.
#[derive(Debug, Clone, Default)]
pub struct Script;

impl Script {
    /// No rules.
    #[must_use]
    pub const fn new() -> Self {
        Self
    }
}
