//! How the users of an application sign in through Signpost.

use std::str::FromStr;

/// How Microsoft asks for a sign-in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Protocol {
    WsFed,
    Saml,
}

impl Protocol {
    /// Both, the better default first.
    pub const ALL: [Self; 2] = [Self::WsFed, Self::Saml];

    /// The word of Microsoft Graph, of forms and of the database.
    pub const fn graph(self) -> &'static str {
        match self {
            Self::WsFed => "wsFed",
            Self::Saml => "saml",
        }
    }

    /// The name on the page.
    pub const fn label(self) -> &'static str {
        match self {
            Self::WsFed => "WS-Federation",
            Self::Saml => "SAML 2.0",
        }
    }
}

/// Who is to ask for a second factor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MfaBehavior {
    /// Signpost's counts; without it Microsoft asks.
    Accept,
    /// Microsoft sends people back to Signpost for it.
    Enforce,
    /// Only Microsoft's counts.
    Reject,
}

impl MfaBehavior {
    /// All of them, the default first.
    pub const ALL: [Self; 3] = [Self::Accept, Self::Enforce, Self::Reject];

    /// The word of Microsoft Graph, of forms and of the database.
    pub const fn graph(self) -> &'static str {
        match self {
            Self::Accept => "acceptIfMfaDoneByFederatedIdp",
            Self::Enforce => "enforceMfaByFederatedIdp",
            Self::Reject => "rejectMfaByFederatedIdp",
        }
    }
}

/// Whether users owe a second factor when they sign in; the strictest last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FactorPolicy {
    /// Only when Microsoft insists.
    Off,
    /// Whoever has one uses it.
    Optional,
    /// Everybody has one and uses it.
    Required,
}

impl FactorPolicy {
    /// All of them, the default in the middle.
    pub const ALL: [Self; 3] = [Self::Off, Self::Optional, Self::Required];

    /// The word of forms and of the database.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Optional => "optional",
            Self::Required => "required",
        }
    }

    /// The word on the page.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Off => "Off",
            Self::Optional => "Optional",
            Self::Required => "Required",
        }
    }
}

/// The text names no such choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not one of the choices")]
pub struct UnknownChoice;

macro_rules! from_key {
    ($($name:ident by $key:ident),+) => {$(
        impl FromStr for $name {
            type Err = UnknownChoice;

            fn from_str(text: &str) -> Result<Self, UnknownChoice> {
                Self::ALL
                    .into_iter()
                    .find(|choice| choice.$key() == text)
                    .ok_or(UnknownChoice)
            }
        }
    )+};
}
from_key!(Protocol by graph, MfaBehavior by graph, FactorPolicy by key);

/// The colour of a login page, as people write it on the web: `#1f6feb`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Colour([u8; 3]);

impl Colour {
    /// The colour of text that can be read on it: black or white, whichever stands out more.
    pub fn on(self) -> &'static str {
        let part = |byte: u8| {
            let share = f64::from(byte) / 255.0;
            if share <= 0.04045 {
                share / 12.92
            } else {
                ((share + 0.055) / 1.055).powf(2.4)
            }
        };
        let [red, green, blue] = self.0.map(part);
        let luminance = 0.2126 * red + 0.7152 * green + 0.0722 * blue;
        // Equal contrast with black and white lies at this luminance.
        if luminance > 0.179 {
            "#000000"
        } else {
            "#ffffff"
        }
    }
}

impl std::fmt::Display for Colour {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [red, green, blue] = self.0;
        write!(f, "#{red:02x}{green:02x}{blue:02x}")
    }
}

impl FromStr for Colour {
    type Err = UnknownChoice;

    fn from_str(text: &str) -> Result<Self, UnknownChoice> {
        let digits = text.strip_prefix('#').ok_or(UnknownChoice)?;
        if digits.len() != 6 || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return Err(UnknownChoice);
        }
        let value = u32::from_str_radix(digits, 16).map_err(|_| UnknownChoice)?;
        let [_, red, green, blue] = value.to_be_bytes();
        Ok(Self([red, green, blue]))
    }
}

/// The longest a device may be remembered.
pub const MOST_DEVICE_DAYS: i64 = 90;

/// The Sign-on settings of an application.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignOnSettings {
    pub protocol: Protocol,
    pub mfa_behavior: MfaBehavior,
    pub factor_policy: FactorPolicy,
    /// For how many days a device may go without the second factor; 0 for none.
    pub device_days: i64,
    /// What the login page is headed with; empty for the organisation's name.
    pub title: String,
    /// The colour of the login page; `None` for Signpost's own.
    pub colour: Option<Colour>,
    /// 0 until it is first saved.
    pub version: i64,
}

impl Default for SignOnSettings {
    fn default() -> Self {
        Self {
            protocol: Protocol::WsFed,
            mfa_behavior: MfaBehavior::Accept,
            factor_policy: FactorPolicy::Optional,
            device_days: 0,
            title: String::new(),
            colour: None,
            version: 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn choices_are_found_by_their_word() {
        assert_eq!("saml".parse(), Ok(Protocol::Saml));
        assert_eq!("required".parse(), Ok(FactorPolicy::Required));
        assert_eq!("Required".parse::<FactorPolicy>(), Err(UnknownChoice));
    }

    #[test]
    fn text_on_a_colour_can_be_read() {
        let on = |text: &str| text.parse::<Colour>().unwrap().on();
        assert_eq!(on("#ffff00"), "#000000");
        assert_eq!(on("#000080"), "#ffffff");
        for wrong in [
            "", "red", "#fff", "#12345g", "#1234567", "#+12345", "url(x)",
        ] {
            assert_eq!(wrong.parse::<Colour>(), Err(UnknownChoice), "{wrong}");
        }
    }
}
