//! Records that are not what they should be, as a back end sends them that has lost something: the page around them is whole.

use serde_json::Value;

use super::list::Row;
use super::row::write_row;
use super::v2::Version;

/// What is wrong with each record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Records {
    /// This JSON stands in its place: `null`, `0`, `{"error": "…"}`.
    Are(&'static str),
    /// This field, by its path through objects and lists, is this JSON: `Have("participants.timelog", "[]")`. Nothing happens
    /// where there is no such field.
    Have(&'static str, &'static str),
    /// Records lack this field, such as `participants`.
    Lack(&'static str),
}

impl Records {
    /// The record so, in a list or alone.
    pub(super) fn of(self, version: Version, row: Row, alone: bool) -> Row {
        let change = |path: &str, with: Option<&str>| {
            let mut text = Vec::new();
            write_row(&mut text, version, &row, alone);
            let mut record = serde_json::from_slice(&text).unwrap_or_default();
            let with = with.map(|json| serde_json::from_str(json).unwrap_or_default());
            set(&mut record, path, with.as_ref());
            record.to_string()
        };
        let raw = match self {
            Self::Are(json) => json.to_owned(),
            Self::Have(path, json) => change(path, Some(json)),
            Self::Lack(path) => change(path, None),
        };
        Row { raw: Some(raw), ..row }
    }
}

fn set(value: &mut Value, path: &str, with: Option<&Value>) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| set(item, path, with)),
        Value::Object(fields) => {
            let (name, rest) = path.split_once('.').unwrap_or((path, ""));
            match (fields.get_mut(name), with) {
                (Some(field), _) if !rest.is_empty() => set(field, rest, with),
                (Some(field), Some(with)) => *field = with.clone(),
                (Some(_), None) => drop(fields.remove(name)),
                (None, _) => {}
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::sim::testing::{get, list, serve};
    use crate::sim::{Account, Answered, During, On, Options, Shape};

    #[tokio::test]
    async fn records_are_spoiled_in_lists_and_alone() {
        let account = Account::new(1, 5, Shape::Plain);
        let spoiled = |records| Options::new(account).special(On::List, During::Always, Answered::Records(records));
        let record = async |records| list(&serve(spoiled(records)).await, "perPage=2").await.json()["data"][1].clone();
        assert_eq!(record(Records::Are("null")).await, json!(null));
        assert_eq!(record(Records::Are(r#"{"error": 5}"#)).await, json!({"error": 5}));
        let whole = record(Records::Have("nothing.of.this", "7")).await;
        assert_eq!(whole["participants"][1]["timelog"].as_array().unwrap().len(), 1);
        for (path, change) in [("end", ""), ("participants", ""), ("participants.name", "name")] {
            let (null, lost) = (record(Records::Have(path, "null")).await, record(Records::Lack(path)).await);
            let place =
                |record: &Value| if change.is_empty() { record.clone() } else { record["participants"][1].clone() };
            let name = path.split('.').next_back().unwrap();
            assert_eq!((place(&null).get(name), place(&lost).get(name)), (Some(&json!(null)), None), "{path}");
            assert_eq!((&null["id"], &lost["id"]), (&whole["id"], &whole["id"]));
        }
        let emptied = record(Records::Have("participants.timelog", "[]")).await;
        assert_eq!(emptied["participants"][0]["timelog"], json!([]));

        let server = serve(Options::new(account).special(
            On::AnyId,
            During::Always,
            Answered::Records(Records::Have("participants", "[]")),
        ))
        .await;
        for target in ["/v1/meeting-sessions", "/v2/sessions"] {
            let alone = get(&server, &format!("{target}/{}", account.session(3).id), "").await.unwrap().json();
            let id = alone.get("id").unwrap_or(&alone["_id"]);
            assert_eq!((id, &alone["participants"]), (&account.session(3).id.into(), &json!([])));
        }
    }
}
