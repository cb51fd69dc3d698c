//! What is around the numbers: head, navigation, the first lines and the last.

use std::sync::LazyLock;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use maud::{Markup, PreEscaped, html};
use sha2::{Digest, Sha256};

use super::{Page, foreign, hours, number};
use crate::commands::report::zone::clock;

const STYLE: &str = include_str!("../style.css");

/// Nothing is loaded and no script runs: only the style of this page, known by its hash, and the icon in its head.
static POLICY: LazyLock<String> = LazyLock::new(|| {
    let hash = BASE64_STANDARD.encode(Sha256::digest(STYLE.as_bytes()));
    format!("default-src 'none'; style-src 'sha256-{hash}'; img-src data:; base-uri 'none'; form-action 'none'")
});

const ICON: &str = "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 8 8'%3E%3Crect width='8' height='8' rx='2' fill='%232f7391'/%3E%3Cpath d='M2 6V4h1v2zm2 0V2h1v4zm2 0V3h1v3z' fill='%23fff'/%3E%3C/svg%3E";

const SECTIONS: [(&str, &str); 9] = [
    ("days", "By day"),
    ("punctuality", "Coming and leaving"),
    ("week", "Week"),
    ("meetings", "Meetings"),
    ("people", "People"),
    ("timelines", "Timelines"),
    ("running", "Running"),
    ("anomalies", "Anomalies"),
    ("export", "The export"),
];

pub fn head() -> Markup {
    html! {
        head {
            meta charset="utf-8";
            meta http-equiv="Content-Security-Policy" content=(*POLICY);
            meta name="viewport" content="width=device-width, initial-scale=1";
            meta name="color-scheme" content="light dark";
            meta name="referrer" content="no-referrer";
            meta name="robots" content="noindex";
            link rel="icon" href=(ICON);
            title { "Meetings: a report by rollbook" }
            style { (PreEscaped(STYLE)) }
        }
    }
}

pub fn navigation() -> Markup {
    html! { nav aria-label="Sections" { ul { @for (id, title) in SECTIONS { li { a href={ "#" (id) } { (title) } } } } } }
}

impl Page<'_> {
    pub(super) fn header(&self) -> Markup {
        let all = &self.numbers.all;
        let tiles = [
            ("sessions", number(all.sessions)),
            ("persons", number(all.persons)),
            ("meetings", number(all.meetings)),
            ("attended", html! { (hours(all.attended_ms)) }),
            ("active", html! { (hours(all.occupied_ms)) }),
            ("at once, at most", number(u64::try_from(all.peak).unwrap_or_default())),
        ];
        html! {
            header {
                h1 { "Meetings" }
                p.soft { (self.range()) }
                @if !self.chosen.is_empty() {
                    p.soft { "Chosen: " @for (place, what) in self.chosen.iter().enumerate() { @if place > 0 { ", " } (foreign(what)) } "." }
                }
                (self.verdict())
                dl.tiles { @for (title, value) in tiles { div { dt { (title) } dd { (value) } } } }
            }
        }
    }

    fn range(&self) -> Markup {
        let zone = self.zone.name();
        let Some((first, last)) = self.numbers.starts else {
            return html! { "There are no sessions. Days and hours are those of " (zone) "." };
        };
        let [first, last] = [first, last].map(|time| clock(self.zone, time).chars().take(10).collect::<String>());
        html! { "Sessions that started from " (first) " to " (last) ". Days and hours are those of " (zone) "." }
    }

    pub(super) fn footer(&self) -> Markup {
        html! {
            footer {
                h2 { "How it is counted" }
                ul {
                    li { "A person is a name, however it is written, or an id where there is no name. A person's time in a session is the time with at least one of the person's joins, so that two devices count once." }
                    li { "Attended time is the sum over persons and sessions. Active time is the time with at least one participant there." }
                    li { "A session belongs to the day on which it started. A session that runs counts with what has ended by the time it was last seen." }
                    li { "Persons of several days, added up, are counted several times; the number at the top counts each person once." }
                }
                p { "Made " (clock(self.zone, self.made_at)) " (" (self.zone.name()) ") by rollbook " (env!("CARGO_PKG_VERSION")) " from " (foreign(self.dataset)) ". The page holds personal data, loads nothing and runs no script." }
            }
        }
    }
}
