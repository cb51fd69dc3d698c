//! What alterations of an answer do to what is asked for, and to the page.

use super::answer::{Answer, Field};
use super::page::{Asked, Page, Rows};

impl Answer {
    /// The first moment: what is asked for.
    pub(super) fn ask(&self, asked: &mut Asked) {
        match self {
            Self::OtherPage(page) => asked.page = Some(*page),
            Self::Cap(cap) => asked.cap = Some(*cap),
            _ => {}
        }
    }

    /// The second moment: the page is there and not yet written.
    pub(super) fn edit(&self, page: &mut Page) {
        let Rows::Each(rows) = &mut page.rows else { return };
        match self {
            Self::Short(less) => rows.truncate(rows.len().saturating_sub(*less)),
            Self::Empty => rows.clear(),
            Self::Reversed => rows.reverse(),
            Self::Swap(one, other) if rows.len() > *one.max(other) => rows.swap(*one, *other),
            Self::Info(field, value) => {
                let place = match field {
                    Field::CurrentPage => &mut page.info.current_page,
                    Field::PerPage => &mut page.info.per_page,
                    Field::LastPage => &mut page.info.last_page,
                    Field::Total => &mut page.info.total,
                };
                place.clone_from(value);
            }
            _ => {}
        }
    }
}
