//! One order of a certificate: the account, the proof that we are the hosts, the certificate.
//!
//! Owns: the steps of RFC 8555 section 7.4, and how they go over our own client. Must not know: when, and what
//! becomes of failures.

use std::future::{Future, ready};
use std::pin::Pin;
use std::time::Duration;

use base64::Engine;
use base64::alphabet::URL_SAFE;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use bytes::Bytes;
use http_body::Body;
use instant_acme::{
    Account, AuthorizationStatus, BodyWrapper, BytesResponse, CertificateIdentifier, ChallengeType,
    ExternalAccountKey, HttpClient, Identifier, NewAccount, NewOrder, Order, OrderStatus, RetryPolicy,
};
use url::Url;

use super::store::OrderFolder;
use crate::causes::BoxError;
use crate::client::{ClientOptions, Request, RequestBody, blocking};
use crate::config::{Acme, ExternalAccount};
use crate::tls::{Challenges, Roots};

/// An authority may take as long over each of its steps.
const STEP_MAX: Duration = Duration::from_secs(120);
/// One that says nothing for as long does not answer.
const SILENCE_MS_MAX: u64 = 30_000;
const ANSWER_BYTES_MAX: usize = 1 << 20;
const USER_AGENT: &str = concat!("jsserve/", env!("CARGO_PKG_VERSION"));

/// How an authority finds out that we are the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// It asks a listener of plain HTTP (RFC 8555 section 8.3).
    Http,
    /// It asks a listener of TLS (RFC 8737).
    Tls,
}

/// Orders a certificate, in the place of the one that `replaces` names, and keeps it. Challenges are open while it runs, and it takes the thread for as long.
///
/// # Errors
/// Why there is none.
pub(super) fn order(
    config: &Acme,
    store: &OrderFolder,
    roots: &Roots,
    challenges: &Challenges,
    way: Way,
    replaces: Option<CertificateIdentifier<'static>>,
) -> Result<(), BoxError> {
    waiting(async {
        let result = run(config, store, roots, challenges, way, replaces).await;
        if let Err(error) = &result
            && error.to_string().contains("urn:ietf:params:acme:error:accountDoesNotExist")
        {
            store.forget_account();
        }
        result
    })
}

/// Runs `steps` on this thread, for the waits of an order only: requests have a worker of their own.
pub(super) fn waiting<T>(steps: impl Future<Output = Result<T, BoxError>>) -> Result<T, BoxError> {
    tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(steps)
}

async fn run(
    config: &Acme,
    store: &OrderFolder,
    roots: &Roots,
    challenges: &Challenges,
    way: Way,
    replaces: Option<CertificateIdentifier<'static>>,
) -> Result<(), BoxError> {
    let account = account(config, store, roots).await?;
    let hosts: Vec<Identifier> = config.names.iter().cloned().map(Identifier::Dns).collect();
    let new = NewOrder::new(&hosts);
    let new = match replaces {
        Some(identifier) => new.replaces(identifier),
        None => new,
    };
    let mut order = account.new_order(&new).await?;
    prove(&mut order, challenges, way).await?;
    let policy = RetryPolicy::new().timeout(STEP_MAX);
    let status = order.poll_ready(&policy).await;
    if !matches!(status, Ok(OrderStatus::Ready)) {
        return Err(refused(&mut order)
            .await
            .or(status.err().map(BoxError::from))
            .unwrap_or_else(|| "the authority refuses the order".into()));
    }
    let key = order.finalize().await?;
    let chain = order.poll_certificate(&policy).await?;
    store.keep(&chain, &key)
}

/// The account of an earlier start, or a new one.
pub(super) async fn account(config: &Acme, store: &OrderFolder, roots: &Roots) -> Result<Account, BoxError> {
    let options =
        ClientOptions { roots: roots.clone(), header_ms_max: SILENCE_MS_MAX, ..ClientOptions::default() };
    let builder = Account::builder_with_http(Box::new(Http(options)));
    if let Some(known) = store.account() {
        return Ok(builder.from_credentials(known).await?);
    }
    let contact = config.email.as_ref().map(|email| format!("mailto:{email}"));
    let contact: Vec<&str> = contact.iter().map(String::as_str).collect();
    let new = NewAccount { contact: &contact, terms_of_service_agreed: true, only_return_existing: false };
    let external = config.external_account.as_ref().map(external).transpose()?;
    let (account, credentials) = builder.create(&new, config.directory.clone(), external.as_ref()).await?;
    store.keep_account(&credentials)?;
    Ok(account)
}

/// The key that binds a new account to one that the authority knows already.
///
/// # Errors
/// Its file has none.
pub(super) fn external(account: &ExternalAccount) -> Result<ExternalAccountKey, BoxError> {
    let padding = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let text = std::fs::read_to_string(&account.key)?;
    match GeneralPurpose::new(&URL_SAFE, padding).decode(text.trim()) {
        Ok(key) if !key.is_empty() => Ok(ExternalAccountKey::new(account.key_id.clone(), &key)),
        _ => Err("it is no key in base64url".into()),
    }
}

/// Opens a challenge for each host that has not been proved lately, and says so.
async fn prove(order: &mut Order, challenges: &Challenges, way: Way) -> Result<(), BoxError> {
    let kind = match way {
        Way::Http => ChallengeType::Http01,
        Way::Tls => ChallengeType::TlsAlpn01,
    };
    let mut hosts = order.authorizations();
    while let Some(host) = hosts.next().await {
        let mut host = host?;
        if host.status == AuthorizationStatus::Valid {
            continue;
        }
        let name = host.identifier().to_string();
        let Some(mut challenge) = host.challenge(kind.clone()) else {
            return Err(format!("the authority has no challenge {kind:?} for {name}").into());
        };
        let authorization = challenge.key_authorization();
        let digest = authorization.digest();
        challenges.open(&name, &challenge.token, authorization.as_str(), digest.as_ref())?;
        challenge.set_ready().await?;
    }
    Ok(())
}

/// What the authority has found wrong with one of the hosts.
async fn refused(order: &mut Order) -> Option<BoxError> {
    let mut hosts = order.authorizations();
    while let Some(Ok(mut host)) = hosts.next().await {
        host.refresh().await.ok()?;
        let name = host.identifier().to_string();
        if let Some(problem) = host.challenges.iter().find_map(|challenge| challenge.error.as_ref()) {
            return Some(format!("{name}: {problem}").into());
        }
    }
    None
}

/// Our client, as the crate wants one. It blocks: nothing else is done on this thread.
struct Http(ClientOptions);

impl HttpClient for Http {
    fn request(
        &self,
        request: http::Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, instant_acme::Error>> + Send>> {
        let answer = self.send(request).map_err(instant_acme::Error::Other);
        Box::pin(ready(answer))
    }
}

impl Http {
    fn send(&self, request: http::Request<BodyWrapper<Bytes>>) -> Result<BytesResponse, BoxError> {
        let (head, body) = request.into_parts();
        let url = Url::parse(&head.uri.to_string())?;
        let body = whole(body);
        let fetched = blocking(self.0.clone(), ANSWER_BYTES_MAX, || {
            let mut request = Request::new(head.method, url);
            request.headers = head.headers;
            request.headers.insert(http::header::USER_AGENT, http::HeaderValue::from_static(USER_AGENT));
            request.body = RequestBody::of(body);
            request
        })?;
        let mut answer = http::Response::new(());
        *answer.status_mut() = fetched.status;
        *answer.headers_mut() = fetched.headers;
        let parts = answer.into_parts().0;
        Ok(BytesResponse { parts, body: Box::new(Bytes::from(fetched.body)) })
    }
}

/// A body that is there already.
fn whole(mut body: BodyWrapper<Bytes>) -> Bytes {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match Pin::new(&mut body).poll_frame(&mut context) {
        std::task::Poll::Ready(Some(Ok(frame))) => frame.into_data().unwrap_or_default(),
        _ => Bytes::new(),
    }
}
