//! Which column of a file is what.

use signpost_model::Attribute;
use signpost_model::text::fold;

/// What a column of a file can mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Column {
    /// A text of the user's profile.
    Attribute(Attribute),
    /// The user name of the person they report to.
    Manager,
    /// Whether they may sign in.
    Enabled,
    /// Whether they may *not* sign in, as Microsoft exports it.
    SignInBlocked,
    /// Names of groups, separated by semicolons.
    Groups,
}

impl Column {
    /// Every meaning, in the order of forms.
    pub fn all() -> impl Iterator<Item = Self> {
        Attribute::ALL.into_iter().map(Self::Attribute).chain([
            Self::Manager,
            Self::Enabled,
            Self::SignInBlocked,
            Self::Groups,
        ])
    }

    /// The name in forms.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Attribute(attribute) => attribute.key(),
            Self::Manager => "manager",
            Self::Enabled => "enabled",
            Self::SignInBlocked => "sign_in_blocked",
            Self::Groups => "groups",
        }
    }

    /// The name on the page.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Attribute(attribute) => attribute.label(),
            Self::Manager => "Manager",
            Self::Enabled => "May sign in",
            Self::SignInBlocked => "Sign-in blocked",
            Self::Groups => "Groups",
        }
    }

    /// The meaning with this name in forms.
    pub fn from_key(key: &str) -> Option<Self> {
        Self::all().find(|column| column.key() == key)
    }
}

/// One column of a file and what it is taken for; `None` is left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mapping {
    /// Its place in the row, from 0.
    pub index: usize,
    /// Its name in the file.
    pub header: String,
    pub column: Option<Column>,
}

/// What every column of a file seems to be, by the header names of the products we know.
///
/// No meaning is given twice: of two candidates the better known name wins.
pub fn guess_mapping<'a>(headers: impl IntoIterator<Item = &'a str>) -> Vec<Mapping> {
    let mut found: Vec<(Mapping, usize)> = headers
        .into_iter()
        .enumerate()
        .map(|(index, header)| {
            let known = recognise(header);
            let column = known.map(|(column, _)| column);
            let mapping = Mapping {
                index,
                header: header.trim().to_owned(),
                column,
            };
            (mapping, known.map_or(usize::MAX, |(_, rank)| rank))
        })
        .collect();
    for column in Column::all() {
        let of_column = |(mapping, _): &&mut (Mapping, usize)| mapping.column == Some(column);
        let best = found
            .iter_mut()
            .filter(of_column)
            .map(|(m, rank)| (*rank, m.index))
            .min();
        for (mapping, _) in found.iter_mut().filter(of_column) {
            if best.is_some_and(|(_, index)| index != mapping.index) {
                mapping.column = None;
            }
        }
    }
    let mut mappings: Vec<Mapping> = found.into_iter().map(|(mapping, _)| mapping).collect();
    let user_name = Some(Column::Attribute(Attribute::UserName));
    let mail = Some(Column::Attribute(Attribute::Mail));
    // Without a user name, a mail address is what people sign in with.
    if !mappings.iter().any(|mapping| mapping.column == user_name)
        && let Some(mapping) = mappings.iter_mut().find(|mapping| mapping.column == mail)
    {
        mapping.column = user_name;
    }
    mappings
}

/// What is wrong with a mapping that somebody chose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MappingProblem {
    #[error("Choose which column holds the user name.")]
    NoUserName,
    #[error("Two columns are set to {}. Choose one.", .0.label())]
    ChosenTwice(Column),
    #[error("Choose either {} or {}, not both.", Column::Enabled.label(), Column::SignInBlocked.label())]
    EnabledAndBlocked,
}

/// Checks a mapping, guessed or corrected.
pub fn check_mapping(mappings: &[Mapping]) -> Result<(), MappingProblem> {
    let count = |column| mappings.iter().filter(|m| m.column == Some(column)).count();
    if let Some(column) = Column::all().find(|column| count(*column) > 1) {
        return Err(MappingProblem::ChosenTwice(column));
    }
    if count(Column::Enabled) + count(Column::SignInBlocked) > 1 {
        return Err(MappingProblem::EnabledAndBlocked);
    }
    if count(Column::Attribute(Attribute::UserName)) == 0 {
        return Err(MappingProblem::NoUserName);
    }
    Ok(())
}

pub(crate) fn is_known_header(header: &str) -> bool {
    recognise(header.trim().trim_matches('"')).is_some()
}

/// The meaning of a header and how well known the name is (0 is best).
fn recognise(header: &str) -> Option<(Column, usize)> {
    // "Block sign in (Yes/No) [accountEnabled] Required": the words come before the property,
    // which would say the opposite here.
    let (words, rest) = header.split_once('[').unwrap_or((header, ""));
    let property = rest.split(']').next().unwrap_or_default();
    let plain = words.split('(').next().unwrap_or_default();
    [header, words, plain, property]
        .into_iter()
        .find_map(|text| look_up(&squeeze(text)))
}

fn look_up(squeezed: &str) -> Option<(Column, usize)> {
    NAMES.iter().find_map(|(column, names)| {
        names
            .split(' ')
            .position(|name| name == squeezed)
            .map(|rank| (*column, rank))
    })
}

/// Letters and digits only, case folded: "E-mail address" and "e mail ADDRESS" are one name.
fn squeeze(header: &str) -> String {
    fold(header)
        .chars()
        .filter(|c| c.is_alphanumeric())
        .collect()
}

/// Header names, squeezed, best known first: admin centre, Entra, Okta, Google, common others.
const NAMES: &[(Column, &str)] = &[
    (
        Column::Attribute(Attribute::UserName),
        "userprincipalname username upn login emailaddressrequired userlogin signinname \
         primaryemail account loginname",
    ),
    (
        Column::Attribute(Attribute::DisplayName),
        "displayname name fullname",
    ),
    (
        Column::Attribute(Attribute::GivenName),
        "givenname firstname forename",
    ),
    (
        Column::Attribute(Attribute::Surname),
        "surname lastname familyname sn",
    ),
    (
        Column::Attribute(Attribute::Mail),
        "mail email emailaddress primarysmtpaddress workemail",
    ),
    (
        Column::Attribute(Attribute::JobTitle),
        "jobtitle title employeetitle position role",
    ),
    (Column::Attribute(Attribute::Department), "department dept"),
    (
        Column::Attribute(Attribute::CompanyName),
        "companyname company organization organisation employer",
    ),
    (
        Column::Attribute(Attribute::OfficeLocation),
        "officelocation office officenumber physicaldeliveryofficename officename location",
    ),
    (
        Column::Attribute(Attribute::MobilePhone),
        "mobilephone mobile mobilenumber cellphone mobilephonenumber",
    ),
    (
        Column::Attribute(Attribute::BusinessPhone),
        "businessphone businessphones officephone telephonenumber phonenumber workphone \
         primaryphone phone",
    ),
    (
        Column::Attribute(Attribute::StreetAddress),
        "streetaddress street address workaddress",
    ),
    (Column::Attribute(Attribute::City), "city town locality l"),
    (
        Column::Attribute(Attribute::State),
        "state stateorprovince stateprovince province region st",
    ),
    (
        Column::Attribute(Attribute::PostalCode),
        "postalcode ziporpostalcode zippostalcode zipcode zip postcode",
    ),
    (
        Column::Attribute(Attribute::Country),
        "country countryorregion countryregion countryname co",
    ),
    (
        Column::Attribute(Attribute::UsageLocation),
        "usagelocation countrycode licenselocation countrylettercode c",
    ),
    (
        Column::Attribute(Attribute::PreferredLanguage),
        "preferredlanguage language locale",
    ),
    (
        Column::Attribute(Attribute::EmployeeId),
        "employeeid employeenumber personnelnumber staffid",
    ),
    (
        Column::Manager,
        "manageruserprincipalname managerusername managerupn manageremail managerid manager",
    ),
    (
        Column::Enabled,
        "accountenabled enabled maysignin active status userstatus",
    ),
    (
        Column::SignInBlocked,
        "blockcredential signinblocked blocksignin blocked accountdisabled disabled suspended",
    ),
    (
        Column::Groups,
        "groups group groupnames groupmemberships memberof",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn guessed(headers: &str) -> Vec<(String, &'static str)> {
        guess_mapping(headers.split(','))
            .into_iter()
            .map(|m| (m.header, m.column.map_or("-", Column::key)))
            .collect()
    }

    fn keys(headers: &str) -> Vec<&'static str> {
        guessed(headers).into_iter().map(|(_, key)| key).collect()
    }

    #[test]
    fn microsofts_bulk_template_is_understood() {
        let headers = "Username,First name,Last name,Display name,Job title,Department,\
            Office number,Office phone,Mobile phone,Fax,Alternate email address,Address,City,\
            State or province,ZIP or postal code,Country or region";
        let expected = "user_name given_name surname display_name job_title department \
            office_location business_phone mobile_phone - - street_address city state postal_code \
            country";
        assert_eq!(
            keys(headers),
            expected.split_whitespace().collect::<Vec<_>>()
        );
    }

    #[test]
    fn microsofts_user_export_is_understood() {
        let headers = "Block credential,City,Country/Region,Department,DirSyncEnabled,Display name,\
            Fax,First name,Last dirsync time,Last name,Licenses,Mobile Phone,Object Id,Office,\
            Password never expires,Phone number,Postal code,Preferred language,Proxy addresses,\
            State,Street address,Title,Usage location,User principal name,When created";
        let expected = "sign_in_blocked city country department - display_name - given_name - \
            surname - mobile_phone - office_location - business_phone postal_code \
            preferred_language - state street_address job_title usage_location user_name -";
        assert_eq!(
            keys(headers),
            expected.split_whitespace().collect::<Vec<_>>()
        );
    }

    #[test]
    fn entras_templates_and_downloads_are_understood() {
        let template = "Name [displayName] Required,User name [userPrincipalName] Required,\
            Initial password [passwordProfile] Required,\
            Block sign in (Yes/No) [accountEnabled] Required,First name [givenName],\
            Last name [surname],Usage location [usageLocation],Office [physicalDeliveryOfficeName],\
            Office phone [telephoneNumber],Mobile phone [mobile]";
        let expected = "display_name user_name - sign_in_blocked given_name surname \
            usage_location office_location business_phone mobile_phone";
        assert_eq!(
            keys(template),
            expected.split_whitespace().collect::<Vec<_>>()
        );

        let download = "userPrincipalName,displayName,surname,mail,givenName,id,userType,jobTitle,\
            department,accountEnabled,usageLocation,streetAddress,state,country,\
            physicalDeliveryOfficeName,city,postalCode,telephoneNumber,mobile,companyName";
        let expected = "user_name display_name surname mail given_name - - job_title department \
            enabled usage_location street_address state country office_location city postal_code \
            business_phone mobile_phone company_name";
        assert_eq!(
            keys(download),
            expected.split_whitespace().collect::<Vec<_>>()
        );
    }

    #[test]
    fn oktas_export_is_understood() {
        let headers = "login,firstName,lastName,middleName,email,title,displayName,mobilePhone,\
            primaryPhone,streetAddress,city,state,zipCode,countryCode,preferredLanguage,locale,\
            employeeNumber,costCenter,organization,division,department,managerId,manager";
        let expected = "user_name given_name surname - mail job_title display_name mobile_phone \
            business_phone street_address city state postal_code usage_location \
            preferred_language - employee_id - company_name - department manager -";
        assert_eq!(
            keys(headers),
            expected.split_whitespace().collect::<Vec<_>>()
        );
    }

    #[test]
    fn googles_export_is_understood() {
        let headers = "First Name [Required],Last Name [Required],Email Address [Required],\
            Password [Required],Org Unit Path [Required],Status [READ ONLY],Recovery Email,\
            Work Phone,Home Phone,Mobile Phone,Work Address,Employee ID,Employee Title,\
            Manager Email,Department,Cost Center";
        let expected = "given_name surname user_name - - enabled - business_phone - mobile_phone \
            street_address employee_id job_title manager department -";
        assert_eq!(
            keys(headers),
            expected.split_whitespace().collect::<Vec<_>>()
        );
    }

    #[test]
    fn a_mail_column_is_the_user_name_when_nothing_else_is() {
        assert_eq!(keys("Full Name,E-Mail"), ["display_name", "user_name"]);
        assert_eq!(keys("Login,E-Mail"), ["user_name", "mail"]);
    }

    #[test]
    fn no_meaning_is_guessed_twice() {
        assert_eq!(
            keys("manager,managerEmail,Manager UPN,User name,UPN"),
            ["-", "-", "manager", "user_name", "-"]
        );
    }

    #[test]
    fn a_chosen_mapping_is_checked() {
        let mut mappings = guess_mapping(["upn", "City", "enabled", "Block credential"]);
        assert_eq!(
            check_mapping(&mappings),
            Err(MappingProblem::EnabledAndBlocked)
        );
        mappings[3].column = None;
        assert_eq!(check_mapping(&mappings), Ok(()));
        mappings[0].column = mappings[1].column;
        let city = Column::Attribute(Attribute::City);
        assert_eq!(
            check_mapping(&mappings),
            Err(MappingProblem::ChosenTwice(city))
        );
        mappings[0].column = None;
        assert_eq!(check_mapping(&mappings), Err(MappingProblem::NoUserName));
    }

    #[test]
    fn keys_name_every_meaning_once() {
        for column in Column::all() {
            assert_eq!(Column::from_key(column.key()), Some(column));
            let known = NAMES.iter().any(|(named, _)| *named == column);
            assert!(known, "{} has header names", column.key());
        }
    }
}
