//! Where a dataset is, from what somebody typed: a folder of this machine, or a place in an object store.
//!
//! The one place that knows how such a text begins. A text that looks like a URL, a drive, or something that only a shell
//! understands is understood or refused, and never becomes a folder of that name.

use std::fmt;
use std::path::Path;

use url::Url;

/// How a place can be written, to be read after "must be".
fn forms() -> String {
    let [first @ .., last] = KNOWN.each_ref().map(|known| known.form);
    format!("the path of a folder, or {} or {last}", first.join(", "))
}

/// Where a dataset is. Its text is the shortest way to write it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A folder, absolute or from where the process is.
    Folder(String),
    /// A bucket or container, and a path in it.
    Objects(Objects),
}

/// A place in an object store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Objects {
    /// Which kind of store, and so which library client and which variables.
    pub service: Service,
    /// The bucket (S3, Google) or the container (Azure).
    pub bucket: String,
    /// The host of an account, such as `name.dfs.core.windows.net`, where the text names it.
    pub host: Option<String>,
    /// Names with `/` between them; empty for the whole bucket.
    pub path: String,
}

/// The object stores that are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// `s3://`, and `s3a://` and `s3n://` as Spark and Hadoop have it.
    S3,
    /// `az://`, and `abfs://` and `abfss://` as Spark and Hadoop have it.
    Azure,
    /// `gs://`, and `gcs://` as some tools write it.
    Google,
}

/// What there is to know of a service, once.
struct Known {
    service: Service,
    /// How its places begin, in small letters; the first is how they are written here.
    schemes: &'static [&'static str],
    /// How a place is written, for messages.
    form: &'static str,
    /// How its variables begin in the environment; in small letters and without the underscore, how its options begin.
    variables: &'static [&'static str],
}

const KNOWN: [Known; 3] = [
    Known { service: Service::S3, schemes: &["s3", "s3a", "s3n"], form: "s3://bucket/path", variables: &["AWS_"] },
    Known {
        service: Service::Azure,
        schemes: &["az", "abfs", "abfss"],
        form: "az://container/path",
        variables: &["AZURE_", "AZURITE_"],
    },
    Known { service: Service::Google, schemes: &["gs", "gcs"], form: "gs://bucket/path", variables: &["GOOGLE_"] },
];

impl Service {
    /// All of them.
    pub fn all() -> impl Iterator<Item = Self> {
        KNOWN.iter().map(|known| known.service)
    }

    /// Whether a variable of the environment is read by one of them.
    pub fn reads(variable: &str) -> bool {
        KNOWN.iter().any(|known| known.variables.iter().any(|prefix| variable.starts_with(prefix)))
    }

    /// How its options begin, without the underscore: `aws`.
    pub fn prefix(self) -> String {
        self.known().variables[0].trim_end_matches('_').to_ascii_lowercase()
    }

    fn of(scheme: &str) -> Option<Self> {
        KNOWN.iter().find(|known| known.schemes.contains(&scheme)).map(|known| known.service)
    }

    fn known(self) -> &'static Known {
        KNOWN.iter().find(|known| known.service == self).unwrap_or(&KNOWN[0])
    }
}

impl Place {
    /// The place that a text means; else how it must be written.
    ///
    /// # Errors
    /// The right form, to be read after "must be".
    pub fn parse(text: &str) -> Result<Self, String> {
        refuse_what_a_shell_would_read(text)?;
        match scheme(text) {
            None if text == "/" => Err("a folder below /".to_owned()),
            None => match text.split_once("//").and_then(|(scheme, _)| Service::of(scheme)) {
                Some(service) => {
                    Err(format!("written as {} (a folder of this name begins with ./)", service.known().form))
                }
                None => Ok(Self::Folder(text.to_owned())),
            },
            Some(("file", rest)) => file(text, rest).map(Self::Folder),
            Some((scheme, rest)) => match Service::of(scheme) {
                Some(service) => Objects::parse(service, rest).map(Self::Objects),
                None if rest.starts_with("//") => Err(forms()),
                None => Err(format!("{} (a folder with a colon in its name begins with ./)", forms())),
            },
        }
    }

    /// The folder, if it is one.
    #[must_use]
    pub fn folder(&self) -> Option<&Path> {
        match self {
            Self::Folder(path) => Some(Path::new(path)),
            Self::Objects(_) => None,
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(path) => out.write_str(path),
            Self::Objects(objects) => objects.fmt(out),
        }
    }
}

/// White space at an end, quotes, `~` and variables are what a shell takes away or fills in; a settings file, an
/// `--env-file` or a scheduler hands them on as they are.
fn refuse_what_a_shell_would_read(text: &str) -> Result<(), String> {
    let refuse = |what: &str| Err(what.to_owned());
    match text {
        "" | "-" => Err(forms()),
        _ if text.chars().any(char::is_control) => refuse("a path without line breaks or other control characters"),
        _ if text.trim() != text => refuse("a path without white space around it"),
        _ if text.starts_with(['"', '\'']) => refuse("a path without quotes around it (an --env-file keeps them)"),
        _ if text.starts_with('~') => refuse("a whole path, since only a shell knows `~`"),
        _ if text.starts_with('$') || text.contains("${") => {
            refuse("a path without variables, since only a shell fills them in")
        }
        _ if text.contains('\\') || is_drive(text) => refuse("a path of this system, with `/` between its names"),
        _ => Ok(()),
    }
}

/// Whether the text is a drive of Windows: `C:` or `C:/data`.
fn is_drive(text: &str) -> bool {
    matches!(text.as_bytes(), [letter, b':'] | [letter, b':', b'/', ..] if letter.is_ascii_alphabetic())
}

/// The scheme of a text, in small letters and without the colon, and what follows.
fn scheme(text: &str) -> Option<(&str, &str)> {
    // In place of a lookup by small letters: the few known ones in any case, all others as they are.
    let (scheme, rest) = text.split_once(':')?;
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"+-._@".contains(&byte);
    let begins = scheme.starts_with(|first: char| first.is_ascii_alphabetic());
    let mut known = KNOWN.iter().flat_map(|known| known.schemes.iter().copied()).chain(["file"]);
    let known = known.find(|known| scheme.eq_ignore_ascii_case(known));
    (begins && scheme.bytes().all(is_name)).then(|| (known.unwrap_or(scheme), rest))
}

/// `file:///srv/data` and `file:/srv/data` are the folder `/srv/data`.
fn file(text: &str, rest: &str) -> Result<String, String> {
    let path = rest.starts_with('/').then(|| Url::parse(text).ok()?.to_file_path().ok()).flatten();
    let path = path.as_deref().and_then(Path::to_str).filter(|path| *path != "/" && !text.contains(['?', '#']));
    path.map(str::to_owned).ok_or_else(|| "a file URL with the whole path, such as file:///srv/rollbook".to_owned())
}

impl Objects {
    /// Reads what follows the scheme and its colon; an `Err` says how it must be written.
    fn parse(service: Service, rest: &str) -> Result<Self, String> {
        let form = service.known().form;
        let rest = rest.strip_prefix("//").ok_or_else(|| format!("written as {form}"))?;
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (bucket, host) = match authority.split_once('@') {
            Some((bucket, host)) if service == Service::Azure && is_azure_host(host) => (bucket, Some(host.to_owned())),
            Some(_) => return Err(format!("written as {form}, without a name or a password before an `@`")),
            None => (authority, None),
        };
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
        let bucket_name = bucket.strip_prefix('$').filter(|_| service == Service::Azure).unwrap_or(bucket);
        if bucket_name.is_empty() || !bucket_name.bytes().all(is_name) {
            return Err(format!("written as {form}, and this has no name of a bucket or container"));
        }
        let (typed, path) = (path, path.strip_suffix('/').unwrap_or(path));
        if path.contains(['?', '#']) {
            return Err(format!("written as {form}, without `?` or `#`"));
        }
        if is_signed(path) {
            return Err(format!("written as {form}, without a signature or a token"));
        }
        if !typed.is_empty() && path.split('/').any(|name| matches!(name, "" | "." | "..")) {
            return Err(format!("written as {form}, with a name between each two `/`"));
        }
        Ok(Self { service, bucket: bucket.to_owned(), host, path: path.to_owned() })
    }
}

/// Whether a path carries what gives access, as URLs that were made to be handed on do.
fn is_signed(path: &str) -> bool {
    let small = path.to_ascii_lowercase().replace("%3d", "=");
    ["sig=", "signature=", "token=", "credential="].iter().any(|what| small.contains(what))
}

/// The host of an account as Azure gives it.
fn is_azure_host(host: &str) -> bool {
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-.".contains(&byte);
    let ends = [".dfs.core.windows.net", ".blob.core.windows.net", ".fabric.microsoft.com"];
    host.bytes().all(is_name) && ends.iter().any(|end| host.len() > end.len() && host.ends_with(end))
}

impl fmt::Display for Objects {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { service, bucket, host, path } = self;
        write!(out, "{}://{bucket}", service.known().schemes[0])?;
        if let Some(host) = host {
            write!(out, "@{host}")?;
        }
        if path.is_empty() { Ok(()) } else { write!(out, "/{path}") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_stay_as_they_were_typed() {
        for text in [
            "./rollbook-data",
            "/srv/rollbook",
            "data",
            "data/",
            ".",
            "..",
            "./a:b",
            "./s3//b",
            "/a:b",
            "2026-11-01T08:00",
            "a b",
        ] {
            assert_eq!(Place::parse(text), Ok(Place::Folder(text.to_owned())), "{text}");
        }
        for (text, folder) in [
            ("file:///srv/rollbook", "/srv/rollbook"),
            ("file:/srv/rollbook", "/srv/rollbook"),
            ("FILE://localhost/srv/a%20b", "/srv/a b"),
        ] {
            assert_eq!(Place::parse(text), Ok(Place::Folder(folder.to_owned())), "{text}");
        }
    }

    #[test]
    fn stores_are_known_by_all_their_schemes() {
        for (text, place) in [
            ("s3://bucket", "s3://bucket"),
            ("s3://bucket/", "s3://bucket"),
            ("S3://bucket/a/b/", "s3://bucket/a/b"),
            ("s3a://bucket/a", "s3://bucket/a"),
            ("s3n://bucket/a", "s3://bucket/a"),
            ("az://$web/a", "az://$web/a"),
            ("abfs://container/a", "az://container/a"),
            ("abfss://c@name.dfs.core.windows.net/a", "az://c@name.dfs.core.windows.net/a"),
            ("gs://bucket/a b", "gs://bucket/a b"),
            ("gcs://bucket/a", "gs://bucket/a"),
        ] {
            let parsed = Place::parse(text).unwrap_or_else(|allowed| panic!("{text}: {allowed}"));
            assert_eq!((parsed.to_string().as_str(), parsed.folder()), (place, None), "{text}");
            assert_eq!(Place::parse(place), Ok(parsed), "{text}");
        }
    }

    #[test]
    fn what_is_none_is_refused_with_the_right_form() {
        for (texts, allowed) in [
            (&["", "-", "ftp://h/x", "http://h/x", "hdfs://h/x"][..], &*forms()),
            (&["host:/data", "user@host:data", "dbfs:/x", "memory:"], "begins with ./)"),
            (&["s3:", "s3:bucket", "s3:/bucket", "S3:bucket/x", "s3//bucket/x"], "written as s3://bucket/path"),
            (
                &["s3://", "s3:///x", "s3://<bucket>/x", "s3://$BUCKET/x", "s3://a b/x", "s3://a:9/x"],
                "no name of a bucket",
            ),
            (&["s3://key:secret@bucket/x", "abfss://c@host/x", "gs://a@b/c"], "before an `@`"),
            (&["s3://b//x", "s3://b/x//", "s3://b/../x", "az://c/./x", "s3://b//"], "between each two `/`"),
            (&["s3://b/x?y", "s3://b/x#y"], "without `?` or `#`"),
            (
                &[
                    "az://c/x&sig=abc",
                    "s3://b/sig=abc",
                    "s3://b/x;SIG=abc",
                    "gs://b/x%3Fsig%3Dabc",
                    "s3://b/X-Amz-Signature=a",
                ],
                "without a signature or a token",
            ),
            (&["az:container", "abfss:/c"], "written as az://container/path"),
            (&["~", "~/x", "~user/x"], "only a shell knows `~`"),
            (&["$HOME/x", "/data/${X}/y", "s3://${BUCKET}/x"], "without variables"),
            (&["C:\\data", "C:/data", "c:", "\\\\server\\share", ".\\data", "a\\b"], "path of this system"),
            (&["\"s3://b/x\"", "'/data'"], "without quotes"),
            (&[" /data", "/data ", "s3://b/x\u{a0}"], "white space around it"),
            (&["/data\n", "s3://b/\tx", "a\0b"], "control characters"),
            (
                &["file://", "file:", "file:x", "file:///", "file://host/x", "file:///a?b"],
                "such as file:///srv/rollbook",
            ),
            (&["/"], "a folder below /"),
        ] {
            for text in texts {
                let refused = Place::parse(text).expect_err(text);
                assert!(refused.contains(allowed), "{text}: {refused}");
            }
        }
    }
}
