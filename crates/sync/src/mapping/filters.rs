//! What a template may do with text. Every filter is total, and none makes a text much longer.

use minijinja::{Environment, Error, ErrorKind};
use signpost_model::text;
use unicode_normalization::UnicodeNormalization;

/// No value inside a template grows beyond this many bytes.
const MAX_VALUE: usize = 4_096;

/// Adds every filter to a template engine that has none.
pub(super) fn add_to(env: &mut Environment<'_>) {
    env.add_filter("lower", |value: &str| value.to_lowercase());
    env.add_filter("upper", |value: &str| value.to_uppercase());
    env.add_filter("trim", |value: &str| value.trim().to_owned());
    env.add_filter("ascii", ascii);
    env.add_filter("first", first);
    env.add_filter("replace", replace);
    env.add_filter("local_part", |value: &str| local_part(value).to_owned());
    env.add_filter("domain_part", |value: &str| {
        value
            .split_once('@')
            .map_or("", |(_, domain)| domain)
            .to_owned()
    });
    env.add_filter("nickname", nickname);
    env.add_filter("country_code", |value: &str| {
        text::country_code(value).unwrap_or("").to_owned()
    });
    env.add_filter("default", |value: &str, other: &str| {
        if value.is_empty() { other } else { value }.to_owned()
    });
}

/// The part before the `@`.
pub(super) fn local_part(value: &str) -> &str {
    value.split_once('@').map_or(value, |(local, _)| local)
}

/// What Microsoft accepts as a mail alias: ASCII without spaces and without its special signs.
pub(super) fn nickname(value: &str) -> String {
    ascii(value)
        .chars()
        .filter(|c| c.is_ascii_graphic() && !r#"@()/[]';:<>,\""#.contains(*c))
        .take(64)
        .collect()
}

/// Writes a text with plain letters: `Zoë Weiß` becomes `Zoe Weiss`; what has no spelling goes.
pub(super) fn ascii(value: &str) -> String {
    let mut plain = String::with_capacity(value.len());
    for c in value.nfkd() {
        match c {
            c if c.is_ascii() => plain.push(c),
            'ß' => plain.push_str("ss"),
            'ẞ' => plain.push_str("SS"),
            'æ' => plain.push_str("ae"),
            'Æ' => plain.push_str("AE"),
            'œ' => plain.push_str("oe"),
            'Œ' => plain.push_str("OE"),
            'ø' => plain.push('o'),
            'Ø' => plain.push('O'),
            'ł' => plain.push('l'),
            'Ł' => plain.push('L'),
            'đ' | 'ð' => plain.push('d'),
            'Đ' | 'Ð' => plain.push('D'),
            'þ' => plain.push_str("th"),
            'Þ' => plain.push_str("Th"),
            'ı' => plain.push('i'),
            'ŋ' => plain.push('n'),
            'ħ' => plain.push('h'),
            '’' | 'ʼ' => plain.push('\''),
            '‐' | '‑' | '–' | '—' => plain.push('-'),
            _ => {}
        }
    }
    plain
}

/// The first characters: one, or as many as asked for.
fn first(value: &str, count: Option<usize>) -> String {
    value.chars().take(count.unwrap_or(1)).collect()
}

fn replace(value: &str, from: &str, to: &str) -> Result<String, Error> {
    if from.is_empty() {
        return Ok(value.to_owned());
    }
    let grown = value.matches(from).count().saturating_mul(to.len()) + value.len();
    if grown > MAX_VALUE {
        return Err(Error::new(
            ErrorKind::InvalidOperation,
            "the text becomes too long",
        ));
    }
    Ok(value.replace(from, to))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_lose_their_marks_and_ligatures_their_tie() {
        assert_eq!(ascii("Zoë Weiß-Łukasiewicz"), "Zoe Weiss-Lukasiewicz");
        assert_eq!(ascii("Ærø, Ðorđe İnönü ﬁn"), "AEro, Dorde Inonu fin");
        assert_eq!(ascii("田中"), "");
    }

    #[test]
    fn a_nickname_has_only_signs_that_microsoft_accepts() {
        assert_eq!(nickname("o'brien (jr.) @home"), "obrienjr.home");
        assert_eq!(nickname("josé.nuñez"), "jose.nunez");
    }
}
