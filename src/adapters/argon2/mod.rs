//! Argon2id on threads of its own, and the kinds of hashes that other programs left behind.

mod argon2id;
mod backlog;
mod bcrypt;
mod memory;
mod pbkdf2;
mod pool;
mod priority;
mod scrypt;
mod settings;
mod stored;

use std::{fmt, num::NonZeroUsize, thread::available_parallelism};

use ::phc::{Output, Salt};
use zeroize::Zeroizing;

use self::{
    argon2id::{Argon2Hash, OUTPUT_BYTES, Recipe, SALT_BYTES},
    pool::{Bounds, Pool},
    stored::Stored,
};
pub use self::{
    pool::HashLoad,
    settings::{Argon2Settings, InvalidArgon2Settings},
};
use crate::domain::{
    backend_error::BackendError,
    ports::{PasswordCheck, PasswordHasher},
    secret::{Password, PasswordHash},
};

/// Hashes passwords with Argon2id ([RFC 9106](https://www.rfc-editor.org/rfc/rfc9106)) into
/// [PHC strings](https://github.com/P-H-C/phc-string-format/blob/master/phc-sf-spec.md), with
/// [OWASP's parameters](https://cheatsheetseries.owasp.org/cheatsheets/Password_Storage_Cheat_Sheet.html#argon2id)
/// unless told otherwise.
///
/// It works on threads of its own, so that no async worker waits, and it needs no particular runtime. When its
/// queue is full, or the wait would be too long, it answers [`BackendError::busy`] at once. Its threads end when it is dropped.
///
/// # What it verifies
///
/// | kind | a stored hash begins with | at most |
/// |---|---|---|
/// | Argon2id, Argon2i | `$argon2id$`, `$argon2i$`; Django's `argon2$argon2id$` | 256 MiB, 1 GiB over all iterations |
/// | bcrypt | `$2a$`, `$2b$`, `$2y$`; Django's `bcrypt$$2b$` | cost 14 |
/// | scrypt | `$scrypt$ln=` | N × r × p = 2²¹ (256 MiB) |
/// | PBKDF2-SHA256 | `$pbkdf2-sha256$i=`; passlib's `$pbkdf2-sha256$29000$`; Django's `pbkdf2_sha256$` | 4 million iterations |
///
/// Whatever is no Argon2id with today's parameters is [`PasswordCheck::NeedsRehash`] when it matches, so that the next
/// sign-in replaces it. What is over these limits is not verified but a [`BackendError`], and so is what cannot be
/// read: one row must not stop the service. bcrypt counts the first 72 bytes of a password, as the programs did
/// that made such hashes.
///
/// ```
/// use gatepass::{Argon2Hasher, Argon2Settings, BackendError, Password, PasswordHasher, PasswordCheck};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let hasher = Argon2Hasher::new(Argon2Settings::default())?;
/// # let done: Result<(), BackendError> = tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// let password = Password::from("correct horse battery staple");
///
/// let hash = hasher.hash(&password).await?;
/// assert!(hash.expose().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
/// assert_eq!(hasher.verify(&password, &hash).await?, PasswordCheck::Match);
/// assert_eq!(hasher.verify(&Password::from("secret"), &hash).await?, PasswordCheck::Mismatch);
///
/// let imported = "pbkdf2_sha256$1000$HrDXIXy935KrmGbeuRcTW2$xCtx1aVqzPdJdExDz1H74Vxo0ZLNYhrrtl/ePe4Pvy8=";
/// assert_eq!(hasher.verify(&Password::from("secret"), &imported.into()).await?, PasswordCheck::NeedsRehash);
/// # Ok(())
/// # });
/// # Ok(done.map_err(|fault| fault.to_string())?)
/// # }
/// ```
pub struct Argon2Hasher {
    recipe: Recipe,
    dummy_hash: PasswordHash,
    pool: Pool,
}

impl Argon2Hasher {
    /// A hasher with its threads running.
    ///
    /// # Errors
    /// Where a setting is out of its bounds, or the system gives no random bytes or no threads.
    pub fn new(settings: Argon2Settings) -> Result<Self, InvalidArgon2Settings> {
        let recipe = settings.recipe()?;
        // Random bytes in place of a hash: no password is known to match, and verifying costs what it costs.
        let dummy_hash = Argon2Hash {
            recipe,
            salt: random_salt().map_err(InvalidArgon2Settings::Randomness)?,
            output: random_output().map_err(InvalidArgon2Settings::Randomness)?,
        };
        let threads = settings.threads.or_else(|| available_parallelism().ok()).unwrap_or(NonZeroUsize::MIN);
        let bounds =
            Bounds { threads: threads.get(), queue: settings.queue.get(), max_wait: settings.max_wait };
        let pool = Pool::start(bounds, recipe.memory).map_err(InvalidArgon2Settings::Threads)?;
        Ok(Self { recipe, dummy_hash: dummy_hash.to_string().into(), pool })
    }

    /// How busy its threads are, now and later.
    pub fn load(&self) -> HashLoad {
        self.pool.load().clone()
    }

    /// Whether a stored hash is of a kind that is verified, with parameters within the limits.
    ///
    /// # Errors
    /// Where it is not, and why; nothing of the hash is in it.
    pub fn check(hash: &PasswordHash) -> Result<(), BackendError> {
        Ok(Stored::read(hash.expose()).map(drop)?)
    }
}

impl fmt::Debug for Argon2Hasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Argon2Hasher").field("recipe", &self.recipe).finish_non_exhaustive()
    }
}

impl PasswordHasher for Argon2Hasher {
    async fn hash(&self, password: &Password) -> Result<PasswordHash, BackendError> {
        if !password.is_hashable() {
            return Err(BackendError::new("a password that is empty or over 1,024 bytes is not hashed"));
        }
        let (recipe, salt, password) = (self.recipe, random_salt()?, copy(password));
        self.pool
            .run(move |memory| {
                let mut output = [0; OUTPUT_BYTES];
                recipe.derive(&password, &salt, memory, &mut output)?;
                let hash = Argon2Hash { recipe, salt, output: Output::new(&output)? };
                Ok(hash.to_string().into())
            })
            .await
    }

    async fn verify(&self, password: &Password, hash: &PasswordHash) -> Result<PasswordCheck, BackendError> {
        // To a client a hash that cannot be read is one that its password does not match.
        let stored = Stored::read(hash.expose()).inspect_err(|error| log::error!("{error}")).ok();
        let (recipe, salt, password) = (self.recipe, random_salt()?, copy(password));
        self.pool
            .run(move |memory| {
                let is_todays = stored.as_ref().is_some_and(|stored| stored.is_made_by(&recipe));
                if let Some(stored) = &stored
                    && stored.matches(&password, memory)?
                {
                    return Ok(if is_todays { PasswordCheck::Match } else { PasswordCheck::NeedsRehash });
                }
                if !is_todays {
                    // A cheap hash of another kind must not be told from one of today's by the time.
                    recipe.derive(&password, &salt, memory, &mut [0; OUTPUT_BYTES])?;
                }
                Ok(PasswordCheck::Mismatch)
            })
            .await
    }

    fn dummy_hash(&self) -> &PasswordHash {
        &self.dummy_hash
    }
}

/// The password for another thread; wiped when that is done.
fn copy(password: &Password) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(password.expose().as_bytes().to_vec())
}

fn random_salt() -> Result<Salt, getrandom::Error> {
    let mut bytes = [0; SALT_BYTES];
    getrandom::fill(&mut bytes)?;
    Ok(Salt::new(&bytes).unwrap_or_else(|_| unreachable!("16 bytes are a salt")))
}

fn random_output() -> Result<Output, getrandom::Error> {
    let mut bytes = [0; OUTPUT_BYTES];
    getrandom::fill(&mut bytes)?;
    Ok(Output::new(&bytes).unwrap_or_else(|_| unreachable!("32 bytes are an output")))
}
