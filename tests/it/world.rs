//! A random server, drawn from all the ways at once in which the API may answer.
//!
//! Left out is what no walk can tell (docs/walk.md):
//! - a cache that replays everything;
//! - a list that counts from 0, without a total, whose page 0 fails throughout;
//! - an outage that answers like the end and cuts pages short, or like an empty list: nothing here cuts pages short, and
//!   no page 1 has no rows for a moment;
//! - a capped total that is consistent in itself: totals that lie are not combined with refused positions;
//! - a clock that is ahead, in a list by end: what ended meanwhile would seem to have ended before.

use std::fmt::Debug;
use std::time::Duration;

use rollbook::sim::{
    Account, Answered, Auth, Change, Date, During, Echo, Grain, Ids, Key, LastPage, List, Number, On, Options, Order,
    Running, Script, Shape, Slash, Sort, Spacing, Special, Total,
};

use crate::quick::TOKEN;

/// Random numbers of a seed (splitmix64).
pub struct Dice(u64);

impl Dice {
    pub const fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ 0x0DD5)
    }

    pub const fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (bits ^ (bits >> 31)) % bound
    }

    /// So many times of a hundred.
    pub const fn is(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    pub fn of<T: Copy>(&mut self, items: &[T]) -> T {
        items[usize::try_from(self.below(items.len() as u64)).unwrap()]
    }
}

/// A server, and what is done with it.
pub struct World {
    pub options: Options,
    /// Settings of the runs, by their variables.
    pub settings: Vec<(&'static str, String)>,
    /// How often the list changes before each later night.
    pub nights: Vec<u64>,
    /// Whether each night begins with the server's first answers again.
    pub is_restarted: bool,
    /// Whether nothing changes while the list is read.
    pub is_still: bool,
    /// Why the design itself wants another end than a proof, if it does.
    pub apart: Option<&'static str>,
    /// The value on each axis.
    pub tags: Vec<(&'static str, String)>,
}

/// What a request may get that can't be served.
const STATUSES: [u16; 10] = [400, 404, 410, 416, 422, 429, 500, 503, 401, 403];

/// The parts of a world under way.
struct Draft {
    dice: Dice,
    world: World,
    sessions: u64,
    per_page: u64,
    /// Whether there is a total that can be believed.
    is_counted: bool,
    lies: bool,
    /// Neighbours often share a second.
    is_dense: bool,
}

/// The world of a seed.
pub fn world(seed: u64) -> World {
    let mut dice = Dice::new(seed);
    let sessions = if dice.is(7) { 0 } else { 1 + dice.below(130) };
    let per_page = 12 + dice.below(17);
    let world = World {
        options: Options::default(),
        settings: Vec::new(),
        nights: Vec::new(),
        is_restarted: dice.is(60),
        is_still: true,
        apart: None,
        tags: Vec::new(),
    };
    let mut draft = Draft { dice, world, sessions, per_page, is_counted: true, lies: false, is_dense: false };
    draft.token();
    draft.list();
    draft.total();
    draft.page_zero();
    draft.behind();
    draft.sizes();
    draft.words();
    draft.positions();
    draft.failures();
    draft.moves();
    draft.empty();
    draft.manners();
    draft.by_id();
    draft.client();
    draft.world
}

impl Draft {
    fn tag(&mut self, axis: &'static str, value: impl Debug) {
        self.world.tags.push((axis, format!("{value:?}")));
    }

    fn apart(&mut self, why: &'static str) {
        self.world.apart.get_or_insert(why);
    }

    fn special(&mut self, on: On, during: During, answered: Answered) {
        self.world.options.specials.push(Special { on, during, answered });
    }

    /// Anything that is no page of rows, or is a page that was not asked for.
    fn answered(&mut self) -> Answered {
        let status = Answered::Status(self.dice.of(&STATUSES));
        self.dice.of(&[
            status,
            status,
            status,
            status,
            Answered::Redirect("/login"),
            Answered::NoContent,
            Answered::DataNull,
            Answered::NoData,
            Answered::EmptyObject,
            Answered::Message,
            Answered::Empty,
            Answered::Empty,
            Answered::Close,
            Answered::Stall(Duration::from_secs(45)),
            Answered::TooFast(2),
        ])
    }

    fn token(&mut self) {
        let is_checked = self.dice.is(60);
        if is_checked {
            self.world.options.auth = Auth::Token(TOKEN.to_owned());
        }
    }

    fn list(&mut self) {
        let gap_ms = self.dice.of(&[1_000, 60_000, 3_600_000]);
        let tied = self.dice.of(&[1, 1, 1, 2, 3]);
        self.is_dense = gap_ms == 1_000 || tied > 1;
        let ids = self.dice.of(&[Ids::Started, Ids::Made(7200), Ids::Random]);
        let account = Account::new(self.dice.below(1 << 32), self.sessions, Shape::Varied);
        let account = account.spaced(Spacing { gap_ms, tied }).named(ids);
        let sort = Sort {
            key: self.dice.of(&[Key::Start, Key::Start, Key::End, Key::Id, Key::IdTime]),
            rising: self.dice.is(50),
            grain: self.dice.of(&[Grain::Fine, Grain::Fine, Grain::Second]),
            running: self.dice.of(&[Running::First, Running::Last]),
        };
        let shuffled = Order::Shuffled(self.dice.below(1000));
        let order = match self.dice.below(20) {
            0..9 => Order::NewestFirst,
            9 => shuffled,
            _ => Order::Sorted(sort),
        };
        self.world.options.list = List::new(account, order);
        let name = match order {
            Order::Sorted(Sort { key: Key::End, rising, running, .. }) => {
                format!("End {} {running:?}", if rising { "rising" } else { "falling" })
            }
            Order::Sorted(Sort { key, rising, .. }) => {
                format!("{key:?} {}", if rising { "rising" } else { "falling" })
            }
            Order::Shuffled(_) => "Shuffled".to_owned(),
            other => format!("{other:?}"),
        };
        self.world.tags.push(("order", name));
        let is_shuffled = tied > 1 && self.dice.is(40);
        self.tag("ties", (tied, if is_shuffled { "shuffled" } else { "stable" }));
        if is_shuffled {
            self.world.is_still = false;
            self.world.options.script = Script::new().every(1, 1, Change::ShuffleTies);
        }
    }

    fn total(&mut self) {
        let part = self.dice.below(self.sessions + 1);
        let total = match self.dice.below(20) {
            0..9 => Total::Exact,
            9 | 10 => Total::Text,
            11..14 => Total::Missing,
            14 => Total::Zero,
            15 => Total::Negative,
            16 => Total::Absurd,
            17 => Total::Off(self.dice.of(&[-7, -1, 1, 7])),
            18 => Total::Stale(part),
            _ => Total::Capped(part),
        };
        self.is_counted = matches!(total, Total::Exact | Total::Text);
        self.lies = match total {
            Total::Off(_) => true,
            Total::Stale(_) | Total::Capped(_) => part != self.sessions,
            _ => false,
        };
        self.world.options.total = total;
        let name = format!("{total:?}");
        self.world.tags.push(("total", name.split('(').next().unwrap_or_default().to_owned()));
        if self.lies {
            self.apart("the total lies");
        }
        if self.world.tags[0].1 == "Shuffled" && !self.is_counted {
            self.apart("an order without a name, and no total");
        }
        // Then only one total that stays can tell that nothing changed meanwhile.
        if self.is_dense && !self.is_counted {
            self.apart("equal keys by whole seconds, and no total");
        }
    }

    fn page_zero(&mut self) {
        let answered = self.answered();
        if self.dice.is(25) {
            self.world.options.base = 0;
            let times = 1 + self.dice.below(2);
            let during = match self.dice.below(5) {
                0 | 1 => None,
                2 => Some(During::From(3)),
                3 if self.is_counted => Some(During::Always),
                _ => Some(During::First(times)),
            };
            // Without a total, a page 0 that never comes back is not to be told from one that never was; nor is it in a list
            // of one page, whose total no other page tells.
            let is_told = self.is_counted && self.sessions > 60;
            let during = during.filter(|during| is_told || matches!(during, During::First(_)));
            self.tag("page 0", ("first", during.map(|_| answered)));
            if let Some(during) = during {
                self.special(On::Page(0), during, answered);
                if !matches!(during, During::First(_)) {
                    self.apart("page 0 of a list from 0 does not come back");
                }
            }
            return;
        }
        let shown = self.dice.of(&[Number::Own, Number::Asked]);
        let rows = self.dice.of(&[Answered::First(shown), Answered::FromEnd, Answered::Last(shown)]);
        let answered = if self.dice.is(35) { rows } else { answered };
        self.world.options.page_zero = answered;
        self.tag("page 0", answered);
        if self.dice.is(15) {
            let (during, other) = (self.for_a_while(), self.answered());
            self.special(On::PageZero, during, other);
        }
    }

    /// Not always.
    fn for_a_while(&mut self) -> During {
        let (number, more) = (1 + self.dice.below(3), self.dice.below(4));
        let begin = Duration::from_secs(self.dice.below(5));
        let length = Duration::from_millis(500 + self.dice.below(3000));
        self.dice.of(&[
            During::First(number),
            During::From(number + 1),
            During::Requests(number * 3, number * 3 + more),
            During::Moments(begin, begin + length),
        ])
    }

    fn behind(&mut self) {
        let shown = self.dice.of(&[Number::Own, Number::Asked]);
        let answered = self.answered();
        let last = Answered::Last(shown);
        let rows = self.dice.of(&[last, last, last, last, last, Answered::First(shown)]);
        let answered = if self.dice.is(30) { rows } else { answered };
        self.world.options.past_end = answered;
        self.tag("behind", answered);
        if matches!(answered, Answered::First(_)) {
            self.apart("rows behind the end that are not the last");
        }
        // Page 1 is a documented request until page 0 has shown that there is no such page.
        let is_final = matches!(
            answered,
            Answered::Redirect(_)
                | Answered::TooFast(_)
                | Answered::Close
                | Answered::Stall(_)
                | Answered::Message
                | Answered::Status(401 | 403 | 429 | 500 | 503)
        );
        if self.world.options.base == 0 && self.sessions <= 20 && is_final {
            self.apart("a list from 0 of one page, and page 1 fails");
        }
        if self.dice.is(15) {
            let (during, other) = (self.for_a_while(), self.answered());
            self.special(On::Behind, during, other);
            self.tag("behind for a while", other);
            if !self.is_counted {
                self.apart("no total, and an end that changes");
            }
        }
    }

    fn sizes(&mut self) {
        let refusal = Answered::Status(self.dice.of(&[400, 422, 500]));
        let largest = self.dice.of(&[10, 20, 50]);
        let options = &mut self.world.options;
        options.default_per_page = self.dice.of(&[10, 20]);
        let small = u32::try_from(12 + self.dice.below(self.per_page)).unwrap();
        let name = match self.dice.below(12) {
            0 => {
                options.page_cap = Some(small);
                "cap"
            }
            1 => {
                options.one_page_size = Some(small);
                "one"
            }
            2 | 3 => {
                self.per_page = self.dice.of(&[11, 25, 60, 100]);
                self.special(On::SizeAbove(largest), During::Always, refusal);
                "refused above"
            }
            4 | 5 => {
                let sets: [&[u64]; 4] = [&[10, 20, 50, 100], &[10, 20], &[1, 2, 5, 10, 20], &[10]];
                self.per_page = self.dice.of(&[10, 12, 20, 50, 60]);
                let sizes = self.dice.of(&sets).to_vec();
                self.world.options.default_per_page = 10;
                self.special(On::SizeOtherThan(sizes), During::Always, refusal);
                "set"
            }
            _ => "any",
        };
        self.tag("sizes", name);
        if matches!(name, "one" | "set") && !self.is_counted {
            self.apart("sizes that may not overlap, and no total");
        }
    }

    fn words(&mut self) {
        let size = self.dice.of(&[1, 7, 1000]);
        let echo = self.dice.of(&[Echo::Honest, Echo::Honest, Echo::Missing, Echo::Asked, Echo::Says(size)]);
        let honest = LastPage::Honest;
        let last_page = self.dice.of(&[honest, honest, honest, LastPage::Missing, LastPage::Says(size)]);
        self.world.options.per_page = echo;
        self.world.options.last_page = last_page;
        self.tag("echo", echo);
        self.tag("last page", last_page);
    }

    fn positions(&mut self) {
        // A total that says where the refusals begin makes them the end.
        if self.lies || !self.dice.is(6) {
            return;
        }
        let position = 5 + self.dice.below(100);
        let on = self.dice.of(&[0, 1]);
        let answered = Answered::Status(self.dice.of(&[400, 422, 500]));
        self.special(if on == 0 { On::EndAbove(position) } else { On::BeginFrom(position) }, During::Always, answered);
        self.tag("positions refused", answered);
        self.apart("positions are refused");
    }

    fn failures(&mut self) {
        if !self.dice.is(25) {
            return;
        }
        let passing = self.dice.of(&[
            Answered::Status(500),
            Answered::Status(503),
            Answered::TooFast(1),
            Answered::Status(429),
            Answered::Close,
            Answered::Stall(Duration::from_secs(45)),
        ]);
        let (from, length) = (1 + self.dice.below(20), self.dice.below(4));
        match self.dice.below(5) {
            0 => {
                self.special(On::ListEvery(3 + from), During::Always, passing);
                self.tag("failures", ("every", passing));
            }
            1 => {
                let until = Duration::from_secs(10);
                self.special(On::List, During::Moments(Duration::ZERO, until), passing);
                self.tag("failures", ("ten seconds", passing));
                self.apart("an outage longer than the retries");
            }
            2 => {
                let answered = self.answered();
                // At the opening, some of them would say that the list is empty, and nothing could tell that it is not.
                let from = from + 12;
                self.special(On::List, During::Requests(from, from + length), answered);
                self.tag("failures", ("any", answered));
                self.apart("failures that are final");
            }
            _ => {
                self.special(On::List, During::Requests(from, from + length), passing);
                self.tag("failures", ("some", passing));
            }
        }
    }

    fn moves(&mut self) {
        let (from, step) = (1 + self.dice.below(6), 1 + self.dice.below(9));
        let change = match self.dice.below(8) {
            0 | 1 => Some(Change::Churn(1 + self.dice.below(2))),
            2 => Some(Change::Begin),
            3 => Some(Change::delete(self.dice.below(self.sessions + 1))),
            _ => None,
        };
        self.tag(
            "moves",
            change.as_ref().map(|change| format!("{change:?}").split(['(', '{']).next().map(str::to_owned)),
        );
        if let Some(change) = change {
            self.world.is_still = false;
            let script = std::mem::take(&mut self.world.options.script);
            let times = self.dice.of(&[1, 3, 40, 2000]);
            self.world.options.script = script.every(from, step, change).times(times);
        }
    }

    fn empty(&mut self) {
        if self.sessions > 0 {
            return;
        }
        let shapes = [Answered::Empty, Answered::DataNull, Answered::NoData];
        let bare = [Answered::EmptyObject, Answered::NoContent, Answered::Status(404)];
        let answered = match self.dice.below(3) {
            0 => self.dice.of(&shapes),
            1 => self.dice.of(&bare),
            _ => Answered::Message,
        };
        self.special(On::EmptyList, During::Always, answered);
        self.tag("empty", answered);
        let checked = !matches!(self.world.options.auth, Auth::Open);
        match answered {
            Answered::Message => self.apart("a message is no list"),
            _ if shapes.contains(&answered) => {}
            _ if checked => {}
            _ => self.apart("nothing, for any token"),
        }
    }

    fn manners(&mut self) {
        if self.dice.is(10) {
            let slash = Slash { wanted: self.dice.is(50), status: self.dice.of(&[301, 302, 307, 308]) };
            self.world.options.slash = Some(slash);
            self.tag("slash", slash);
        }
        let is_by_end = self.world.tags[0].1.starts_with("End");
        let ahead = if is_by_end { 0 } else { 3600 };
        self.world.options.date =
            self.dice.of(&[Date::Clock(0), Date::Clock(0), Date::Missing, Date::Clock(-90), Date::Clock(ahead)]);
        let date = self.world.options.date;
        self.tag("date", date);
        if self.dice.is(2) {
            self.world.options.ignore_page = true;
            self.apart("`page` is ignored");
        }
    }

    fn by_id(&mut self) {
        let status = self.dice.of(&[402, 404, 410, 422, 500, 503]);
        let answered = Answered::Status(status);
        match self.dice.below(12) {
            0 => {
                self.special(On::AnyId, During::Always, answered);
                self.tag("by id", ("all", answered));
                self.apart("no session by its id");
            }
            1 | 2 => {
                let account = *self.world.options.list.account();
                let some = account.sessions().step_by(3).map(|session| session.id).collect();
                self.special(On::Ids(some), During::Always, answered);
                self.tag("by id", ("some", answered));
                if !matches!(status, 402 | 404 | 410) {
                    self.apart("sessions that are there and can't be had by id");
                }
            }
            _ => {}
        }
    }

    fn client(&mut self) {
        let overlap = 1 + self.dice.below(3);
        let concurrency = self.dice.of(&[1, 2, 8]);
        // An id may be two hours older than its session.
        let lookback = self.dice.of(&["6h", "1d", "3d"]);
        self.world.settings = vec![
            ("ROLLBOOK_API_PER_PAGE", self.per_page.to_string()),
            ("ROLLBOOK_WALK_OVERLAP", overlap.to_string()),
            ("ROLLBOOK_API_CONCURRENCY", concurrency.to_string()),
            ("ROLLBOOK_WALK_LOOKBACK", lookback.to_owned()),
        ];
        self.tag("concurrency", concurrency);
        if self.dice.is(35) {
            self.world.nights = (0..=self.dice.below(2)).map(|_| self.dice.below(12)).collect();
        }
        self.tag("nights", 1 + self.world.nights.len());
    }
}
