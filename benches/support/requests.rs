//! The text of HTTP requests.

pub fn users_me(token: &str) -> String {
    format!("GET /users/me HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\n\r\n")
}

pub fn sign_in(username: &str, password: &str) -> String {
    form("/token", &format!("username={username}&password={}", password.replace(' ', "+")))
}

/// Returns a POST request with URL-encoded fields.
pub fn form(path: &str, fields: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/x-www-form-urlencoded\r\n\
         Content-Length: {}\r\n\r\n{fields}",
        fields.len()
    )
}
