//! Access tokens as a [`TokenService`]: signed by the key that is due, verified without a look-up.

use std::{
    fmt,
    sync::{
        Arc,
        mpsc::{self, RecvTimeoutError, SyncSender},
    },
    thread,
    time::Duration,
};

use super::{
    claims,
    jws::{self, CompactJws},
    key::{Key, random_id},
    key_directory::KeyDirectory,
    key_error::{KeyError, Reason},
    key_ring::KeyRing,
    settings::JwtSettings,
};
use crate::domain::{
    backend_error::BackendError,
    claims::Claims,
    invalidation::CacheInvalidator,
    ports::{IssuedToken, KeySet, NewToken, PublishedKeys, TokenService},
    secret::AccessToken,
    time::Timestamp,
};

/// How soon a change in the folder of the keys is noticed: with the pause below and the look itself, within a second.
const WATCH_PAUSE: Duration = Duration::from_millis(800);

/// How often tokens that name unknown keys make the thread look, at the most.
const WAKE_PAUSE: Duration = Duration::from_millis(100);

/// Access tokens as signed JWTs ([RFC 9068](https://www.rfc-editor.org/rfc/rfc9068)). Cheap to clone; clones
/// share the keys.
///
/// A token says `iss`, `sub`, `aud`, `exp`, `iat`, `jti`, and `client_id` and `scope` where there are such. One
/// that was issued with [`GrantedScopes::All`](crate::GrantedScopes::All) has no `scope`, which
/// elsewhere means that it allows nothing, and says `"unrestricted": true`, which only Gatepass reads: a token
/// without either allows nothing.
///
/// It takes only what it would issue: its algorithm, its issuer, its audience, its type, a key that it has, a
/// header without anything else. Times are held against the `now` of the call. Whatever else comes is `None`.
///
/// The keys are files in a folder ([`KeyDirectory`]). A thread notices new and removed ones within a second, and
/// ends with the last clone; a request never looks at the disk. A token that names an unknown key is refused, and
/// makes the thread look at once: it may be the new key of another replica.
///
/// When a key is compromised: make the next one ([`KeyDirectory::rotate`], `gatepass keys rotate`), then remove the
/// file of the compromised one. Within a second its tokens are refused and another key signs, waiting or not;
/// other services take the old key for as long as they cache the key set. In this order, since the only key of a
/// running service stays in use without its file, until another one is there or the service restarts.
///
/// ```
/// use gatepass::{AccessToken, JwtSettings, JwtTokens, GrantedScopes, Timestamp, NewToken, TokenService};
///
/// # let folder = tempfile::tempdir()?;
/// # let keys_dir = folder.path().join("keys");
/// # actix_web::rt::System::new().block_on(async {
/// let now = Timestamp::from_unix(1_700_000_000);
/// let tokens = JwtTokens::open(JwtSettings::new(keys_dir, "https://auth.example.com"), now)?;
///
/// let granted_scopes = GrantedScopes::Only("me".parse()?);
/// let order = NewToken { subject: 7_u64.into(), granted_scopes, client_id: None, session_id: None, now };
/// let token = tokens.issue(&order).await?.access_token;
///
/// let claims = tokens.verify(&token, now).await?.expect("a genuine token");
/// assert_eq!(claims.subject.as_str(), "7");
///
/// let in_15_minutes = Timestamp::from_unix(1_700_000_900);
/// assert!(tokens.verify(&token, in_15_minutes).await?.is_none());
/// assert!(tokens.verify(&AccessToken::from("guessed"), now).await?.is_none());
/// # Ok::<(), gatepass::BackendError>(())
/// # })?;
/// # Ok::<(), gatepass::BackendError>(())
/// ```
#[derive(Clone)]
pub struct JwtTokens(Arc<Inner>);

struct Inner {
    settings: JwtSettings,
    ring: Arc<KeyRing>,
    /// Makes the watching thread look; it ends when this is dropped.
    wake: SyncSender<()>,
}

impl JwtTokens {
    /// Reads the keys; makes their folder (of mode 0700) and the first key (0600) where there is none.
    ///
    /// # Errors
    /// A line that begins with the path of a key that is damaged or that others may read, or of the folder.
    pub fn open(settings: JwtSettings, now: Timestamp) -> Result<Self, KeyError> {
        let ring = Arc::new(KeyRing::open(KeyDirectory::new(&settings), now)?);
        // Of one place: who finds it taken need not ask again.
        let (wake, woken) = mpsc::sync_channel(1);
        let watched = Arc::clone(&ring);
        thread::Builder::new()
            .name("gatepass-keys".into())
            .spawn(move || {
                while woken.recv_timeout(WATCH_PAUSE) != Err(RecvTimeoutError::Disconnected) {
                    watched.refresh();
                    thread::sleep(WAKE_PAUSE);
                }
            })
            .map_err(|error| Reason::Io(error).at(&settings.keys_dir))?;
        Ok(Self(Arc::new(Inner { settings, ring, wake })))
    }

    /// Tells `listener` when a key is gone: a token that it signed is not recognised any more.
    pub fn watch(&self, listener: Arc<dyn CacheInvalidator>) {
        self.0.ring.watch(listener);
    }

    /// Looks for changed keys now, instead of within a second. Waits for the disk.
    pub fn refresh(&self) {
        self.0.ring.refresh();
    }

    /// Whether there is a key that signs at this moment.
    pub fn can_sign(&self, now: Timestamp) -> bool {
        self.0.ring.snapshot().signing(now).is_some()
    }

    fn claims(&self, token: &str, now: Timestamp) -> Option<Claims> {
        let Inner { settings, ring, wake } = &*self.0;
        let jws = CompactJws::parse(token)?;
        if jws.header.alg != settings.algorithm.name() || !jws.header.is_of_an_access_token() {
            return None;
        }
        let keys = ring.snapshot();
        if !keys.knows(&jws.header.kid) {
            // Full means that the thread is about to look anyway.
            let _ = wake.try_send(());
            return None;
        }
        let payload = jws.payload_signed_by(keys.verifying(&jws.header.kid, now)?)?;
        claims::read(&payload, &settings.expected(), now)
    }
}

impl TokenService for JwtTokens {
    async fn issue(&self, order: &NewToken) -> Result<IssuedToken, BackendError> {
        let settings = &self.0.settings;
        let keys = self.0.ring.snapshot();
        let key: &Key = keys.signing(order.now).ok_or_else(|| Reason::NoKey.at(&settings.keys_dir))?;
        let payload = claims::write(order, &random_id()?, settings)?;
        Ok(IssuedToken {
            access_token: jws::sign(key, &payload).into(),
            expires_in: Some(settings.access_token_ttl),
        })
    }

    async fn verify(&self, token: &AccessToken, now: Timestamp) -> Result<Option<Claims>, BackendError> {
        Ok(self.claims(token.expose(), now))
    }
}

impl PublishedKeys for JwtTokens {
    fn key_set(&self, now: Timestamp) -> Result<KeySet, BackendError> {
        let json = serde_json::to_string(&self.0.ring.snapshot().jwks(now))?;
        // Half of the delay: whoever keeps it so long has a new key well before it signs.
        Ok(KeySet { json, fresh_for: self.0.settings.activation_delay / 2 })
    }
}

impl fmt::Debug for JwtTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JwtTokens").field("settings", &self.0.settings).finish_non_exhaustive()
    }
}
