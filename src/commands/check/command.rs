//! `check`: from what was typed to a report.

use tokio::task::block_in_place;

use super::report::{Caller, Would};
use crate::api::Client;
use crate::cli::Global;
use crate::commands::export::{self, Work};
use crate::commands::run::{credentials, refuse_nonsense};
use crate::commands::{Setting, Told};
use crate::dataset::destination::Destination;
use crate::dataset::state::version_name;
use crate::error::Result;
use crate::words::stop::Stop;

/// `check`: what the API does, what a run would do and could prove, and whether it could write.
pub async fn check(setting: Setting<'_>, global: &Global, stop: Stop) -> Result<Told> {
    refuse_nonsense(&setting.config, setting.environment, &setting.clock)?;
    let credentials = credentials(&setting)?;
    let Setting { config, environment, clock, run_id, .. } = setting;
    let (account, validity) = (credentials.account(), credentials.validity());
    let client = Client::new(&config, credentials, clock.clone())?;
    let work = Work::Export { full: false, meetings: Vec::new() };
    let destination = Destination::open(&config, environment, &run_id, true, &stop)?.with_key(&config, environment)?;
    let Destination { layout, .. } = &destination;
    let mut tried = if global.create_parents { Ok(()) } else { destination.refuse_missing_parents(&config) };
    tried = tried.and_then(|()| block_in_place(|| destination.try_out(&run_id)));
    let would = match &tried {
        Ok(()) => Some(export::would(&config, layout, account.clone(), &work, &run_id, &clock)?),
        Err(_) => None,
    };
    match (super::check(&client, config.api.per_page, config.walk.overlap.into()).await, tried) {
        (Ok(report), tried) => {
            let (place, error) = (config.dataset.url.to_string(), tried.err());
            let base_url = config.api.base_url.origin().ascii_serialization();
            let version = version_name(config.api.version);
            let caller = Caller::new(&base_url, version, account.as_deref(), validity, clock.micros());
            let would = Would { place: &place, writable: error.is_none(), read: would.as_deref() };
            Ok(Told {
                text: if global.json { report.json(&caller, &would) } else { report.text(&caller, &would) },
                error,
            })
        }
        (Err(failed), Ok(())) => Err(failed),
        (Err(failed), Err(error)) => {
            tracing::warn!("the API fails, too: {failed}");
            Err(error)
        }
    }
}
