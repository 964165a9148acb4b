//! The properties of a user: names, kinds, lengths, and who may write them (`graph.md` 4.3).

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// How a property is stored and checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Text up to this many characters.
    Text(usize),
    /// Several texts: at most so many.
    Texts(usize),
    /// A date and time kept as it was written.
    Instant,
    Flag,
    /// A complex value kept as JSON.
    Object,
    /// Written, never read.
    Password,
    /// Made from the tenant's own state when read.
    Computed,
    /// Always null here.
    Null,
    /// Always empty here.
    EmptyList,
}

/// Who may write a property.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Write {
    Free,
    /// Needs more when the target is an administrator (`graph.md` 4.4).
    Sensitive,
    ReadOnly,
    /// Refused without a signed-in user.
    DelegatedOnly,
}

#[derive(Debug)]
pub(crate) struct Spec {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) write: Write,
}

macro_rules! fields {
    ($($field:ident $name:literal $kind:expr, $write:ident;)*) => {
        /// One property of a user.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub(crate) enum Field { $($field),* }

        const SPECS: &[Spec] = &[$(Spec { name: $name, kind: $kind, write: Write::$write }),*];

        impl Field {
            pub(crate) const ALL: &'static [Self] = &[$(Self::$field),*];
        }
    };
}

fields! {
    UserPrincipalName "userPrincipalName" Kind::Text(113), Sensitive;
    DisplayName "displayName" Kind::Text(256), Free;
    GivenName "givenName" Kind::Text(64), Free;
    Surname "surname" Kind::Text(64), Free;
    Mail "mail" Kind::Text(256), Free;
    MailNickname "mailNickname" Kind::Text(64), Free;
    UsageLocation "usageLocation" Kind::Text(2), Free;
    ImmutableId "onPremisesImmutableId" Kind::Text(256), Sensitive;
    JobTitle "jobTitle" Kind::Text(128), Free;
    Department "department" Kind::Text(64), Free;
    CompanyName "companyName" Kind::Text(64), Free;
    OfficeLocation "officeLocation" Kind::Text(128), Free;
    MobilePhone "mobilePhone" Kind::Text(64), Sensitive;
    FaxNumber "faxNumber" Kind::Text(64), Free;
    StreetAddress "streetAddress" Kind::Text(1024), Free;
    City "city" Kind::Text(128), Free;
    State "state" Kind::Text(128), Free;
    Country "country" Kind::Text(128), Free;
    PostalCode "postalCode" Kind::Text(40), Free;
    PreferredLanguage "preferredLanguage" Kind::Text(64), Free;
    EmployeeId "employeeId" Kind::Text(16), Free;
    EmployeeType "employeeType" Kind::Text(128), Free;
    UserType "userType" Kind::Text(16), Free;
    AgeGroup "ageGroup" Kind::Text(16), Free;
    ConsentProvidedForMinor "consentProvidedForMinor" Kind::Text(16), Free;
    PasswordPolicies "passwordPolicies" Kind::Text(128), Free;
    PreferredDataLocation "preferredDataLocation" Kind::Text(16), Free;
    EmployeeHireDate "employeeHireDate" Kind::Instant, Free;
    EmployeeLeaveDateTime "employeeLeaveDateTime" Kind::Instant, Free;
    BusinessPhones "businessPhones" Kind::Texts(1), Sensitive;
    OtherMails "otherMails" Kind::Texts(250), Sensitive;
    ProxyAddresses "proxyAddresses" Kind::Texts(500), ReadOnly;
    ImAddresses "imAddresses" Kind::Texts(10), ReadOnly;
    AccountEnabled "accountEnabled" Kind::Flag, Sensitive;
    ShowInAddressList "showInAddressList" Kind::Flag, Free;
    ExtensionAttributes "onPremisesExtensionAttributes" Kind::Object, Free;
    EmployeeOrgData "employeeOrgData" Kind::Object, Free;
    PasswordProfile "passwordProfile" Kind::Password, Sensitive;
    Id "id" Kind::Computed, ReadOnly;
    CreatedDateTime "createdDateTime" Kind::Computed, ReadOnly;
    DeletedDateTime "deletedDateTime" Kind::Computed, ReadOnly;
    LastPasswordChangeDateTime "lastPasswordChangeDateTime" Kind::Computed, ReadOnly;
    SignInSessionsValidFromDateTime "signInSessionsValidFromDateTime" Kind::Computed, ReadOnly;
    OnPremisesSyncEnabled "onPremisesSyncEnabled" Kind::Computed, ReadOnly;
    OnPremisesLastSyncDateTime "onPremisesLastSyncDateTime" Kind::Computed, ReadOnly;
    AssignedLicenses "assignedLicenses" Kind::Computed, ReadOnly;
    LicenseAssignmentStates "licenseAssignmentStates" Kind::Computed, ReadOnly;
    AssignedPlans "assignedPlans" Kind::Computed, ReadOnly;
    ProvisionedPlans "provisionedPlans" Kind::Computed, ReadOnly;
    Identities "identities" Kind::Computed, ReadOnly;
    SecurityIdentifier "securityIdentifier" Kind::Computed, ReadOnly;
    PerUserMfaState "perUserMfaState" Kind::Computed, ReadOnly;
    Manager "manager" Kind::Computed, ReadOnly;
    CreationType "creationType" Kind::Null, ReadOnly;
    ExternalUserState "externalUserState" Kind::Null, ReadOnly;
    ExternalUserStateChangeDateTime "externalUserStateChangeDateTime" Kind::Null, ReadOnly;
    LegalAgeGroupClassification "legalAgeGroupClassification" Kind::Null, ReadOnly;
    OnPremisesDistinguishedName "onPremisesDistinguishedName" Kind::Null, ReadOnly;
    OnPremisesDomainName "onPremisesDomainName" Kind::Null, ReadOnly;
    OnPremisesSamAccountName "onPremisesSamAccountName" Kind::Null, ReadOnly;
    OnPremisesSecurityIdentifier "onPremisesSecurityIdentifier" Kind::Null, ReadOnly;
    OnPremisesUserPrincipalName "onPremisesUserPrincipalName" Kind::Null, ReadOnly;
    OnPremisesProvisioningErrors "onPremisesProvisioningErrors" Kind::EmptyList, ReadOnly;
    ServiceProvisioningErrors "serviceProvisioningErrors" Kind::EmptyList, ReadOnly;
    IsResourceAccount "isResourceAccount" Kind::Null, ReadOnly;
    IsManagementRestricted "isManagementRestricted" Kind::Null, ReadOnly;
    AuthorizationInfo "authorizationInfo" Kind::Null, ReadOnly;
    SignInActivity "signInActivity" Kind::Null, ReadOnly;
    CustomSecurityAttributes "customSecurityAttributes" Kind::Null, ReadOnly;
    AboutMe "aboutMe" Kind::Null, DelegatedOnly;
    Birthday "birthday" Kind::Null, DelegatedOnly;
    HireDate "hireDate" Kind::Null, DelegatedOnly;
    Interests "interests" Kind::EmptyList, DelegatedOnly;
    MySite "mySite" Kind::Null, DelegatedOnly;
    PastProjects "pastProjects" Kind::EmptyList, DelegatedOnly;
    PreferredName "preferredName" Kind::Null, DelegatedOnly;
    Responsibilities "responsibilities" Kind::EmptyList, DelegatedOnly;
    Schools "schools" Kind::EmptyList, DelegatedOnly;
    Skills "skills" Kind::EmptyList, DelegatedOnly;
    MailboxSettings "mailboxSettings" Kind::Null, DelegatedOnly;
}

/// What an answer holds without `$select`.
pub(crate) const DEFAULT: &[Field] = &[
    Field::BusinessPhones,
    Field::DisplayName,
    Field::GivenName,
    Field::JobTitle,
    Field::Mail,
    Field::MobilePhone,
    Field::OfficeLocation,
    Field::PreferredLanguage,
    Field::Surname,
    Field::UserPrincipalName,
    Field::Id,
];

impl Field {
    pub(crate) fn spec(self) -> &'static Spec {
        &SPECS[self as usize]
    }

    pub(crate) fn name(self) -> &'static str {
        self.spec().name
    }

    pub(crate) fn parse(name: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .copied()
            .find(|field| field.name().eq_ignore_ascii_case(name))
    }

    /// Stored outside the directory, so only single users answer it (`graph.md` 4.1).
    pub(crate) fn is_single_user_only(self) -> bool {
        self.spec().write == Write::DelegatedOnly
    }

    /// `$filter` on it always needs an advanced query (`graph.md` 4.2).
    pub(crate) fn is_filtered_only_advanced(self) -> bool {
        matches!(
            self,
            Self::BusinessPhones
                | Self::CompanyName
                | Self::EmployeeType
                | Self::FaxNumber
                | Self::MobilePhone
                | Self::OfficeLocation
                | Self::PostalCode
                | Self::PreferredLanguage
                | Self::StreetAddress
                | Self::AssignedPlans
        )
    }
}

impl Serialize for Field {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for Field {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        Self::parse(&name).ok_or_else(|| de::Error::custom(format!("no property {name}")))
    }
}
