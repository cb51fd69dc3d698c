//! A segment's bytes: the buffers of its three batches one after the other, each with its length, at multiples of eight.
//! Of columns that are null or empty throughout there is nothing but a mark.
//!
//! Written with one copy and read back with none: arrays are views of what was read. Reading refuses what is not whole;
//! that the bytes are those that were written is the journal's to check.

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int32Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{Array, ArrayRef, RecordBatch, StringArray, make_array, new_null_array};
use arrow_buffer::{BooleanBuffer, Buffer, MutableBuffer, NullBuffer};
use arrow_data::{ArrayData, ArrayDataBuilder};

use super::StageError;
use crate::rows::tables::{Table, Tables, Type};
use crate::words::limits;

/// Bytes: every buffer begins at a multiple of it, so that Arrow can read it where it is.
const ALIGNMENT: usize = 8;
/// More rows than a segment has of any table: that is one session's rows at most, or what is handled together. Columns of
/// which there is nothing but a mark take memory by it.
const MOST_ROWS: usize = limits::SESSION / limits::TIMELOG_ROW;

/// Adds the bytes of three staged batches.
pub fn write(out: &mut Vec<u8>, batches: &Tables<RecordBatch>) {
    for (table, batch) in batches {
        out.extend((batch.num_rows() as u64).to_le_bytes());
        for (column, array) in table.staged_columns().zip(batch.columns()) {
            let kind = column.kind.staged();
            let fill = Fill::of(kind, array);
            out.extend((fill as u64).to_le_bytes());
            if fill == Fill::Some {
                put_bits(out, array.nulls().map(NullBuffer::inner));
            }
            if matches!(fill, Fill::All | Fill::Some) {
                put_column(out, kind, array);
            }
        }
    }
}

/// What of a column there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fill {
    /// A value in each row.
    All,
    /// Null in some rows: a mark, a bit for each row, and the values.
    Some,
    /// Null in all rows: nothing but a mark.
    Null,
    /// Flags that are false in all rows: nothing but a mark.
    Empty,
}

impl Fill {
    fn of(kind: Type, array: &ArrayRef) -> Self {
        match (kind, array.null_count()) {
            (Type::Flag, 0) if array.as_boolean().true_count() == 0 => Self::Empty,
            (_, 0) => Self::All,
            (_, nulls) if nulls == array.len() => Self::Null,
            _ => Self::Some,
        }
    }

    fn from_number(number: usize) -> Option<Self> {
        [Self::All, Self::Some, Self::Null, Self::Empty].into_iter().find(|fill| *fill as usize == number)
    }
}

fn put_column(out: &mut Vec<u8>, kind: Type, array: &ArrayRef) {
    match kind {
        Type::Text => put_texts(out, array.as_string()),
        Type::Time => put(out, array.as_primitive::<TimestampMicrosecondType>().values().inner()),
        Type::Count => put(out, array.as_primitive::<Int32Type>().values().inner()),
        Type::Millis => put(out, array.as_primitive::<Int64Type>().values().inner()),
        Type::Double => put(out, array.as_primitive::<Float64Type>().values().inner()),
        Type::Flag => put_bits(out, Some(array.as_boolean().values())),
        Type::Texts => {} // of no staged column
    }
}

fn put_texts(out: &mut Vec<u8>, texts: &StringArray) {
    let (first, last) = put_offsets(out, texts.value_offsets());
    put(out, &texts.value_data()[first..last]);
}

/// Adds offsets counted from the first; returns the first and the last as they were.
fn put_offsets(out: &mut Vec<u8>, offsets: &[i32]) -> (usize, usize) {
    let first = offsets.first().copied().unwrap_or_default();
    begin(out, size_of_val(offsets));
    for offset in offsets {
        out.extend((offset - first).to_le_bytes());
    }
    pad(out);
    let index = |offset: i32| usize::try_from(offset).unwrap_or_default();
    (index(first), index(offsets.last().copied().unwrap_or_default()))
}

fn put_bits(out: &mut Vec<u8>, bits: Option<&BooleanBuffer>) {
    put(out, bits.map(BooleanBuffer::sliced).as_deref().unwrap_or_default());
}

fn put(out: &mut Vec<u8>, bytes: &[u8]) {
    begin(out, bytes.len());
    out.extend(bytes);
    pad(out);
}

fn begin(out: &mut Vec<u8>, length: usize) {
    out.extend((length as u64).to_le_bytes());
}

fn pad(out: &mut Vec<u8>) {
    out.resize(out.len().next_multiple_of(ALIGNMENT), 0);
}

/// The three staged batches of a segment.
pub fn read(bytes: Buffer) -> Result<Tables<RecordBatch>, StageError> {
    let mut rest = Rest(bytes);
    Tables::try_from_fn(|table| rest.batch(table))
}

/// The sessions of a segment alone; participants and timelogs are not looked at.
pub fn sessions(bytes: Buffer) -> Result<RecordBatch, StageError> {
    Rest(bytes).batch(Table::Sessions)
}

/// A column of flags that are false in all rows, made from its mark.
fn empty(array: ArrayDataBuilder, kind: Type, rows: usize) -> Result<ArrayDataBuilder, StageError> {
    if kind == Type::Flag {
        return Ok(array.add_buffer(MutableBuffer::from_len_zeroed(rows.div_ceil(8)).into()));
    }
    Err(StageError::Torn)
}

/// What is left to be read.
struct Rest(Buffer);

impl Rest {
    fn batch(&mut self, table: Table) -> Result<RecordBatch, StageError> {
        let rows = self.number()?;
        let columns = table.staged_columns().map(|column| self.column(column.kind.staged(), rows));
        Ok(RecordBatch::try_new(table.staged_schema(), columns.collect::<Result<Vec<_>, _>>()?)?)
    }

    fn column(&mut self, kind: Type, rows: usize) -> Result<ArrayRef, StageError> {
        let fill = Fill::from_number(self.number()?).ok_or(StageError::Torn)?;
        let array = ArrayData::builder(kind.arrow()).len(rows);
        let array = match fill {
            Fill::Null if rows <= MOST_ROWS => return Ok(new_null_array(&kind.arrow(), rows)),
            Fill::Empty if rows <= MOST_ROWS => empty(array, kind, rows)?,
            Fill::Null | Fill::Empty => return Err(StageError::Torn),
            Fill::All => self.values(array, kind)?,
            Fill::Some => {
                let array = array.null_bit_buffer(Some(self.take()?));
                self.values(array, kind)?
            }
        };
        Ok(make_array(array.build()?))
    }

    fn values(&mut self, array: ArrayDataBuilder, kind: Type) -> Result<ArrayDataBuilder, StageError> {
        Ok(match kind {
            Type::Text => array.add_buffer(self.offsets()?).add_buffer(self.take()?),
            Type::Texts => return Err(StageError::Torn),
            Type::Time | Type::Count | Type::Millis | Type::Double | Type::Flag => array.add_buffer(self.take()?),
        })
    }

    /// The next buffer, which is of offsets.
    fn offsets(&mut self) -> Result<Buffer, StageError> {
        let buffer = self.take()?;
        if buffer.len().is_multiple_of(size_of::<i32>()) { Ok(buffer) } else { Err(StageError::Torn) }
    }

    /// The next buffer: its length, its bytes, and what fills them up to the alignment.
    fn take(&mut self) -> Result<Buffer, StageError> {
        let length = self.number()?;
        let padded = length.checked_next_multiple_of(ALIGNMENT).ok_or(StageError::Torn)?;
        Ok(self.cut(padded)?.slice_with_length(0, length))
    }

    fn number(&mut self) -> Result<usize, StageError> {
        let bytes = self.cut(size_of::<u64>())?;
        let number = bytes.first_chunk().copied().map(u64::from_le_bytes);
        number.and_then(|number| usize::try_from(number).ok()).ok_or(StageError::Torn)
    }

    fn cut(&mut self, length: usize) -> Result<Buffer, StageError> {
        if length > self.0.len() {
            return Err(StageError::Torn);
        }
        let cut = self.0.slice_with_length(0, length);
        self.0 = self.0.slice(length);
        Ok(cut)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::chunk::Chunk;
    use crate::rows::flatten;
    use crate::rows::method::Method;
    use crate::sim::account::{Account, Shape};

    fn batches() -> Tables<RecordBatch> {
        let mut body = b"{\"data\":[".to_vec();
        for session in Account::new(7, 400, Shape::Realistic).sessions() {
            crate::sim::wire::session(&mut body, &session);
            body.push(b',');
        }
        body.extend(br#"{"id":"odd","start":7,"participants":[{"timelog":[{"start":"x"}]}]}]}"#);
        flatten::page(body, &flatten::Options::default()).unwrap().batches
    }

    #[test]
    fn what_is_written_is_read() {
        let whole = batches();
        for (from, length) in [(0, whole.sessions.num_rows()), (13, 100), (5, 0)] {
            let part = whole.clone().map(|batch| batch.slice(from, length));
            let mut bytes = Vec::new();
            write(&mut bytes, &part);
            assert_eq!(bytes.len() % ALIGNMENT, 0);
            assert_eq!(read(Buffer::from(bytes.as_slice())).unwrap(), part);
        }
    }

    #[test]
    fn what_is_not_whole_is_refused() {
        let mut bytes = Vec::new();
        write(&mut bytes, &batches().map(|batch| batch.slice(3, 9)));
        for length in 0..bytes.len() {
            assert!(read(Buffer::from(&bytes[..length])).is_err(), "{length}");
        }
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0xff;
            // Another value may be read, but nothing panics, nor does what is made of it.
            let _ = read(Buffer::from(damaged.as_slice())).map(|rows| Chunk::widen(&rows, &Method::default()));
        }
    }

    #[test]
    fn a_mark_stands_for_no_more_rows_than_a_segment_has() {
        for fill in [Fill::Null, Fill::Empty] {
            let column = |rows| Rest(Buffer::from((fill as u64).to_le_bytes().to_vec())).column(Type::Flag, rows);
            assert!(column(MOST_ROWS).is_ok() && column(MOST_ROWS + 1).is_err(), "{fill:?}");
        }
    }
}
