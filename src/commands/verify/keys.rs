//! The keys of one table's rows: in order, unique, and in the partition that the session's start says.

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_array::types::Int32Type;

use crate::dataset::layout::Layout;
use crate::dataset::published::Published;
use crate::error::Result;
use crate::rows::chunk::{Key, Keys, column};
use crate::rows::tables::Table;
use crate::words::stop::Stop;

/// The first row of a kind, and how many there are.
#[derive(Default)]
struct Tally {
    first: String,
    rows: u64,
}

impl Tally {
    fn add(&mut self, what: impl FnOnce() -> String) {
        if self.rows == 0 {
            self.first = what();
        }
        self.rows += 1;
    }

    fn tell(self, table: Table, found: &mut Vec<(Table, String)>) {
        let more = if self.rows > 1 { format!(" (and {} more rows like it)", self.rows - 1) } else { String::new() };
        if self.rows > 0 {
            found.push((table, format!("{}{more}", self.first)));
        }
    }
}

/// Where a row belongs among all rows of its table; owned, to be compared with the next batch's first row.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Position<'a> {
    key: Key<'a>,
    indexes: [i32; 2],
}

/// Reads the keys of a table of a partition.
///
/// # Errors
/// `Unreadable` where they can't be read to the end; `Raced`, `Destination`; the signal's kind.
pub fn check(
    part: &Published,
    table: Table,
    layout: &Layout,
    stop: &Stop,
    found: &mut Vec<(Table, String)>,
) -> Result<()> {
    let [mut order, mut twice, mut elsewhere] = [(); 3].map(|()| Tally::default());
    let mut row = 0_u64;
    let mut last: Option<(Option<i64>, String, [i32; 2])> = None;
    let columns: Vec<_> = table.sort_columns().to_vec();
    part.each_batch(table, &columns, |batch| {
        stop.check()?;
        let keys = Keys::new(table, batch);
        let indexes = Indexes::new(table, batch);
        let at = |row: usize| Position { key: keys.key(row), indexes: indexes.of(row) };
        for index in 0..batch.num_rows() {
            let here = at(index);
            let before = match (index, &last) {
                (0, None) => None,
                (0, Some((start, id, indexes))) => Some(Position { key: (*start, id), indexes: *indexes }),
                _ => Some(at(index - 1)),
            };
            match before.map(|before| before.cmp(&here)) {
                Some(std::cmp::Ordering::Greater) => {
                    order.add(|| format!("row {row} is not in its place in the order: session {}", here.key.1));
                }
                Some(std::cmp::Ordering::Equal) => {
                    twice.add(|| format!("row {row} has the key of the row before it: session {}", here.key.1));
                }
                _ => {}
            }
            if table == Table::Sessions && layout.partition(here.key.0) != part.partition() {
                elsewhere
                    .add(|| format!("row {row} belongs to another partition by its start: session {}", here.key.1));
            }
            row += 1;
        }
        if let Some(end) = batch.num_rows().checked_sub(1) {
            let Position { key: (start, id), indexes } = at(end);
            last = Some((start, id.to_owned(), indexes));
        }
        Ok(())
    })?;
    for tally in [order, twice, elsewhere] {
        tally.tell(table, found);
    }
    Ok(())
}

/// The indexes by which the rows of one session are ordered.
struct Indexes<'a>(Vec<&'a [i32]>);

impl<'a> Indexes<'a> {
    fn new(table: Table, batch: &'a RecordBatch) -> Self {
        let values = |name: &&str| column(batch, name).as_primitive::<Int32Type>().values().as_ref();
        Self(table.sort_columns()[2..].iter().map(values).collect())
    }

    fn of(&self, row: usize) -> [i32; 2] {
        let mut indexes = [0; 2];
        for (index, values) in indexes.iter_mut().zip(&self.0) {
            *index = values[row];
        }
        indexes
    }
}
