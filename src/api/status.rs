//! What a status that is no success means: whether it may pass, and what it tells a walk.

/// What a status means for the request that it answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
    /// An answer: nothing is there, or it can't be asked for. Asking again would bring the same.
    Nothing,
    /// This request is too large for the server; another one may not be.
    TooLarge,
    /// The server has a bad moment: asked again, and if the moment lasts, no word on the list.
    Later,
    /// The client is too fast: asked again, and if that does not help, no other request would fare better.
    TooFast,
    /// The credentials are refused; a new token may be taken (401).
    Unauthorized,
    /// The credentials are refused (403).
    Forbidden,
    /// No request would be answered: the account's bill, another place, a method or version that the server lacks.
    Final,
}

impl Meaning {
    /// The meaning of a status that is no success: `404` is [`Self::Nothing`], `503` is [`Self::Later`].
    pub const fn of(status: u16) -> Self {
        match status {
            400 | 404 | 410 | 416 | 422 => Self::Nothing,
            413 | 414 => Self::TooLarge,
            408 | 425 | 500..=599 => Self::Later,
            429 => Self::TooFast,
            401 => Self::Unauthorized,
            403 => Self::Forbidden,
            _ => Self::Final,
        }
    }

    /// Whether an answer with this meaning may be better next time.
    pub const fn is_passing(self) -> bool {
        matches!(self, Self::Later | Self::TooFast)
    }

    /// Whether a request that a run can't do without ends the run when its last answer means this.
    pub const fn ends_run(self) -> bool {
        !matches!(self, Self::Nothing | Self::TooLarge | Self::Later)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_may_pass_is_tried_again() {
        assert!(
            [408, 425, 429, 500, 501, 502, 503, 504, 520, 599].into_iter().all(|code| Meaning::of(code).is_passing())
        );
        let lasting = [301, 400, 401, 402, 403, 404, 405, 409, 410, 413, 414, 416, 422, 451];
        assert!(!lasting.into_iter().any(|code| Meaning::of(code).is_passing()));
    }

    #[test]
    fn a_refused_page_or_a_bad_moment_ends_no_run_by_itself() {
        for (code, ends) in [
            (400, false),
            (404, false),
            (410, false),
            (416, false),
            (422, false),
            (413, false),
            (414, false),
            (408, false),
            (500, false),
            (503, false),
            (599, false),
            (429, true),
            (401, true),
            (403, true),
            (402, true),
            (302, true),
            (405, true),
            (409, true),
            (600, true),
        ] {
            assert_eq!(Meaning::of(code).ends_run(), ends, "{code}");
        }
    }
}
