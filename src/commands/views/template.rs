//! A text with pieces in braces that are written by whoever knows how: `{name}` or `{name: argument}`, one in another where
//! needed.

/// The text with every piece replaced, the inner ones first. What replaces a piece is not looked at again.
pub fn fill(template: &str, piece: impl Fn(&str, &str) -> String) -> String {
    let mut done = String::with_capacity(2 * template.len());
    // Pieces that have begun and not ended, the innermost last.
    let mut begun: Vec<String> = Vec::new();
    for c in template.chars() {
        match (c, begun.pop()) {
            ('{', outer) => {
                begun.extend(outer);
                begun.push(String::new());
            }
            ('}', Some(inner)) => {
                let (name, argument) = inner.split_once(": ").unwrap_or((&inner, ""));
                begun.last_mut().unwrap_or(&mut done).push_str(&piece(name, argument));
            }
            (c, Some(mut inner)) => {
                inner.push(c);
                begun.push(inner);
            }
            (c, None) => done.push(c),
        }
    }
    done
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_filled_from_the_inside_and_once() {
        let piece = |name: &str, argument: &str| match name {
            "brace" => "{name}".to_owned(),
            _ => format!("{name}({argument})"),
        };
        for (template, expected) in [
            ("SELECT 1", "SELECT 1"),
            ("{a} + {b: x: y}", "a() + b(x: y)"),
            ("{a: {b: 1} - {b: 2}}", "a(b(1) - b(2))"),
            ("{a: {brace}}", "a({name})"),
        ] {
            assert_eq!(fill(template, piece), expected);
        }
    }
}
