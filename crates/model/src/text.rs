//! Rules for text that both engines, Microsoft and people must agree on.

use std::collections::HashMap;
use std::sync::LazyLock;

use unicode_normalization::UnicodeNormalization;

/// The form in which text is compared, sorted and searched, alike on every database.
pub fn fold(text: &str) -> String {
    text.nfkc()
        .flat_map(char::to_lowercase)
        .collect::<String>()
        .trim()
        .to_owned()
}

/// Why a text is not a user principal name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UserNameProblem {
    #[error("enter a user name such as ada@contoso.com")]
    NotOneAt,
    #[error("use only letters without accents, digits and ' . - _ ! # ^ ~ before the @")]
    Characters,
    #[error("the part before the @ cannot be empty, longer than 64 characters or end with a dot")]
    LocalPart,
    #[error("the part after the @ is not a domain name")]
    Domain,
}

/// Checks a user principal name by Microsoft's rules (64 + 48 characters, no accents).
pub fn check_user_name(text: &str) -> Result<(), UserNameProblem> {
    let mut parts = text.split('@');
    let (Some(local), Some(domain), None) = (parts.next(), parts.next(), parts.next()) else {
        return Err(UserNameProblem::NotOneAt);
    };
    if local.is_empty() || local.len() > 64 || local.ends_with('.') {
        return Err(UserNameProblem::LocalPart);
    }
    if !local
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || "'.-_!#^~".contains(c))
    {
        return Err(UserNameProblem::Characters);
    }
    if domain.len() > 48 || !is_domain_name(domain) {
        return Err(UserNameProblem::Domain);
    }
    Ok(())
}

/// Whether the text is a DNS name of at least two labels.
pub fn is_domain_name(text: &str) -> bool {
    text.len() <= 253
        && text.contains('.')
        && text.split('.').all(|label| {
            !label.is_empty()
                && label.len() <= 63
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
        })
}

/// Whether the text can be a mail address. Loose on purpose: only a message can prove it.
pub fn is_mail_address(text: &str) -> bool {
    text.len() <= 254
        && text.split_once('@').is_some_and(|(local, domain)| {
            !local.is_empty()
                && local.len() <= 64
                && !local
                    .chars()
                    .any(|c| c.is_whitespace() || c.is_control() || c == '@')
                && is_domain_name(domain)
        })
}

/// The two-letter country code, upper case, for a code or a country name as people write it.
pub fn country_code(text: &str) -> Option<&'static str> {
    let text = text.trim();
    if text.len() == 2 && text.is_ascii() {
        let upper = text.to_ascii_uppercase();
        let code = if upper == "UK" { "GB" } else { upper.as_str() };
        return rust_iso3166::from_alpha2(code).map(|country| country.alpha2);
    }
    if text.len() == 3 && text.is_ascii() {
        return rust_iso3166::from_alpha3(&text.to_ascii_uppercase()).map(|country| country.alpha2);
    }
    COUNTRY_NAMES.get(&fold(text)).copied().flatten()
}

/// Folded names; nothing for one that more than one country shares. Built once: an import of
/// 100,000 rows looks up each of them.
static COUNTRY_NAMES: LazyLock<HashMap<String, Option<&'static str>>> = LazyLock::new(|| {
    let mut names: HashMap<String, Option<&'static str>> = HashMap::new();
    for country in rust_iso3166::ALL {
        // "Bolivia (Plurinational State of)", "Moldova, Republic of", footnote marks.
        let short = country
            .name
            .split([',', '(', '['])
            .next()
            .unwrap_or_default();
        names
            .entry(fold(short))
            .and_modify(|code| *code = None)
            .or_insert(Some(country.alpha2));
    }
    for country in rust_iso3166::ALL {
        names.insert(fold(country.name), Some(country.alpha2));
    }
    names.extend(
        COMMON_NAMES
            .iter()
            .map(|(name, code)| ((*name).to_owned(), Some(*code))),
    );
    names
});

/// What people and other products write where the standard has another name.
const COMMON_NAMES: &[(&str, &str)] = &[
    ("united states", "US"),
    ("united kingdom", "GB"),
    ("great britain", "GB"),
    ("england", "GB"),
    ("scotland", "GB"),
    ("wales", "GB"),
    ("northern ireland", "GB"),
    ("the netherlands", "NL"),
    ("south korea", "KR"),
    ("north korea", "KP"),
    ("russia", "RU"),
    ("türkiye", "TR"),
    ("turkiye", "TR"),
    ("czech republic", "CZ"),
    ("ivory coast", "CI"),
    ("cape verde", "CV"),
    ("swaziland", "SZ"),
    ("macedonia", "MK"),
    ("macau", "MO"),
    ("vietnam", "VN"),
    ("laos", "LA"),
    ("syria", "SY"),
    ("brunei", "BN"),
    ("burma", "MM"),
    ("vatican city", "VA"),
    ("dr congo", "CD"),
    ("hong kong sar", "HK"),
    ("deutschland", "DE"),
    ("österreich", "AT"),
    ("schweiz", "CH"),
    ("suisse", "CH"),
    ("españa", "ES"),
    ("italia", "IT"),
    ("brasil", "BR"),
    ("méxico", "MX"),
    ("polska", "PL"),
    ("sverige", "SE"),
    ("norge", "NO"),
    ("danmark", "DK"),
    ("suomi", "FI"),
    ("nederland", "NL"),
    ("belgique", "BE"),
    ("belgië", "BE"),
];

/// Whether the text is a GUID in its hyphenated form.
pub fn is_guid(text: &str) -> bool {
    text.len() == 36 && uuid::Uuid::try_parse(text).is_ok()
}

/// "1 user", "2 users": a count with its noun.
pub fn count(number: i64, one: &str, many: &str) -> String {
    if number == 1 {
        format!("1 {one}")
    } else {
        format!("{} {many}", grouped(number))
    }
}

/// A number with thin groups of three ("12,345"), as tables show it.
pub fn grouped(number: i64) -> String {
    let digits = number.unsigned_abs().to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3 + 1);
    if number < 0 {
        text.push('-');
    }
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folding_makes_lookalike_spellings_equal() {
        assert_eq!(fold(" ＡＤＡ "), fold("ada"));
        assert_eq!(fold("É"), fold("é"));
    }

    #[test]
    fn user_names_follow_microsofts_rules() {
        assert_eq!(check_user_name("o'brien.ann-marie@contoso.example"), Ok(()));
        assert_eq!(check_user_name("ada"), Err(UserNameProblem::NotOneAt));
        assert_eq!(check_user_name("a@b@c.de"), Err(UserNameProblem::NotOneAt));
        assert_eq!(
            check_user_name("ada.@contoso.example"),
            Err(UserNameProblem::LocalPart)
        );
        assert_eq!(
            check_user_name("zoë@contoso.example"),
            Err(UserNameProblem::Characters)
        );
        assert_eq!(check_user_name("ada@contoso"), Err(UserNameProblem::Domain));
    }

    #[test]
    fn countries_are_found_by_code_and_by_name() {
        assert_eq!(country_code("pt"), Some("PT"));
        assert_eq!(country_code("PRT"), Some("PT"));
        assert_eq!(country_code("Portugal"), Some("PT"));
        assert_eq!(country_code("United States"), Some("US"));
        assert_eq!(country_code("UK"), Some("GB"));
        assert_eq!(country_code("Türkiye"), Some("TR"));
        assert_eq!(country_code("Bolivia"), Some("BO"));
        assert_eq!(country_code("Moldova"), Some("MD"));
        assert_eq!(country_code("Congo"), Some("CG"));
        assert_eq!(country_code("Virgin Islands"), None, "there are two");
        assert_eq!(country_code("Korea"), None, "there are two");
        assert_eq!(country_code("pt-PT"), None);
        assert_eq!(country_code("é"), None);
    }

    #[test]
    fn counts_agree_with_their_noun() {
        assert_eq!(count(1, "user", "users"), "1 user");
        assert_eq!(count(12_345, "user", "users"), "12,345 users");
        assert_eq!(grouped(-1_000), "-1,000");
    }
}
