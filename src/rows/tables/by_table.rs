//! One value for each table. A table is looked up by its name, never by a number.

use std::ops::{Index, IndexMut};

use serde::{Deserialize, Serialize};

use super::Table;

/// One value for each table: its rows, its number of files, or whatever else there is three of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Tables<T> {
    /// The value for [`Table::Sessions`].
    pub sessions: T,
    /// The value for [`Table::Participants`].
    pub participants: T,
    /// The value for [`Table::Timelogs`].
    pub timelogs: T,
}

impl<T> Tables<T> {
    /// Makes each in the order of [`Table::ALL`].
    pub fn from_fn(mut of: impl FnMut(Table) -> T) -> Self {
        let [sessions, participants, timelogs] = Table::ALL.map(&mut of);
        Self { sessions, participants, timelogs }
    }

    /// The same where making one may fail; the first error.
    ///
    /// # Errors
    /// Those of `of`.
    pub fn try_from_fn<E>(of: impl FnMut(Table) -> Result<T, E>) -> Result<Self, E> {
        Tables::from_fn(|table| table).try_map(of)
    }

    /// Makes another of each, in the order of [`Table::ALL`].
    pub fn map<U>(self, mut of: impl FnMut(T) -> U) -> Tables<U> {
        let Self { sessions, participants, timelogs } = self;
        Tables { sessions: of(sessions), participants: of(participants), timelogs: of(timelogs) }
    }

    /// The same where making one may fail; the first error.
    ///
    /// # Errors
    /// Those of `of`.
    pub fn try_map<U, E>(self, mut of: impl FnMut(T) -> Result<U, E>) -> Result<Tables<U>, E> {
        let Self { sessions, participants, timelogs } = self;
        Ok(Tables { sessions: of(sessions)?, participants: of(participants)?, timelogs: of(timelogs)? })
    }

    /// Each together with the other's of the same table.
    pub fn zip<U>(self, other: Tables<U>) -> Tables<(T, U)> {
        Tables {
            sessions: (self.sessions, other.sessions),
            participants: (self.participants, other.participants),
            timelogs: (self.timelogs, other.timelogs),
        }
    }

    /// The same three values, borrowed.
    pub const fn each_ref(&self) -> Tables<&T> {
        Tables { sessions: &self.sessions, participants: &self.participants, timelogs: &self.timelogs }
    }

    /// Each with its table, in the order of [`Table::ALL`].
    pub fn iter(&self) -> impl Iterator<Item = (Table, &T)> {
        self.into_iter()
    }

    /// Each alone, in the order of [`Table::ALL`].
    pub fn values(&self) -> impl Iterator<Item = &T> {
        [&self.sessions, &self.participants, &self.timelogs].into_iter()
    }
}

impl<T, U> Tables<(T, U)> {
    /// The first of each, and the second of each.
    pub fn unzip(self) -> (Tables<T>, Tables<U>) {
        let Self { sessions, participants, timelogs } = self;
        (
            Tables { sessions: sessions.0, participants: participants.0, timelogs: timelogs.0 },
            Tables { sessions: sessions.1, participants: participants.1, timelogs: timelogs.1 },
        )
    }
}

impl<T> Index<Table> for Tables<T> {
    type Output = T;

    fn index(&self, table: Table) -> &T {
        match table {
            Table::Sessions => &self.sessions,
            Table::Participants => &self.participants,
            Table::Timelogs => &self.timelogs,
        }
    }
}

impl<T> IndexMut<Table> for Tables<T> {
    fn index_mut(&mut self, table: Table) -> &mut T {
        match table {
            Table::Sessions => &mut self.sessions,
            Table::Participants => &mut self.participants,
            Table::Timelogs => &mut self.timelogs,
        }
    }
}

/// Each with its table, in the order of [`Table::ALL`].
type Each<T> = std::array::IntoIter<(Table, T), 3>;

impl<T> IntoIterator for Tables<T> {
    type Item = (Table, T);
    type IntoIter = Each<T>;

    fn into_iter(self) -> Each<T> {
        let Self { sessions, participants, timelogs } = self;
        [(Table::Sessions, sessions), (Table::Participants, participants), (Table::Timelogs, timelogs)].into_iter()
    }
}

impl<'a, T> IntoIterator for &'a Tables<T> {
    type Item = (Table, &'a T);
    type IntoIter = Each<&'a T>;

    fn into_iter(self) -> Each<&'a T> {
        self.each_ref().into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_table_has_its_own() {
        let mut names = Tables::from_fn(Table::name);
        assert!(Table::ALL.iter().all(|table| names[*table] == table.name()));
        assert!(names.iter().all(|(table, name)| table.name() == *name));
        assert!(names.values().copied().eq(Table::ALL.map(Table::name)));
        names[Table::Participants] = "people";
        let lengths = Tables { sessions: 8, participants: 6, timelogs: 8 };
        assert_eq!(names.map(str::len), lengths);
        assert_eq!(names.zip(lengths).participants, ("people", 6));
        assert_eq!(names.zip(lengths).unzip(), (names, lengths));
        let odd = |table: Table| if table.name().len() == 8 { Ok(table) } else { Err(table) };
        assert_eq!(Tables::try_from_fn(odd), Err(Table::Participants));
    }
}
