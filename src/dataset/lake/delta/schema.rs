//! A table's columns as Delta's metadata has them.
//!
//! The text depends on the schema version of the rows and on the cut alone, so that a newer rollbook that finishes the work of
//! an older one writes the same.

use serde::Serialize;

use crate::rows::partition::PartitionBy;
use crate::rows::tables::{Column, Table, Type};

#[derive(Serialize)]
struct Schema {
    r#type: &'static str,
    fields: Vec<Field>,
}

#[derive(Serialize)]
struct Field {
    name: &'static str,
    r#type: Kind,
    nullable: bool,
    metadata: Nothing,
}

/// An object without members.
#[derive(Debug, Default, Serialize)]
pub struct Nothing {}

#[derive(Serialize)]
#[serde(untagged)]
enum Kind {
    Name(&'static str),
    #[serde(rename_all = "camelCase")]
    List {
        r#type: &'static str,
        element_type: &'static str,
        contains_null: bool,
    },
}

/// The column that only the log has, by the folders' names: `start_month`. `None` where there are no partitions.
pub const fn partition_column(by: PartitionBy) -> Option<&'static str> {
    match by {
        PartitionBy::None => None,
        PartitionBy::Month => Some("start_month"),
        PartitionBy::Day => Some("start_date"),
    }
}

/// The columns that rows of this schema version have, and behind them the partition's, as JSON.
pub fn text(table: Table, version: u32, by: PartitionBy) -> String {
    let known = table.columns().iter().filter(|column| column.since <= version);
    let partition = partition_column(by).map(|name| {
        let kind = Kind::Name(if by == PartitionBy::Day { "date" } else { "string" });
        Field { name, r#type: kind, nullable: true, metadata: Nothing {} }
    });
    let schema = Schema { r#type: "struct", fields: known.map(field).chain(partition).collect() };
    serde_json::to_string(&schema).unwrap_or_default()
}

const fn field(column: &Column) -> Field {
    Field { name: column.name, r#type: kind(column.kind), nullable: column.nullable, metadata: Nothing {} }
}

const fn kind(kind: Type) -> Kind {
    Kind::Name(match kind {
        Type::Text => "string",
        Type::Time => "timestamp",
        Type::Count => "integer",
        Type::Millis => "long",
        Type::Double => "double",
        Type::Flag => "boolean",
        Type::Texts => return Kind::List { r#type: "array", element_type: "string", contains_null: false },
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::rows::tables::SCHEMA_VERSION;

    fn fields(table: Table, version: u32, by: PartitionBy) -> Vec<Value> {
        let schema: Value = serde_json::from_str(&text(table, version, by)).unwrap();
        assert_eq!(schema["type"], "struct");
        schema["fields"].as_array().unwrap().clone()
    }

    #[test]
    fn the_schema_has_each_column_in_order_and_the_partition_last() {
        for table in Table::ALL {
            for (_, by) in PartitionBy::ALL {
                let fields = fields(table, SCHEMA_VERSION, by);
                let mut names: Vec<_> = table.columns().iter().map(|column| column.name).collect();
                names.extend(partition_column(by));
                assert!(fields.iter().map(|field| field["name"].as_str().unwrap()).eq(names));
                for (field, column) in fields.iter().zip(table.columns()) {
                    assert_eq!(field["nullable"], column.nullable, "{field}");
                }
                let start = fields.iter().find(|field| field["name"] == table.start_column()).unwrap();
                assert_eq!(start["type"], "timestamp");
            }
        }
    }

    #[test]
    fn types_are_those_that_delta_has() {
        let sessions = fields(Table::Sessions, SCHEMA_VERSION, PartitionBy::Day);
        let of = |name: &str| sessions.iter().find(|field| field["name"] == name).unwrap();
        assert_eq!(
            of("session_id"),
            &json!({"name": "session_id", "type": "string", "nullable": false, "metadata": {}})
        );
        let list = json!({"type": "array", "elementType": "string", "containsNull": false});
        assert_eq!(of("anomalies")["type"], list);
        assert_eq!(of("start_date")["type"], "date");
        assert_eq!(of("duration_ms")["type"], "long");
        assert_eq!(of("participant_count")["type"], "integer");
        assert_eq!(of("active_duration")["type"], "double");
        assert_eq!(of("is_open")["type"], "boolean");
    }

    #[test]
    fn rows_of_an_older_version_have_its_columns() {
        let names = |version| fields(Table::Sessions, version, PartitionBy::Month).len();
        let new = Table::Sessions.columns().iter().filter(|column| column.since == 2).count();
        assert!(new > 0 && names(1) + new == names(2));
    }
}
