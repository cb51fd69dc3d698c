//! Which positions of the list one request means.

/// One request of the list: page `page`, the first being 1, at `size` rows a page;
/// so positions `[(page - 1) * size, page * size)` of the list as it is when the server answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Window {
    /// Rows asked for, at least 1. The server may give fewer.
    pub size: u32,
    /// Number of the page, from 1.
    pub page: u64,
}

impl Window {
    /// Position of the first row asked for, from 0.
    #[must_use]
    pub const fn offset(self) -> u64 {
        (self.page - 1) * self.size as u64
    }

    /// Position behind the last row asked for.
    #[must_use]
    pub const fn end(self) -> u64 {
        self.page * self.size as u64
    }
}
