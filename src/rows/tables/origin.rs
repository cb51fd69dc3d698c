//! Where the values of a column come from, and so what of a row is staged and what is made when it is published.

use arrow_array::ArrayRef;

use super::kinds::Typed;

/// Where the values of a column come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The API, or how its answer was read.
    Listed,
    /// The row's session; the column has the same place in both tables.
    Session,
    /// The row's participant, or the row's place below it.
    Participant,
    /// As many rows as a row has in another table. Staged, since it says whose these are; counted anew where some have gone.
    Rows,
    /// Anomalies: staged as far as they come from reading, the rest is counted.
    Odd,
    /// What is listed, by the rules of [`crate::rows::count`].
    Counted,
    /// Who is behind the row: counted from the name and the id as listed. Staged and kept where these are protected.
    Personal,
}

impl Origin {
    /// Whether the stage has the column.
    pub const fn is_staged(self) -> bool {
        matches!(self, Self::Listed | Self::Rows | Self::Odd | Self::Personal)
    }

    /// Whether the stage may lack a value that a published row has.
    pub const fn may_wait(self) -> bool {
        matches!(self, Self::Personal)
    }

    /// Whether the values are computed from others, and can be compared with what comes out anew.
    pub const fn is_counted(self) -> bool {
        matches!(self, Self::Rows | Self::Odd | Self::Counted | Self::Personal)
    }
}

/// A column in the making where it is made, else nothing.
pub type Slot<const IS_MADE: bool, T> = <Maker<IS_MADE> as Making>::Slot<T>;

/// The column is not made here: there is nothing to add to.
#[derive(Debug)]
pub struct Elsewhere;

/// A place in which a column is made, or is not.
#[derive(Debug)]
pub struct Maker<const IS_MADE: bool>;

/// What of a column is made in a [`Maker`].
pub trait Making {
    /// The column's builder, or [`Elsewhere`].
    type Slot<T: Typed>;

    /// One to begin with, with room for so many rows.
    fn begin<T: Typed>(rows: usize) -> Self::Slot<T>;

    /// What there is in the end.
    fn end<T: Typed>(slot: Self::Slot<T>, finish: fn(T::Builder) -> ArrayRef) -> Option<ArrayRef>;
}

impl Making for Maker<true> {
    type Slot<T: Typed> = T::Builder;

    fn begin<T: Typed>(rows: usize) -> T::Builder {
        T::builder(rows)
    }

    fn end<T: Typed>(slot: T::Builder, finish: fn(T::Builder) -> ArrayRef) -> Option<ArrayRef> {
        Some(finish(slot))
    }
}

impl Making for Maker<false> {
    type Slot<T: Typed> = Elsewhere;

    fn begin<T: Typed>(_: usize) -> Elsewhere {
        Elsewhere
    }

    fn end<T: Typed>(_: Elsewhere, _: fn(T::Builder) -> ArrayRef) -> Option<ArrayRef> {
        None
    }
}
