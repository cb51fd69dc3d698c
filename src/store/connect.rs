//! From a place and options to a client of an object store.
//!
//! The options are those of the `object_store` crate. What comes from the environment is taken where it is known; what
//! stands in the settings must be.

use std::sync::Arc;
use std::time::Duration;

use object_store::aws::AmazonS3Builder;
use object_store::azure::MicrosoftAzureBuilder;
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::path::Path as Key;
use object_store::{BackoffConfig, ObjectStore, RetryConfig};

use super::options::{Given, checked, secrets};
use super::service::{Connector, Limits};
use crate::error::{Error, Kind, Result};
use crate::store::place::{Objects, Service};
use crate::words::redact::redact;

/// A client of the store at a place, and the place in it. `budget`: for one request with all its attempts and waits.
pub fn connect(place: &Objects, given: &[Given], budget: Duration) -> Result<(Arc<dyn ObjectStore>, Key)> {
    let wrong = |error: Box<dyn std::error::Error + Send + Sync>, hint: String| {
        let cause = redact(&error.to_string(), &secrets(place.service, given));
        Error::new(Kind::Config, format!("the object store can't be used: {place}")).because(cause).hint(hint)
    };
    let root = Key::from_url_path(&place.path).map_err(|error| wrong(error.into(), "check the path".to_owned()))?;
    let options = checked(place.service, given)?;
    let options: Vec<_> = options.iter().collect();
    match build(place, &options, budget) {
        Ok(store) => Ok((store, root)),
        Err(error) => Err(wrong(error.into(), hint(place, &options, budget))),
    }
}

/// Which option the library does not like; it seldom says so.
fn hint(place: &Objects, options: &[&Given], budget: Duration) -> String {
    let without = |index: usize| {
        let others = options.iter().enumerate().filter(|(other, _)| *other != index);
        others.map(|(_, option)| *option).collect::<Vec<_>>()
    };
    let culprit = (0..options.len()).find(|index| build(place, &without(*index), budget).is_ok());
    match culprit {
        Some(index) => format!("check {}, and what belongs to it", options[index].called),
        None => {
            "check the URL, `store.options`, the credentials in the environment, and this machine's CA certificates \
                 (SSL_CERT_FILE names another file)"
                .to_owned()
        }
    }
}

fn build(place: &Objects, options: &[&Given], budget: Duration) -> object_store::Result<Arc<dyn ObjectStore>> {
    let (retries, connector) = (retries(budget), Connector(Limits::within(budget)));
    // The three builders have the same methods and no common trait.
    macro_rules! built {
        ($builder:ty) => {{
            let builder = <$builder>::new().with_url(place.to_string());
            let builder = builder.with_retry(retries).with_http_connector(connector);
            let set = |builder: $builder, option: &&Given| match option.name.parse() {
                Ok(key) => builder.with_config(key, option.value.as_str()),
                Err(_) => builder,
            };
            Ok(Arc::new(options.iter().fold(builder, set).build()?))
        }};
    }
    match place.service {
        Service::S3 => built!(AmazonS3Builder),
        Service::Azure => built!(MicrosoftAzureBuilder),
        Service::Google => built!(GoogleCloudStorageBuilder),
    }
}

/// Time alone ends the attempts; the pauses between them grow to 15 seconds.
fn retries(budget: Duration) -> RetryConfig {
    RetryConfig { backoff: BackoffConfig::default(), max_retries: usize::MAX, retry_timeout: budget }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::place::Place;

    fn failed(url: &str, variables: &[(&str, &str)]) -> String {
        // Whoever installed a provider first is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let Ok(Place::Objects(place)) = Place::parse(url) else { panic!("{url}") };
        let given: Vec<_> = variables.iter().map(|(name, value)| Given::by_variable(name, value)).collect();
        match connect(&place, &given, Duration::from_secs(1)) {
            Ok(_) => panic!("connected: {url}"),
            Err(error) => error.render(),
        }
    }

    #[test]
    fn half_of_a_pair_of_credentials_is_refused() {
        let error = failed("s3://bucket/data", &[("AWS_REGION", "eu"), ("AWS_ACCESS_KEY_ID", "id")]);
        assert!(error.starts_with("error: the object store can't be used: s3://bucket/data\n"), "{error}");
        assert!(error.ends_with("hint: check AWS_ACCESS_KEY_ID, and what belongs to it"), "{error}");
    }

    #[test]
    fn the_option_that_the_library_refuses_is_named() {
        let key = [("AZURE_STORAGE_ACCOUNT_NAME", "name"), ("AZURE_STORAGE_ACCOUNT_KEY", "no*base64")];
        assert!(failed("az://c/data", &key).contains("check AZURE_STORAGE_ACCOUNT_KEY,"));
        assert!(failed("s3://b/data", &[("AWS_CONDITIONAL_PUT", "maybe")]).contains("check AWS_CONDITIONAL_PUT,"));
        assert!(
            failed("gs://b/data", &[("GOOGLE_SERVICE_ACCOUNT", "/no/file")]).contains("check GOOGLE_SERVICE_ACCOUNT,")
        );
    }
}
