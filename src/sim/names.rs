//! Names as people and programs give them: most are plain, some are anything that JSON can carry.

use super::random::Random;
use super::session::Name;

const FIRST: [&str; 28] = [
    "John", "Maria", "Priya", "Wei", "Olga", "Ahmed", "Fatima", "Lucas", "Emma", "Noah", "Aarav", "Ananya", "Sofia",
    "Mateo", "Chloé", "Jürgen", "Søren", "Łukasz", "Thảo", "Amara", "Kofi", "Hana", "Diego", "Leila", "Ivan", "Grace",
    "Tom", "Meera",
];
const LAST: [&str; 24] = [
    "Doe",
    "Sharma",
    "Patel",
    "García",
    "Müller",
    "Okafor",
    "Nakamura",
    "Silva",
    "Kowalski",
    "O'Brien",
    "Li",
    "Ivanova",
    "Haddad",
    "Johansson",
    "Dubois",
    "Rossi",
    "Yılmaz",
    "Singh",
    "Trần",
    "Smith",
    "Cohen",
    "Mensah",
    "Kim",
    "Novák",
];
/// Scripts, directions, combining marks, emoji sequences, quoting, control characters, and names that are no names.
const ODD: [&str; 26] = [
    "王小明",
    "山田 太郎",
    "김민수",
    "محمد العربي",
    "שרה כהן",
    "Анна Каренина",
    "ऋषि कुमार",
    "ณัฐพล",
    "🎉 Party Host 🎉",
    "👩‍🏫 Ms. Lee",
    "🏳️‍🌈",
    "Zoe\u{308} Bronte\u{308}",
    "Z\u{351}a\u{30a}\u{327}l\u{334}g\u{320}o",
    "\u{202e}desrever",
    "שלום (guest) مرحبا",
    "Bob \"the builder\" Smith",
    "C:\\Users\\guest",
    "first line\nsecond line",
    "tab\there",
    "bell\u{7} and delete\u{7f}",
    "",
    " ",
    "jane.doe@example.com",
    "+1 555 0100",
    "Recorder",
    "null",
];

/// A participant's name: usually a first and a last one, seldom an odd text, null, or no name at all.
pub(super) fn name(random: &mut Random) -> Name {
    match random.below(200) {
        0..=4 => Name::Null,
        5..=6 => Name::Missing,
        7..=20 => Name::Text((*random.pick(&ODD)).to_owned()),
        _ => {
            let (first, last) = (random.pick(&FIRST), random.pick(&LAST));
            Name::Text([*first, *last].join(" "))
        }
    }
}
