//! Attribute mapping: each attribute of an account is a template over the user.
//!
//! A template can choose and cut text and nothing else: no loops, no variables, no files, no
//! globals beyond `user` and `domain`; its length, its steps and its output are limited.
//!
//! **Empty means not set.** What an empty result does to an account is decided by the planner: a
//! value that Signpost wrote is cleared, a value of others is kept. The user principal name, the
//! mail nickname and the display name can never be empty; the usage location is never cleared,
//! because Microsoft does not take it back.

mod filters;

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::sync::Arc;

use minijinja::value::{Enumerator, Object, Value};
use minijinja::{AutoEscape, Environment, ErrorKind, UndefinedBehavior};
use signpost_model::plan::TargetAttribute;
use signpost_model::{Attribute, Profile, User, text};

/// The longest template.
pub const MAX_TEMPLATE: usize = 1_000;

/// Steps one template may take: far more than any honest one needs, over in microseconds.
const FUEL: u64 = 2_000;

/// The longest output of any attribute (a street) in bytes, with room to say that it is too long.
const MAX_OUTPUT: usize = 8 * 1_024;

/// What an account should hold: every attribute that is set.
pub type Values = BTreeMap<TargetAttribute, String>;

/// The template of an attribute that nobody changed.
pub const fn default_template(attribute: TargetAttribute) -> &'static str {
    match attribute {
        // The user name itself when it is in the application's domain, else moved into it.
        TargetAttribute::UserPrincipalName => USER_NAME_IN_DOMAIN,
        TargetAttribute::MailNickname => NICKNAME,
        TargetAttribute::DisplayName => "{{ user.display_name }}",
        TargetAttribute::GivenName => "{{ user.given_name }}",
        TargetAttribute::Surname => "{{ user.surname }}",
        TargetAttribute::JobTitle => "{{ user.job_title }}",
        TargetAttribute::Department => "{{ user.department }}",
        TargetAttribute::CompanyName => "{{ user.company_name }}",
        TargetAttribute::OfficeLocation => "{{ user.office_location }}",
        TargetAttribute::MobilePhone => "{{ user.mobile_phone }}",
        TargetAttribute::BusinessPhones => "{{ user.business_phone }}",
        TargetAttribute::StreetAddress => "{{ user.street_address }}",
        TargetAttribute::City => "{{ user.city }}",
        TargetAttribute::State => "{{ user.state }}",
        TargetAttribute::PostalCode => "{{ user.postal_code }}",
        TargetAttribute::Country => "{{ user.country }}",
        TargetAttribute::UsageLocation => "{{ user.usage_location }}",
        TargetAttribute::PreferredLanguage => "{{ user.preferred_language }}",
        TargetAttribute::EmployeeId => "{{ user.employee_id }}",
    }
}

const USER_NAME_IN_DOMAIN: &str = "{{ user.user_name|local_part }}@{{ domain }}";
const NICKNAME: &str = "{{ user.user_name|local_part|nickname }}";

/// Every template, checked and ready.
pub struct Mapping {
    env: Environment<'static>,
    templates: BTreeMap<TargetAttribute, Compiled>,
}

/// A template; the defaults have a short way, because a full reconcile renders them by the million.
#[derive(Debug)]
enum Compiled {
    Attribute(Attribute),
    UserNameInDomain,
    Nickname,
    Template(String),
}

/// Why a template cannot be saved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MappingProblem {
    pub attribute: TargetAttribute,
    pub kind: MappingProblemKind,
}

/// The rule that a template breaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MappingProblemKind {
    TooLong,
    /// Only `if`, `elif`, `else` and `endif` may stand between `{%` and `%}`.
    Statement(String),
    /// The user has no such attribute.
    UnknownAttribute(String),
    /// Not a template; the words say where.
    Syntax(String),
}

impl fmt::Display for MappingProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let label = self.attribute.label();
        match &self.kind {
            MappingProblemKind::TooLong => {
                write!(
                    f,
                    "{label}: a template has at most {MAX_TEMPLATE} characters"
                )
            }
            MappingProblemKind::Statement(word) => write!(
                f,
                "{label}: “{word}” is not available; use if, elif, else and endif"
            ),
            MappingProblemKind::UnknownAttribute(name) => {
                write!(f, "{label}: a user has no attribute “{name}”")
            }
            MappingProblemKind::Syntax(why) => write!(f, "{label}: {why}"),
        }
    }
}

/// Why a template gives no value for this user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RenderProblem {
    pub attribute: TargetAttribute,
    /// A short clause in plain words.
    pub why: String,
}

impl fmt::Debug for Mapping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mapping")
            .field("templates", &self.templates)
            .finish()
    }
}

impl Default for Mapping {
    /// The defaults of every attribute.
    fn default() -> Self {
        let compile = |attribute| {
            (
                attribute,
                Compiled::recognise(default_template(attribute).trim()),
            )
        };
        Self {
            env: engine(),
            templates: TargetAttribute::ALL.into_iter().map(compile).collect(),
        }
    }
}

impl Mapping {
    /// The defaults with these templates instead, or every problem they have.
    pub fn compile(
        overrides: &BTreeMap<TargetAttribute, String>,
    ) -> Result<Self, Vec<MappingProblem>> {
        let mut mapping = Self::default();
        let mut problems = Vec::new();
        for (attribute, template) in overrides {
            match check(&mapping.env, template) {
                Ok(()) => {
                    let compiled = Compiled::recognise(template.trim());
                    mapping.templates.insert(*attribute, compiled);
                }
                Err(kind) => problems.push(MappingProblem {
                    attribute: *attribute,
                    kind,
                }),
            }
        }
        if problems.is_empty() {
            Ok(mapping)
        } else {
            Err(problems)
        }
    }

    /// Every attribute that is set for this user, or the first one that has no valid value.
    pub fn render(&self, user: &User, domain: &str) -> Result<Values, RenderProblem> {
        let mut values = Values::new();
        for (attribute, value) in self.each(user, domain) {
            let value = value.map_err(|why| RenderProblem { attribute, why })?;
            if !value.is_empty() {
                values.insert(attribute, value);
            }
        }
        Ok(values)
    }

    /// What every template gives for this user, for the page that edits them.
    pub fn preview(
        &self,
        user: &User,
        domain: &str,
    ) -> Vec<(TargetAttribute, Result<String, String>)> {
        self.each(user, domain).collect()
    }

    /// The user principal name this user would get; `None` when the template fails.
    pub fn user_principal_name(&self, user: &User, domain: &str) -> Option<String> {
        let attribute = TargetAttribute::UserPrincipalName;
        let compiled = self.templates.get(&attribute)?;
        self.value(attribute, compiled, user, domain).ok()
    }

    fn each<'a>(
        &'a self,
        user: &'a User,
        domain: &'a str,
    ) -> impl Iterator<Item = (TargetAttribute, Result<String, String>)> + 'a {
        self.templates.iter().map(move |(attribute, compiled)| {
            (*attribute, self.value(*attribute, compiled, user, domain))
        })
    }

    fn value(
        &self,
        attribute: TargetAttribute,
        compiled: &Compiled,
        user: &User,
        domain: &str,
    ) -> Result<String, String> {
        let profile = &user.profile;
        let value = match compiled {
            Compiled::Attribute(source) => profile.value(*source).to_owned(),
            Compiled::UserNameInDomain => {
                format!("{}@{domain}", filters::local_part(&profile.user_name))
            }
            Compiled::Nickname => filters::nickname(filters::local_part(&profile.user_name)),
            Compiled::Template(source) => run(&self.env, source, profile, domain)?,
        };
        finish(attribute, value.trim())
    }
}

impl Compiled {
    fn recognise(template: &str) -> Self {
        match template {
            USER_NAME_IN_DOMAIN => return Self::UserNameInDomain,
            NICKNAME => return Self::Nickname,
            _ => {}
        }
        let inner = template
            .strip_prefix("{{")
            .and_then(|rest| rest.strip_suffix("}}"));
        let name = inner.and_then(|inner| inner.trim().strip_prefix("user."));
        match name.and_then(|name| name.parse().ok()) {
            Some(attribute) => Self::Attribute(attribute),
            None => Self::Template(template.to_owned()),
        }
    }
}

/// The rules of each attribute that Microsoft would refuse a value by.
fn finish(attribute: TargetAttribute, value: &str) -> Result<String, String> {
    let required = matches!(
        attribute,
        TargetAttribute::UserPrincipalName
            | TargetAttribute::MailNickname
            | TargetAttribute::DisplayName
    );
    if value.is_empty() {
        return if required {
            Err("the result is empty".to_owned())
        } else {
            Ok(String::new())
        };
    }
    if value.chars().count() > attribute.max_length() {
        return Err(format!(
            "the result is longer than {} characters",
            attribute.max_length()
        ));
    }
    if value.chars().any(char::is_control) {
        return Err("the result has a character that cannot be printed".to_owned());
    }
    match attribute {
        TargetAttribute::UsageLocation => text::country_code(value)
            .filter(|_| value.len() == 2)
            .map(str::to_owned)
            .ok_or_else(|| format!("“{value}” is not a two-letter country code")),
        TargetAttribute::MailNickname if filters::nickname(value) != value => Err(format!(
            "“{value}” has a character that a mail nickname cannot have"
        )),
        _ => Ok(value.to_owned()),
    }
}

fn engine() -> Environment<'static> {
    let mut env = Environment::empty();
    env.set_auto_escape_callback(|_| AutoEscape::None);
    env.set_undefined_behavior(UndefinedBehavior::Strict);
    env.set_fuel(Some(FUEL));
    env.set_recursion_limit(32);
    filters::add_to(&mut env);
    env
}

/// Checks a template before it is saved.
fn check(env: &Environment<'_>, template: &str) -> Result<(), MappingProblemKind> {
    if template.chars().count() > MAX_TEMPLATE {
        return Err(MappingProblemKind::TooLong);
    }
    // Variables and loops are what lets a short template build a long text, so there are none.
    for (index, _) in template.match_indices("{%") {
        let word = word_at(
            template[index + 2..]
                .trim_start_matches(['-', '+'])
                .trim_start(),
        );
        if !["if", "elif", "else", "endif"].contains(&word) {
            return Err(MappingProblemKind::Statement(word.to_owned()));
        }
    }
    if template.contains('*') {
        return Err(MappingProblemKind::Statement("*".to_owned()));
    }
    for (index, found) in template.match_indices("user.") {
        let name = word_at(&template[index + found.len()..]);
        if name.parse::<Attribute>().is_err() {
            return Err(MappingProblemKind::UnknownAttribute(name.to_owned()));
        }
    }
    let compiled = env
        .template_from_str(template)
        .map_err(|error| MappingProblemKind::Syntax(words(&error)))?;
    for name in compiled.undeclared_variables(false) {
        if name != "user" && name != "domain" {
            return Err(MappingProblemKind::UnknownAttribute(name));
        }
    }
    // A filter that does not exist shows only when the template runs.
    match run(env, template, &sample(), "contoso.com") {
        Err(why) if why.contains("filter") || why.contains("too long") => {
            Err(MappingProblemKind::Syntax(why))
        }
        _ => Ok(()),
    }
}

fn word_at(text: &str) -> &str {
    let end = text
        .find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
        .unwrap_or(text.len());
    &text[..end]
}

fn sample() -> Profile {
    let mut profile = Profile::default();
    for attribute in Attribute::ALL {
        profile.set(attribute, attribute.key());
    }
    profile
}

fn run(
    env: &Environment<'_>,
    source: &str,
    profile: &Profile,
    domain: &str,
) -> Result<String, String> {
    let template = env
        .template_from_str(source)
        .map_err(|error| words(&error))?;
    let context = Value::from_object(Context {
        user: Value::from_object(UserObject(profile.clone())),
        domain: Value::from(domain),
    });
    let mut output = Bounded(Vec::new());
    template
        .render_captured_to(context, &mut output)
        .map_err(|error| words(&error))?;
    String::from_utf8(output.0).map_err(|_| "the result is not text".to_owned())
}

/// The engine's complaint as a short clause.
fn words(error: &minijinja::Error) -> String {
    match error.kind() {
        ErrorKind::OutOfFuel => "the template takes too many steps".to_owned(),
        ErrorKind::WriteFailure => "the result is too long".to_owned(),
        ErrorKind::UndefinedError => "the template uses a name that does not exist".to_owned(),
        ErrorKind::UnknownFilter => {
            format!("there is no such filter: {}", error.detail().unwrap_or("?"))
        }
        kind => error
            .detail()
            .map_or_else(|| kind.to_string(), str::to_owned),
    }
}

#[derive(Debug)]
struct Context {
    user: Value,
    domain: Value,
}

impl Object for Context {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        match key.as_str()? {
            "user" => Some(self.user.clone()),
            "domain" => Some(self.domain.clone()),
            _ => None,
        }
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Str(&["user", "domain"])
    }
}

#[derive(Debug)]
struct UserObject(Profile);

impl Object for UserObject {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let attribute: Attribute = key.as_str()?.parse().ok()?;
        Some(Value::from(self.0.value(attribute)))
    }
}

/// Takes output up to the limit.
struct Bounded(Vec<u8>);

impl io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > MAX_OUTPUT {
            return Err(io::Error::other("too long"));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use signpost_model::directory::{Source, SourceAnchor};
    use signpost_model::{Timestamp, UserId};

    fn zoe() -> User {
        let mut profile = Profile {
            user_name: "Zoë.Weiss@weiss.example".to_owned(),
            given_name: "Zoë".to_owned(),
            surname: "Weiß".to_owned(),
            country: "Portugal".to_owned(),
            ..Profile::default()
        };
        profile.normalize();
        User {
            id: UserId::from_number(1),
            source_anchor: SourceAnchor::try_from("a".repeat(32)).unwrap(),
            source: Source::Local,
            profile,
            enabled: true,
            created_at: Timestamp::from_millis(0),
            updated_at: Timestamp::from_millis(0),
            deleted_at: None,
            version: 1,
        }
    }

    fn mapping(attribute: TargetAttribute, template: &str) -> Result<Mapping, MappingProblemKind> {
        Mapping::compile(&BTreeMap::from([(attribute, template.to_owned())]))
            .map_err(|problems| problems[0].kind.clone())
    }

    fn render(template: &str) -> Result<String, String> {
        let attribute = TargetAttribute::StreetAddress;
        let mapping = mapping(attribute, template).map_err(|kind| format!("{kind:?}"))?;
        match mapping.render(&zoe(), "contoso.com") {
            Ok(values) => Ok(values.get(&attribute).cloned().unwrap_or_default()),
            Err(problem) => Err(problem.why),
        }
    }

    #[test]
    fn defaults_move_the_user_into_the_domain_and_leave_unset_values_out() {
        let values = Mapping::default().render(&zoe(), "contoso.com").unwrap();
        assert_eq!(
            values[&TargetAttribute::UserPrincipalName],
            "Zoë.Weiss@contoso.com"
        );
        assert_eq!(values[&TargetAttribute::MailNickname], "Zoe.Weiss");
        assert_eq!(values[&TargetAttribute::DisplayName], "Zoë Weiß");
        assert!(!values.contains_key(&TargetAttribute::Department));
    }

    #[test]
    fn templates_choose_cut_and_spell() {
        assert_eq!(
            render("{{ user.given_name|ascii|lower }}.{{ user.surname|ascii|lower }}@{{ domain }}"),
            Ok("zoe.weiss@contoso.com".to_owned())
        );
        assert_eq!(
            render("{{ user.given_name|first }}-{{ user.surname|first(2) }}"),
            Ok("Z-We".to_owned())
        );
        assert_eq!(
            render(
                "{% if user.city %}{{ user.city }}{% else %}{{ user.country|country_code }}{% endif %}"
            ),
            Ok("PT".to_owned())
        );
        assert_eq!(
            render("{{ user.city or user.country }}"),
            Ok("Portugal".to_owned())
        );
    }

    #[test]
    fn what_could_grow_or_reach_out_is_refused_when_saved() {
        for (template, word) in [
            ("{% set x = user.city %}", "set"),
            ("{%- for c in user.city %}{% endfor %}", "for"),
            ("{% include 'x' %}", "include"),
            ("{% raw %}x{% endraw %}", "raw"),
            ("{{ user.city * 1000000 }}", "*"),
        ] {
            assert_eq!(
                mapping(TargetAttribute::City, template).err(),
                Some(MappingProblemKind::Statement(word.to_owned())),
                "{template}"
            );
        }
        let unknown = |name: &str| Some(MappingProblemKind::UnknownAttribute(name.to_owned()));
        let city = |template: &str| mapping(TargetAttribute::City, template).err();
        assert_eq!(city("{{ user.password }}"), unknown("password"));
        assert_eq!(city("{{ secret }}"), unknown("secret"));
        assert_eq!(
            city(&"x".repeat(MAX_TEMPLATE + 1)),
            Some(MappingProblemKind::TooLong)
        );
        assert!(matches!(
            city("{{ user.city"),
            Some(MappingProblemKind::Syntax(_))
        ));
        assert!(matches!(
            city("{{ user.city|shout }}"),
            Some(MappingProblemKind::Syntax(_))
        ));
    }

    #[test]
    fn growing_by_replacement_stops_at_the_limit() {
        let grow = "|replace('a', 'aaaaaaaaaaaaaaaaaaaa')".repeat(8);
        let why = render(&format!("{{{{ 'a'{grow} }}}}")).unwrap_err();
        assert!(why.contains("too long"), "{why}");
    }

    #[test]
    fn a_value_that_microsoft_would_refuse_is_named_before_it_is_sent() {
        let user = zoe();
        let why = |attribute, template| {
            let mapping = mapping(attribute, template).unwrap();
            let problem = mapping.render(&user, "contoso.com").unwrap_err();
            assert_eq!(problem.attribute, attribute);
            problem.why
        };
        assert_eq!(
            why(TargetAttribute::UsageLocation, "{{ user.country }}"),
            "“Portugal” is longer than 2 characters".replace("“Portugal”", "the result")
        );
        assert_eq!(
            why(TargetAttribute::UsageLocation, "ZQ"),
            "“ZQ” is not a two-letter country code"
        );
        assert_eq!(
            why(TargetAttribute::DisplayName, "{{ user.city }}"),
            "the result is empty"
        );
        assert_eq!(
            why(
                TargetAttribute::EmployeeId,
                "{{ user.user_name }}{{ user.user_name }}"
            ),
            "the result is longer than 16 characters"
        );
    }
}
