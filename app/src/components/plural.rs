//! Words that follow a number.

/// `1 user`, `2 users`, `1,204 users`.
pub fn count(n: u64, one: &str, many: &str) -> String {
    format!("{} {}", digits(n), if n == 1 { one } else { many })
}

/// Groups digits by three: `100,000`.
pub fn digits(n: u64) -> String {
    let plain = n.to_string();
    let mut grouped = String::with_capacity(plain.len() + plain.len() / 3);
    for (at, digit) in plain.chars().enumerate() {
        if at > 0 && (plain.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_singular_and_everything_else_plural() {
        assert_eq!(count(1, "user", "users"), "1 user");
        assert_eq!(count(0, "user", "users"), "0 users");
        assert_eq!(count(1204, "user", "users"), "1,204 users");
    }

    #[test]
    fn digits_are_grouped_by_three() {
        assert_eq!(digits(999), "999");
        assert_eq!(digits(1_000_000), "1,000,000");
    }
}
