//! The requests of a client of the secure profile.

/// The bearer of `token`.
pub fn users_me(token: &str) -> String {
    format!("GET /users/me HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\n\r\n")
}

pub fn sign_in(password: &str) -> String {
    form("/token", &credentials(password))
}

/// The fields of a sign-in.
pub fn credentials(password: &str) -> String {
    format!("username=johndoe&password={}", password.replace(' ', "+"))
}

/// POST of an urlencoded form.
pub fn form(path: &str, fields: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/x-www-form-urlencoded\r\n\
         Content-Length: {}\r\n\r\n{fields}",
        fields.len()
    )
}
