//! How strongly a run can show that nothing is missed. The one table that documents, receipts and exit codes follow.

use serde::{Deserialize, Serialize};

/// How strongly a run can show that nothing is missed, weakest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Evidence {
    /// It can't be shown at all, and the receipt's `reasons` say why.
    None,
    /// As many different sessions as a total says that never fell.
    Total,
    /// Two passes in opposite directions saw the same pages.
    Twice,
    /// Answers that overlap without a gap.
    Chain,
}

/// A row of the table: a strength, its name, and what it rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ground {
    /// The strength that the row is about.
    pub evidence: Evidence,
    /// Its name as in receipts and in `walk.accept`: `chain`.
    pub name: &'static str,
    /// What the strength rests on, in words for a person, without a full stop.
    pub ground: &'static str,
}

/// Every strength, strongest first; `rollbook check` and the receipts take their words from here.
pub const TABLE: [Ground; 4] = [
    Ground {
        evidence: Evidence::Chain,
        name: "chain",
        ground: "the answers overlap without a gap over all that had to be covered",
    },
    Ground {
        evidence: Evidence::Twice,
        name: "twice",
        ground: "two passes in opposite directions saw the same pages, and as many sessions as the list has",
    },
    Ground {
        evidence: Evidence::Total,
        name: "total",
        ground: "one pass saw as many different sessions as the list had, and its total never fell",
    },
    Ground { evidence: Evidence::None, name: "none", ground: "it can't be shown that nothing is missed" },
];

impl Evidence {
    /// Its row of the table, for its name and its words.
    #[must_use]
    pub fn row(self) -> Ground {
        TABLE.into_iter().find(|row| row.evidence == self).unwrap_or(TABLE[3])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_receipts() {
        for row in TABLE {
            assert_eq!(serde_json::to_string(&row.evidence).unwrap(), format!("{:?}", row.name));
            assert_eq!(row.evidence.row(), row);
        }
    }
}
