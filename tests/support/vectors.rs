//! Password hashes made by other programs: passlib 1.7.4, argon2-cffi 25.1.0, bcrypt 4.0.1,
//! Django 5.2.19 and Python 3.11's hashlib. Costs are low so that tests are fast.

/// The passwords of the hashes of each [`Vector`].
pub const PASSWORDS: [&str; 3] = [
    "secret",
    "pässwörd",
    // 100 bytes, of which bcrypt reads 72.
    "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789",
];

/// Hashes of one kind, one for each of [`PASSWORDS`].
pub struct Vector {
    pub kind: &'static str,
    pub hashes: [&'static str; 3],
}

/// Hashes that a sign-in replaces.
pub const OUTDATED: [Vector; 14] = [
    Vector {
        kind: "Argon2id, other parameters",
        hashes: [
            "$argon2id$v=19$m=1024,t=3,p=4$hilYnLlqY9qmVA+eHkg2Ag$xLOZzyG3HgVPd5r5X230siGgdRYemIRILJEo73XU/wk",
            "$argon2id$v=19$m=1024,t=3,p=4$UIck04bip9ETwgnbDzF5aw$NGCd8VFrCe1QjF9Hgrs4VCf/PwUUgBKV5VDyXK7u81s",
            "$argon2id$v=19$m=1024,t=3,p=4$ubCpN+mXHHGWwOtEqZHabw$tUnh7jg2D0nuQNiCLSejuXnPpuEULbqpkn+puioZOJA",
        ],
    },
    Vector {
        kind: "Argon2id, version 1.0",
        hashes: [
            "$argon2id$v=16$m=256,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$sJNz0k8FWen7Cxh4QA0Bmk1CzdEIAYAI49wcizUaSAg",
            "$argon2id$v=16$m=256,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$Rv3prFf0/GJNnlpD0UkTG8Ue2P4KYlszzEtGNtGZMBY",
            "$argon2id$v=16$m=256,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$qWT2QGYarVUicq/75O4QS5PPsI+E7If/zivCvIekFBg",
        ],
    },
    Vector {
        kind: "Argon2i",
        hashes: [
            "$argon2i$v=19$m=512,t=3,p=2$EHcFC/wQiXz0f6qt2BL0sg$QzRpQIW+FKDY6dPrS8QCIRSTzzKIZ72q",
            "$argon2i$v=19$m=512,t=3,p=2$48Y4PJcqccTIy9OWiSoxXQ$CYJ9caWPmfpDbWuvU377Yipz3+0N6nxa",
            "$argon2i$v=19$m=512,t=3,p=2$aLvpkclPOWVM2oHB28eqVA$3z7nzqFmK9AfWA7+vvMiEwlxqyoDIDLH",
        ],
    },
    Vector {
        kind: "Argon2id in Django's format",
        hashes: [
            "argon2$argon2id$v=19$m=1024,t=2,p=8$TWtYaEVlWld1eGtwNVBKSU9SSldPNA$xqUbGRWPShQzRGNnJRqH97gZAJg5IzBeKckIYeRpPiE",
            "argon2$argon2id$v=19$m=1024,t=2,p=8$NG82Z3FBTW5weXhNS1ZJYlNkN3F6UQ$jCamDa6QIO3l7zir26LdNVMfs+IDDQOn5RVKfFsRMzo",
            "argon2$argon2id$v=19$m=1024,t=2,p=8$SUFQSEs0R0QyMTBZTmpkbG5za1NHSA$ixlRF/KxhauWwVEjb8Gqb0yIzPXqySWZy2uvw/ueoqo",
        ],
    },
    Vector {
        kind: "bcrypt $2a$",
        hashes: [
            "$2a$05$HRm1u0GesjgBdKCti2LsXu.iLyztHN95XgmSvZNIQEFXPCnlXYWZC",
            "$2a$05$.tHODPh3uNikYp.Kbrtf8uhBTnEBAq9ncq51QageoNpsQ5iFUuxN6",
            "$2a$05$Lyu18CHYzi3msd88OFp7xOKEbRlS0p2FYj0Yejr9ORN2BgZbwVGR6",
        ],
    },
    Vector {
        kind: "bcrypt $2b$",
        hashes: [
            "$2b$05$FO10snH8kbVmcOo6k..dFuTagsFRvCz3Jbj/A2D2AHHm/gHjhVbiC",
            "$2b$05$YWAR93qn8FGsOLMCCI414esOHYm/b/Ie4g.UUCZ1ZMV.qcvkMhXtW",
            "$2b$05$gh5xd4d3cJVo7RF6Vp5yKO7f2suxjBV4jDgXsqDmb.XIvk2zG/s4e",
        ],
    },
    Vector {
        kind: "bcrypt $2y$",
        hashes: [
            "$2y$05$GH3R8RLuG0epDnUoZMveXuTLgApzEfgQc9qvbLdAEAw0y3mcsydly",
            "$2y$05$tQZibPowUdpsf8LyRFBsL.jCHWm9qQSdRyBuUJiunyJf.si8fs8g6",
            "$2y$05$I68mzZUDrk3/xpGdAJOALOCUy8WXgYRNDU0OQEbl0O6x4QUs79gd6",
        ],
    },
    Vector {
        kind: "bcrypt in Django's format",
        hashes: [
            "bcrypt$$2b$05$xPlgyOTJ7UF6L17/HxPptucod05PpHP0UgIABU9iV0XKOBh/uStX6",
            "bcrypt$$2b$05$8E.7.4G0exbRDDbl0XIxzeqI1IjS6jUG5u.vcZ7d3Pl9r21LN3KOa",
            "bcrypt$$2b$05$oJgi2K46nILkVPlD0nxUr.ZD5ns.tjI5gbGNaPS46g9hdGxiJNw5e",
        ],
    },
    Vector {
        kind: "scrypt",
        hashes: [
            "$scrypt$ln=8,r=8,p=2$XAsh5BzDWEtpzVnLudda6w$UP49lqjWrc/z0smX//muosHNnKEPgcGcWmJvr9Gwkm0",
            "$scrypt$ln=8,r=8,p=2$PiekNEaIEUKI8Z4T4vwfYw$dFO223KgSw7DWO/fk9LqUvriPu0KBc98wz33P5PVnZs",
            "$scrypt$ln=8,r=8,p=2$bI1RCiFECEHoXYsRotQaww$BNX9D9Abq7y9p/41aT5vha4v8zDVAfkAT/Hs6CGfkec",
        ],
    },
    Vector {
        kind: "scrypt, 64 bytes",
        hashes: [
            "$scrypt$ln=7,r=4,p=1$+/8wMTIzNDU2Nzg5YWJjZA$/tlmqO2F7cW8Dl8QFQVz/Ywan80UEN1Bodgj3a6NlqraU/xeSkueXN81OCFomGe9hnH/w4TljqqK0TCD7EJhCw",
            "$scrypt$ln=7,r=4,p=1$+/8wMTIzNDU2Nzg5YWJjZA$4EnS2z/Y18Wnym1PzUteowhNeuyhpLwqNaDgw8HD9ZKye+ZoyMpIy9DCpAcqq4xX0IELXa3zUTKM8PqfIlUBWg",
            "$scrypt$ln=7,r=4,p=1$+/8wMTIzNDU2Nzg5YWJjZA$ZirmrrNOk7vDKWzjk9Ua2c0PJS09kDJHTP7XmiIAVFXFcy6YEPJDIF2Ng9EQbZAyRf69jr6C7XdTUj+X25/F1w",
        ],
    },
    Vector {
        kind: "PBKDF2 PHC",
        hashes: [
            "$pbkdf2-sha256$i=1000,l=32$+/8wMTIzNDU2Nzg5YWJjZA$LcpoHcks/CYED9xCnHqsWxcBXyV/RaU5gIycxzRApQU",
            "$pbkdf2-sha256$i=1000,l=32$+/8wMTIzNDU2Nzg5YWJjZA$ivAMptK09NnF4H7PDfSqh0ujFKrkNJfzm4/iZUnlOfc",
            "$pbkdf2-sha256$i=1000,l=32$+/8wMTIzNDU2Nzg5YWJjZA$yZVYxZCWNpCX2R0c0BQ4qTkgPhZ0yQ9S5M+Jnlalg4U",
        ],
    },
    Vector {
        kind: "PBKDF2 in passlib's format",
        hashes: [
            "$pbkdf2-sha256$1000$em9N6d17z5mzVkrJ2VvLmQ$vtH/UIDwhCGsrrNgNk/KGzsxDF9/2yywbMC7myUYjHA",
            "$pbkdf2-sha256$1000$J8Q4h3COUeodo/S.N.Z8zw$tnT4Y2p/LigMeGckLaUMZEg3sId/1B7CA3yyhCTEmsU",
            "$pbkdf2-sha256$1000$Y6yVMkbonROCkNK6d26tFQ$T.Bb9VntosqGCVNvy.RnwzOxW2taxFqlTa2gmSyBoXc",
        ],
    },
    Vector {
        kind: "PBKDF2 in passlib's format, with dots",
        hashes: [
            "$pbkdf2-sha256$1000$./8wMTIzNDU2Nzg5YWJjZA$LcpoHcks/CYED9xCnHqsWxcBXyV/RaU5gIycxzRApQU",
            "$pbkdf2-sha256$1000$./8wMTIzNDU2Nzg5YWJjZA$ivAMptK09NnF4H7PDfSqh0ujFKrkNJfzm4/iZUnlOfc",
            "$pbkdf2-sha256$1000$./8wMTIzNDU2Nzg5YWJjZA$yZVYxZCWNpCX2R0c0BQ4qTkgPhZ0yQ9S5M.Jnlalg4U",
        ],
    },
    Vector {
        kind: "PBKDF2 in Django's format",
        hashes: [
            "pbkdf2_sha256$1000$HrDXIXy935KrmGbeuRcTW2$xCtx1aVqzPdJdExDz1H74Vxo0ZLNYhrrtl/ePe4Pvy8=",
            "pbkdf2_sha256$1000$Yz5HXaqOrXquPxFlUKPptn$G98Hb739w2lOLdVVgaqTBP30hzTMPe1KVYd8+9pudbw=",
            "pbkdf2_sha256$1000$nn5ktyxknW10V3Yx977N1Z$HC9g5/CdUs3n9sJ0JO2g4XRZzgouLE6PBSpXlDz35DY=",
        ],
    },
];
