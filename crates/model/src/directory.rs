//! Users and groups of Signpost's own directory.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::random::random_text;
use crate::text::{self, UserNameProblem};
use crate::{GroupId, Random, Timestamp, UserId};

/// A person in the directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    pub id: UserId,
    /// Sent to the tenant as `onPremisesImmutableId`; never changes.
    pub source_anchor: SourceAnchor,
    pub source: Source,
    pub profile: Profile,
    /// Off: the person keeps their record but may not sign in anywhere.
    pub enabled: bool,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    /// Set while the user is in the recycle bin.
    pub deleted_at: Option<Timestamp>,
    /// Counts changes; a form made from an older version is refused.
    pub version: i64,
}

/// What is known of a person. Empty text means not set.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Profile {
    /// The name they sign in with; unique in the directory.
    pub user_name: String,
    pub display_name: String,
    pub given_name: String,
    pub surname: String,
    pub mail: String,
    pub job_title: String,
    pub department: String,
    pub company_name: String,
    pub office_location: String,
    pub mobile_phone: String,
    pub business_phone: String,
    pub street_address: String,
    pub city: String,
    pub state: String,
    pub postal_code: String,
    /// The country of the address, in words.
    pub country: String,
    /// Two-letter code: where Microsoft's services are used; licenses need it.
    pub usage_location: String,
    /// A language tag such as `pt-PT`.
    pub preferred_language: String,
    pub employee_id: String,
    /// The user this person reports to.
    pub manager_id: Option<UserId>,
}

/// A text attribute of a user, by the name that forms, rules, templates and imports use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Attribute {
    UserName,
    DisplayName,
    GivenName,
    Surname,
    Mail,
    JobTitle,
    Department,
    CompanyName,
    OfficeLocation,
    MobilePhone,
    BusinessPhone,
    StreetAddress,
    City,
    State,
    PostalCode,
    Country,
    UsageLocation,
    PreferredLanguage,
    EmployeeId,
}

impl Attribute {
    /// Every attribute, in the order of forms.
    pub const ALL: [Self; 19] = [
        Self::UserName,
        Self::DisplayName,
        Self::GivenName,
        Self::Surname,
        Self::Mail,
        Self::JobTitle,
        Self::Department,
        Self::CompanyName,
        Self::OfficeLocation,
        Self::MobilePhone,
        Self::BusinessPhone,
        Self::StreetAddress,
        Self::City,
        Self::State,
        Self::PostalCode,
        Self::Country,
        Self::UsageLocation,
        Self::PreferredLanguage,
        Self::EmployeeId,
    ];

    /// The name in forms, rules and templates.
    pub const fn key(self) -> &'static str {
        self.row().0
    }

    /// The name on the page.
    pub const fn label(self) -> &'static str {
        self.row().1
    }

    /// The most characters it may have (Microsoft's limits).
    pub const fn max_length(self) -> usize {
        self.row().2
    }

    const fn row(self) -> (&'static str, &'static str, usize) {
        match self {
            Self::UserName => ("user_name", "User name", 113),
            Self::DisplayName => ("display_name", "Display name", 256),
            Self::GivenName => ("given_name", "Given name", 64),
            Self::Surname => ("surname", "Surname", 64),
            Self::Mail => ("mail", "Mail", 254),
            Self::JobTitle => ("job_title", "Job title", 128),
            Self::Department => ("department", "Department", 64),
            Self::CompanyName => ("company_name", "Company", 64),
            Self::OfficeLocation => ("office_location", "Office", 128),
            Self::MobilePhone => ("mobile_phone", "Mobile phone", 64),
            Self::BusinessPhone => ("business_phone", "Business phone", 64),
            Self::StreetAddress => ("street_address", "Street", 1024),
            Self::City => ("city", "City", 128),
            Self::State => ("state", "State or province", 128),
            Self::PostalCode => ("postal_code", "Postal code", 40),
            Self::Country => ("country", "Country", 128),
            Self::UsageLocation => ("usage_location", "Usage location", 2),
            Self::PreferredLanguage => ("preferred_language", "Preferred language", 35),
            Self::EmployeeId => ("employee_id", "Employee ID", 16),
        }
    }
}

impl FromStr for Attribute {
    type Err = UnknownAttribute;

    fn from_str(text: &str) -> Result<Self, UnknownAttribute> {
        Self::ALL
            .into_iter()
            .find(|attribute| attribute.key() == text)
            .ok_or(UnknownAttribute)
    }
}

/// The text names no attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an attribute of a user")]
pub struct UnknownAttribute;

impl Profile {
    /// The value of an attribute; empty when not set.
    pub fn value(&self, attribute: Attribute) -> &str {
        match attribute {
            Attribute::UserName => &self.user_name,
            Attribute::DisplayName => &self.display_name,
            Attribute::GivenName => &self.given_name,
            Attribute::Surname => &self.surname,
            Attribute::Mail => &self.mail,
            Attribute::JobTitle => &self.job_title,
            Attribute::Department => &self.department,
            Attribute::CompanyName => &self.company_name,
            Attribute::OfficeLocation => &self.office_location,
            Attribute::MobilePhone => &self.mobile_phone,
            Attribute::BusinessPhone => &self.business_phone,
            Attribute::StreetAddress => &self.street_address,
            Attribute::City => &self.city,
            Attribute::State => &self.state,
            Attribute::PostalCode => &self.postal_code,
            Attribute::Country => &self.country,
            Attribute::UsageLocation => &self.usage_location,
            Attribute::PreferredLanguage => &self.preferred_language,
            Attribute::EmployeeId => &self.employee_id,
        }
    }

    /// Sets an attribute as typed; call [`Profile::normalize`] when all are set.
    pub fn set(&mut self, attribute: Attribute, value: impl Into<String>) {
        *self.slot(attribute) = value.into();
    }

    fn slot(&mut self, attribute: Attribute) -> &mut String {
        match attribute {
            Attribute::UserName => &mut self.user_name,
            Attribute::DisplayName => &mut self.display_name,
            Attribute::GivenName => &mut self.given_name,
            Attribute::Surname => &mut self.surname,
            Attribute::Mail => &mut self.mail,
            Attribute::JobTitle => &mut self.job_title,
            Attribute::Department => &mut self.department,
            Attribute::CompanyName => &mut self.company_name,
            Attribute::OfficeLocation => &mut self.office_location,
            Attribute::MobilePhone => &mut self.mobile_phone,
            Attribute::BusinessPhone => &mut self.business_phone,
            Attribute::StreetAddress => &mut self.street_address,
            Attribute::City => &mut self.city,
            Attribute::State => &mut self.state,
            Attribute::PostalCode => &mut self.postal_code,
            Attribute::Country => &mut self.country,
            Attribute::UsageLocation => &mut self.usage_location,
            Attribute::PreferredLanguage => &mut self.preferred_language,
            Attribute::EmployeeId => &mut self.employee_id,
        }
    }

    /// Trims every value, fills the display name from the parts, and writes codes their one way.
    pub fn normalize(&mut self) {
        for attribute in Attribute::ALL {
            let slot = self.slot(attribute);
            if slot.trim().len() != slot.len() {
                *slot = slot.trim().to_owned();
            }
        }
        if self.display_name.is_empty() {
            self.display_name = format!("{} {}", self.given_name, self.surname)
                .trim()
                .to_owned();
        }
        if self.display_name.is_empty() {
            self.display_name = self.user_name.clone();
        }
        if let Some(code) = text::country_code(&self.usage_location) {
            self.usage_location = code.to_owned();
        }
    }

    /// Every rule that a value breaks. Call [`Profile::normalize`] first.
    pub fn check(&self) -> Vec<ProfileProblem> {
        let mut problems = Vec::new();
        for attribute in Attribute::ALL {
            let value = self.value(attribute);
            if value.chars().count() > attribute.max_length() {
                problems.push(ProfileProblem {
                    attribute,
                    kind: ProfileProblemKind::TooLong,
                });
            } else if value.chars().any(char::is_control) {
                problems.push(ProfileProblem {
                    attribute,
                    kind: ProfileProblemKind::ControlCharacter,
                });
            }
        }
        if let Err(problem) = text::check_user_name(&self.user_name) {
            problems.push(ProfileProblem {
                attribute: Attribute::UserName,
                kind: ProfileProblemKind::UserName(problem),
            });
        }
        if !self.mail.is_empty() && !text::is_mail_address(&self.mail) {
            problems.push(ProfileProblem {
                attribute: Attribute::Mail,
                kind: ProfileProblemKind::MailAddress,
            });
        }
        if !self.usage_location.is_empty()
            && (self.usage_location.len() != 2
                || text::country_code(&self.usage_location).is_none())
        {
            problems.push(ProfileProblem {
                attribute: Attribute::UsageLocation,
                kind: ProfileProblemKind::CountryCode,
            });
        }
        if !self.preferred_language.is_empty() && !is_language_tag(&self.preferred_language) {
            problems.push(ProfileProblem {
                attribute: Attribute::PreferredLanguage,
                kind: ProfileProblemKind::LanguageTag,
            });
        }
        problems
    }
}

fn is_language_tag(text: &str) -> bool {
    let mut parts = text.split('-');
    parts.next().is_some_and(|language| {
        (2..=3).contains(&language.len()) && language.chars().all(|c| c.is_ascii_alphabetic())
    }) && parts.all(|part| {
        (2..=8).contains(&part.len()) && part.chars().all(|c| c.is_ascii_alphanumeric())
    })
}

/// One value that breaks a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProfileProblem {
    pub attribute: Attribute,
    pub kind: ProfileProblemKind,
}

/// The rule that is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProfileProblemKind {
    TooLong,
    ControlCharacter,
    UserName(UserNameProblem),
    MailAddress,
    CountryCode,
    LanguageTag,
}

impl fmt::Display for ProfileProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let label = self.attribute.label();
        match self.kind {
            ProfileProblemKind::TooLong => {
                write!(
                    f,
                    "{label} is longer than {} characters",
                    self.attribute.max_length()
                )
            }
            ProfileProblemKind::ControlCharacter => {
                write!(f, "{label} has a character that cannot be printed")
            }
            ProfileProblemKind::UserName(problem) => write!(f, "{label}: {problem}"),
            ProfileProblemKind::MailAddress => {
                f.write_str("Enter a mail address such as ada@contoso.com")
            }
            ProfileProblemKind::CountryCode => {
                f.write_str("Enter a country as two letters, for example PT")
            }
            ProfileProblemKind::LanguageTag => f.write_str("Enter a language such as pt-PT"),
        }
    }
}

/// Where a user comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// Made in the portal.
    Local,
    /// Imported from a file.
    Csv,
}

impl Source {
    /// The word on the page.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Local => "Signpost",
            Self::Csv => "CSV import",
        }
    }

    /// The word in the database.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Csv => "csv",
        }
    }
}

impl FromStr for Source {
    type Err = UnknownAttribute;

    fn from_str(text: &str) -> Result<Self, UnknownAttribute> {
        [Self::Local, Self::Csv]
            .into_iter()
            .find(|s| s.key() == text)
            .ok_or(UnknownAttribute)
    }
}

/// Our never-changing id of a user, in the shape that SAML and Entra both carry unescaped.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SourceAnchor(String);

impl SourceAnchor {
    /// A new anchor: 32 lower-case alphanumerics.
    pub fn mint(random: &dyn Random) -> Self {
        Self(random_text(
            random,
            b"0123456789abcdefghijklmnopqrstuvwxyz",
            32,
        ))
    }

    /// The value as Microsoft knows it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SourceAnchor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The text is not 32 lower-case alphanumerics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a source anchor")]
pub struct InvalidSourceAnchor;

impl TryFrom<String> for SourceAnchor {
    type Error = InvalidSourceAnchor;

    fn try_from(text: String) -> Result<Self, InvalidSourceAnchor> {
        let valid = text.len() == 32
            && text
                .bytes()
                .all(|b| b.is_ascii_digit() || b.is_ascii_lowercase());
        if valid {
            Ok(Self(text))
        } else {
            Err(InvalidSourceAnchor)
        }
    }
}

impl From<SourceAnchor> for String {
    fn from(anchor: SourceAnchor) -> Self {
        anchor.0
    }
}

/// A group of the directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    pub id: GroupId,
    pub name: String,
    pub description: String,
    pub members: i64,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub deleted_at: Option<Timestamp>,
    pub version: i64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::SeededRandom;

    fn ada() -> Profile {
        Profile {
            user_name: "ada@contoso.example".into(),
            given_name: "Ada".into(),
            surname: "Kaya".into(),
            ..Profile::default()
        }
    }

    #[test]
    fn a_missing_display_name_comes_from_the_parts() {
        let mut profile = ada();
        profile.usage_location = "portugal".into();
        profile.normalize();
        assert_eq!(profile.display_name, "Ada Kaya");
        assert_eq!(profile.usage_location, "PT");
        assert!(profile.check().is_empty());
    }

    #[test]
    fn every_broken_rule_is_named() {
        let profile = Profile {
            user_name: "ada".into(),
            mail: "nobody".into(),
            usage_location: "pt-PT".into(),
            preferred_language: "x".into(),
            employee_id: "12345678901234567".into(),
            ..ada()
        };
        let attributes: Vec<_> = profile.check().into_iter().map(|p| p.attribute).collect();
        for attribute in [
            Attribute::UserName,
            Attribute::Mail,
            Attribute::UsageLocation,
            Attribute::PreferredLanguage,
            Attribute::EmployeeId,
        ] {
            assert!(attributes.contains(&attribute), "{attribute:?}");
        }
    }

    #[test]
    fn source_anchors_are_32_lower_case_alphanumerics() {
        let anchor = SourceAnchor::mint(&SeededRandom::new(9));
        assert_eq!(SourceAnchor::try_from(anchor.to_string()), Ok(anchor));
        assert_eq!(
            SourceAnchor::try_from("ABC".to_owned()),
            Err(InvalidSourceAnchor)
        );
    }
}
