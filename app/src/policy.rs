//! The content security policy of every page.

/// Nothing but our own files; scripts of the page itself only with this answer's nonce.
pub fn content_security_policy(nonce: Option<&str>) -> String {
    let scripts = match nonce {
        Some(nonce) => format!("'self' 'nonce-{nonce}'"),
        None => "'self'".to_owned(),
    };
    format!(
        "default-src 'none'; script-src {scripts}; style-src 'self'; font-src 'self'; \
         connect-src 'self'; img-src 'self' data:; form-action 'self'; frame-ancestors 'none'; \
         base-uri 'none'; object-src 'none'"
    )
}

/// The policy of the pages where users sign in: their colour comes with the page.
///
/// `post_to` is the fixed address that the page's form posts to. Microsoft answers that post with
/// redirects to any application's https address, and browsers hold `form-action` against each of
/// them: so a page that posts allows https, and has no other form.
pub fn login_policy(nonce: &str, post_to: Option<&str>) -> String {
    let posts = match post_to {
        Some(address) => format!("{} https:", origin_of(address)),
        None => "'self'".to_owned(),
    };
    format!(
        "default-src 'none'; script-src 'self' 'nonce-{nonce}'; style-src 'self' 'nonce-{nonce}'; \
         font-src 'self'; connect-src 'self'; img-src 'self' data:; form-action {posts}; \
         frame-ancestors 'none'; base-uri 'none'; object-src 'none'"
    )
}

fn origin_of(address: &str) -> String {
    url::Url::parse(address)
        .map(|address| address.origin().ascii_serialization())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{content_security_policy, login_policy};

    #[test]
    fn a_token_is_posted_to_microsoft_and_our_own_forms_to_us() {
        assert!(login_policy("abc", None).contains("form-action 'self';"));
        let policy = login_policy("abc", Some("https://login.microsoftonline.com/login.srf"));
        assert!(policy.contains("form-action https://login.microsoftonline.com https:;"));
        assert!(!policy.contains("unsafe"));
    }

    #[test]
    fn nothing_inline_runs_without_the_nonce() {
        let policy = content_security_policy(Some("abc"));
        assert!(policy.contains("script-src 'self' 'nonce-abc';"));
        assert!(!policy.contains("unsafe"));
        assert!(policy.contains("frame-ancestors 'none'"));
    }
}
