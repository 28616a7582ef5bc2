//! Password hashing with Argon2id, verification of hashes from other programs, and the password policy.

mod argon2id;
mod bcrypt;
mod pbkdf2;
mod phpass;
#[cfg(feature = "password-policy")]
mod policy;
mod pool;
mod scrypt;
mod settings;
mod stored;

use std::sync::Arc;

use ::phc::{Output, Salt};
use unicode_normalization::UnicodeNormalization;

#[cfg(feature = "password-policy")]
pub use self::policy::{InvalidPasswordBlocklist, PasswordBlocklist, StrengthPolicy};
use self::{
    argon2id::{Argon2Params, OUTPUT_BYTES, SALT_BYTES},
    pool::Pool,
    stored::StoredHash,
};
pub use self::{
    pool::HashLoad,
    settings::{Argon2Settings, InvalidArgon2Settings},
    stored::UnsupportedHash,
};
use crate::domain::{
    backend_error::BackendError,
    ports::{PasswordCheck, PasswordHasher},
    secret::{Password, PasswordHash},
};

/// A password hasher that writes Argon2id hashes ([RFC 9106](https://www.rfc-editor.org/rfc/rfc9106)) as
/// [PHC strings](https://github.com/P-H-C/phc-string-format/blob/master/phc-sf-spec.md). The default parameters are
/// [OWASP's](https://cheatsheetseries.owasp.org/cheatsheets/Password_Storage_Cheat_Sheet.html#argon2id).
///
/// Hashing runs on the hasher's own threads, so that it does not block async workers; it works with any runtime. If the
/// queue is full or the wait would be too long, it fails immediately with [`BackendError::busy`]. Threads start on
/// demand. Clones share the threads, which end when the last clone is dropped.
///
/// # Supported hashes
///
/// | kind | stored hash | limit |
/// |---|---|---|
/// | Argon2id, Argon2i | `$argon2id$`, `$argon2i$`; Django's `argon2$argon2id$` | 256 MiB, 1 GiB over all iterations |
/// | bcrypt | `$2a$`, `$2b$`, `$2y$`; Django's `bcrypt$$2b$` | cost 14 |
/// | bcrypt of a hash | Django's `bcrypt_sha256$$2b$`; passlib's `$bcrypt-sha256$`; WordPress' `$wp$2y$` | cost 14 |
/// | scrypt | `$scrypt$ln=`; Django's `scrypt$16384$`; Werkzeug's `scrypt:32768:8:1$` | N × r × p = 2²¹ (256 MiB) |
/// | PBKDF2 with SHA-1, SHA-256, SHA-512 | `$pbkdf2-sha256$i=`; passlib's `$pbkdf2-sha256$29000$`; Django's `pbkdf2_sha256$`; Werkzeug's `pbkdf2:sha256:600000$`; ASP.NET Core Identity's `AQAAAA…` | 4 million iterations |
/// | phpass | `$P$`, `$H$` | 2¹⁸ iterations |
/// | no password | `!…` | |
///
/// A hash may begin with a scheme prefix, as in LDAP servers and Spring: `{bcrypt}`, `{CRYPT}`, `{ARGON2}`,
/// `{PBKDF2-SHA256}`. Fast hashes such as `{SSHA}` and md5crypt are not supported, because they do not protect
/// passwords. A stored hash that begins with `!` stands for a user without a password.
///
/// If the password matches a hash that is not Argon2id with the current parameters, the result is
/// [`PasswordCheck::NeedsRehash`], and the sign-in replaces the hash. A hash of another kind or over these limits
/// matches no password; the reason is logged. bcrypt ignores all but the first 72 bytes of a password, so the bcrypt
/// hash of a longer password is not replaced.
///
/// ```
/// use gatepass::{BackendError, Password, PasswordCheck, PasswordHasher, passwords::Argon2Hasher};
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let hasher = Argon2Hasher::default();
/// let password = Password::from("correct horse battery staple");
///
/// let hash = hasher.hash(&password).await?;
/// assert!(hash.expose().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
/// assert_eq!(hasher.verify(&password, &hash).await?, PasswordCheck::Match);
/// assert_eq!(hasher.verify(&Password::from("secret"), &hash).await?, PasswordCheck::Mismatch);
///
/// let imported = "pbkdf2_sha256$1000$HrDXIXy935KrmGbeuRcTW2$xCtx1aVqzPdJdExDz1H74Vxo0ZLNYhrrtl/ePe4Pvy8=";
/// assert_eq!(hasher.verify(&Password::from("secret"), &imported.into()).await?, PasswordCheck::NeedsRehash);
/// # Ok::<(), BackendError>(())
/// # }).unwrap();
/// ```
#[derive(Clone, Debug)]
pub struct Argon2Hasher {
    params: Argon2Params,
    dummy_hash: PasswordHash,
    pool: Arc<Pool>,
}

impl Argon2Hasher {
    /// Creates a hasher with these settings.
    ///
    /// # Errors
    /// [`InvalidArgon2Settings`] if a setting is out of range.
    pub fn with_settings(settings: Argon2Settings) -> Result<Self, InvalidArgon2Settings> {
        let params = settings.params()?;
        // A salt and a hash of zeros, in base64. No password is known to have this hash.
        let dummy_hash = format!("{params}${:A<22}${:A<43}", "", "").into();
        Ok(Self { params, dummy_hash, pool: Arc::new(Pool::new(&settings)) })
    }

    /// Returns the current load of the threads.
    pub fn load(&self) -> HashLoad {
        self.pool.load()
    }

    /// Checks that [`verify`](PasswordHasher::verify) supports a stored hash.
    ///
    /// # Errors
    /// [`UnsupportedHash`] with the reason if it does not.
    pub fn check_hash(hash: &PasswordHash) -> Result<(), UnsupportedHash> {
        StoredHash::parse(hash.expose()).map(drop)
    }
}

/// Returns the password in NFKC, as [NIST SP 800-63B section
/// 3.1.1.2](https://pages.nist.gov/800-63-4/sp800-63b.html#passwordver) recommends: keyboards encode `é` in two ways.
fn normalized(password: &Password) -> Password {
    let text = password.expose();
    // Allocates the full length up front: a string that grows leaves copies in memory.
    let mut normalized = String::with_capacity(text.nfkc().map(char::len_utf8).sum());
    normalized.extend(text.nfkc());
    normalized.into()
}

impl Default for Argon2Hasher {
    fn default() -> Self {
        Self::with_settings(Argon2Settings::default())
            .unwrap_or_else(|error| unreachable!("the default settings are valid: {error}"))
    }
}

impl PasswordHasher for Argon2Hasher {
    async fn hash(&self, password: &Password) -> Result<PasswordHash, BackendError> {
        if !password.is_hashable() {
            return Err(BackendError::new("cannot hash a password that is empty or longer than 1,024 bytes"));
        }
        let mut salt = [0; SALT_BYTES];
        getrandom::fill(&mut salt)?;
        let (params, password) = (self.params.clone(), normalized(password));
        self.pool
            .run(0, move |blocks| {
                let mut output = [0; OUTPUT_BYTES];
                params.derive(password.expose().as_bytes(), &salt, blocks, &mut output)?;
                Ok(format!("{params}${}${}", Salt::new(&salt)?, Output::new(&output)?).into())
            })
            .await
    }

    async fn verify(&self, password: &Password, hash: &PasswordHash) -> Result<PasswordCheck, BackendError> {
        // To clients, an unsupported hash looks like a wrong password.
        let stored = StoredHash::parse(hash.expose()).unwrap_or_else(|error| {
            log::error!("cannot use a stored password hash, so its user cannot sign in: {error}");
            StoredHash::Unusable
        });
        let params = self.params.clone();
        let extra_memory = stored.extra_memory(params.memory());
        let mut spellings = vec![normalized(password)];
        if spellings[0].expose() != password.expose() {
            // Other programs hash passwords without normalizing them.
            spellings.push(password.clone());
        }
        self.pool
            .run(extra_memory, move |blocks| {
                let passwords = spellings.iter().map(|spelling| spelling.expose().as_bytes());
                let is_current = stored.is_current(&params);
                for (index, password) in passwords.clone().enumerate() {
                    if stored.matches(password, blocks)? {
                        // A hash that does not cover the end of the password is not replaced: the end may be mistyped.
                        if (!is_current || index > 0) && stored.covers(password) {
                            return Ok(PasswordCheck::NeedsRehash);
                        }
                        return Ok(PasswordCheck::Match);
                    }
                }
                if !is_current {
                    // Computes as many Argon2id hashes as for an unknown user. Otherwise a cheap or unsupported hash
                    // would take less time, and reveal that the user exists.
                    for password in passwords {
                        params.derive(password, &[0; SALT_BYTES], blocks, &mut [0; OUTPUT_BYTES])?;
                    }
                }
                Ok(PasswordCheck::Mismatch)
            })
            .await
    }

    fn dummy_hash(&self) -> &PasswordHash {
        &self.dummy_hash
    }
}
