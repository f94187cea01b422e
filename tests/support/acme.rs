//! A small authority that speaks ACME (RFC 8555): it checks signatures and nonces, really asks for what challenges
//! promise, and signs.
//!
//! Owns: its listener, what it refuses on purpose. Must not know: `jsserve`.

use std::collections::HashSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant, SystemTime};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, PKCS_ECDSA_P256_SHA256,
    PublicKeyData, SignatureAlgorithm, date_time_ymd,
};
use ring::digest::{SHA256, digest};
use ring::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, UnixTime};
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, ServerConfig, ServerConnection, StreamOwned,
};
use serde_json::{Value, json};

use super::{SOON, eventually};

type Issuer = CertifiedIssuer<'static, KeyPair>;

/// The authority.
pub struct AcmeServer {
    /// The URL of its directory.
    pub directory: String,
    /// Who has signed the certificate of its own host, in PEM.
    pub trust: PathBuf,
    shared: Arc<Shared>,
}

struct Shared {
    url: String,
    issuer: Issuer,
    state: Mutex<State>,
}

/// What it knows and what it is to do.
pub struct State {
    /// Where challenges by HTTP are asked for, once that is known.
    pub http: Option<SocketAddr>,
    /// Where those by TLS are.
    pub tls: Option<SocketAddr>,
    /// Good nonces that are refused all the same.
    pub refused_nonces: u32,
    /// Challenges that fail though they are answered.
    pub refused_challenges: u32,
    /// What certificates are good for, before now and from now on.
    pub life: (Duration, Duration),
    /// The identifier and the key of the account elsewhere that accounts are bound to.
    pub external: Option<(&'static str, &'static [u8])>,
    /// The window in which the first certificate is to be renewed; none where it says nothing of renewals.
    pub window: Option<[&'static str; 2]>,
    /// What certificates that are to be replaced are known by.
    pub replaced: Vec<String>,
    /// Requests so far, as method and path.
    pub requests: Vec<String>,
    /// Kinds of challenges that were answered well.
    pub proved: Vec<String>,
    nonces: HashSet<String>,
    accounts: Vec<Value>,
    orders: Vec<Order>,
}

struct Order {
    names: Vec<String>,
    proved: Vec<bool>,
    error: Option<Value>,
    certificate: Option<String>,
    replaces: Value,
}

impl AcmeServer {
    /// Starts one; `folder` is where its files go.
    pub fn start(folder: &Path) -> AcmeServer {
        let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
        let url = format!("https://{}", listener.local_addr().expect("an address"));
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = Issuer::self_signed(params, KeyPair::generate().expect("a key")).expect("a certificate");
        let own = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).expect("a certificate");
        let trust = folder.join("acme.pem");
        std::fs::write(&trust, own.cert.pem()).expect("write");
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(own.signing_key.serialize_der()));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(vec![own.cert.der().clone()], key)
            .expect("a certificate");
        let state = State {
            http: None,
            tls: None,
            refused_nonces: 0,
            refused_challenges: 0,
            life: (Duration::from_secs(3600), Duration::from_secs(90 * 24 * 3600)),
            external: None,
            window: None,
            replaced: Vec::new(),
            requests: Vec::new(),
            proved: Vec::new(),
            nonces: HashSet::new(),
            accounts: Vec::new(),
            orders: Vec::new(),
        };
        let shared = Arc::new(Shared { url: url.clone(), issuer, state: Mutex::new(state) });
        let (served, config) = (shared.clone(), Arc::new(config));
        std::thread::spawn(move || {
            for socket in listener.incoming().map_while(Result::ok) {
                let (shared, config) = (served.clone(), config.clone());
                std::thread::spawn(move || {
                    let session = ServerConnection::new(config).expect("a session");
                    serve(&shared, StreamOwned::new(session, socket))
                });
            }
        });
        AcmeServer { directory: format!("{url}/directory"), trust, shared }
    }

    /// What it knows, to look at and to change.
    pub fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().expect("no panic")
    }

    /// Its certificate, by which those that it has signed are good.
    pub fn root(&self) -> CertificateDer<'static> {
        self.shared.issuer.der().clone()
    }
}

/// An answer: status, fields, body.
type Answer = (u16, Vec<(&'static str, String)>, Vec<u8>);

fn serve(shared: &Shared, stream: StreamOwned<ServerConnection, TcpStream>) -> Option<()> {
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    stream.read_line(&mut line).ok()?;
    let (method, path) =
        line.split_once(' ').map(|(method, rest)| (method, rest.split(' ').next().unwrap_or("")))?;
    let (method, path) = (method.to_owned(), path.to_owned());
    let mut bytes = 0;
    loop {
        line.clear();
        stream.read_line(&mut line).ok()?;
        match line.trim_end().to_ascii_lowercase().split_once(':') {
            Some(("content-length", value)) => bytes = value.trim().parse().ok()?,
            Some(_) => {}
            None => break,
        }
    }
    let mut body = vec![0; bytes];
    stream.read_exact(&mut body).ok()?;
    let nonce = {
        let mut state = shared.state.lock().expect("no panic");
        state.requests.push(format!("{method} {path}"));
        let nonce = format!("nonce{}", state.requests.len());
        state.nonces.insert(nonce.clone());
        nonce
    };
    let (status, mut fields, body) = answer(shared, &method, &path, &body);
    fields.push(("Replay-Nonce", nonce));
    let fields: String = fields.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let length = body.len();
    let head =
        format!("HTTP/1.1 {status} x\r\n{fields}Content-Length: {length}\r\nConnection: close\r\n\r\n");
    let stream = stream.get_mut();
    stream.write_all(head.as_bytes()).ok()?;
    if method != "HEAD" {
        stream.write_all(&body).ok()?;
    }
    stream.conn.send_close_notify();
    stream.flush().ok()
}

fn answer(shared: &Shared, method: &str, path: &str, body: &[u8]) -> Answer {
    let url = &shared.url;
    if path == "/directory" {
        let mut urls = json!({
            "newNonce": format!("{url}/nonce"), "newAccount": format!("{url}/account"), "newOrder": format!("{url}/order"),
            "revokeCert": format!("{url}/revoke"), "keyChange": format!("{url}/key"),
        });
        if shared.state.lock().expect("no panic").window.is_some() {
            urls["renewalInfo"] = format!("{url}/renewal").into();
        }
        return (200, Vec::new(), urls.to_string().into_bytes());
    }
    if path.starts_with("/renewal/") {
        let [start, end] = shared.state.lock().expect("no panic").window.expect("a window");
        let info = json!({ "suggestedWindow": { "start": start, "end": end } });
        return (200, vec![("Retry-After", "21600".to_owned())], info.to_string().into_bytes());
    }
    if method == "HEAD" {
        return (200, Vec::new(), Vec::new());
    }
    match signed(shared, path, body) {
        Ok((jwk, payload)) => act(shared, path, &jwk, &payload),
        Err(kind) => {
            let problem = json!({ "type": format!("urn:ietf:params:acme:error:{kind}"), "detail": "on purpose, or not" });
            (400, Vec::new(), problem.to_string().into_bytes())
        }
    }
}

/// The account's key and what it has signed (RFC 8555 section 6.2).
fn signed(shared: &Shared, path: &str, body: &[u8]) -> Result<(Value, Value), &'static str> {
    let message: Value = serde_json::from_slice(body).map_err(|_| "malformed")?;
    let part = |name: &str| message[name].as_str().ok_or("malformed");
    let bytes = |text: &str| BASE64.decode(text).map_err(|_| "malformed");
    let head: Value = serde_json::from_slice(&bytes(part("protected")?)?).map_err(|_| "malformed")?;
    if head["alg"] != "ES256" || head["url"] != format!("{}{path}", shared.url) {
        return Err("unauthorized");
    }
    let mut state = shared.state.lock().expect("no panic");
    if !state.nonces.remove(head["nonce"].as_str().unwrap_or_default()) || state.refused_nonces > 0 {
        state.refused_nonces = state.refused_nonces.saturating_sub(1);
        return Err("badNonce");
    }
    let jwk = match head["kid"].as_str() {
        None => head["jwk"].clone(),
        Some(kid) => {
            let number = kid.rsplit('/').next().and_then(|number| number.parse::<usize>().ok());
            let known = number.and_then(|number| state.accounts.get(number));
            known.cloned().ok_or("accountDoesNotExist")?
        }
    };
    let coordinate = |name: &str| bytes(jwk[name].as_str().ok_or("malformed")?);
    let key = [vec![4], coordinate("x")?, coordinate("y")?].concat();
    let text = format!("{}.{}", part("protected")?, part("payload")?);
    UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, key)
        .verify(text.as_bytes(), &bytes(part("signature")?)?)
        .map_err(|_| "unauthorized")?;
    let payload = bytes(part("payload")?)?;
    Ok((jwk, serde_json::from_slice(&payload).unwrap_or(Value::Null)))
}

fn act(shared: &Shared, path: &str, jwk: &Value, payload: &Value) -> Answer {
    let parts: Vec<&str> = path.split('/').skip(1).collect();
    let number = |at: usize| parts.get(at).and_then(|part| part.parse::<usize>().ok()).unwrap_or(0);
    let text = |value: Value| value.to_string().into_bytes();
    let mut state = shared.state.lock().expect("no panic");
    match parts[0] {
        "account" => new_account(shared, &mut state, path, jwk, payload),
        "order" if parts.len() == 1 => {
            let names = payload["identifiers"].as_array().expect("identifiers").iter();
            let names: Vec<_> = names.map(|it| it["value"].as_str().expect("a name").to_owned()).collect();
            let proved = vec![false; names.len()];
            let replaces = payload["replaces"].clone();
            state.replaced.extend(replaces.as_str().map(str::to_owned));
            state.orders.push(Order { names, proved, error: None, certificate: None, replaces });
            let number = state.orders.len() - 1;
            let place = format!("{}/order/{number}", shared.url);
            (201, vec![("Location", place)], text(state.orders[number].show(&shared.url, number)))
        }
        "order" => (200, Vec::new(), text(state.orders[number(1)].show(&shared.url, number(1)))),
        "authorization" => {
            let shown = state.orders[number(1)].show_host(&shared.url, number(1), number(2));
            (200, Vec::new(), text(shown))
        }
        "challenge" => {
            let name = state.orders[number(1)].names[number(2)].clone();
            let refused = state.refused_challenges > 0;
            state.refused_challenges = state.refused_challenges.saturating_sub(1);
            drop(state);
            let token = format!("token-{}-{}", number(1), number(2));
            let found = if refused {
                Err("refused on purpose".into())
            } else {
                prove(shared, parts[3], &name, &token, jwk)
            };
            let mut state = shared.state.lock().expect("no panic");
            match found {
                Ok(()) => {
                    state.proved.push(parts[3].to_owned());
                    state.orders[number(1)].proved[number(2)] = true;
                }
                Err(why) => {
                    let problem = json!({ "type": "urn:ietf:params:acme:error:unauthorized", "detail": why });
                    state.orders[number(1)].error = Some(problem);
                }
            }
            let challenge = json!({ "type": parts[3], "url": format!("{}{path}", shared.url), "token": token, "status": "processing" });
            (200, Vec::new(), text(challenge))
        }
        "finalize" => {
            let request = BASE64.decode(payload["csr"].as_str().expect("a request")).expect("base64url");
            let life = state.life;
            let order = &mut state.orders[number(1)];
            assert!(order.proved.iter().all(|proved| *proved), "not ready");
            order.certificate = Some(sign(&shared.issuer, &order.names, &request, life));
            (200, Vec::new(), text(order.show(&shared.url, number(1))))
        }
        "certificate" => {
            (200, Vec::new(), state.orders[number(1)].certificate.clone().expect("one").into_bytes())
        }
        other => panic!("nothing is at {other}"),
    }
}

fn new_account(shared: &Shared, state: &mut State, path: &str, jwk: &Value, payload: &Value) -> Answer {
    assert!(payload["termsOfServiceAgreed"] == true, "{payload}");
    let bound = &payload["externalAccountBinding"];
    if state.external.is_some_and(|account| !is_bound(bound, account, &format!("{}{path}", shared.url), jwk))
    {
        let problem = json!({ "type": "urn:ietf:params:acme:error:externalAccountRequired", "detail": "another account" });
        return (403, Vec::new(), problem.to_string().into_bytes());
    }
    state.accounts.push(jwk.clone());
    let place = format!("{}/account/{}", shared.url, state.accounts.len() - 1);
    (201, vec![("Location", place)], json!({ "status": "valid" }).to_string().into_bytes())
}

/// Whether `bound` binds the account of `jwk` to another one (RFC 8555 section 7.3.4).
fn is_bound(bound: &Value, (key_id, key): (&str, &[u8]), url: &str, jwk: &Value) -> bool {
    let part = |name: &str| bound[name].as_str().unwrap_or_default();
    let json =
        |text: &str| BASE64.decode(text).ok().and_then(|bytes| serde_json::from_slice::<Value>(&bytes).ok());
    let text = format!("{}.{}", part("protected"), part("payload"));
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, key);
    let signature = BASE64.decode(part("signature")).unwrap_or_default();
    ring::hmac::verify(&key, text.as_bytes(), &signature).is_ok()
        && json(part("protected")) == Some(json!({ "alg": "HS256", "kid": key_id, "url": url }))
        && json(part("payload")).as_ref() == Some(jwk)
}

impl Order {
    fn show(&self, url: &str, number: usize) -> Value {
        let status = match () {
            () if self.error.is_some() => "invalid",
            () if self.certificate.is_some() => "valid",
            () if self.proved.iter().all(|proved| *proved) => "ready",
            () => "pending",
        };
        let hosts: Vec<_> =
            (0..self.names.len()).map(|host| format!("{url}/authorization/{number}/{host}")).collect();
        let mut shown = json!({
            "status": status, "authorizations": hosts, "finalize": format!("{url}/finalize/{number}"),
            "identifiers": self.names.iter().map(|name| json!({ "type": "dns", "value": name })).collect::<Vec<_>>(),
        });
        if !self.replaces.is_null() {
            shown["replaces"] = self.replaces.clone();
        }
        if self.certificate.is_some() {
            shown["certificate"] = format!("{url}/certificate/{number}").into();
        }
        shown
    }

    fn show_host(&self, url: &str, number: usize, host: usize) -> Value {
        let status = match () {
            () if self.error.is_some() => "invalid",
            () if self.proved[host] => "valid",
            () => "pending",
        };
        let challenge = |kind: &str| {
            let mut shown = json!({
                "type": kind, "url": format!("{url}/challenge/{number}/{host}/{kind}"), "status": status,
                "token": format!("token-{number}-{host}"),
            });
            if let Some(error) = &self.error {
                shown["error"] = error.clone();
            }
            shown
        };
        let identifier = json!({ "type": "dns", "value": self.names[host] });
        json!({ "status": status, "identifier": identifier, "challenges": [challenge("http-01"), challenge("tls-alpn-01")] })
    }
}

/// Looks whether who asks is the host.
fn prove(shared: &Shared, kind: &str, name: &str, token: &str, jwk: &Value) -> Result<(), String> {
    let address = || {
        let state = shared.state.lock().expect("no panic");
        if kind == "http-01" { state.http } else { state.tls }
    };
    // The test learns the server's ports when it has started, and so has its first order.
    eventually("where the server listens", || address().is_some());
    let address = address().expect("an address");
    let canonical = format!("{{\"crv\":\"P-256\",\"kty\":\"EC\",\"x\":{},\"y\":{}}}", jwk["x"], jwk["y"]);
    let thumbprint = BASE64.encode(digest(&SHA256, canonical.as_bytes()));
    let authorization = format!("{token}.{thumbprint}");
    let socket = TcpStream::connect(address).map_err(|error| error.to_string())?;
    socket.set_read_timeout(Some(SOON)).map_err(|error| error.to_string())?;
    match kind {
        "http-01" => ask_http(socket, name, token, &authorization),
        _ => ask_tls(socket, name, digest(&SHA256, authorization.as_bytes()).as_ref()),
    }
}

fn ask_http(mut socket: TcpStream, name: &str, token: &str, authorization: &str) -> Result<(), String> {
    let request = format!(
        "GET /.well-known/acme-challenge/{token} HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n"
    );
    let mut text = String::new();
    socket.write_all(request.as_bytes()).map_err(|error| error.to_string())?;
    socket.read_to_string(&mut text).map_err(|error| error.to_string())?;
    let good = text.starts_with("HTTP/1.1 200 ") && text.ends_with(&format!("\r\n\r\n{authorization}"));
    good.then_some(()).ok_or(text)
}

/// RFC 8737 section 3.
fn ask_tls(socket: TcpStream, name: &str, digest: &[u8]) -> Result<(), String> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anyone))
        .with_no_client_auth();
    config.alpn_protocols = vec![b"acme-tls/1".to_vec()];
    let server = ServerName::try_from(name.to_owned()).expect("a name");
    let session = ClientConnection::new(Arc::new(config), server).expect("a session");
    let mut stream = StreamOwned::new(session, socket);
    while stream.conn.is_handshaking() {
        stream.conn.complete_io(&mut stream.sock).map_err(|error| error.to_string())?;
    }
    if stream.conn.alpn_protocol() != Some(b"acme-tls/1") {
        return Err("another protocol".into());
    }
    let shown = stream.conn.peer_certificates().expect("a certificate")[0].clone();
    // id-pe-acmeIdentifier, critical, an OCTET STRING in the extension's.
    let mut extension =
        vec![0x06, 0x08, 0x2b, 6, 1, 5, 5, 7, 1, 31, 0x01, 0x01, 0xff, 0x04, 0x22, 0x04, 0x20];
    extension.extend(digest);
    let has = |part: &[u8]| shown.windows(part.len()).any(|bytes| bytes == part);
    (has(&extension) && has(name.as_bytes())).then_some(()).ok_or_else(|| "another certificate".into())
}

/// Trusts all certificates: what is in them is looked at later.
#[derive(Debug)]
struct Anyone;

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        rustls::crypto::ring::default_provider().signature_verification_algorithms.supported_schemes()
    }
}

/// A key of ECDSA on P-256, as its point.
struct Point(Vec<u8>);

impl PublicKeyData for Point {
    fn der_bytes(&self) -> &[u8] {
        &self.0
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &PKCS_ECDSA_P256_SHA256
    }
}

/// A certificate in PEM for the key in the request, with the root behind it.
fn sign(issuer: &Issuer, names: &[String], request: &[u8], (before, after): (Duration, Duration)) -> String {
    // The first uncompressed point in a BIT STRING of 66 bytes is the key's.
    let mark = [0x03, 0x42, 0x00, 0x04];
    let at = request.windows(4).position(|bytes| bytes == mark).expect("a key of P-256") + 3;
    let mut params = CertificateParams::new(names).expect("names");
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970");
    params.not_before = date_time_ymd(1970, 1, 1) + (now - before);
    params.not_after = date_time_ymd(1970, 1, 1) + (now + after);
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(rcgen::DnType::CommonName, &*names[0]);
    params.use_authority_key_identifier_extension = true;
    let certificate = params.signed_by(&Point(request[at..at + 65].to_vec()), issuer).expect("a certificate");
    certificate.pem() + &issuer.pem()
}

/// Waits until it is so; for the tests of what this authority has signed.
pub fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + 4 * SOON;
    while !is_so() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
