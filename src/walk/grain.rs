//! In which direction the sessions of a page go, and in which the pages. A server that turns each page round gives pages that
//! can't be put together, though every one of them looks sorted: whoever is told that nothing is proven must be told this.

use crate::list::{Listed, Window};

/// What the pages have shown, by start.
#[derive(Debug, Default)]
pub(super) struct Grain {
    /// Pages whose starts only rise.
    rising: u64,
    /// Pages whose starts only fall, as in a list that is newest first.
    falling: u64,
    /// Pages whose starts both rise and fall.
    mixed: u64,
    /// Oldest and newest start of the first page, as last seen.
    first: Option<(i64, i64)>,
    /// Further pages that are older than the first one.
    older: u64,
    /// Further pages that are newer than the first one.
    newer: u64,
}

impl Grain {
    /// Takes the rows of a page of the list into account. Neighbours may overlap.
    pub fn observe(&mut self, window: Window, rows: &[Listed]) {
        let starts: Vec<i64> = rows.iter().filter_map(|row| row.start).collect();
        let (Some(&oldest), Some(&newest)) = (starts.iter().min(), starts.iter().max()) else { return };
        if oldest < newest {
            match (starts.is_sorted(), starts.is_sorted_by(|a, b| a >= b)) {
                (true, _) => self.rising += 1,
                (_, true) => self.falling += 1,
                _ => self.mixed += 1,
            }
        }
        match self.first {
            _ if window.offset() == 0 => self.first = Some((oldest, newest)),
            Some((first_oldest, first_newest)) => {
                self.older += u64::from(oldest < first_oldest && newest < first_newest);
                self.newer += u64::from(oldest > first_oldest && newest > first_newest);
            }
            None => {}
        }
    }

    /// What is odd about it, in words; `None` where sessions and pages go the same way, or nothing is clear.
    pub fn oddity(&self) -> Option<String> {
        let Self { rising, falling, mixed, older, newer, first: _ } = *self;
        let pages = match (older, newer) {
            (1.., 0) => "from the newest sessions to the oldest",
            (0, 1..) => "from the oldest sessions to the newest",
            _ => return None,
        };
        let within = match (rising, falling) {
            (1.., 0) if rising > mixed && newer == 0 => "the oldest session comes first",
            (0, 1..) if falling > mixed && older == 0 => "the newest session comes first",
            (0, 0) if mixed > 1 => "the sessions are in no order by start",
            _ => return None,
        };
        Some(format!("within a page {within}, but the pages go {pages}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn oddity(pages: &[&[i64]]) -> Option<String> {
        let mut grain = Grain::default();
        for (number, starts) in (1..).zip(pages) {
            let rows: Vec<_> = starts.iter().map(|start| Listed { start: Some(*start), ..Listed::default() }).collect();
            grain.observe(Window { size: 3, page: number }, &rows);
        }
        grain.oddity()
    }

    #[test]
    fn pages_that_are_turned_round_are_told() {
        let told = |within, pages| Some(format!("within a page {within}, but the pages go {pages}"));
        let (down, up) = ("from the newest sessions to the oldest", "from the oldest sessions to the newest");
        let cases: [(&[&[i64]], _); 3] = [
            (&[&[7, 8, 9], &[5, 6, 7], &[3, 4, 5]], told("the oldest session comes first", down)),
            (&[&[8, 7, 9], &[5, 7, 6], &[4, 4, 4], &[2, 3, 1]], told("the sessions are in no order by start", down)),
            (&[&[3, 2, 1], &[5, 4, 3]], told("the newest session comes first", up)),
        ];
        for (pages, told) in cases {
            assert_eq!(oddity(pages), told);
        }
        let plain: [&[&[i64]]; 6] = [
            &[&[9, 8, 7], &[7, 6, 5]],
            &[&[1, 2, 3], &[3, 4, 5]],
            &[&[9, 8, 7], &[8, 9, 7]],
            &[&[7, 8, 9]],
            &[&[9, 8, 7], &[5, 6, 4]],
            &[&[], &[1, 2]],
        ];
        for pages in plain {
            assert_eq!(oddity(pages), None, "{pages:?}");
        }
    }
}
