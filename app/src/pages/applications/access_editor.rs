//! Who gets an application: the radio group and the rule editor, without a script.
//!
//! *Add condition* and *Remove* post the form; the page shows it again with one row more or
//! less, and whom the rule chooses now. Nothing is saved before the form's own button.

use leptos::prelude::*;
use signpost_model::rule::{Combine, Comparison, Condition, MAX_CONDITIONS, Rule};
use signpost_model::{AccessType, Attribute};
use signpost_store::Read;
use signpost_store::scope::{self, RuleMatches};

use crate::components::plural::count;
use crate::components::{Button, ButtonSize, Icon, Look, Notice, RadioCard, RadioGroup, Tone};
use crate::error::PortalError;
use crate::forms::FormErrors;

/// How many of the chosen people are named.
const SHOWN: usize = 5;

/// The fields of the form as they were typed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AccessDraft {
    /// The radio's value; empty until one is chosen.
    pub kind: String,
    any: bool,
    rows: Vec<Row>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Row {
    attribute: String,
    comparison: String,
    value: String,
}

impl AccessDraft {
    /// What is stored.
    pub fn of(access: &AccessType) -> Self {
        match access {
            AccessType::AllUsers => Self::kind("all_users"),
            AccessType::Assigned => Self::kind("assigned"),
            AccessType::Rule(rule) => Self {
                kind: "rule".to_owned(),
                any: rule.combine == Combine::Any,
                rows: rule.conditions.iter().map(Row::of).collect(),
            },
        }
    }

    fn kind(kind: &str) -> Self {
        Self {
            kind: kind.to_owned(),
            ..Self::default()
        }
    }

    /// What was typed, after the button that was pressed.
    pub fn typed(values: &[(String, String)]) -> Self {
        let all = |name: &'static str| {
            values
                .iter()
                .filter(move |(key, _)| key == name)
                .map(|(_, value)| value.clone())
        };
        let first = |name| all(name).next().unwrap_or_default();
        let mut rows: Vec<Row> = all("attribute")
            .zip(all("comparison"))
            .zip(all("value"))
            .map(|((attribute, comparison), value)| Row {
                attribute,
                comparison,
                value,
            })
            .collect();
        let mut kind = first("access");
        match first("do").split_once(':') {
            Some(("remove", row)) => {
                kind = "rule".to_owned();
                if let Some(row) = row.parse().ok().filter(|row| *row < rows.len()) {
                    rows.remove(row);
                }
            }
            Some(("edit", act)) => {
                kind = "rule".to_owned();
                if act == "add" && rows.len() < MAX_CONDITIONS {
                    rows.push(Row::default());
                }
            }
            _ => {}
        }
        rows.truncate(MAX_CONDITIONS + 1);
        Self {
            kind,
            any: first("combine") == "any",
            rows,
        }
    }

    /// The access type that is meant, or what is wrong with it.
    pub fn read(&self) -> Result<AccessType, FormErrors> {
        match self.kind.as_str() {
            "all_users" => Ok(AccessType::AllUsers),
            "assigned" => Ok(AccessType::Assigned),
            "rule" => {
                let rule = self.rule().ok_or_else(|| {
                    FormErrors::field("access", "Choose an attribute and a comparison")
                })?;
                match rule.check() {
                    Ok(()) => Ok(AccessType::Rule(rule)),
                    Err(problem) => Err(FormErrors::field("access", problem.to_string())),
                }
            }
            _ => Err(FormErrors::field(
                "access",
                "Choose who gets the application",
            )),
        }
    }

    fn rule(&self) -> Option<Rule> {
        let conditions = self.rows.iter().map(Row::condition).collect::<Option<_>>();
        Some(Rule {
            combine: if self.any { Combine::Any } else { Combine::All },
            conditions: conditions?,
        })
    }

    /// Whom the rule chooses now, when it is one.
    pub async fn matches(&self, db: &mut Read) -> Result<Option<RuleMatches>, PortalError> {
        match self.read() {
            Ok(AccessType::Rule(rule)) => Ok(Some(scope::match_rule(db, &rule, SHOWN).await?)),
            _ => Ok(None),
        }
    }
}

impl Row {
    fn of(condition: &Condition) -> Self {
        Self {
            attribute: condition.attribute.key().to_owned(),
            comparison: condition.comparison.key().to_owned(),
            value: condition.value.clone(),
        }
    }

    fn condition(&self) -> Option<Condition> {
        Some(Condition {
            attribute: self.attribute.parse().ok()?,
            comparison: Comparison::ALL
                .into_iter()
                .find(|comparison| comparison.key() == self.comparison)?,
            value: self.value.trim().to_owned(),
        })
    }
}

/// Whether the pressed button only edits the rule, so that nothing is to be saved yet.
pub fn is_edit(pressed: &str) -> bool {
    pressed.starts_with("edit:") || pressed.starts_with("remove:")
}

/// The radio group with the rule editor inside.
#[component]
pub fn AccessFields(
    draft: AccessDraft,
    matches: Option<RuleMatches>,
    error: Option<String>,
) -> impl IntoView {
    let is = |kind: &str| draft.kind == kind;
    let (all, assigned, rule) = (is("all_users"), is("assigned"), is("rule"));
    view! {
        <RadioGroup name="access" label="User Access Type" error=error>
            <RadioCard
                name="access"
                value="all_users"
                label="All users"
                hint="Everyone in the directory gets an account, now and later.".to_owned()
                checked=all
            />
            <RadioCard
                name="access"
                value="assigned"
                label="Assigned users and groups"
                hint="Only users and groups that you assign.".to_owned()
                checked=assigned
            />
            <RadioCard
                name="access"
                value="rule"
                label="Users that match a rule"
                hint="Whoever matches conditions on their attributes, such as a department or a city.".to_owned()
                checked=rule
            >
                <RuleEditor draft=draft matches=matches />
            </RadioCard>
        </RadioGroup>
    }
    .into_any()
}

#[component]
fn RuleEditor(draft: AccessDraft, matches: Option<RuleMatches>) -> impl IntoView {
    let mut rows = draft.rows;
    if rows.is_empty() {
        rows.push(Row::default());
    }
    let full = rows.len() >= MAX_CONDITIONS;
    let rows = rows
        .into_iter()
        .enumerate()
        .map(|(at, row)| view! { <ConditionRow at=at row=row /> })
        .collect_view();
    let (all, any) = (!draft.any, draft.any);
    view! {
        <div class="stack stack--tight rule">
            <p class="row">
                <label for="field-combine">"People match when"</label>
                <select class="input rule__combine" id="field-combine" name="combine">
                    <option value="all" selected=all>
                        "all conditions hold"
                    </option>
                    <option value="any" selected=any>
                        "any condition holds"
                    </option>
                </select>
            </p>
            {rows}
            <p class="row">
                {(!full)
                    .then(|| {
                        view! {
                            <Button name="do" value="edit:add" size=ButtonSize::Small icon=Icon::Plus>
                                "Add condition"
                            </Button>
                        }
                    })}
                <Button name="do" value="edit:show" size=ButtonSize::Small icon=Icon::Eye>
                    "Show whom it matches"
                </Button>
            </p>
            {matches.map(|matches| view! { <Matches matches=matches /> })}
        </div>
    }
    .into_any()
}

#[component]
fn ConditionRow(at: usize, row: Row) -> impl IntoView {
    let number = at + 1;
    let attributes = Attribute::ALL
        .into_iter()
        .map(|attribute| {
            let chosen = attribute.key() == row.attribute;
            view! { <option value=attribute.key() selected=chosen>{attribute.label()}</option> }
        })
        .collect_view();
    let comparisons = Comparison::ALL
        .into_iter()
        .map(|comparison| {
            let chosen = comparison.key() == row.comparison;
            view! { <option value=comparison.key() selected=chosen>{comparison.label()}</option> }
        })
        .collect_view();
    view! {
        <div class="rule__row">
            <select class="input" name="attribute" aria-label=format!("Attribute of condition {number}")>
                {attributes}
            </select>
            <select class="input" name="comparison" aria-label=format!("Comparison of condition {number}")>
                {comparisons}
            </select>
            <input
                class="input"
                name="value"
                maxlength="256"
                autocomplete="off"
                value=row.value
                aria-label=format!("Value of condition {number}")
            />
            <Button
                name="do"
                value=format!("remove:{at}")
                look=Look::Quiet
                label=format!("Remove condition {number}")
            >
                "Remove"
            </Button>
        </div>
    }
    .into_any()
}

#[component]
fn Matches(matches: RuleMatches) -> impl IntoView {
    let (number, of) = (matches.count.unsigned_abs(), matches.of.unsigned_abs());
    let title = format!(
        "{} of {} match now.",
        crate::components::plural::digits(number),
        count(of, "user", "users")
    );
    let more = matches.count - i64::try_from(matches.first.len()).unwrap_or(0);
    let mut names: Vec<String> = matches
        .first
        .into_iter()
        .map(|user| format!("{} ({})", user.display_name, user.user_name))
        .collect();
    if more > 0 {
        names.push(format!("and {more} more"));
    }
    let tone = if number == 0 { Tone::Warn } else { Tone::Info };
    view! {
        <Notice tone=tone title=title>
            {names.join(", ")}
        </Notice>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(fields: &[(&str, &str)]) -> AccessDraft {
        let fields: Vec<_> = fields
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        AccessDraft::typed(&fields)
    }

    const SALES: [(&str, &str); 4] = [
        ("access", "rule"),
        ("attribute", "department"),
        ("comparison", "is"),
        ("value", " Sales "),
    ];

    #[test]
    fn a_rule_survives_the_way_through_the_form() {
        let access = typed(&SALES).read().unwrap();
        assert_eq!(AccessDraft::of(&access).read(), Ok(access.clone()));
        let AccessType::Rule(rule) = access else {
            panic!("not a rule")
        };
        assert_eq!(rule.sentence(), "Department is “Sales”");
    }

    #[test]
    fn rows_come_and_go_without_losing_the_others() {
        let more = typed(&[&SALES[..], &[("do", "edit:add")]].concat());
        assert_eq!(more.rows.len(), 2);
        assert_eq!(more.rows[0].value, " Sales ");
        let none = typed(&[&SALES[..], &[("do", "remove:0")]].concat());
        assert!(none.rows.is_empty());
        let outside = typed(&[&SALES[..], &[("do", "remove:7")]].concat());
        assert_eq!(outside.rows.len(), 1);
    }

    #[test]
    fn what_is_no_rule_is_refused_in_words() {
        let mut fields = SALES;
        fields[3].1 = "  ";
        let errors = typed(&fields).read().unwrap_err();
        assert_eq!(errors.fields[0].1, "Condition 1 needs a value");
        fields[1].1 = "shoe_size";
        assert!(typed(&fields).read().is_err());
        assert!(typed(&[]).read().is_err());
    }
}
