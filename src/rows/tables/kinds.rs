//! The types that columns have: once as a value, for schemas and files, and once as Rust types, for who makes or reads
//! the values of one column.

use std::marker::PhantomData;
use std::sync::Arc;

use arrow_array::builder::{BooleanBuilder, PrimitiveBuilder, StringBuilder};
use arrow_array::cast::AsArray;
use arrow_array::types::{ArrowPrimitiveType, Float64Type, Int32Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{Array, ArrayRef, BooleanArray, ListArray, PrimitiveArray, StringArray, TimestampMicrosecondArray};
use arrow_schema::{DataType, Field, TimeUnit};

use crate::rows::anomaly::{self, Anomalies};

/// The types in use; nanoseconds and unsigned numbers are not, since Spark refuses them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Type {
    /// A text in UTF-8, such as an id or a name.
    Text,
    /// A moment, in microseconds since 1970; files mark the column as adjusted to UTC.
    Time,
    /// A number of rows or people, or a position: a whole number of 32 bits with a sign.
    Count,
    /// A length of time in milliseconds: a whole number of 64 bits with a sign.
    Millis,
    /// A number that may have a fraction: floating point of 64 bits.
    Double,
    /// True or false, such as `is_open`.
    Flag,
    /// A list of texts, none of them null: the names of anomalies.
    Texts,
}

impl Type {
    /// The Arrow type of a column of this type, in a batch and in a file: `Utf8` for a text.
    pub fn arrow(self) -> DataType {
        match self {
            Self::Text => DataType::Utf8,
            Self::Time => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            Self::Count => DataType::Int32,
            Self::Millis => DataType::Int64,
            Self::Double => DataType::Float64,
            Self::Flag => DataType::Boolean,
            Self::Texts => DataType::List(Arc::new(Field::new("element", DataType::Utf8, false))),
        }
    }

    /// The type in the stage: lists of texts are sets of anomalies there, a bit each.
    #[must_use]
    pub const fn staged(self) -> Self {
        match self {
            Self::Texts => Self::Count,
            other => other,
        }
    }

    pub(super) const fn doc(self) -> &'static str {
        match self {
            Self::Text => "string",
            Self::Time => "timestamp (µs, UTC)",
            Self::Count => "int32",
            Self::Millis => "int64 (ms)",
            Self::Double => "double",
            Self::Flag => "boolean",
            Self::Texts => "list of strings",
        }
    }
}

/// A column's type as Rust knows it. An `Option` of one is the same where null occurs.
pub trait Typed {
    /// The same type as a value, for schemas.
    const TYPE: Type;
    /// Whether the column may hold nulls: true of an `Option`, false of all else.
    const NULLABLE: bool = false;
    /// The Arrow array that a published column of this type is, such as [`StringArray`].
    type Array: Array;
    /// What takes the values of a column one after the other, such as [`StringBuilder`].
    type Builder;

    /// A published column as what it is.
    ///
    /// # Panics
    /// Where it is of another type: a defect of this program, since files are checked when they are opened.
    fn array(column: &ArrayRef) -> &Self::Array;

    /// A column to be made, with room for so many rows.
    fn builder(rows: usize) -> Self::Builder;

    /// The column as it is staged.
    fn staged(builder: Self::Builder) -> ArrayRef;

    /// The column as it is published.
    fn published(builder: Self::Builder) -> ArrayRef {
        Self::staged(builder)
    }
}

impl<T: Typed> Typed for Option<T> {
    const TYPE: Type = T::TYPE;
    const NULLABLE: bool = true;
    type Array = T::Array;
    type Builder = T::Builder;

    fn array(column: &ArrayRef) -> &T::Array {
        T::array(column)
    }

    fn builder(rows: usize) -> T::Builder {
        T::builder(rows)
    }

    fn staged(builder: T::Builder) -> ArrayRef {
        T::staged(builder)
    }

    fn published(builder: T::Builder) -> ArrayRef {
        T::published(builder)
    }
}

/// [`Type::Text`] as a Rust type, for columns such as `session_id`.
#[derive(Debug)]
pub struct Text;

impl Typed for Text {
    const TYPE: Type = Type::Text;
    type Array = StringArray;
    type Builder = StringBuilder;

    fn array(column: &ArrayRef) -> &StringArray {
        column.as_string()
    }

    fn builder(rows: usize) -> StringBuilder {
        StringBuilder::with_capacity(rows, rows * 16)
    }

    fn staged(mut builder: StringBuilder) -> ArrayRef {
        Arc::new(builder.finish())
    }
}

/// [`Type::Flag`] as a Rust type, for columns such as `is_open`.
#[derive(Debug)]
pub struct Flag;

impl Typed for Flag {
    const TYPE: Type = Type::Flag;
    type Array = BooleanArray;
    type Builder = BooleanBuilder;

    fn array(column: &ArrayRef) -> &BooleanArray {
        column.as_boolean()
    }

    fn builder(rows: usize) -> BooleanBuilder {
        BooleanBuilder::with_capacity(rows)
    }

    fn staged(mut builder: BooleanBuilder) -> ArrayRef {
        Arc::new(builder.finish())
    }
}

/// [`Type::Texts`]: sets of anomalies.
#[derive(Debug)]
pub struct Texts;

impl Typed for Texts {
    const TYPE: Type = Type::Texts;
    type Array = ListArray;
    type Builder = Vec<Anomalies>;

    fn array(column: &ArrayRef) -> &ListArray {
        column.as_list()
    }

    fn builder(rows: usize) -> Vec<Anomalies> {
        Vec::with_capacity(rows)
    }

    fn staged(builder: Vec<Anomalies>) -> ArrayRef {
        anomaly::bits(&builder)
    }

    fn published(builder: Vec<Anomalies>) -> ArrayRef {
        anomaly::column(&builder)
    }
}

/// A type whose values are numbers in memory.
#[derive(Debug)]
pub struct Number<P>(PhantomData<P>);

/// [`Type::Time`] as a Rust type: microseconds since 1970, UTC, as in `started_at`.
pub type Time = Number<TimestampMicrosecondType>;
/// [`Type::Count`] as a Rust type: how many there are, as in `participant_count`, or which, as in `participant_index`.
pub type Count = Number<Int32Type>;
/// [`Type::Millis`] as a Rust type: a length of time in milliseconds, as in `attended_ms`.
pub type Millis = Number<Int64Type>;
/// [`Type::Double`] as a Rust type: a number that may have a fraction, as in `active_duration`.
pub type Double = Number<Float64Type>;

/// How a type's numbers are in memory.
pub trait Primitive: ArrowPrimitiveType {
    /// The type of the columns whose numbers are these.
    const TYPE: Type;
}

impl Primitive for TimestampMicrosecondType {
    const TYPE: Type = Type::Time;
}

impl Primitive for Int32Type {
    const TYPE: Type = Type::Count;
}

impl Primitive for Int64Type {
    const TYPE: Type = Type::Millis;
}

impl Primitive for Float64Type {
    const TYPE: Type = Type::Double;
}

impl<P: Primitive> Typed for Number<P> {
    const TYPE: Type = P::TYPE;
    type Array = PrimitiveArray<P>;
    type Builder = PrimitiveBuilder<P>;

    fn array(column: &ArrayRef) -> &PrimitiveArray<P> {
        column.as_primitive()
    }

    fn builder(rows: usize) -> PrimitiveBuilder<P> {
        PrimitiveBuilder::with_capacity(rows).with_data_type(P::TYPE.arrow())
    }

    fn staged(mut builder: PrimitiveBuilder<P>) -> ArrayRef {
        Arc::new(builder.finish())
    }
}

/// A text of a column.
pub fn text(texts: &StringArray, row: usize) -> Option<&str> {
    texts.is_valid(row).then(|| texts.value(row))
}

/// A time of a column, in microseconds.
pub fn time(times: &TimestampMicrosecondArray, row: usize) -> Option<i64> {
    times.is_valid(row).then(|| times.value(row))
}
