//! `docs/receipt.md`: every field of a receipt, printed from the declarations and their comments.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write as _;
use std::path::Path;

use quote::ToTokens;
use syn::{Attribute, Expr, Fields, Item, Lit, Meta, Type};

/// The files that declare what a receipt is made of.
const SOURCES: [&str; 6] = [
    "src/dataset/receipt.rs",
    "src/dataset/receipt/walked.rs",
    "src/dataset/receipt/purged.rs",
    "src/dataset/erasures/rule.rs",
    "src/walk/counts.rs",
    "src/walk/evidence.rs",
];

const BEFORE: &str = "\
# The receipt

Generated from the declarations in `src/dataset/receipt.rs` and beside it; a test fails when this page is stale.

Every run that may write leaves a receipt in `_rollbook/runs/<run_id>.json` and prints the same with `--json`: exports, backfills, purges,
demos, `verify --accept`. A dry run prints its receipt and stores none. Names and meanings of fields are kept; later versions may
add fields. A field that is marked *optional* is left out where there is nothing to say.

```sh
jq '{exit_code, outcome, changes, evidence: .walk.evidence}' \"$(ls rollbook-data/_rollbook/runs/*.json | tail -1)\"
```
";

/// A field as the page tells it.
struct Field {
    name: String,
    kind: String,
    is_optional: bool,
    doc: String,
}

/// What the sources declare, by name: the fields of structs, the values of enums.
#[derive(Default)]
struct Declared {
    structs: BTreeMap<String, (String, Vec<(Field, Type, bool)>)>,
    enums: BTreeMap<String, Vec<(String, String)>>,
}

/// The text of the comment above a declaration, in one line, with links as plain code.
fn comment(attributes: &[Attribute]) -> String {
    let line = |attribute: &Attribute| match &attribute.meta {
        Meta::NameValue(pair) if pair.path.is_ident("doc") => match &pair.value {
            Expr::Lit(text) => match &text.lit {
                Lit::Str(text) => Some(text.value().trim().to_owned()),
                _ => None,
            },
            _ => None,
        },
        _ => None,
    };
    attributes.iter().filter_map(line).collect::<Vec<_>>().join(" ").replace("[`", "`").replace("`]", "`")
}

/// What the attributes for `serde` say.
fn serde(attributes: &[Attribute]) -> String {
    attributes
        .iter()
        .filter(|attribute| attribute.path().is_ident("serde"))
        .map(|it| it.to_token_stream().to_string())
        .collect()
}

/// The last name of a type, and what stands between its angle brackets.
fn parts(kind: &Type) -> (String, Vec<Type>) {
    match kind {
        Type::Reference(reference) => parts(&reference.elem),
        Type::Path(path) => {
            let last = path.path.segments.last().unwrap();
            let inner = match &last.arguments {
                syn::PathArguments::AngleBracketed(inner) => inner.args.iter().filter_map(|argument| match argument {
                    syn::GenericArgument::Type(kind) => Some(kind.clone()),
                    _ => None,
                }),
                _ => return (last.ident.to_string(), Vec::new()),
            };
            (last.ident.to_string(), inner.collect())
        }
        other => panic!("{}", other.to_token_stream()),
    }
}

impl Declared {
    fn read() -> Self {
        let mut declared = Self::default();
        for path in SOURCES {
            let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap();
            for item in syn::parse_file(&text).unwrap().items {
                match item {
                    Item::Struct(item) if item.fields.iter().all(|field| field.ident.is_some()) => declared.add(item),
                    Item::Enum(item) => {
                        let lower = serde(&item.attrs).contains("lowercase");
                        let value = |name: String| if lower { name.to_lowercase() } else { snake(&name) };
                        let values = item.variants.iter().map(|it| (value(it.ident.to_string()), comment(&it.attrs)));
                        declared.enums.insert(item.ident.to_string(), values.collect());
                    }
                    _ => {}
                }
            }
        }
        declared
    }

    fn add(&mut self, item: syn::ItemStruct) {
        let Fields::Named(fields) = item.fields else { return };
        let field = |field: &syn::Field| {
            let serde = serde(&field.attrs);
            let renamed = serde.split("rename = \"").nth(1).and_then(|rest| rest.split('"').next()).map(str::to_owned);
            let name = renamed.unwrap_or_else(|| field.ident.as_ref().unwrap().to_string());
            let doc = comment(&field.attrs);
            let is_optional = serde.contains("skip_serializing_if");
            let kind = String::new();
            (Field { name, kind, is_optional, doc }, field.ty.clone(), serde.contains("flatten"))
        };
        let (name, fields) = (item.ident.to_string(), fields.named.iter().map(field).collect());
        self.structs.insert(name, (comment(&item.attrs), fields));
    }

    /// The kind of a value in words; what it is made of is told further down, under `path`.
    fn kind(&self, kind: &Type, path: &str, below: &mut VecDeque<(String, String)>) -> String {
        let (name, inner) = parts(kind);
        match name.as_str() {
            "String" | "str" => "text".to_owned(),
            "bool" => "true or false".to_owned(),
            "f64" | "u64" | "u32" | "u16" | "u8" => "number".to_owned(),
            "Option" => format!("{} or null", self.kind(&inner[0], path, below)),
            "Vec" => format!("list: {}", self.kind(&inner[0], path, below)),
            "BTreeMap" => format!("object: {} by name", self.kind(&inner[1], path, below)),
            _ => {
                if let Some(values) = self.enums.get(&name) {
                    return values.iter().map(|(value, _)| format!("`{value}`")).collect::<Vec<_>>().join(", ");
                }
                below.push_back((path.to_owned(), name));
                format!("object, [below](#{})", path.replace(['.', '`'], ""))
            }
        }
    }

    /// The fields of a struct as they are written, those of flattened ones in their place.
    fn fields(&self, name: &str, path: &str, below: &mut VecDeque<(String, String)>) -> Vec<Field> {
        let mut told = Vec::new();
        for (field, kind, is_flat) in &self.structs.get(name).unwrap_or_else(|| panic!("not declared: {name}")).1 {
            if *is_flat {
                told.extend(self.fields(&parts(kind).0, path, below));
                continue;
            }
            let place = if path.is_empty() { field.name.clone() } else { format!("{path}.{}", field.name) };
            let kind = self.kind(kind, &place, below);
            told.push(Field { name: field.name.clone(), kind, doc: field.doc.clone(), ..*field });
        }
        told
    }
}

fn snake(name: &str) -> String {
    let letter = |(at, c): (usize, char)| {
        let gap = if at > 0 && c.is_uppercase() { "_" } else { "" };
        format!("{gap}{}", c.to_lowercase())
    };
    name.chars().enumerate().map(letter).collect()
}

fn page() -> String {
    let declared = Declared::read();
    let mut text = BEFORE.to_owned();
    let mut left = VecDeque::from([(String::new(), "Receipt".to_owned())]);
    while let Some((path, name)) = left.pop_front() {
        if path.is_empty() {
            text.push_str("\n## All of it\n\n");
        } else {
            let _ = write!(text, "\n## `{path}`\n\n{}\n\n", declared.structs[&name].0);
        }
        text.push_str("| field | value | what it says |\n|---|---|---|\n");
        for Field { name, kind, is_optional, doc } in declared.fields(&name, &path, &mut left) {
            let optional = if is_optional { ", optional" } else { "" };
            let _ = writeln!(text, "| `{name}` | {kind}{optional} | {} |", doc.replace('|', "\\|"));
        }
    }
    text
}

#[test]
fn the_page_of_the_receipt_is_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/receipt.md");
    let page = page();
    if std::fs::read_to_string(&path).unwrap_or_default() != page {
        std::fs::write(&path, page).unwrap();
        panic!("docs/receipt.md was stale and has been written anew: commit it");
    }
}
