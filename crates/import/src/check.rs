//! From a row to a user, or to the reasons why not.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use signpost_model::directory::{ProfileProblem, ProfileProblemKind};
use signpost_model::text::{check_user_name, country_code, fold};
use signpost_model::{Attribute, Profile};

use crate::problem::{ProblemKind, RowProblem};
use crate::{Column, Mapping, Row};

/// The most groups one row may name.
pub const MAX_GROUPS: usize = 100;
/// The most characters in the name of a group.
pub const MAX_GROUP_NAME: usize = 256;

/// What holds where a row says nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Defaults {
    /// Completes user names without an `@`.
    pub domain: Option<String>,
    /// A two-letter code.
    pub usage_location: Option<String>,
    pub preferred_language: Option<String>,
}

/// What a row says about a user. Columns that the file does not have say nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportedUser {
    /// The line of the file on which the row starts.
    pub line: u64,
    pub user_name: String,
    /// One value per mapped attribute, the user name included; empty text clears.
    pub values: Vec<(Attribute, String)>,
    /// Values for users that have none yet.
    pub fallbacks: Vec<(Attribute, String)>,
    /// The user name of the manager; empty text clears.
    pub manager: Option<String>,
    pub enabled: Option<bool>,
    /// Names of groups, without repetition.
    pub groups: Option<Vec<String>>,
}

impl ImportedUser {
    /// Writes into a profile, new or existing, what the row says about it.
    pub fn apply_to(&self, profile: &mut Profile) {
        for (attribute, value) in &self.values {
            profile.set(*attribute, value.as_str());
        }
        for (attribute, value) in &self.fallbacks {
            if profile.value(*attribute).is_empty() {
                profile.set(*attribute, value.as_str());
            }
        }
        profile.normalize();
    }
}

/// Makes a user of a row, or names everything that is wrong with it.
///
/// Whether a user name appears twice in the file is for [`UserNames`] to say.
pub fn check_row(
    mappings: &[Mapping],
    row: &Row,
    defaults: &Defaults,
) -> Result<ImportedUser, Vec<RowProblem>> {
    let example = row
        .field(0)
        .is_some_and(|field| field.trim_start().starts_with("Example:"));
    if example {
        return Err(vec![RowProblem::new(
            row.line(),
            None,
            ProblemKind::TemplateExample,
            "",
        )]);
    }
    let mut check = RowCheck {
        row,
        defaults,
        problems: Vec::new(),
    };
    check.check_width(mappings.len());
    let user = check.read_user(mappings);
    if check.problems.is_empty() {
        Ok(user)
    } else {
        Err(check.problems)
    }
}

struct RowCheck<'a> {
    row: &'a Row,
    defaults: &'a Defaults,
    problems: Vec<RowProblem>,
}

impl RowCheck<'_> {
    fn refuse(&mut self, column: Option<Column>, kind: ProblemKind, value: &str) {
        self.problems
            .push(RowProblem::new(self.row.line(), column, kind, value));
    }

    /// More fields than headers, unless the rest is empty: values have slipped.
    fn check_width(&mut self, expected: usize) {
        let found = self.row.columns();
        let lost = found > self.row.fields().count();
        if lost
            || self
                .row
                .fields()
                .skip(expected)
                .any(|field| !field.trim().is_empty())
        {
            self.refuse(None, ProblemKind::TooManyColumns { found, expected }, "");
        }
    }

    fn read_user(&mut self, mappings: &[Mapping]) -> ImportedUser {
        let row = self.row;
        let mut profile = Profile::default();
        let mut attributes = Vec::new();
        let (mut manager, mut enabled, mut groups) = (None, None, None);
        for mapping in mappings {
            let Some(column) = mapping.column else {
                continue;
            };
            let value = row.field(mapping.index).unwrap_or_default().trim();
            if column != Column::Groups && value.contains('\u{FFFD}') {
                self.refuse(Some(column), ProblemKind::Undecodable, value);
                continue;
            }
            match column {
                Column::Attribute(attribute) => {
                    attributes.push(attribute);
                    profile.set(attribute, self.prepare(attribute, value));
                }
                Column::Manager => manager = self.read_manager(value),
                Column::Enabled => enabled = self.read_yes_or_no(column, value),
                Column::SignInBlocked => {
                    enabled = self.read_yes_or_no(column, value).map(|blocked| !blocked);
                }
                Column::Groups => groups = self.read_groups(value),
            }
        }
        let typed = profile.clone();
        profile.normalize();
        for problem in profile.check() {
            self.refuse_profile(&problem, typed.value(problem.attribute));
        }
        ImportedUser {
            line: row.line(),
            user_name: profile.user_name.clone(),
            fallbacks: self.fallbacks(&profile, &attributes),
            values: attributes
                .iter()
                .map(|a| (*a, profile.value(*a).to_owned()))
                .collect(),
            manager,
            enabled,
            groups,
        }
    }

    /// The value as we write it, where files commonly write it otherwise.
    fn prepare(&self, attribute: Attribute, value: &str) -> String {
        match attribute {
            Attribute::UserName => self.complete_user_name(value),
            Attribute::PreferredLanguage => value.replace('_', "-"),
            // An address in several lines is common and tells the same in one.
            Attribute::StreetAddress => value
                .lines()
                .map(str::trim)
                .filter(|l| !l.is_empty())
                .collect::<Vec<_>>()
                .join(", "),
            _ => value.to_owned(),
        }
    }

    fn complete_user_name(&self, value: &str) -> String {
        match &self.defaults.domain {
            Some(domain) if !value.is_empty() && !value.contains('@') => {
                format!("{value}@{domain}")
            }
            _ => value.to_owned(),
        }
    }

    fn refuse_profile(&mut self, problem: &ProfileProblem, value: &str) {
        let column = Some(Column::Attribute(problem.attribute));
        let already = self.problems.iter().any(|p| p.column == column);
        let kind = match problem.kind {
            // One reason per value is enough: the first is the most basic.
            _ if already => return,
            ProfileProblemKind::UserName(_) if value.is_empty() => ProblemKind::MissingUserName,
            ProfileProblemKind::UserName(problem) => ProblemKind::MalformedUserName(problem),
            ProfileProblemKind::TooLong if problem.attribute == Attribute::UsageLocation => {
                ProblemKind::UnknownCountry
            }
            ProfileProblemKind::TooLong => ProblemKind::TooLong {
                max_length: problem.attribute.max_length(),
            },
            ProfileProblemKind::ControlCharacter => ProblemKind::ControlCharacter,
            ProfileProblemKind::MailAddress => ProblemKind::MalformedMail,
            ProfileProblemKind::CountryCode => ProblemKind::UnknownCountry,
            ProfileProblemKind::LanguageTag => ProblemKind::UnknownLanguage,
        };
        self.refuse(column, kind, value);
    }

    fn read_manager(&mut self, value: &str) -> Option<String> {
        let manager = self.complete_user_name(value);
        if !manager.is_empty() && check_user_name(&manager).is_err() {
            self.refuse(Some(Column::Manager), ProblemKind::MalformedManager, value);
        }
        Some(manager)
    }

    /// Nothing for an empty field: it does not say that somebody may not sign in.
    fn read_yes_or_no(&mut self, column: Column, value: &str) -> Option<bool> {
        match fold(value).as_str() {
            "" => None,
            "true" | "yes" | "y" | "1" | "on" | "active" | "enabled" => Some(true),
            "false" | "no" | "n" | "0" | "off" | "inactive" | "disabled" | "suspended"
            | "deprovisioned" | "staged" => Some(false),
            _ => {
                self.refuse(Some(column), ProblemKind::NotYesOrNo, value);
                None
            }
        }
    }

    fn read_groups(&mut self, value: &str) -> Option<Vec<String>> {
        let mut groups: Vec<String> = Vec::new();
        for name in value
            .split(';')
            .map(str::trim)
            .filter(|name| !name.is_empty())
        {
            let column = Some(Column::Groups);
            let folded = fold(name);
            if name.chars().count() > MAX_GROUP_NAME {
                self.refuse(
                    column,
                    ProblemKind::TooLong {
                        max_length: MAX_GROUP_NAME,
                    },
                    name,
                );
            } else if name.contains('\u{FFFD}') {
                self.refuse(column, ProblemKind::Undecodable, name);
            } else if name.chars().any(char::is_control) {
                self.refuse(column, ProblemKind::ControlCharacter, name);
            } else if groups.len() == MAX_GROUPS {
                let kind = ProblemKind::TooManyGroups {
                    max_groups: MAX_GROUPS,
                };
                self.refuse(column, kind, name);
                break;
            } else if !groups.iter().any(|known| fold(known) == folded) {
                groups.push(name.to_owned());
            }
        }
        Some(groups)
    }

    fn fallbacks(&self, profile: &Profile, given: &[Attribute]) -> Vec<(Attribute, String)> {
        let mut fallbacks = Vec::new();
        // An empty cell is somebody's decision; a missing column is not, and the address tells.
        let from_address = (!given.contains(&Attribute::UsageLocation))
            .then(|| country_code(&profile.country).map(str::to_owned))
            .flatten();
        if let Some(code) = from_address.or_else(|| self.defaults.usage_location.clone()) {
            fallbacks.push((Attribute::UsageLocation, code));
        }
        if let Some(language) = &self.defaults.preferred_language {
            fallbacks.push((Attribute::PreferredLanguage, language.clone()));
        }
        fallbacks
    }
}

/// The user names of a file so far, to find repetitions.
///
/// Keeps 16 bytes of hash and the line per name, so that a million rows stay small.
#[derive(Debug, Clone, Default)]
pub struct UserNames {
    lines: HashMap<u128, u64>,
}

impl UserNames {
    /// Takes note of a user, or says on which line the user name was before.
    pub fn insert(&mut self, user: &ImportedUser) -> Result<(), RowProblem> {
        let first_line = *self
            .lines
            .entry(hash(&fold(&user.user_name)))
            .or_insert(user.line);
        if first_line == user.line {
            return Ok(());
        }
        let kind = ProblemKind::DuplicateUserName { first_line };
        let column = Some(Column::Attribute(Attribute::UserName));
        Err(RowProblem::new(user.line, column, kind, &user.user_name))
    }
}

fn hash(text: &str) -> u128 {
    let half = |salt: u8| {
        let mut hasher = DefaultHasher::new();
        salt.hash(&mut hasher);
        text.hash(&mut hasher);
        u128::from(hasher.finish())
    };
    half(0) << 64 | half(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Reader, guess_mapping};

    type Checked = Result<ImportedUser, Vec<RowProblem>>;

    fn check_with(text: &str, defaults: &Defaults) -> Vec<Checked> {
        let reader = Reader::new(text.as_bytes()).unwrap();
        let mappings = guess_mapping(reader.header().fields());
        reader
            .map(|row| check_row(&mappings, &row.unwrap(), defaults))
            .collect()
    }

    fn check(text: &str) -> Checked {
        check_with(text, &Defaults::default()).remove(0)
    }

    fn words(text: &str) -> Vec<String> {
        check(text)
            .unwrap_err()
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    #[test]
    fn a_row_becomes_a_user() {
        let user = check(
            "User name,First name,Usage location,Block credential,Manager,Groups,Street address\n\
             zoe@contoso.example, Zoë ,portugal,False,ada@contoso.example,Sales; EU ;sales,\"Rua 1\n2 Esq\"\n",
        )
        .unwrap();
        assert_eq!(user.line, 2);
        assert_eq!(user.user_name, "zoe@contoso.example");
        assert_eq!(user.enabled, Some(true));
        assert_eq!(user.manager.as_deref(), Some("ada@contoso.example"));
        assert_eq!(user.groups, Some(vec!["Sales".into(), "EU".into()]));
        let mut profile = Profile {
            city: "Lisboa".into(),
            ..Profile::default()
        };
        user.apply_to(&mut profile);
        assert_eq!(profile.given_name, "Zoë");
        assert_eq!(profile.usage_location, "PT");
        assert_eq!(profile.street_address, "Rua 1, 2 Esq");
        assert_eq!(
            profile.city, "Lisboa",
            "a column the file does not have says nothing"
        );
        assert_eq!(profile.check(), []);
    }

    #[test]
    fn every_reason_is_in_plain_words() {
        let cases = [
            (
                "upn,Usage location\na@c.de,pt-PT\n",
                "Line 2: “pt-PT” is not a country code. Use two letters, for example PT.",
            ),
            (
                "upn,Usage location\na@c.de,XX\n",
                "Line 2: “XX” is not a country code. Use two letters, for example PT.",
            ),
            (
                "upn,City\n,Porto\n",
                "Line 2: there is no user name. Add one, for example ada@contoso.com.",
            ),
            (
                "upn\n\nada\n",
                "Line 3: “ada” cannot be a user name: enter a user name such as ada@contoso.com.",
            ),
            (
                "upn,mail\na@c.de,nobody\n",
                "Line 2: “nobody” is not a mail address such as ada@contoso.com.",
            ),
            (
                "upn,language\na@c.de,x\n",
                "Line 2: “x” is not a language. Use a tag, for example pt-PT.",
            ),
            (
                "upn,employee id\na@c.de,12345678901234567\n",
                "Line 2: Employee ID “12345678901234567” is longer than 16 characters.",
            ),
            (
                "upn,enabled\na@c.de,maybe\n",
                "Line 2: May sign in is “maybe”. Use Yes or No.",
            ),
            (
                "upn,city\na@c.de,Por\u{0}to\n",
                "Line 2: City “Por\u{FFFD}to” has a character that cannot be printed.",
            ),
            (
                "upn,city\na@c.de,Por\u{FFFD}to\n",
                "Line 2: City “Por\u{FFFD}to” has characters that could not be read. Save the file as UTF-8.",
            ),
            (
                "upn,manager\na@c.de,Ada Kaya\n",
                "Line 2: “Ada Kaya” is not the user name of a manager, as in ada@contoso.com.",
            ),
            (
                "upn,city\na@c.de,Porto,4000\n",
                "Line 2: the row has 3 fields, but the first row has 2. \
              Put quotation marks around a field that contains the delimiter.",
            ),
            (
                "Name [displayName] Required,User name\nExample: Chris,chris@contoso.com\n",
                "Line 2: this is the example of the template. Leave it or delete it.",
            ),
        ];
        for (text, expected) in cases {
            assert_eq!(words(text), [expected], "{text:?}");
        }
    }

    #[test]
    fn long_values_are_shortened_in_reasons() {
        let long = "x".repeat(300);
        let words = words(&format!("upn,display name\na@c.de,{long}\n"));
        assert_eq!(words[0].matches('x').count(), 39);
        assert!(words[0].contains('…'), "{}", words[0]);
    }

    #[test]
    fn everything_wrong_with_a_row_is_named_at_once() {
        let kinds: Vec<_> = check("upn,mail,usage location,enabled\nada,nobody,zz,maybe\n")
            .unwrap_err()
            .into_iter()
            .map(|problem| problem.column.unwrap().key())
            .collect();
        assert_eq!(kinds.len(), 4);
        for key in ["user_name", "mail", "usage_location", "enabled"] {
            assert!(kinds.contains(&key), "{key} in {kinds:?}");
        }
    }

    #[test]
    fn defaults_fill_only_what_is_missing() {
        let defaults = Defaults {
            domain: Some("contoso.example".into()),
            usage_location: Some("DE".into()),
            preferred_language: Some("de-DE".into()),
        };
        let users = check_with(
            "upn,manager,Country\nada,bob,Portugal\ncarol,,\n",
            &defaults,
        );
        let ada = users[0].clone().unwrap();
        assert_eq!(ada.user_name, "ada@contoso.example");
        assert_eq!(ada.manager.as_deref(), Some("bob@contoso.example"));
        let mut profile = Profile::default();
        ada.apply_to(&mut profile);
        assert_eq!(
            (profile.usage_location.as_str(), profile.country.as_str()),
            ("PT", "Portugal")
        );
        let mut profile = Profile {
            usage_location: "FR".into(),
            ..Profile::default()
        };
        users[1].clone().unwrap().apply_to(&mut profile);
        assert_eq!(profile.usage_location, "FR");
        assert_eq!(profile.preferred_language, "de-DE");
    }

    #[test]
    fn a_repeated_user_name_names_the_first_line() {
        let users = check_with("upn\nada@c.de\nbob@c.de\nADA@c.de\n", &Defaults::default());
        let mut names = UserNames::default();
        let results: Vec<_> = users
            .into_iter()
            .map(|user| names.insert(&user.unwrap()).map_err(|p| p.to_string()))
            .collect();
        assert_eq!(results[..2], [Ok(()), Ok(())]);
        let expected = "Line 4: “ADA@c.de” is already on line 2. Keep one of the two.";
        assert_eq!(results[2], Err(expected.to_owned()));
    }

    #[test]
    fn empty_columns_at_the_end_are_no_problem() {
        assert!(check("upn,city\na@c.de,Porto,,\n").is_ok());
        assert!(
            check("upn,city\na@c.de\n").is_ok(),
            "a short row has empty values"
        );
    }

    #[test]
    fn groups_are_bounded() {
        let many: String = (0..=MAX_GROUPS).map(|n| format!("g{n};")).collect();
        assert_eq!(
            words(&format!("upn,groups\na@c.de,{many}\n")),
            ["Line 2: there are more than 100 groups."]
        );
    }
}
