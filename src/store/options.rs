//! The options of object stores: what each must look like.
//!
//! The `object_store` library takes any text, and panics or fails much later where it can't be part of a URL or of a header.
//! So everything is looked at before it goes in. A value may be a secret and is never shown, but for a URL without one.

use object_store::ClientConfigKey as Client;
use object_store::aws::AmazonS3ConfigKey as S3;
use object_store::azure::AzureConfigKey as Azure;
use object_store::gcp::GoogleConfigKey as Google;
use url::Url;

use crate::error::{Error, Kind, Result};
use crate::store::place::Service;
use crate::words::text::{duration, is_quoted};

/// An option as it was given.
#[derive(Clone, PartialEq, Eq)]
pub struct Given {
    /// In small letters, as the library has it.
    pub name: String,
    /// The value, which may be a secret: it goes into no message.
    pub value: String,
    /// As whoever gave it calls it: the variable, or the name in `store.options`.
    pub called: String,
}

impl Given {
    /// From a variable of the environment; white space around a value, such as a secret's last line break, is dropped.
    pub fn by_variable(name: &str, value: &str) -> Self {
        Self { name: name.to_lowercase(), value: value.trim().to_owned(), called: name.to_owned() }
    }

    /// One that stands in `store.options`: its name is as the library has it.
    pub fn by_setting(name: &str, value: &str) -> Self {
        Self { name: name.to_owned(), value: value.to_owned(), called: format!("{name} in `store.options`") }
    }
}

/// The form that a value must have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
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
    /// The library says what is wrong with it.
    Free,
    /// That, and nothing that a settings file may hold.
    FreeSecret,
}

/// Which form an option must have; `None` where the service has none of this name.
fn form(service: Service, name: &str) -> Option<Form> {
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
        S3::ContainerAuthorizationTokenFile
        | S3::WebIdentityTokenFile
        | S3::Bucket
        | S3::Checksum
        | S3::CopyIfNotExists
        | S3::ConditionalPut
        | S3::RequestPayer => Form::Free,
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
        Azure::FederatedTokenFile | Azure::ContainerName | Azure::CredentialType => Form::Free,
        Azure::Client(key) => of_client(key),
        _ => Form::Word,
    }
}

fn of_google(key: Google) -> Form {
    match key {
        Google::BaseUrl => Form::Endpoint,
        Google::BearerToken => Form::Secret,
        Google::ServiceAccountKey => Form::FreeSecret,
        Google::ServiceAccount | Google::ApplicationCredentials | Google::Bucket => Form::Free,
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
    fn read(self, value: &str) -> Result<String, String> {
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
            Self::Free | Self::FreeSecret => kept(!value.is_empty(), "not empty"),
        }
    }
}

/// The words of the library.
fn flag(value: &str) -> Option<bool> {
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

/// Refuses settings that are secrets, or URLs that hold one, whatever store they are for: `rollbook config` shows settings.
///
/// # Errors
/// `Config`, with the name.
pub fn refuse_secrets<'a>(settings: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<()> {
    let is_secret = |service: Service, name: &str| matches!(form(service, name), Some(Form::Secret | Form::FreeSecret));
    for (name, value) in settings {
        let refuse = |what: &str| Error::new(Kind::Config, format!("`store.options` holds {what}: {name}"));
        if [Service::S3, Service::Azure, Service::Google].into_iter().any(|service| is_secret(service, name)) {
            return Err(refuse("a secret, and `rollbook config` would show it")
                .hint(format!("set {} in the environment", name.to_uppercase())));
        }
        if holds_credentials(value) {
            return Err(refuse("a URL with a name, a password or a signature, and `rollbook config` would show it")
                .hint("give the URL without them, and credentials in the environment"));
        }
    }
    Ok(())
}

/// Whether a value is a URL with more than the place of something.
fn holds_credentials(value: &str) -> bool {
    let more = |url: Url| !url.username().is_empty() || url.password().is_some() || url.query().is_some();
    value.contains("://") && Url::parse(value).is_ok_and(more)
}

/// Refuses settings that the service does not have, that stand there twice, or that are secrets.
///
/// # Errors
/// `Config`, with the name.
pub fn refuse_settings(service: Option<Service>, settings: &[Given]) -> Result<()> {
    refuse_secrets(settings.iter().map(|Given { name, value, .. }| (name.as_str(), value.as_str())))?;
    for (at, Given { name, .. }) in settings.iter().enumerate() {
        let refuse = |what: &str| Error::new(Kind::Config, format!("`store.options` holds {what}: {name}"));
        match service.and_then(|service| form(service, name)) {
            None => {
                return Err(refuse("a name that this kind of store does not have")
                    .hint("see \"Object stores\" in docs/operations.md for the usual ones"));
            }
            Some(_) if settings[..at].iter().any(|other| other.name == *name) => {
                return Err(refuse("a name twice").hint("keep one of the two"));
            }
            Some(_) => {}
        }
    }
    Ok(())
}

/// The options that the service has, each in its form. Of one that is given twice the last counts.
///
/// # Errors
/// `Config` with the name of one that can't be used, and what it must be.
pub fn checked(service: Service, given: &[Given]) -> Result<Vec<Given>> {
    let mut options = Vec::new();
    for option in given {
        let Some(form) = form(service, &option.name) else { continue };
        let value = form.read(&option.value).map_err(|allowed| {
            Error::new(Kind::Config, format!("the object store's option must be {allowed}: {}", option.called))
                .hint("correct it, or leave it out; its value is not shown, since it may be a secret")
        })?;
        options.push(Given { value, ..option.clone() });
    }
    refuse_plain_http(service, &options)?;
    refuse_profile(service, given, &options)?;
    Ok(options)
}

/// The values of options that are secrets, and the signatures in them that a URL may hold.
pub fn secrets(service: Service, given: &[Given]) -> Vec<String> {
    let is_secret = |option: &&Given| matches!(form(service, &option.name), Some(Form::Secret | Form::FreeSecret));
    let with_signature = |option: &Given| {
        let signatures = option.value.split('&').filter_map(|pair| pair.strip_prefix("sig=")).map(str::to_owned);
        std::iter::once(option.value.clone()).chain(signatures).collect::<Vec<_>>()
    };
    given.iter().filter(is_secret).flat_map(with_signature).collect()
}

/// Without TLS only where somebody has said so; the library would find out at its first request.
fn refuse_plain_http(service: Service, options: &[Given]) -> Result<()> {
    let allows = options.iter().rev().find(|option| {
        let allow = |name: &str| name.ends_with("allow_http");
        allow(&option.name) && form(service, &option.name) == Some(Form::Flag)
    });
    let emulates = |option: &Given| option.name.ends_with("use_emulator") && flag(&option.value) == Some(true);
    if allows.is_some_and(|option| flag(&option.value) == Some(true)) || options.iter().any(emulates) {
        return Ok(());
    }
    let is_plain =
        |option: &&Given| form(service, &option.name) == Some(Form::Endpoint) && option.value.starts_with("http://");
    let Some(option) = options.iter().find(is_plain) else { return Ok(()) };
    let prefix = match service {
        Service::S3 => "aws",
        Service::Azure => "azure",
        Service::Google => "google",
    };
    Err(Error::new(Kind::Config, format!("the object store's endpoint is without TLS: {}", option.called)).hint(format!(
        "give it with https://; or, where nobody can listen in, set {prefix}_allow_http=true in `store.options`, or {}_ALLOW_HTTP=true",
        prefix.to_uppercase()
    )))
}

/// A profile names credentials that are not read. Without any others the machine's role would be used in its place, which
/// may be somebody else's.
fn refuse_profile(service: Service, given: &[Given], options: &[Given]) -> Result<()> {
    let is_profile = |option: &&Given| matches!(option.name.as_str(), "aws_profile" | "aws_default_profile");
    let Some(profile) = given.iter().find(is_profile).filter(|_| service == Service::S3) else { return Ok(()) };
    let names_credentials = |option: &Given| match option.name.parse() {
        Ok(S3::SkipSignature) => flag(&option.value) == Some(true),
        Ok(key) => matches!(
            key,
            S3::AccessKeyId
                | S3::SecretAccessKey
                | S3::WebIdentityTokenFile
                | S3::ContainerCredentialsRelativeUri
                | S3::ContainerCredentialsFullUri
        ),
        Err(_) => false,
    };
    if options.iter().any(names_credentials) {
        return Ok(());
    }
    Err(Error::new(
        Kind::Config,
        format!("profiles are not read, and no other credentials are set: {}", profile.called),
    )
    .hint(
        "run `eval \"$(aws configure export-credentials --format env)\"` first, or unset it to use this machine's role",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(names: &[&str]) -> Vec<Given> {
        names.iter().map(|name| Given::by_setting(name, "x")).collect()
    }

    fn variables(variables: &[(&str, &str)]) -> Vec<Given> {
        variables.iter().map(|(name, value)| Given::by_variable(name, value)).collect()
    }

    fn refused(service: Service, given: &[(&str, &str)]) -> String {
        match checked(service, &variables(given)) {
            Ok(_) => panic!("taken: {given:?}"),
            Err(error) => {
                assert_eq!(error.kind(), Kind::Config);
                error.render()
            }
        }
    }

    #[test]
    fn secrets_and_the_signatures_in_them_are_known() {
        let s3 = [
            ("AWS_SECRET_ACCESS_KEY", "a"),
            ("AWS_ACCESS_KEY_ID", "id"),
            ("AWS_SESSION_TOKEN", "b"),
            ("AWS_REGION", "eu"),
        ];
        assert_eq!(secrets(Service::S3, &variables(&s3)), ["a", "b"]);
        let azure = [("AZURE_STORAGE_ACCOUNT_KEY", "c"), ("AZURE_STORAGE_SAS_TOKEN", "sv=1&sig=d%3D&se=2")];
        assert_eq!(secrets(Service::Azure, &variables(&azure)), ["c", "sv=1&sig=d%3D&se=2", "d%3D"]);
    }

    #[test]
    fn settings_of_another_store_secrets_and_doubles_are_refused() {
        let (s3, azure, google) = (Some(Service::S3), Some(Service::Azure), Some(Service::Google));
        for (service, name) in [
            (s3, "aws_server_side_encryption"),
            (s3, "aws_endpoint"),
            (s3, "aws_virtual_hosted_style_request"),
            (azure, "azure_storage_endpoint"),
            (google, "google_service_account"),
        ] {
            refuse_settings(service, &settings(&[name])).unwrap();
        }
        for (service, names, word) in [
            (s3, &["aws_endpont"][..], "does not have: aws_endpont"),
            (azure, &["aws_endpoint"], "does not have: aws_endpoint"),
            (None, &["aws_endpoint"], "does not have: aws_endpoint"),
            (s3, &["aws_region", "aws_region"], "twice: aws_region"),
            (s3, &["aws_secret_access_key"], "set AWS_SECRET_ACCESS_KEY in the environment"),
            (azure, &["azure_storage_sas_token"], "a secret"),
            (google, &["google_service_account_key"], "a secret"),
        ] {
            let error = refuse_settings(service, &settings(names)).unwrap_err();
            assert!(error.kind() == Kind::Config && error.render().contains(word), "{error:?}");
        }
        for url in [
            "http://u:hush@host:1",
            "https://hush@host",
            "https://host/?sig=hush",
            "https://host/?X-Amz-Signature=hush",
        ] {
            let error = refuse_secrets([("aws_endpoint", url)]).unwrap_err().render();
            assert!(error.contains("aws_endpoint") && !error.contains("hush"), "{error}");
        }
        refuse_secrets([("aws_endpoint", "https://host:9000/path")]).unwrap();
    }

    #[test]
    fn each_option_has_a_form_and_a_wrong_one_is_named_without_its_value() {
        use Service::{Azure, Google, S3};
        for (service, name, value) in [
            (S3, "AWS_ENDPOINT", "minio.local:9000"),
            (S3, "AWS_ENDPOINT", "minio.local"),
            (S3, "AWS_ENDPOINT_URL", "https://"),
            (S3, "AWS_ENDPOINT_URL_S3", "ftp://minio.local"),
            (S3, "AWS_ENDPOINT", "https://minio.local/?x"),
            (S3, "AWS_METADATA_ENDPOINT", "169.254.169.254"),
            (S3, "AWS_CONTAINER_CREDENTIALS_FULL_URI", "localhost/x"),
            (S3, "AWS_SESSION_TOKEN", "hush\nhush"),
            (S3, "AWS_ACCESS_KEY_ID", "hush\u{e9}"),
            (S3, "AWS_ACCESS_KEY_ID", "\"hush\""),
            (S3, "AWS_SECRET_ACCESS_KEY", "hush hush"),
            (S3, "AWS_REGION", "eu west/1"),
            (S3, "AWS_ALLOW_HTTP", "maybe"),
            (S3, "AWS_TIMEOUT", "soon"),
            (S3, "AWS_HTTP2_MAX_FRAME_SIZE", "1"),
            (S3, "AWS_USER_AGENT", "a\nb"),
            (S3, "AWS_PROXY_URL", "proxy"),
            (Azure, "AZURE_STORAGE_ACCOUNT_NAME", "hush\nhush"),
            (Azure, "AZURE_STORAGE_ACCOUNT_NAME", "name/x"),
            (Azure, "AZURE_STORAGE_ENDPOINT", "localhost:10000/dev"),
            (Azure, "AZURE_STORAGE_TOKEN", "hush\u{1}"),
            (Azure, "AZURE_AUTHORITY_HOST", "login.example"),
            (Google, "GOOGLE_BASE_URL", "storage"),
            (Google, "GOOGLE_BEARER_TOKEN", "hush\nhush"),
        ] {
            let error = refused(service, &[(name, value)]);
            assert!(error.contains(&format!(": {name}\nhint: ")) && !error.contains("hush"), "{error}");
        }
    }

    #[test]
    fn white_space_around_a_value_and_a_slash_behind_a_url_are_dropped() {
        let given =
            [("AWS_SESSION_TOKEN", "token\n"), ("AWS_ENDPOINT", " https://minio.local:9000/ "), ("AWS_OTHER", "\n")];
        let values = checked(Service::S3, &variables(&given)).unwrap();
        let values: Vec<_> = values.into_iter().map(|option| option.value).collect();
        assert_eq!(values, ["token", "https://minio.local:9000"]);
    }

    #[test]
    fn an_endpoint_without_tls_has_to_be_allowed() {
        let plain = ("AWS_ENDPOINT_URL", "http://minio.local");
        let error = refused(Service::S3, &[plain]);
        assert!(error.contains(": AWS_ENDPOINT_URL\n") && error.contains("aws_allow_http=true"), "{error}");
        assert!(refused(Service::S3, &[plain, ("AWS_ALLOW_HTTP", "false")]).contains("without TLS"));
        assert!(refused(Service::Azure, &[("AZURE_STORAGE_ENDPOINT", "http://a/b")]).contains("azure_allow_http=true"));
        assert!(checked(Service::S3, &variables(&[plain, ("AWS_ALLOW_HTTP", "true")])).is_ok());
        let google = ("GOOGLE_BASE_URL", "http://localhost:1");
        assert!(refused(Service::Google, &[google]).contains("google_allow_http=true"));
        assert!(checked(Service::Google, &variables(&[google, ("GOOGLE_ALLOW_HTTP", "yes")])).is_ok());
    }

    #[test]
    fn a_profile_alone_is_refused() {
        let profile = ("AWS_PROFILE", "videosdk");
        let error = refused(Service::S3, &[profile]);
        assert!(error.starts_with("error: profiles are not read") && error.contains(": AWS_PROFILE\n"), "{error}");
        assert!(checked(Service::S3, &variables(&[profile, ("AWS_ACCESS_KEY_ID", "a")])).is_ok());
        assert!(checked(Service::Azure, &variables(&[profile])).is_ok());
    }
}
