//! When two names are the same name, however they were typed.
//!
//! Two forms of a name: [`normal`], by which people are told apart, and [`near`], by which a name is found that only looks the
//! same. Pure, but for the tables of Unicode that are built in ([`UNICODE`]).

use std::borrow::Cow;

use icu_casemap::CaseMapper;
use icu_normalizer::{ComposingNormalizerBorrowed, DecomposingNormalizerBorrowed};
use icu_properties::props::{DefaultIgnorableCodePoint, GeneralCategory};
use icu_properties::{CodePointMapData, CodePointSetData};

/// The version of Unicode whose tables are built in. What has no character in one version may have another normal form in
/// a later one.
pub const UNICODE: &str = "18.0.0";

/// The normal form of a name: NFC, white space trimmed and runs of it to one blank, full case folding, NFC again.
///
/// `Zoë` is the same with one character or two for its `ë`, in small or capital letters; `Straße` is the same as
/// `STRASSE`. The form of a normal form is itself. Folding knows no language: the dotless `ı` is not an `i`.
pub fn normal(name: &str) -> Cow<'_, str> {
    if is_plain(name) {
        return Cow::Borrowed(name);
    }
    if name.is_ascii() {
        return Cow::Owned(single_spaced(name).to_ascii_lowercase());
    }
    let composed = ComposingNormalizerBorrowed::new_nfc();
    let spaced = single_spaced(&composed.normalize(name));
    let folded = CaseMapper::new().fold_string(&spaced);
    Cow::Owned(composed.normalize(&folded).into_owned())
}

/// Whether a name is visibly its own normal form: small letters, digits and single blanks of ASCII.
fn is_plain(name: &str) -> bool {
    let mut after_blank = true; // as at the beginning
    for byte in name.bytes() {
        let is_blank = byte == b' ';
        if byte.is_ascii_uppercase() || !(byte.is_ascii_graphic() || is_blank) || is_blank && after_blank {
            return false;
        }
        after_blank = is_blank;
    }
    !after_blank || name.is_empty()
}

fn single_spaced(text: &str) -> String {
    let mut spaced = String::with_capacity(text.len());
    for word in text.split_whitespace() {
        if !spaced.is_empty() {
            spaced.push(' ');
        }
        spaced.push_str(word);
    }
    spaced
}

/// A coarser form, the same for names that look alike: without characters that can't be seen, accents and white space, with
/// compatible characters made equal (`Ａｎｎ`, `Ann`) and the dotless `ı` taken for an `i`.
pub fn near(name: &str) -> String {
    let decomposed = DecomposingNormalizerBorrowed::new_nfkd();
    let unseen = CodePointSetData::new::<DefaultIgnorableCodePoint>();
    let categories = CodePointMapData::<GeneralCategory>::new();
    let counts = |c: &char| {
        let is_accent = matches!(categories.get(*c), GeneralCategory::NonspacingMark | GeneralCategory::EnclosingMark);
        !(unseen.contains(*c) || is_accent || c.is_whitespace() || c.is_control())
    };
    let bare = |text: &str| decomposed.normalize(text).chars().filter(counts).collect::<String>();
    let folded = CaseMapper::new().fold_string(&bare(&normal(name))).replace('ı', "i");
    bare(&folded)
}

/// Whether every character of a name is one in [`UNICODE`], so that its normal form is the same in all later versions.
pub fn is_settled(name: &str) -> bool {
    let categories = CodePointMapData::<GeneralCategory>::new();
    name.is_ascii() || name.chars().all(|c| categories.get(c) != GeneralCategory::Unassigned)
}

/// Whether a version of Unicode, as [`UNICODE`] is written, is later than the one built in; one of another form is.
pub fn is_later(version: &str) -> bool {
    let parts = |version: &str| version.split('.').map(|part| part.parse::<u32>().ok()).collect::<Option<Vec<_>>>();
    parts(version).is_none_or(|version| Some(version) > parts(UNICODE))
}

/// A name as one word of a shell's command line; what can't be seen or told apart by eye is spelled out.
pub fn quoted(name: &str) -> String {
    let unseen = CodePointSetData::new::<DefaultIgnorableCodePoint>();
    let categories = CodePointMapData::<GeneralCategory>::new();
    let is_odd = |c: char| {
        use GeneralCategory::{
            EnclosingMark, Format, LineSeparator, NonspacingMark, ParagraphSeparator, PrivateUse, Unassigned,
        };
        let is_hidden = matches!(
            categories.get(c),
            NonspacingMark | EnclosingMark | Format | LineSeparator | ParagraphSeparator | PrivateUse | Unassigned
        );
        c.is_control() || c.is_whitespace() && c != ' ' || is_hidden || unseen.contains(c)
    };
    let has_odd_blanks = name.trim() != name || name.contains("  ");
    if !name.chars().any(is_odd) && !has_odd_blanks {
        return format!("'{}'", name.replace('\'', r"'\''"));
    }
    let mut word = "$'".to_owned();
    for c in name.chars() {
        match u32::from(c) {
            _ if matches!(c, '\'' | '\\') => word.extend(['\\', c]),
            _ if !is_odd(c) => word.push(c),
            code @ 0..=0xff if c.is_ascii() => word.extend(['\\', 'x'].into_iter().chain(hex(code, 2))),
            code @ 0..=0xffff => word.extend(['\\', 'u'].into_iter().chain(hex(code, 4))),
            code => word.extend(['\\', 'U'].into_iter().chain(hex(code, 8))),
        }
    }
    word.push('\'');
    word
}

/// The last digits of a number in base 16, the first one first.
fn hex(number: u32, digits: u32) -> impl Iterator<Item = char> {
    (0..digits).rev().filter_map(move |digit| char::from_digit(number >> (4 * digit) & 0xf, 16))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_one_name() {
        for (one, other) in [
            ("Zo\u{eb} Mu\u{f1}oz", "Zoe\u{308} Mun\u{303}oz"),
            ("Zoë Muñoz", "zoë muñoz "),
            ("Zoë Muñoz", "Zoë\u{a0}Muñoz"),
            ("Zoë Muñoz", "\u{2003}ZOË \t\u{3000} MUÑOZ\u{85}"),
            ("Straße", "STRASSE"),
            ("STRAẞE", "strasse"),
            ("ΣΊΣΥΦΟΣ", "Σίσυφος"),
            ("ﬁona", "FIONA"),
            ("Ångström", "A\u{30a}NGSTRÖM"),
            ("\u{212b}", "\u{e5}"),
            ("Ann Lee", "ANN  lee"),
            ("7", "7"),
            ("ᾴ", "ΆΙ"),
        ] {
            assert_eq!(normal(one), normal(other), "{one:?} {other:?}");
        }
        assert_eq!(normal("  \u{3000} "), "");
    }

    #[test]
    fn what_is_another_name() {
        for (one, other) in [
            ("Zoë Muñoz", "Zoë\u{200b} Muñoz"),
            ("Zoë", "Zoe"),
            ("Işık", "IŞIK"),
            ("İ", "i"),
            ("Ａｎｎ", "Ann"),
            ("Ann Lee", "AnnLee"),
            ("Ann", "Anna"),
        ] {
            assert_ne!(normal(one), normal(other), "{one:?} {other:?}");
        }
    }

    #[test]
    fn what_only_looks_the_same() {
        for (one, other) in [
            ("Zoë Muñoz", "Zoë\u{200b} Muñoz"),
            ("Zoë Muñoz", "zoe munoz"),
            ("Zoë Muñoz", "Zoë\u{ad} Muñ\u{200d}oz\u{feff}"),
            ("Işık", "IŞIK"),
            ("İ", "i"),
            ("Ａｎｎ", "Ann"),
            ("Ann Lee", "AnnLee"),
            ("Straße", "strasse"),
        ] {
            assert_eq!(near(one), near(other), "{one:?} {other:?}");
        }
        assert_ne!(near("Ann"), near("Anna"));
        assert_eq!(near("\u{200b} \u{301}"), "");
    }

    #[test]
    fn a_name_can_be_pasted_into_a_shell() {
        assert_eq!(quoted("Zoë O'Neil"), r"'Zoë O'\''Neil'");
        assert_eq!(quoted("Zo\u{eb}\u{200b} 'x\\"), r"$'Zoë\u200b \'x\\'");
        assert_eq!(quoted("e\u{308}\n\u{e0001} "), r"$'e\u0308\x0a\U000e0001 '");
        assert_eq!(quoted("a  b"), "$'a  b'");
    }

    /// The tables come with the dependencies: this fails where these bring another version of Unicode than [`UNICODE`] says.
    #[test]
    fn the_version_of_unicode_is_the_one_that_is_built_in() {
        let categories = CodePointMapData::<GeneralCategory>::new();
        let assigned = (0..=0x0010_ffff).filter(|&code| categories.get32(code) != GeneralCategory::Unassigned).count();
        assert_eq!((UNICODE, assigned), ("18.0.0", 312_389));
        assert!(is_later("18.0.1") && is_later("19.0.0") && is_later("100.0.0") && is_later("new"));
        assert!(!is_later(UNICODE) && !is_later("17.0.0") && !is_later("9.0.0"));
        assert!(is_settled("Zoë\u{200b} Muñoz 🎉") && !is_settled("\u{378}"));
    }

    #[test]
    fn the_laws_hold_for_every_character() {
        for c in char::MIN..=char::MAX {
            let name = c.to_string();
            let form = normal(&name).into_owned();
            assert_eq!(normal(&form), form, "{c:?}");
            let small: String = name.to_lowercase();
            assert_eq!(normal(&small), form, "{c:?}");
            // Its capital letter is `I`, whose small letter is `i`.
            if c != 'ı' {
                assert_eq!(normal(&name.to_uppercase()), form, "{c:?}");
            }
        }
    }

    /// Characters that are odd in one way or another, and any.
    fn names() -> impl Strategy<Value = String> {
        let odd = "aZ \u{a0}\u{345}\u{308}\u{301}\u{327}αΑᾳΐßẞςΣſKÅŉǰİ\u{1e9e}가\u{1100}\u{1161}\u{2000}\u{2001}\u{200b}\u{ab70}";
        let odd = proptest::sample::select(odd.chars().collect::<Vec<_>>());
        proptest::collection::vec(prop_oneof![4 => odd, 1 => any::<char>()], 0..12)
            .prop_map(|name| name.into_iter().collect())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn the_form_of_a_form_is_itself(name in names()) {
            let form = normal(&name).into_owned();
            prop_assert_eq!(&*normal(&form), &form);
        }

        #[test]
        fn the_way_of_typing_does_not_matter(name in names(), blanks in "[ \u{a0}\u{2003}\t]{1,3}") {
            let form = normal(&name).into_owned();
            let composed = ComposingNormalizerBorrowed::new_nfc().normalize(&name).into_owned();
            let decomposed = DecomposingNormalizerBorrowed::new_nfd().normalize(&name).into_owned();
            // With other marks beside it, Unicode's mappings move an iota that stands below a letter.
            let keeps_marks = !decomposed.contains('\u{345}');
            let mut typed = vec![decomposed, format!("{blanks}{name}{blanks}")];
            typed.push(name.split_whitespace().collect::<Vec<_>>().join(&blanks));
            if keeps_marks {
                typed.push(composed.to_lowercase());
            }
            if keeps_marks && !composed.contains('ı') {
                typed.push(composed.to_uppercase());
            }
            typed.push(composed);
            for name in &typed {
                prop_assert_eq!(&*normal(name), &form, "{:?}", name);
            }
        }

        #[test]
        fn the_fast_way_gives_the_same(name in "[a-zA-Z0-9 .\t\x0b\x1c\x7f-]{0,12}") {
            let slow = CaseMapper::new().fold_string(&single_spaced(&name)).into_owned();
            prop_assert_eq!(normal(&name), slow);
        }

        #[test]
        fn one_name_looks_the_same(name in names()) {
            prop_assert_eq!(near(&normal(&name)), near(&name));
        }
    }
}
