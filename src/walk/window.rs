//! The arithmetic of windows: which page size and number cover which positions of the list.
//!
//! A window of size `z` can only start at a multiple of `z`. Overlap is made by choosing the size.

use crate::list::Window;

/// The window that goes on from position `reach` with at least `overlap` rows before it, or as many as can be had, and
/// reaches furthest; of those that reach as far, the one with the least overlap. Reaching further never leaves fewer
/// choices for what follows.
///
/// `None` where no page of up to `largest` rows crosses `reach`: every size divides that position.
pub fn reaching(reach: u64, overlap: u64, largest: u32) -> Option<Window> {
    reaching_with(reach, overlap, largest, |_| true)
}

/// The same with sizes that may be asked for.
pub fn reaching_with(reach: u64, overlap: u64, largest: u32, allows: impl Fn(u32) -> bool) -> Option<Window> {
    let mut halves = std::iter::successors(Some(overlap.max(1)), |overlap| (*overlap > 1).then_some(overlap / 2));
    halves.find_map(|overlap| furthest(reach, overlap, largest, &allows))
}

fn furthest(reach: u64, overlap: u64, largest: u32, allows: &impl Fn(u32) -> bool) -> Option<Window> {
    let from = reach.saturating_sub(overlap);
    let starting = |size: u32| Window { size, page: from / u64::from(size) + 1 };
    let sizes = (1..=largest).filter(|size| allows(*size));
    let best = sizes.map(starting).max_by_key(|window| (window.end(), window.offset()))?;
    (best.end() > reach).then_some(best)
}

/// The window that goes on upwards from position `reach` with at least `overlap` rows behind it, and begins furthest up.
/// `None` at the list's first row.
pub fn rising(reach: u64, overlap: u64, largest: u32, allows: impl Fn(u32) -> bool) -> Option<Window> {
    let ending = |size: u32| Window { size, page: (reach + overlap).div_ceil(u64::from(size)) };
    let sizes = (1..=largest).filter(|size| allows(*size));
    let best = sizes.map(ending).min_by_key(|window| (window.offset(), window.end()))?;
    (reach > 0 && best.offset() < reach).then_some(best)
}

/// Whether windows of up to this size can overlap all through a list of this length.
pub fn can_overlap(length: u64, overlap: u64, largest: u32) -> bool {
    let mut reach = u64::from(largest);
    while reach < length {
        let Some(window) = reaching(reach, overlap, largest) else { return false };
        reach = window.end();
    }
    true
}

/// A position far behind the end of any list, yet small enough for a database to count to.
const FAR: u64 = 1_000_000_000;

/// A window far behind the end of any list.
pub fn far_behind(size: u32) -> Window {
    behind(FAR, size)
}

/// The first window of this size that lies wholly behind a position.
pub fn behind(position: u64, size: u32) -> Window {
    Window { size, page: position.div_ceil(u64::from(size)).max(1) + 1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Requests and rows read, relative to pages without overlap.
    fn cost(largest: u32, overlap: u64) -> (f64, f64) {
        let len = 1000 * u64::from(largest);
        let (mut reach, mut requests, mut rows) = (u64::from(largest), 1_u64, u64::from(largest));
        while reach < len {
            let window = reaching(reach, overlap, largest).unwrap();
            assert!(window.offset() + overlap <= reach && window.end() > reach);
            (reach, requests, rows) = (window.end(), requests + 1, rows + u64::from(window.size));
        }
        #[allow(clippy::cast_precision_loss)]
        let ratio = |a: u64, b: u64| a as f64 / b as f64 - 1.0;
        (ratio(requests, 1000), ratio(rows, len))
    }

    #[test]
    fn overlap_costs_what_the_design_says() {
        for (largest, overlap, requests, rows) in [
            (20, 1, 0.38, 0.25),
            (20, 2, 0.47, 0.33),
            (50, 2, 0.24, 0.15),
            (100, 1, 0.14, 0.08),
            (100, 2, 0.15, 0.09),
            (100, 5, 0.19, 0.13),
            (1000, 2, 0.04, 0.02),
        ] {
            let (more_requests, more_rows) = cost(largest, overlap);
            assert!(
                more_requests < requests + 0.011 && more_rows < rows + 0.011,
                "{largest} {overlap}: {more_requests} {more_rows}"
            );
        }
    }

    #[test]
    fn where_every_size_divides_nothing_crosses() {
        assert_eq!(reaching(12, 1, 4), None);
        assert_eq!(reaching(4, 1, 4), Some(Window { size: 3, page: 2 }));
        assert_eq!(reaching(1, 2, 4), Some(Window { size: 4, page: 1 }));
        assert!(can_overlap(10_000_000, 2, 100) && can_overlap(3, 2, 4) && !can_overlap(13, 1, 4));
        assert_eq!(rising(200, 2, 100, |_| true), Some(Window { size: 68, page: 3 }));
        assert_eq!(rising(50, 2, 100, |_| true), Some(Window { size: 52, page: 1 }));
        assert_eq!(rising(0, 2, 100, |_| true), None);
        assert_eq!(behind(250, 100), Window { size: 100, page: 4 });
        assert_eq!(behind(300, 100), Window { size: 100, page: 4 });
    }
}
