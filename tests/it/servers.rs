//! Object stores on this machine: installed on first use under `target/`, versions pinned, each on a port of its own.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rollbook::rows::tables::Table;
use rollbook::store::files::Below;
use rollbook::store::place::Place;
use rollbook::store::{Given, Means};

use crate::python::{python, run};

/// The account that every Azurite has, and its key.
const ACCOUNT: &str = "devstoreaccount1";
const KEY: &str = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

/// A running object store; it is stopped when it is dropped.
pub struct ObjectStore {
    child: Child,
    scheme: &'static str,
    pub port: u16,
    /// What a program needs to get in.
    pub environment: Vec<(String, String)>,
    _folder: tempfile::TempDir,
}

impl ObjectStore {
    /// S3 as moto has it, which honours conditions.
    pub fn moto() -> Self {
        let port = free_port();
        let mut command = Command::new(python().with_file_name("moto_server"));
        command.args(["-H", "127.0.0.1", "-p", &port.to_string()]);
        let store = Self::start(command, port, "s3", s3(port), tempfile::tempdir().unwrap());
        store.ask("PUT", "/bucket", "", "");
        store
    }

    /// S3 as s3rver has it, which ignores conditions.
    pub fn s3rver() -> Self {
        let port = free_port();
        let folder = tempfile::tempdir().unwrap();
        let mut command = node("s3rver");
        command.args(["-d", folder.path().to_str().unwrap(), "-a", "127.0.0.1", "-p", &port.to_string()]);
        command.args(["--configure-bucket", "bucket"]);
        let mut environment = s3(port);
        for (name, value) in &mut environment {
            if name.ends_with("KEY_ID") || name.ends_with("ACCESS_KEY") {
                "S3RVER".clone_into(value);
            }
        }
        Self::start(command, port, "s3", environment, folder)
    }

    /// Azure as Azurite has it.
    pub fn azurite() -> Self {
        let port = free_port();
        let folder = tempfile::tempdir().unwrap();
        let mut command = node("azurite-blob");
        command.args(["--silent", "--skipApiVersionCheck", "--blobHost", "127.0.0.1"]);
        command.args(["--blobPort", &port.to_string(), "--location", folder.path().to_str().unwrap()]);
        let environment = [
            ("AZURE_STORAGE_ACCOUNT_NAME", ACCOUNT.to_owned()),
            ("AZURE_STORAGE_ACCOUNT_KEY", KEY.to_owned()),
            ("AZURE_STORAGE_ENDPOINT", format!("http://127.0.0.1:{port}/{ACCOUNT}")),
            ("AZURE_ALLOW_HTTP", "true".to_owned()),
        ];
        let environment = environment.map(|(name, value)| (name.to_owned(), value)).to_vec();
        let store = Self::start(command, port, "az", environment, folder);
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/servers/create_container.py");
        crate::python::run(Command::new(python()).arg(script).args([&port.to_string(), "bucket", ACCOUNT, KEY]));
        store
    }

    fn start(
        mut command: Command,
        port: u16,
        scheme: &'static str,
        environment: Vec<(String, String)>,
        folder: tempfile::TempDir,
    ) -> Self {
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let store = Self { child, scheme, port, environment, _folder: folder };
        for _ in 0..600 {
            if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return store;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("no object store listens on port {port}");
    }

    /// Puts an object into an S3 store, whatever was there.
    pub fn put(&self, key: &str, text: &str) {
        let script = "import boto3, os, sys\n\
            s3 = boto3.client('s3', endpoint_url=os.environ['AWS_ENDPOINT'])\n\
            s3.put_object(Bucket='bucket', Key=sys.argv[1], Body=sys.argv[2].encode())";
        run(Command::new(python()).args(["-c", script, key, text]).envs(self.environment.clone()));
    }

    /// What a program needs that reaches it by another port.
    pub fn through(&self, port: u16) -> Vec<(String, String)> {
        let place = |value: &String| value.replace(&format!("127.0.0.1:{}", self.port), &format!("127.0.0.1:{port}"));
        self.environment.iter().map(|(name, value)| (name.clone(), place(value))).collect()
    }

    /// Has the bucket keep all versions of its files.
    pub fn keep_versions(&self) {
        let body = "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>";
        self.ask("PUT", "/bucket?versioning", "", body);
    }

    /// The paths of all files under a prefix of the bucket; for S3.
    pub fn files(&self, prefix: &str) -> Vec<String> {
        let listed = self.ask("GET", &format!("/bucket?list-type=2&prefix={prefix}"), "", "");
        assert!(!listed.contains("<NextContinuationToken>"), "too many files for one answer");
        let keys = listed.split("<Key>").skip(1).filter_map(|rest| rest.split_once("</Key>"));
        keys.map(|(key, _)| key.to_owned()).collect()
    }

    /// Copies a dataset; for S3.
    pub fn copy(&self, from: &str, to: &str) {
        for file in self.files(&format!("{from}/")) {
            let target = file.replacen(from, to, 1);
            self.ask("PUT", &format!("/bucket/{target}"), &format!("x-amz-copy-source: /bucket/{file}\r\n"), "");
        }
    }

    fn ask(&self, method: &str, target: &str, headers: &str, body: &str) -> String {
        let length = body.len();
        let head = format!("{method} {target} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n{headers}");
        let mut socket = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        socket.write_all(format!("{head}Connection: close\r\n\r\n{body}").as_bytes()).unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{head}{answer}");
        answer
    }

    /// The URL of a dataset in it.
    pub fn url(&self, name: &str) -> String {
        format!("{}://bucket/{name}", self.scheme)
    }
}

impl Drop for ObjectStore {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn s3(port: u16) -> Vec<(String, String)> {
    let variables = [
        ("AWS_ACCESS_KEY_ID", "test".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", "test".to_owned()),
        ("AWS_REGION", "us-east-1".to_owned()),
        ("AWS_ENDPOINT", format!("http://127.0.0.1:{port}")),
        ("AWS_ALLOW_HTTP", "true".to_owned()),
    ];
    variables.map(|(name, value)| (name.to_owned(), value)).to_vec()
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A program of the pinned packages.
fn node(program: &str) -> Command {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let wanted = std::fs::read_to_string(root.join("tests/servers/package.json")).unwrap();
    let folder = root.join("target/node");
    std::fs::create_dir_all(&folder).unwrap();
    let lock = std::fs::File::create(folder.join("lock")).unwrap();
    lock.lock().unwrap();
    let stamp: PathBuf = folder.join("installed.json");
    if std::fs::read_to_string(&stamp).ok().as_ref() != Some(&wanted) {
        std::fs::write(folder.join("package.json"), &wanted).unwrap();
        run(Command::new("npm").args(["install", "--silent", "--no-audit", "--no-fund"]).current_dir(&folder));
        std::fs::write(stamp, wanted).unwrap();
    }
    Command::new(folder.join("node_modules/.bin").join(program))
}

/// Copies the tables of a dataset in an object store into a folder, as a reader of its own would fetch them.
pub fn download(environment: &[(String, String)], url: &str, folder: &Path) {
    let options = environment.iter().map(|(name, value)| Given::by_variable(name, value)).collect();
    let spool = Below::named(Path::new(env!("CARGO_TARGET_TMPDIR")));
    let (run_id, budget) = ("download".to_owned(), Duration::from_secs(10));
    let place = Place::parse(url).unwrap();
    let store = rollbook::store::open(&place, Means { options, spool, run_id, budget, faults: None }).unwrap();
    for table in Table::ALL {
        for (path, _) in store.list(table.name()).unwrap() {
            let (bytes, _) = store.read(&path).unwrap().unwrap();
            let target = folder.join(&path);
            std::fs::create_dir_all(target.parent().unwrap()).unwrap();
            std::fs::write(target, bytes).unwrap();
        }
    }
}
