//! Hostile bodies, made from a number: whatever fits into what an answer may have, decoded.

use crate::world::Dice;

/// Bytes that an answer may have, decoded.
pub const MOST: usize = 64 << 20;

/// An answer's body.
pub struct Hostile {
    pub body: Vec<u8>,
    /// What it is made of.
    pub made_of: Vec<&'static str>,
    /// How many requests for the list it answers.
    pub answers: u64,
    pub is_zipped: bool,
    /// Settings of the run.
    pub settings: Vec<(&'static str, &'static str)>,
}

/// The body of a seed. Every fifth is as large as may be.
pub fn hostile(seed: u64) -> Hostile {
    let mut dice = Dice::new(seed ^ 0x00b0_d1e5);
    let most = if seed.is_multiple_of(5) { MOST } else { 1 << (18 + dice.below(6)) };
    let mut text = Text { body: Vec::with_capacity(most + 4096), most, dice, made_of: Vec::new() };
    text.page();
    let Text { mut body, mut dice, made_of, .. } = text;
    if dice.is(15) {
        // Somewhere in it, a byte is another one, or all behind it is missing.
        let at = usize::try_from(dice.below(body.len() as u64)).unwrap();
        if dice.is(50) { body.truncate(at) } else { body[at] = u8::try_from(dice.below(256)).unwrap() }
    }
    let keeps = [("ROLLBOOK_DATASET_KEEP_UNKNOWN_FIELDS", "true")];
    let by_day = [("ROLLBOOK_DATASET_PARTITION_BY", "day")];
    let settings = match dice.below(6) {
        0 => keeps.to_vec(),
        1 => by_day.to_vec(),
        2 => [keeps, by_day].concat(),
        _ => Vec::new(),
    };
    Hostile { answers: dice.of(&[1, 4, 9]), is_zipped: dice.is(30) && most < MOST, body, made_of, settings }
}

/// A text in the making.
struct Text {
    body: Vec<u8>,
    most: usize,
    dice: Dice,
    made_of: Vec<&'static str>,
}

impl Text {
    fn add(&mut self, text: &str) {
        self.body.extend_from_slice(text.as_bytes());
    }

    /// How much more of a text there may be.
    fn room(&self) -> usize {
        self.most.saturating_sub(self.body.len() + 200)
    }

    /// Repeats something for so many bytes, with commas.
    fn list(&mut self, bytes: usize, mut entry: impl FnMut(&mut Self, usize)) {
        let end = self.body.len() + bytes.min(self.room());
        self.add("[");
        for number in 0.. {
            if number > 0 {
                self.add(",");
            }
            entry(self, number);
            if self.body.len() >= end {
                break;
            }
        }
        self.add("]");
    }

    /// So many bytes of something.
    fn repeated(&mut self, piece: &[u8], bytes: usize) {
        for _ in 0..bytes.min(self.room()) / piece.len() {
            self.body.extend_from_slice(piece);
        }
    }

    fn page(&mut self) {
        if self.dice.below(12) == 0 {
            return self.odd_page();
        }
        let total = self.dice.of(&["1", "100", "-1", "1e999", "\"7\"", "1099511627776"]);
        self.add(&format!(r#"{{"pageInfo":{{"currentPage":1,"perPage":100,"total":{total}}},"data":"#));
        let room = self.room();
        let of_record = self.dice.of(&[usize::MAX, 1 << 20, 1 << 12, 1 << 6]);
        let (kind, is_mixed) = (self.dice.below(KINDS), self.dice.is(30));
        self.list(room, |text, number| {
            let kind = if is_mixed { text.dice.below(KINDS) } else { kind };
            text.record(kind, number, of_record);
        });
        self.add("}");
    }

    /// What is no page, or hardly one.
    fn odd_page(&mut self) {
        self.made_of.push("odd page");
        let room = self.room();
        let (begin, piece, end): (&str, &[u8], &str) = self.dice.of(&[
            ("{\"data\":[]", b" " as &[u8], "}"),
            ("{\"data\":null,\"error\":", b"[", "}"),
            ("{\"data\":null,\"x\":[0", b",0", "]}"),
            ("{\"data\":null,\"x\":[{}", b",{}", "]}"),
            ("{\"data\":null,\"message\":\"", b"\\u0041", "\"}"),
            ("{\"data\":{\"\":0", b",\"\":0", "}}"),
            ("{\"message\":", b"{\"message\":", "1}"),
            ("{\"", b"k", "\":1,\"data\":[]}"),
            ("{", b"\"", "}"),
            ("{", b"\0", "}"),
            ("{\"data\":[\"", b"\xff", "\"]}"),
            ("{\"data\":[\"", b"\\ud83d", "\"]}"),
            ("{\"data\":[1e999", b",1e999", "]}"),
            ("{\"data\":[", b"[[[[[[[[", "]}"),
            ("{\"data\":[{}],\"data\":[{}", b",{}", "]}"),
        ]);
        self.add(begin);
        self.repeated(piece, room);
        self.add(end);
    }

    #[allow(clippy::too_many_lines)] // a table of kinds
    fn record(&mut self, kind: u64, number: usize, most: usize) {
        let made_of = NAMES[usize::try_from(kind).unwrap()];
        if !self.made_of.contains(&made_of) {
            self.made_of.push(made_of);
        }
        let begin = self.body.len();
        let left = |text: &Self| most.saturating_sub(text.body.len() - begin).min(text.room());
        if kind == 0 {
            return self.add(["0", "null", "[]", "\"\""][number % 4]);
        }
        if kind == 1 {
            return self.add("{}");
        }
        let (year, month, day) = (1 + self.dice.below(9999), 1 + number % 12, 1 + number % 28);
        let end = self.dice.of(&["null", "\"2026-11-01T00:00:00Z\"", "\"9999-12-31T23:59:59Z\""]);
        self.add(&format!(
            r#"{{"id":"{number}","start":"{year:04}-{month:02}-{day:02}T00:00:00.000Z","end":{end},"participants":"#
        ));
        match kind {
            2 => self.add("null"),
            3 => self.list(left(self), |text, number| text.add(["0", "null", "[0]"][number % 3])),
            4 => self.list(left(self), |text, _| text.add("{}")),
            5 => {
                self.add("[{\"timelog\":");
                self.list(left(self), |text, _| text.add("{}"));
                self.add("}]");
            }
            6 => self.list(left(self), |text, _| text.add("{\"timelog\":[0,0,{},null]}")),
            7 => self.list(left(self), |text, number| {
                let second = number % 60;
                text.add(&format!(
                    r#"{{"participantId":"p{number:07}","name":"N {number}","timelog":[{{"start":"2026-11-01T00:00:{second:02}.000Z","end":"2026-11-01T00:01:00.000Z"}}]}}"#
                ));
            }),
            8 => {
                let (piece, length) = (self.dice.of(&["n", "\u{1f600}", "\\n", "\\u00e9"]), self.dice.of(&[1, 4096, 300_000]));
                self.list(left(self), |text, _| {
                    text.add("{\"name\":\"");
                    text.repeated(piece.as_bytes(), length.max(piece.len()));
                    text.add("\"}");
                });
            }
            9 => {
                let length = self.dice.of(&[1024, 1025, 300_000]);
                self.list(left(self), |text, number| {
                    text.add(&format!("{{\"participantId\":\"{number:07}"));
                    text.repeated(b"i", length - 7);
                    text.add("\",\"timelog\":");
                    text.list(10_000, |text, _| text.add("{}"));
                    text.add("}");
                });
            }
            10 => {
                self.add("[{\"timelog\":[{");
                for key in 0..left(self) / 30 {
                    self.add(&format!("\"key {number} {key}\":0,"));
                }
                self.add("\"x\":0}]");
                for key in 0..left(self) / 20 {
                    self.add(&format!(",\"{key}\":{{}}"));
                }
                self.add("}]");
            }
            11 => {
                let depth = left(self) / 4;
                self.add("[{\"deep\":");
                self.repeated(b"[", depth);
                self.repeated(b"]", depth);
                self.add("}]");
            }
            12 => self.list(left(self), |text, _| text.add("{\"name\":\"a\",\"name\":\"a\",\"timelog\":[],\"timelog\":[{}]}")),
            13 => {
                self.add("[{\"participantId\":\"p\",\"timelog\":");
                self.list(left(self), |text, number| {
                    text.add(&format!("{{\"start\":\"2026-11-01T00:{:02}:{:02}Z\"}}", number / 60 % 60, number % 60));
                });
                self.add("}]");
            }
            14 => {
                self.add("[{\"timelog\":");
                self.list(left(self).min(100_000), |text, _| text.add("{}"));
                self.add("}],\"meetingId\":\"");
                self.repeated(b"m", 1024);
                self.add("\"");
            }
            15 => self.list(left(self), |text, _| text.add("{\"name\":\"cut \\ud83d\",\"x\":1e999}")),
            16 => {
                self.add("[{\"name\":\"");
                self.repeated(b"\xf0\x9f\x98", left(self).min(1 << 20));
                self.add("\"}]");
            }
            17 => {
                self.add("\"");
                self.repeated(b"raw \\\" ", left(self));
                self.add("\"");
            }
            _ => {
                self.add("[{\"");
                self.repeated(b"k", left(self));
                self.add("\":0}]");
            }
        }
        if self.dice.is(20) {
            self.add(",\"id\":\"again\"");
        }
        self.add("}");
    }
}

const NAMES: [&str; 19] = [
    "no objects",
    "empty objects",
    "plain sessions",
    "participants that are no objects",
    "empty participants",
    "empty timelogs",
    "timelogs that are no objects",
    "participants with timelogs",
    "long names",
    "long ids",
    "unknown keys",
    "deep values",
    "keys twice",
    "open timelogs",
    "long meetings with many timelogs",
    "half characters",
    "bytes that are no text",
    "participants that are a text",
    "a long key",
];
const KINDS: u64 = NAMES.len() as u64;
