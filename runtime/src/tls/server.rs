//! The server's side of TLS: its certificates, tickets and rules, and the answer to a handshake.
//!
//! Owns: what all workers share ([`ServerTls`]), the taking up of changed files, the configuration that one listener
//! of a worker has of it ([`TlsAcceptor`]). Must not know: listeners, what is spoken behind a handshake.

use std::cell::RefCell;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use rustls::ServerConfig;
use rustls::server::{Acceptor, NoServerSessionStorage, UnbufferedServerConnection};

use super::challenges::Challenges;
use super::files::{ClientTrust, Identity, refuse};
use super::names::{Chooser, Identities};
use super::provider;
use super::stream::{Served, TlsStream, refused};
use super::tickets::TicketSecrets;
use super::watched::FileWatch;
use crate::config::{CertificateFiles, Limits, Linger};
use crate::error::{Error, Result};
use crate::io::{Chunk, Stream};

/// All that workers need to answer handshakes; one value for all of them.
pub struct ServerTls {
    files: Vec<CertificateFiles>,
    tickets: Arc<TicketSecrets>,
    /// Those of an ACME server, where certificates come from one.
    challenges: Option<Arc<Challenges>>,
    /// The reading of the files that counts.
    current: Mutex<Arc<Reading>>,
    /// Goes up with each reading that comes to count.
    version: AtomicU64,
    watched: Mutex<FileWatch>,
}

/// What one reading of the files has led to.
struct Reading {
    identities: Arc<Identities>,
    /// A configuration for each kind of clients that are let in.
    configs: Vec<TrustConfig>,
}

/// The configuration for those of the certificates that ask the same of clients.
struct TrustConfig {
    trust: ClientTrust,
    /// Without protocols.
    rustls: Arc<ServerConfig>,
}

impl Reading {
    /// Reads the files. Tickets of a reading before are good where clients are asked for the same.
    fn read(files: &[CertificateFiles], tickets: &Arc<TicketSecrets>) -> Result<Reading> {
        let all = files.iter().map(Identity::read).collect::<Result<Vec<_>>>()?;
        for (identity, files) in all.iter().zip(files) {
            if let Some(warning) = identity.warning(SystemTime::now()) {
                tracing::warn!("--tls-cert {}: {warning}", files.certificate.display());
            }
        }
        let identities = Arc::new(Identities::new(all));
        let mut configs: Vec<TrustConfig> = Vec::new();
        for (identity, files) in identities.all().iter().zip(files) {
            let trust = &identity.trust;
            if configs.iter().all(|known| known.trust != *trust) {
                configs.push(TrustConfig::new(&identities, trust, files, tickets)?);
            }
        }
        Ok(Reading { identities, configs })
    }

    /// The place of the configuration for who asks for `name`.
    fn config_for(&self, name: Option<&str>) -> usize {
        let identity = &self.identities.all()[self.identities.place_of(name)];
        self.configs.iter().position(|config| config.trust == identity.trust).unwrap_or(0)
    }
}

impl TrustConfig {
    fn new(
        identities: &Arc<Identities>,
        trust: &ClientTrust,
        files: &CertificateFiles,
        tickets: &Arc<TicketSecrets>,
    ) -> Result<TrustConfig> {
        let verifier = trust.verifier().map_err(|why| {
            let path = files.client_ca.as_deref().unwrap_or(&files.certificate);
            refuse("tls-client-ca", path, &format!("no authority for clients: {why}"))
                .remedy("It is a file of CA certificates in PEM.")
        })?;
        let internal =
            |error: rustls::Error| Error::new(crate::error::ErrorKind::Internal, format!("TLS: {error}"));
        let mut config = ServerConfig::builder_with_provider(provider::provider())
            .with_safe_default_protocol_versions()
            .map_err(internal)?
            .with_client_cert_verifier(verifier)
            .with_cert_resolver(Arc::new(Chooser(identities.clone())));
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.ticketer = tickets.ticketer(trust.context());
        Ok(TrustConfig { trust: trust.clone(), rustls: Arc::new(config) })
    }
}

impl ServerTls {
    /// Reads the files of certificates, of which there is at least one; the first is for clients that ask for no name,
    /// or for an unknown one.
    ///
    /// # Errors
    /// A file is not there, or is wrong: with the flag that names it and what mends it.
    pub fn read(files: &[CertificateFiles], challenges: Option<Arc<Challenges>>) -> Result<Arc<ServerTls>> {
        let no_numbers = |error| Error::new(crate::error::ErrorKind::Internal, format!("TLS: {error}"));
        ServerTls::read_with(files, challenges, TicketSecrets::new().map_err(no_numbers)?)
    }

    /// The same with the secrets of tickets that another server had.
    ///
    /// # Errors
    /// The same.
    pub fn read_with(
        files: &[CertificateFiles],
        challenges: Option<Arc<Challenges>>,
        tickets: Arc<TicketSecrets>,
    ) -> Result<Arc<ServerTls>> {
        // Before they are read: what changes in between is taken up later.
        let watched = FileWatch::new(files);
        let reading = Reading::read(files, &tickets)?;
        Ok(Arc::new(ServerTls {
            files: files.to_vec(),
            tickets,
            challenges,
            current: Mutex::new(Arc::new(reading)),
            version: AtomicU64::new(0),
            watched: Mutex::new(watched),
        }))
    }

    /// The same with other certificates behind the first `kept` of its own. Tickets stay good where clients are asked for
    /// the same.
    ///
    /// # Errors
    /// Those of [`ServerTls::read`].
    pub fn read_others(&self, kept: usize, others: &[CertificateFiles]) -> Result<Arc<ServerTls>> {
        let files: Vec<_> = self.files.iter().take(kept).chain(others).cloned().collect();
        let watched = FileWatch::new(&files);
        let reading = Reading::read(&files, &self.tickets)?;
        Ok(Arc::new(ServerTls {
            files,
            tickets: self.tickets.clone(),
            challenges: self.challenges.clone(),
            current: Mutex::new(Arc::new(reading)),
            version: AtomicU64::new(0),
            watched: Mutex::new(watched),
        }))
    }

    /// Looks whether the files have changed, and takes them up; to be called every second or so. Handshakes that have
    /// begun go on as they began. Files that are wrong are told of once, and what was read before stays.
    pub fn look(&self) {
        let mut watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        if !watched.look(&self.files) {
            return;
        }
        let read = Reading::read(&self.files, &self.tickets);
        // Two files that belong together are seldom written at the same moment.
        if watched.has_changed(&self.files) {
            return;
        }
        match read {
            Ok(reading) => {
                *self.current.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(reading);
                self.version.fetch_add(1, Ordering::Release);
                watched.settle();
                tracing::info!("TLS certificates are read anew");
            }
            Err(error) => {
                if watched.fails() {
                    tracing::error!("{error}\n  The certificates that were read before stay in use.");
                }
            }
        }
    }

    /// What encrypts its tickets.
    pub fn tickets(&self) -> &Arc<TicketSecrets> {
        &self.tickets
    }

    /// The challenges of an ACME server that it answers, where certificates come from one.
    pub fn challenges(&self) -> Option<&Arc<Challenges>> {
        self.challenges.as_ref()
    }

    fn current(&self) -> Arc<Reading> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The server's side of TLS as one listener of one worker has it.
pub struct TlsAcceptor {
    tls: Arc<ServerTls>,
    /// What is offered by ALPN, best first.
    protocols: Vec<Vec<u8>>,
    /// What a client may send before its handshake is over.
    handshake_bytes_max: usize,
    offer: RefCell<Offer>,
}

/// A reading of the files, with configurations that offer the listener's protocols.
struct Offer {
    version: u64,
    reading: Arc<Reading>,
    configs: Vec<Arc<ServerConfig>>,
}

/// What a client asks for.
#[derive(Default)]
struct Hello {
    /// In lower case.
    name: Option<String>,
    /// An ACME server that looks for an answer.
    is_challenge: bool,
}

/// Why there is no TLS on a connection.
pub enum Unaccepted {
    /// The client speaks something else, in text that begins with a capital, as requests of HTTP do: the bytes so
    /// far, and the stream as it was.
    PlainText(Stream, Vec<u8>),
    /// The handshake failed; the connection is closed. If TLS refused it, a [`rustls::Error`] is inside.
    Failed(io::Error),
}

impl TlsAcceptor {
    /// Answers handshakes with `tls`, offering `protocols` by ALPN: a client that offers others only is refused
    /// (RFC 7301 section 3.2); none are offered where there are none.
    pub fn new(tls: Arc<ServerTls>, protocols: &[&[u8]], limits: &Limits) -> TlsAcceptor {
        let protocols: Vec<Vec<u8>> = protocols.iter().map(|name| name.to_vec()).collect();
        let offer = RefCell::new(Offer::of(&tls, &protocols));
        TlsAcceptor { tls, protocols, handshake_bytes_max: limits.tls_handshake_bytes_max, offer }
    }

    /// Answers a client's handshake. The time that it takes is the caller's to bound.
    ///
    /// # Errors
    /// Why it came to nothing.
    pub async fn accept(&self, stream: Stream) -> std::result::Result<TlsStream, Unaccepted> {
        let mut received = receive(&stream).await?;
        // What begins with no capital is left to TLS, whose alert a client of an old version may understand.
        if received.first().is_some_and(u8::is_ascii_uppercase) {
            return Err(Unaccepted::PlainText(stream, received.to_vec()));
        }
        let several = self.offer().configs.len() > 1;
        let challenges = self.tls.challenges.as_ref().filter(|challenges| challenges.is_any());
        let mut name = None;
        if several || challenges.is_some() {
            let hello = self.hello(&stream, &mut received).await?;
            if let Some(challenges) = challenges.filter(|_| hello.is_challenge)
                && let Some(config) = hello.name.as_deref().and_then(|name| challenges.config(name))
            {
                return Err(self.answer_challenge(stream, received, config).await);
            }
            name = hello.name;
        }
        let (config, identities) = {
            let offer = self.offer();
            let place = if several { offer.reading.config_for(name.as_deref()) } else { 0 };
            (offer.configs[place].clone(), offer.reading.identities.clone())
        };
        let session =
            UnbufferedServerConnection::new(config).map_err(|error| Unaccepted::Failed(refused(error)))?;
        let mut stream = TlsStream::new(stream, session.into());
        match stream.handshake(received, self.handshake_bytes_max).await {
            Ok(chosen) => {
                stream.set_served(chosen.map(|chosen| Served { identities, chosen }));
                Ok(stream)
            }
            Err(error) => {
                stream.close_refused(&Linger::default()).await;
                Err(Unaccepted::Failed(error))
            }
        }
    }

    /// Shows an ACME server what it asks for (RFC 8737 section 3): more than a handshake it does not want.
    async fn answer_challenge(
        &self,
        stream: Stream,
        received: Chunk,
        config: Arc<ServerConfig>,
    ) -> Unaccepted {
        let session = match UnbufferedServerConnection::new(config) {
            Ok(session) => session,
            Err(error) => return Unaccepted::Failed(refused(error)),
        };
        let stream = TlsStream::new(stream, session.into());
        let ended = stream.handshake(received, self.handshake_bytes_max).await;
        stream.close_refused(&Linger::default()).await;
        Unaccepted::Failed(ended.err().unwrap_or_else(|| io::Error::other("a challenge of ACME, answered")))
    }

    fn offer(&self) -> std::cell::Ref<'_, Offer> {
        if self.tls.version.load(Ordering::Acquire) != self.offer.borrow().version {
            *self.offer.borrow_mut() = Offer::of(&self.tls, &self.protocols);
        }
        self.offer.borrow()
    }

    /// What the client asks for, where the configuration depends on it: its ClientHello is read twice then.
    /// What is no ClientHello is left to the configuration of the first certificate to refuse.
    async fn hello(&self, stream: &Stream, received: &mut Chunk) -> std::result::Result<Hello, Unaccepted> {
        let (mut acceptor, mut seen) = (Acceptor::default(), 0);
        loop {
            let mut bytes = &received[seen..];
            seen = received.len();
            while !bytes.is_empty() {
                if acceptor.read_tls(&mut bytes).is_err() {
                    return Ok(Hello::default());
                }
                match acceptor.accept() {
                    Ok(None) => {}
                    Ok(Some(accepted)) => {
                        let hello = accepted.client_hello();
                        return Ok(Hello {
                            name: hello.server_name().map(str::to_ascii_lowercase),
                            is_challenge: hello.alpn().is_some_and(Challenges::is_asked),
                        });
                    }
                    Err(_) => return Ok(Hello::default()),
                }
            }
            if seen > self.handshake_bytes_max {
                return Ok(Hello::default());
            }
            // In memory of its own while we wait.
            received.append(&[]);
            let more = receive(stream).await?;
            received.append(&more);
        }
    }
}

impl Offer {
    fn of(tls: &ServerTls, protocols: &[Vec<u8>]) -> Offer {
        // A reading that comes to count in between is taken up with the next look.
        let version = tls.version.load(Ordering::Acquire);
        let reading = tls.current();
        let offering = |config: &TrustConfig| {
            let mut config = ServerConfig::clone(&config.rustls);
            config.alpn_protocols = protocols.to_vec();
            Arc::new(config)
        };
        let configs = reading.configs.iter().map(offering).collect();
        Offer { version, reading, configs }
    }
}

/// The next bytes of a handshake.
async fn receive(stream: &Stream) -> std::result::Result<Chunk, Unaccepted> {
    let received = stream.recv().await.map_err(Unaccepted::Failed)?;
    if received.is_empty() {
        let text = "the connection closed before the TLS handshake";
        return Err(Unaccepted::Failed(io::Error::new(io::ErrorKind::UnexpectedEof, text)));
    }
    Ok(received)
}
