//! The sample that ships: what a newcomer imports first.

#![expect(clippy::unwrap_used, reason = "a test fails where it happens")]

use std::collections::{BTreeMap, BTreeSet};

use signpost_import::{
    Defaults, ImportedUser, Reader, SAMPLE, UserNames, check_mapping, check_row, guess_mapping,
};
use signpost_model::text::country_code;
use signpost_model::{Attribute, Profile};

fn sample() -> Vec<(ImportedUser, Profile)> {
    let reader = Reader::new(SAMPLE.as_bytes()).unwrap();
    let mappings = guess_mapping(reader.header().fields());
    assert_eq!(check_mapping(&mappings), Ok(()));
    assert!(
        mappings.iter().all(|mapping| mapping.column.is_some()),
        "{mappings:?}"
    );
    reader
        .map(|row| {
            let user = check_row(&mappings, &row.unwrap(), &Defaults::default()).unwrap();
            let mut profile = Profile::default();
            user.apply_to(&mut profile);
            (user, profile)
        })
        .collect()
}

#[test]
fn holds_200_people_without_a_problem() {
    let people = sample();
    assert_eq!(people.len(), 200);
    let mut names = UserNames::default();
    for (user, profile) in &people {
        assert_eq!(names.insert(user), Ok(()));
        assert_eq!(profile.check(), [], "line {}", user.line);
        assert!(user.user_name.ends_with("@contoso.example"));
        assert_eq!(profile.mail, user.user_name);
        assert!(
            country_code(&profile.country).is_some(),
            "{}",
            profile.country
        );
    }
}

#[test]
fn everybody_reports_to_somebody_in_the_file_up_to_one_head() {
    let people = sample();
    let managers: BTreeMap<&str, &str> = people
        .iter()
        .map(|(user, _)| {
            (
                user.user_name.as_str(),
                user.manager.as_deref().unwrap_or_default(),
            )
        })
        .collect();
    let heads: Vec<_> = managers
        .iter()
        .filter(|(_, manager)| manager.is_empty())
        .collect();
    assert_eq!(heads, [(&"alice.martins@contoso.example", &"")]);
    for mut person in managers.keys().copied() {
        let mut steps = 0;
        while let Some(manager) = managers.get(person).filter(|manager| !manager.is_empty()) {
            person = manager;
            steps += 1;
            assert!(steps < 10, "{person} reports in a circle");
        }
        assert_eq!(person, "alice.martins@contoso.example");
    }
}

#[test]
fn is_varied_enough_to_rehearse_on() {
    let people = sample();
    let count = |attribute| {
        people
            .iter()
            .map(|(_, profile)| profile.value(attribute))
            .collect::<BTreeSet<_>>()
            .len()
    };
    assert!(count(Attribute::Department) >= 8);
    assert!(count(Attribute::UsageLocation) >= 7);
    let without_location = people
        .iter()
        .filter(|(user, _)| has_empty(user, Attribute::UsageLocation))
        .count();
    assert_eq!(without_location, 0, "everybody can get a license");
    let non_ascii = people
        .iter()
        .filter(|(_, p)| !p.display_name.is_ascii())
        .count();
    assert!(non_ascii >= 50);
    let groups: BTreeSet<_> = people
        .iter()
        .flat_map(|(user, _)| user.groups.iter().flatten())
        .collect();
    assert!(groups.len() >= 10, "{groups:?}");
}

fn has_empty(user: &ImportedUser, attribute: Attribute) -> bool {
    user.values
        .iter()
        .any(|(named, value)| *named == attribute && value.is_empty())
}
