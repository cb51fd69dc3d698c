//! `verify`: from what was typed to a report.

use std::time::Instant;

use tokio::task::block_in_place;

use super::Verify as Job;
use crate::cli::{Global, Verify};
use crate::commands::{Setting, Told};
use crate::dataset::admission::{self, Purpose};
use crate::dataset::destination::Destination;
use crate::dataset::lake::Lake;
use crate::dataset::layout::Layout;
use crate::dataset::receipt::Receipt;
use crate::error::{Kind, Result};
use crate::words::stop::Stop;

/// `verify`: what the dataset is worth. Only a repair writes, and takes the right to.
pub async fn verify(setting: &Setting<'_>, global: &Global, verify: &Verify, stop: &Stop) -> Result<Told> {
    let Setting { config, environment, clock, run_id, progress, .. } = setting;
    let begun = Instant::now();
    let writes = (verify.repair || !verify.accept.is_empty()) && !global.dry_run;
    let mut destination = Destination::open(config, environment, run_id, !writes, stop)?;
    destination.terms.wait = verify.wait;
    let layout = destination.layout.clone();
    let mut _lease = None;
    if writes {
        // Taking the lease would make a folder where there is nothing to repair.
        admission::refuse_absent(&destination, clock)?;
        _lease = admission::admit(&destination, run_id, clock, stop, Purpose::Repair).await?;
    }
    if verify.repair && writes {
        block_in_place(|| mend(&layout, stop))?;
    }
    let vouched = super::vouched(&layout, &verify.accept)?;
    let present = layout.partition(Some(clock.micros()));
    let job = Job { layout: &layout, present, share: verify.sample, vouched, stop, progress };
    let looked = block_in_place(|| job.run());
    let mut report = looked.map_err(|error| admission::unless_under_way(error, &destination, clock))?;
    if verify.repair && !report.is_sound() {
        let plan = super::plan(&layout, &report.damages, present)?;
        let done = if writes {
            block_in_place(|| plan.perform(&layout, run_id, &report.json(&layout)))?
        } else {
            plan.foretell(&layout, run_id)
        };
        report.repaired(&layout, present, done);
    }
    if !verify.accept.is_empty() {
        let receipt = writes.then(|| Receipt::blank(run_id, "verify", &config.api, clock));
        let receipt = block_in_place(|| super::accept(&layout, &mut report, &verify.accept, receipt))?;
        if let Some(mut receipt) = receipt {
            receipt.finish(clock, begun.elapsed());
            block_in_place(|| receipt.store(&layout))?;
        }
    }
    let text = if global.json { report.json(&layout) } else { report.text() };
    Ok(Told { text, error: report.error() })
}

/// Finishes what a dead run has committed, and puts plain files back that are not those of the newest snapshot. Where a snapshot itself
/// is damaged, that is for the repair.
fn mend(layout: &Layout, stop: &Stop) -> Result<()> {
    let mended = Lake::open(layout, stop).and_then(|lake| {
        let Some(lake) = lake else { return Ok(()) };
        lake.follow()?;
        lake.mend(|_| None)
    });
    match mended {
        Err(error) if error.kind() == Kind::Unreadable => {
            tracing::warn!("the newest snapshot does not help: {}", error.line());
            Ok(())
        }
        mended => mended,
    }
}
