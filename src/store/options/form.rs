//! Which form the value of each option has.

use std::path::Path;

use object_store::ClientConfigKey as Client;
use object_store::aws::AmazonS3ConfigKey as S3;
use object_store::azure::AzureConfigKey as Azure;
use object_store::gcp::GoogleConfigKey as Google;
use url::Url;

use crate::store::files::named::{self, Refusal};
use crate::store::place::Service;
use crate::words::text::{duration, is_quoted};

/// The form that a value must have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Where the store is. Plain `http://` has to be allowed by another option.
    Endpoint,
    /// The URL of another service, such as the one that hands out tokens.
    Url,
    /// A part of a host name.
    Host,
    /// Part of a header or a query: visible ASCII.
    Word,
    /// The same, and nothing that a settings file may hold.
    Secret,
    /// Visible ASCII and blanks, such as a header's value.
    Line,
    /// A yes or a no, in the words of the library.
    Flag,
    /// A time as in the settings.
    Period,
    /// A whole number from the first to the second.
    Number(u64, u64),
    /// The path of a file with a secret, which the library reads itself.
    SecretFile,
    /// The library says what is wrong with it.
    Free,
    /// That, and nothing that a settings file may hold.
    FreeSecret,
}

/// Which form an option must have; `None` where the service has none of this name.
pub fn form(service: Service, name: &str) -> Option<Form> {
    match service {
        Service::S3 => name.parse().ok().map(of_s3),
        Service::Azure => name.parse().ok().map(of_azure),
        Service::Google => name.parse().ok().map(of_google),
    }
}

fn of_s3(key: S3) -> Form {
    match key {
        S3::Endpoint | S3::S3Endpoint => Form::Endpoint,
        S3::MetadataEndpoint | S3::ContainerCredentialsFullUri | S3::StsEndpoint => Form::Url,
        S3::Region | S3::DefaultRegion => Form::Host,
        S3::SecretAccessKey | S3::Token => Form::Secret,
        S3::ImdsV1Fallback
        | S3::VirtualHostedStyleRequest
        | S3::UnsignedPayload
        | S3::SkipSignature
        | S3::DisableTagging
        | S3::DisableBulkDelete
        | S3::S3Express => Form::Flag,
        S3::ContainerAuthorizationTokenFile | S3::WebIdentityTokenFile => Form::SecretFile,
        S3::Bucket | S3::Checksum | S3::CopyIfNotExists | S3::ConditionalPut | S3::RequestPayer => Form::Free,
        S3::Encryption(_) if key.as_ref() == "aws_sse_customer_key_base64" => Form::Secret,
        S3::Client(key) => of_client(key),
        // The key's id, roles, encryption, and whatever a later version adds.
        _ => Form::Word,
    }
}

fn of_azure(key: Azure) -> Form {
    match key {
        Azure::Endpoint => Form::Endpoint,
        Azure::AuthorityHost | Azure::MsiEndpoint | Azure::FabricTokenServiceUrl => Form::Url,
        Azure::AccountName | Azure::AuthorityId => Form::Host,
        Azure::AccessKey
        | Azure::ClientSecret
        | Azure::SasKey
        | Azure::Token
        | Azure::FabricSessionToken
        | Azure::EncryptionKey => Form::Secret,
        Azure::UseEmulator
        | Azure::UseFabricEndpoint
        | Azure::UseAzureCli
        | Azure::SkipSignature
        | Azure::DisableTagging => Form::Flag,
        Azure::FederatedTokenFile => Form::SecretFile,
        Azure::ContainerName | Azure::CredentialType => Form::Free,
        Azure::Client(key) => of_client(key),
        _ => Form::Word,
    }
}

fn of_google(key: Google) -> Form {
    match key {
        Google::BaseUrl => Form::Endpoint,
        Google::BearerToken => Form::Secret,
        Google::ServiceAccountKey => Form::FreeSecret,
        Google::ServiceAccount | Google::ApplicationCredentials => Form::SecretFile,
        Google::Bucket => Form::Free,
        Google::SkipSignature => Form::Flag,
        Google::Client(key) => of_client(key),
        _ => Form::Word,
    }
}

fn of_client(key: Client) -> Form {
    match key {
        Client::AllowHttp
        | Client::AllowInvalidCertificates
        | Client::NoSystemCertificates
        | Client::Http1Only
        | Client::Http2Only
        | Client::Http2KeepAliveWhileIdle
        | Client::RandomizeAddresses => Form::Flag,
        Client::ConnectTimeout
        | Client::ReadTimeout
        | Client::Timeout
        | Client::PoolIdleTimeout
        | Client::Http2KeepAliveInterval
        | Client::Http2KeepAliveTimeout => Form::Period,
        Client::Http2MaxFrameSize => Form::Number(1 << 14, (1 << 24) - 1),
        Client::PoolMaxIdlePerHost => Form::Number(0, 10_000),
        Client::ProxyUrl => Form::Url,
        Client::ProxyCaCertificate => Form::Free,
        _ => Form::Line,
    }
}

impl Form {
    /// A value as the library may have it; else the right form, to be read after "must be".
    pub fn read(self, value: &str) -> Result<String, String> {
        let is_word = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_graphic());
        let kept = |is_right: bool, form: &str| if is_right { Ok(value.to_owned()) } else { Err(form.to_owned()) };
        match self {
            _ if is_quoted(value) && self != Self::FreeSecret => {
                Err("without quotes (an --env-file keeps them)".to_owned())
            }
            Self::Endpoint | Self::Url => url(value).ok_or_else(|| "a URL such as https://s3.example:9000".to_owned()),
            Self::Host => {
                let is_part = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
                kept(is_word && value.bytes().all(is_part), "a name of letters, digits and dashes")
            }
            Self::Word | Self::Secret => kept(is_word, "one word without white space or line breaks"),
            Self::Line => {
                let is_line = value.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ');
                kept(is_line && !value.is_empty(), "one line of plain letters, digits and signs")
            }
            Self::Flag => kept(flag(value).is_some(), "true or false"),
            Self::Period => kept(duration(value).is_ok(), "a duration such as 30s or 5m"),
            Self::Number(from, to) => {
                let is_within = value.parse().is_ok_and(|number: u64| (from..=to).contains(&number));
                kept(is_within, &format!("a whole number from {from} to {to}"))
            }
            Self::SecretFile if value.is_empty() => kept(false, "the path of a file"),
            Self::SecretFile => match named::look_at_secret(Path::new(value)) {
                Ok(()) => Ok(value.to_owned()),
                Err(Refusal::Distrusted { why, next }) => {
                    Err(format!("a file that nobody else may write ({why}: {next})"))
                }
                Err(Refusal::Unreadable(error)) => Err(format!("a file ({error})")),
            },
            Self::Free | Self::FreeSecret => kept(!value.is_empty(), "not empty"),
        }
    }
}

/// The words of the library.
pub fn flag(value: &str) -> Option<bool> {
    match value.to_ascii_lowercase().as_str() {
        "1" | "true" | "on" | "yes" | "y" => Some(true),
        "0" | "false" | "off" | "no" | "n" => Some(false),
        _ => None,
    }
}

/// A URL that a request can be made of, without a `/` at its end.
fn url(value: &str) -> Option<String> {
    let url = Url::parse(value).ok().filter(|_| value.bytes().all(|byte| byte.is_ascii_graphic()))?;
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-._~%".contains(&byte);
    let is_http = matches!(url.scheme(), "http" | "https") && url.host().is_some();
    let is_whole = url.path().bytes().all(is_plain) && url.query().is_none() && url.fragment().is_none();
    (is_http && is_whole).then(|| url.as_str().trim_end_matches('/').to_owned())
}
