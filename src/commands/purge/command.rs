//! `purge`: from what was typed to a purge.

use tokio::task::block_in_place;

use super::Task;
use super::consent::Consent;
use crate::cli::{Global, Purge};
use crate::commands::{Ended, Setting, shortfall};
use crate::dataset::destination::Destination;
use crate::dataset::erasures::{self, Erase};
use crate::dataset::receipt;
use crate::dataset::split::UnderPurge;
use crate::error::{Error, Kind, Result};
use crate::rows::erasure::Identifier;
use crate::rows::method::Method;
use crate::rows::privacy::{self, Shown};
use crate::terminal::{question, summary};
use crate::words::range;
use crate::words::stop::Stop;

/// Runs `rollbook purge`: takes sessions or participants out of the dataset, or takes a rule back.
pub async fn purge(setting: Setting<'_>, global: &Global, purge: &Purge, stop: Stop) -> Result<Ended> {
    let Setting { config, environment, clock, run_id, progress, .. } = setting;
    let task = match purge.take_back {
        Some(number) => Task::TakeBack(number),
        None => {
            Task::Erase { erase: what_to_erase(purge, clock.micros())?, key: fresh_key()?, consent: consent(purge.yes) }
        }
    };
    tracing::info!("this run is called: {run_id}");
    let dataset = config.dataset.url.to_string();
    let destination = Destination::open(&config, environment, &run_id, global.dry_run, &stop)?;
    let mut destination = destination.with_key(&config, environment)?;
    if let Task::Erase { erase, .. } = &task {
        refuse_unknowable(erase, destination.layout.method())?;
    }
    destination.terms.wait = purge.wait;
    let split = UnderPurge::seeker(&config, environment, &run_id, &stop);
    let job = super::Purge { task, config, destination, split, run_id, clock, stop, progress };
    let receipt::Ended { receipt, shortfall, error } = job.execute().await;
    let text = if error.is_none() { summary::of_purge(&receipt, &dataset, global.dry_run) } else { String::new() };
    let error = error.or_else(|| shortfall.map(|_| shortfall::of_purge(&receipt)));
    Ok(Ended { receipt, text, error })
}

/// `purge --list`: the rules in force.
pub fn rules(setting: &Setting<'_>, json: bool, stop: &Stop) -> Result<String> {
    let Setting { config, environment, clock, run_id, .. } = setting;
    let destination = Destination::open(config, environment, run_id, true, stop)?;
    let erasures = block_in_place(|| super::rules(&destination, clock))?;
    Ok(if json {
        summary::rules_json(&erasures)
    } else {
        summary::of_rules(&erasures, &config.dataset.url.to_string())
    })
}

fn what_to_erase(purge: &Purge, now: i64) -> Result<Erase> {
    let before = purge.before.as_deref().map(|text| match range::moment(text) {
        None => Err(range::no_date("--before", text, range::MOMENT).hint("dates are UTC")),
        Some(before) if before > now => {
            let what = format!("`--before` lies in the future, so everything would go: {text}");
            Err(Error::new(Kind::Config, what).hint("give a date that has passed"))
        }
        Some(before) => range::refuse_prehistory("`--before`", before).map(|()| before),
    });
    let by_name = if purge.exact { Identifier::ExactName } else { Identifier::Name };
    let known = |by, texts: &[String]| texts.iter().map(|text| (by, text.clone())).collect::<Vec<_>>();
    let people = [known(Identifier::Id, &purge.ids), known(by_name, &purge.names)].concat();
    Ok(Erase { before: before.transpose()?, people })
}

/// Refuses names that can't be found in the dataset, since it keeps them otherwise.
fn refuse_unknowable(erase: &Erase, method: &Method) -> Result<()> {
    let keeps = method.privacy.columns().shown(privacy::Column::Name);
    let refused = |what: &str, hint: &str| Err(Error::new(Kind::Config, what).hint(hint));
    for (by, text) in &erase.people {
        if *by == Identifier::ExactName && keeps != Shown::Raw {
            return refused(
                "`--exact` can't be told from other ways to type a name, since `[privacy]` protects names",
                "leave `--exact` out, which removes the name however it is typed",
            );
        }
        if *by == Identifier::Name && keeps == Shown::Dropped && erasures::alias(*by, text, method).is_none() {
            return refused(
                "the name can't be found: `[privacy]` drops names, and `[people]` does not know persons by this one",
                "purge by --participant-id",
            );
        }
    }
    Ok(())
}

fn fresh_key() -> Result<[u8; 32]> {
    let mut key = [0; 32];
    getrandom::fill(&mut key)
        .map_err(|error| Error::new(Kind::Unexpected, "the system has no random numbers").because(error))?;
    Ok(key)
}

/// Who says so where a rule matches nothing.
fn consent(yes: bool) -> Consent {
    if yes {
        Consent::Given
    } else if question::is_anybody_there() {
        Consent::Asked(Box::new(question::ask))
    } else {
        Consent::Nobody
    }
}
