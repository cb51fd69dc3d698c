//! The options of object stores: what each must look like.
//!
//! The `object_store` library takes any text, and panics or fails much later where it can't be part of a URL or of a header.
//! So everything is looked at before it goes in. A value may be a secret and is never shown, but for a URL without one.

mod form;

use object_store::aws::AmazonS3ConfigKey as S3;
use url::Url;

use crate::error::{Error, Kind, Result};
use crate::store::place::Service;
use form::{Form, flag, form};

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

/// Refuses settings that are secrets, or URLs that hold one, whatever store they are for: `rollbook config` shows settings.
///
/// # Errors
/// `Config`, with the name.
pub fn refuse_secrets<'a>(settings: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<()> {
    let is_secret = |service: Service, name: &str| matches!(form(service, name), Some(Form::Secret | Form::FreeSecret));
    for (name, value) in settings {
        let refuse = |what: &str| Error::new(Kind::Config, format!("`store.options` holds {what}: {name}"));
        if Service::all().any(|service| is_secret(service, name)) {
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
    let prefix = service.prefix();
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
    fn a_file_with_a_secret_that_others_may_write_is_refused() {
        use std::os::unix::fs::PermissionsExt;

        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key.json");
        std::fs::write(&path, "{}").unwrap();
        let variables = [
            (Service::Google, "GOOGLE_APPLICATION_CREDENTIALS"),
            (Service::Google, "GOOGLE_SERVICE_ACCOUNT"),
            (Service::S3, "AWS_WEB_IDENTITY_TOKEN_FILE"),
            (Service::Azure, "AZURE_FEDERATED_TOKEN_FILE"),
        ];
        for (service, name) in variables {
            let given = |path: &std::path::Path| [Given::by_variable(name, path.to_str().unwrap())];
            for (mode, is_refused) in [(0o600, false), (0o644, false), (0o620, true), (0o602, true)] {
                std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
                let checked = checked(service, &given(&path));
                assert_eq!(checked.is_err(), is_refused, "{name}: {mode:o}");
                let told = checked.err().map(|error| error.to_string()).unwrap_or_default();
                assert_eq!(told.contains("chmod go-w") && told.contains(name), is_refused, "{told}");
            }
            assert!(checked(service, &given(folder.path())).is_err(), "{name}: a folder");
            assert!(checked(service, &given(&folder.path().join("missing"))).is_ok(), "{name}: the library tells");
        }
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
