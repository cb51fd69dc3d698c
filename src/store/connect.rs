//! From a URL and options to a client of an object store.
//!
//! The options are those of the `object_store` crate. What comes from the environment is taken where it is known; what
//! stands in the settings must be.

use std::sync::Arc;
use std::time::Duration;

use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
use object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey};
use object_store::path::Path as Key;
use object_store::{BackoffConfig, ObjectStore, ObjectStoreScheme, RetryConfig};
use url::Url;

use super::service::{Connector, Limits};
use crate::error::{Error, Kind, Result};

/// How the URL of an object store begins.
pub const SCHEMES: [&str; 3] = ["s3://", "az://", "gs://"];

/// A client of the store at a URL, and the place in it that the URL names. `budget`: for one request with all its
/// attempts and waits.
pub fn connect(url: &str, options: &[(String, String)], budget: Duration) -> Result<(Arc<dyn ObjectStore>, Key)> {
    let wrong = |error: Box<dyn std::error::Error + Send + Sync>| {
        Error::new(Kind::Config, format!("the object store can't be used: {url}"))
            .because(error)
            .hint("check the URL, `store.options` and the credentials in the environment")
    };
    let parsed = Url::parse(url).map_err(|error| wrong(error.into()))?;
    let (scheme, root) = ObjectStoreScheme::parse(&parsed).map_err(|error| wrong(error.into()))?;
    let store = build(&scheme, url, options, budget).map_err(|error| wrong(error.into()))?;
    Ok((store, root))
}

fn build(
    scheme: &ObjectStoreScheme,
    url: &str,
    options: &[(String, String)],
    budget: Duration,
) -> object_store::Result<Arc<dyn ObjectStore>> {
    let (retries, connector) = (retries(budget), Connector(Limits::within(budget)));
    // The three builders have the same methods and no common trait.
    macro_rules! built {
        ($builder:ty) => {{
            let builder = <$builder>::new().with_url(url).with_retry(retries).with_http_connector(connector);
            let set = |builder: $builder, (name, value): &(String, String)| match name.parse() {
                Ok(key) => builder.with_config(key, value),
                Err(_) => builder,
            };
            Ok(Arc::new(options.iter().fold(builder, set).build()?))
        }};
    }
    match scheme {
        ObjectStoreScheme::MicrosoftAzure => built!(MicrosoftAzureBuilder),
        ObjectStoreScheme::GoogleCloudStorage => built!(GoogleCloudStorageBuilder),
        _ => built!(AmazonS3Builder),
    }
}

/// Time alone ends the attempts; the pauses between them grow to 15 seconds.
fn retries(budget: Duration) -> RetryConfig {
    RetryConfig { backoff: BackoffConfig::default(), max_retries: usize::MAX, retry_timeout: budget }
}

/// Refuses options that the store at a URL does not have.
///
/// # Errors
/// `Config`, with the name.
pub fn refuse_unknown(url: &str, options: &[(String, String)]) -> Result<()> {
    let is_known = |name: &str| match url.get(..5) {
        Some("s3://") => name.parse::<AmazonS3ConfigKey>().is_ok(),
        Some("az://") => name.parse::<AzureConfigKey>().is_ok(),
        Some("gs://") => name.parse::<GoogleConfigKey>().is_ok(),
        _ => false,
    };
    match options.iter().find(|(name, _)| !is_known(name)) {
        None => Ok(()),
        Some((name, _)) => {
            let what = format!("`store.options` holds a name that this kind of store does not have: {name}");
            Err(Error::new(Kind::Config, what).hint("see \"Object stores\" in docs/operations.md for the usual ones"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_of_another_store_are_refused() {
        let options = |name: &str| vec![(name.to_owned(), "x".to_owned())];
        for (url, name) in [
            ("s3://b/x", "aws_server_side_encryption"),
            ("s3://b/x", "aws_endpoint"),
            ("s3://b/x", "aws_virtual_hosted_style_request"),
            ("az://c/x", "azure_storage_endpoint"),
            ("gs://b/x", "google_service_account"),
        ] {
            refuse_unknown(url, &options(name)).unwrap();
        }
        for (url, name) in [("s3://b/x", "aws_endpont"), ("az://c/x", "aws_endpoint"), ("./folder", "aws_endpoint")] {
            let error = refuse_unknown(url, &options(name)).unwrap_err();
            assert_eq!(error.kind(), Kind::Config);
            assert!(error.render().contains(name));
        }
    }

    #[test]
    fn half_of_a_pair_of_credentials_is_refused() {
        let options = [("aws_access_key_id".to_owned(), "id".to_owned())];
        let error = connect("s3://bucket/data", &options, Duration::from_secs(1)).unwrap_err();
        assert!(error.render().starts_with("error: the object store can't be used: s3://bucket/data\n"), "{error:?}");
    }
}
