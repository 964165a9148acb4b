//! Three-way values: a property is set, cleared, or not mentioned.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What happens to one property.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Change<T> {
    /// Not mentioned: stays as it is.
    #[default]
    Keep,
    /// Becomes this.
    Set(T),
    /// Becomes empty (JSON `null`).
    Clear,
}

impl<T> Change<T> {
    /// Whether the property is not mentioned.
    pub fn is_keep(&self) -> bool {
        matches!(self, Self::Keep)
    }

    /// Brings `slot` to what this says.
    pub fn apply_to(self, slot: &mut Option<T>) {
        match self {
            Self::Keep => {}
            Self::Set(value) => *slot = Some(value),
            Self::Clear => *slot = None,
        }
    }
}

impl<T> From<Option<T>> for Change<T> {
    /// `None` clears.
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Clear, Self::Set)
    }
}

/// Always with `skip_serializing_if = "Change::is_keep"`: a kept property is not sent.
impl<T: Serialize> Serialize for Change<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Set(value) => value.serialize(serializer),
            Self::Keep | Self::Clear => serializer.serialize_none(),
        }
    }
}

/// Always with `default`: an absent property is kept.
impl<'de, T: Deserialize<'de>> Deserialize<'de> for Change<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Option::<T>::deserialize(deserializer).map(Self::from)
    }
}
