//! Rows of older schema versions in this version's columns.
//!
//! A version only ever adds columns. What a file lacks is filled in: null where the column may be null, else zero, false
//! or an empty list. The columns that order the rows have been there from the first version on. Numbers that another
//! version counts otherwise are not looked at here: [`crate::rows::recount`] makes them anew.

use std::sync::Arc;

use arrow_array::{
    ArrayRef, BooleanArray, Float64Array, Int32Array, Int64Array, ListArray, RecordBatch, StringArray,
    TimestampMicrosecondArray, new_null_array,
};
use arrow_buffer::OffsetBuffer;
use arrow_schema::{ArrowError, DataType, Field, Schema};

use super::{Column, SCHEMA_VERSION, Table, Type};

impl Table {
    /// Whether rows of a file of this schema version can be read as this version's.
    pub fn can_be_read(self, schema: &Schema, version: u32) -> bool {
        if version == SCHEMA_VERSION {
            return schema.fields() == self.schema().fields();
        }
        let known = |name: &str| self.columns().iter().find(|column| column.name == name);
        let fits = |field: &Arc<Field>| known(field.name()).is_some_and(|it| &it.kind.arrow() == field.data_type());
        let complete = |column: &Column| !self.is_vital(column) || schema.index_of(column.name).is_ok();
        version < SCHEMA_VERSION && schema.fields().iter().all(fits) && self.columns().iter().all(complete)
    }

    fn is_vital(self, column: &Column) -> bool {
        self.sort_columns().contains(&column.name)
            || column.name == "session_id"
            || self == Self::Sessions && column.name == "is_open"
    }

    /// Rows that [`Table::can_be_read`], in this version's columns.
    ///
    /// # Errors
    /// A null where this version has none.
    pub fn upgraded(self, batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
        if batch.num_columns() == self.columns().len() {
            return Ok(batch.clone());
        }
        let filled = self
            .columns()
            .iter()
            .map(|column| batch.column_by_name(column.name).map_or_else(|| fill(column, batch.num_rows()), Arc::clone));
        RecordBatch::try_new(self.schema(), filled.collect())
    }
}

/// A column that a file lacks.
fn fill(column: &Column, rows: usize) -> ArrayRef {
    if column.nullable {
        return new_null_array(&column.kind.arrow(), rows);
    }
    match column.kind {
        Type::Text => Arc::new(StringArray::from_iter_values(std::iter::repeat_n("", rows))),
        Type::Time => Arc::new(TimestampMicrosecondArray::from_value(0, rows).with_timezone("UTC")),
        Type::Count => Arc::new(Int32Array::from_value(0, rows)),
        Type::Millis => Arc::new(Int64Array::from_value(0, rows)),
        Type::Double => Arc::new(Float64Array::from_value(0.0, rows)),
        Type::Flag => Arc::new(BooleanArray::from(vec![false; rows])),
        Type::Texts => {
            let element = Arc::new(Field::new("element", DataType::Utf8, false));
            let values = Arc::new(StringArray::from_iter_values(std::iter::empty::<&str>()));
            Arc::new(ListArray::new(element, OffsetBuffer::new_zeroed(rows), values, None))
        }
    }
}

#[cfg(test)]
mod tests {
    use arrow_array::Array;

    use super::*;

    #[test]
    fn what_an_older_file_lacks_is_filled_in() {
        for table in Table::ALL {
            let old: Vec<_> = table.columns().iter().filter(|column| table.is_vital(column)).collect();
            let fields: Vec<_> =
                old.iter().map(|column| Field::new(column.name, column.kind.arrow(), column.nullable)).collect();
            let schema = Arc::new(Schema::new(fields));
            assert!(table.can_be_read(&schema, 0) && !table.can_be_read(&schema, SCHEMA_VERSION));
            let batch = RecordBatch::try_new(schema, old.iter().map(|column| fill(column, 3)).collect()).unwrap();
            let upgraded = table.upgraded(&batch).unwrap();
            assert_eq!((upgraded.schema(), upgraded.num_rows()), (table.schema(), 3));
            for column in table.columns() {
                let nulls = upgraded.column_by_name(column.name).unwrap().null_count();
                assert_eq!(nulls, if column.nullable { 3 } else { 0 }, "{}", column.name);
            }
            let other = Schema::new(vec![Field::new("session_id", DataType::Int64, false)]);
            assert!(!table.can_be_read(&other, 0) && !table.can_be_read(&table.schema(), SCHEMA_VERSION + 1));
        }
    }
}
