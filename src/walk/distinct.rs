//! How many different sessions answers held, roughly and in bounded memory: `HyperLogLog` (Flajolet, Fusy, Gandouet, Meunier,
//! 2007) with linear counting for few. Bounds requests, and proves nothing.

use std::hash::{DefaultHasher, Hash, Hasher};

use crate::list::Listed;

/// Registers; the error is about 1.04 by the root of their number, here 3 %.
const REGISTERS: usize = 1 << BITS;
const BITS: u32 = 10;

/// About how many different sessions were seen, in one kilobyte; see the module.
#[derive(Debug, Clone)]
pub(super) struct Distinct {
    /// The longest run of zeros, plus 1, among the ids of each register.
    longest: Box<[u8; REGISTERS]>,
}

impl Default for Distinct {
    fn default() -> Self {
        Self { longest: Box::new([0; REGISTERS]) }
    }
}

impl Distinct {
    /// Takes the sessions of an answer.
    pub(super) fn observe(&mut self, rows: &[Listed]) {
        for row in rows {
            let mut hasher = DefaultHasher::new();
            row.id.hash(&mut hasher);
            let hash = hasher.finish();
            let register = (hash >> (u64::BITS - BITS)) as usize;
            let run = (hash << BITS | 1 << (BITS - 1)).leading_zeros() + 1;
            self.longest[register] = self.longest[register].max(u8::try_from(run).unwrap_or(u8::MAX));
        }
    }

    /// About how many different sessions there were, some 3 % off.
    #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)] // an estimate
    pub(super) fn estimate(&self) -> u64 {
        let registers = REGISTERS as f64;
        let alpha = 0.7213 / (1.0 + 1.079 / registers);
        let sum: f64 = self.longest.iter().map(|run| (-f64::from(*run)).exp2()).sum();
        let estimate = alpha * registers * registers / sum;
        let empty = self.longest.iter().map(|run| usize::from(*run == 0)).sum::<usize>();
        let few = if empty > 0 { registers * (registers / empty as f64).ln() } else { f64::INFINITY };
        (if estimate <= 2.5 * registers { estimate.min(few) } else { estimate }).round() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_estimate_is_near_and_the_same_sessions_again_change_nothing() {
        for count in [0_u64, 1, 10, 500, 5_000, 200_000] {
            let rows: Vec<_> = (1..=count).map(|id| Listed { id: id.into(), ..Listed::default() }).collect();
            let mut distinct = Distinct::default();
            distinct.observe(&rows);
            let estimate = distinct.estimate();
            assert!(estimate.abs_diff(count) * 10 <= count, "{count}: {estimate}");
            distinct.observe(&rows);
            assert_eq!(distinct.estimate(), estimate);
        }
    }
}
