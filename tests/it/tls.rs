//! The API behind TLS, as it is in the world: certificates are checked, and what comes through is the same.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rollbook::sim::{Account, Options, Shape};
use rollbook::tables::Table;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivatePkcs8KeyDer;

use crate::bed::{Bed, Ran, TOKEN, rollbook};

/// An authority of the test's own, as PEM, and a server configuration that it vouches for.
fn certified() -> (String, ServerConfig) {
    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let names = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
    let certificate = names.signed_by(&key, &authority).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], PrivatePkcs8KeyDer::from(key.serialize_der()).into())
        .unwrap();
    (authority.pem(), config)
}

/// Takes TLS connections and hands what they carry to a plain server, until its runtime ends.
async fn front(listener: TcpListener, config: ServerConfig, behind: String) {
    let acceptor = TlsAcceptor::from(Arc::new(config));
    while let Ok((socket, _)) = listener.accept().await {
        let (acceptor, behind) = (acceptor.clone(), behind.clone());
        tokio::spawn(async move {
            let Ok(mut outside) = acceptor.accept(socket).await else { return };
            let Ok(mut inside) = TcpStream::connect(behind).await else { return };
            let _ = tokio::io::copy_bidirectional(&mut outside, &mut inside).await;
        });
    }
}

#[test]
fn certificates_are_checked() {
    let bed = Bed::new(Options::new(Account::new(9, 300, Shape::Plain)));
    let (authority, config) = certified();
    let trusted = bed.folder.path().join("authority.pem");
    std::fs::write(&trusted, authority).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    runtime.spawn(front(listener, config, bed.server.base_url().trim_start_matches("http://").to_owned()));

    let export = || {
        let mut command = rollbook(bed.folder.path());
        command.args(["export", "--full", "--base-url", &url, "--dest"]).arg(bed.dataset());
        command.env("VIDEOSDK_TOKEN", TOKEN).env("ROLLBOOK_API_RETRY_BUDGET", "3s").env("SSL_CERT_FILE", &trusted);
        command
    };
    let proven = Ran::of(export().output().unwrap());
    assert_eq!(proven.code, 0, "{proven:?}");
    assert_eq!(bed.rows(Table::Sessions).len(), 300);

    let (stranger, _) = certified();
    std::fs::write(&trusted, stranger).unwrap();
    let refused = Ran::of(export().output().unwrap());
    assert_eq!(refused.code, 5, "{refused:?}");
    assert!(refused.stderr.contains("certificate") && refused.stderr.contains("hint: "), "{refused:?}");
}
