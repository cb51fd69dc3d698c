//! `simulate`: the simulated API alone.

use std::net::SocketAddr;

use crate::cli::Simulate;
use crate::commands::Setting;
use crate::error::{Error, Kind, Result};
use crate::sim::{Account, Answered, Auth, Change, Clock, On, Options, Script, Server, Shape, Special};

/// Runs `rollbook simulate`: serves the simulated API, without an export.
pub async fn simulate(setting: &Setting<'_>, simulate: &Simulate) -> Result<Server> {
    let Simulate { listen, sessions, seed, per_page_cap, latency, rate_limit, rate_limit_per, gzip, prepared, .. } =
        simulate;
    let Simulate { refuse_above, fail_every, reject_every, churn, .. } = simulate;
    let refused = refuse_above.map(|most| Special::new(On::SizeAbove(most), Answered::Status(400)));
    let failing = fail_every.map(|step| Special::new(On::ListEvery(step), Answered::Status(503)));
    let script = if *churn > 0 { Script::new().every(1, 1, Change::Churn(*churn)) } else { Script::new() };
    let clock = setting.clock.clone();
    let token = setting.environment.get("VIDEOSDK_TOKEN").filter(|token| !token.is_empty());
    let options = Options {
        auth: token.map_or(Auth::Open, |token| Auth::Token(token.to_owned())),
        page_cap: *per_page_cap,
        latency: *latency,
        rate_limit: *rate_limit,
        rate_limit_per: *rate_limit_per,
        gzip: *gzip,
        prepared: *prepared,
        specials: failing.into_iter().chain(refused).collect(),
        reject_every: *reject_every,
        clock: Clock::new(move || clock.micros().div_euclid(1_000_000)),
        script,
        ..Options::new(Account::new(*seed, *sessions, Shape::Realistic))
    };
    serve(options, *listen).await
}

/// A simulated API that listens at an address.
///
/// # Errors
/// `Config` where it can't.
pub async fn serve(options: Options, listen: SocketAddr) -> Result<Server> {
    Server::start(options, listen).await.map_err(|error| {
        Error::new(Kind::Config, format!("the simulated API cannot listen: {listen}"))
            .because(error)
            .hint("give a free port of this machine, such as --listen 127.0.0.1:0")
    })
}
