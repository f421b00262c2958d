//! What all groups of settings need.

use super::error::SettingsError;

/// Each field of the first struct, or of the second where it is `None`.
macro_rules! either {
    ($first:ident, $second:ident, $($field:ident),*) => {
        Self { $($field: $first.$field.or($second.$field)),* }
    };
    ($first:ident, $second:ident, $($field:ident),*; $nested:ident) => {
        Self { $($field: $first.$field.or($second.$field)),*, $nested: $first.$nested.or($second.$nested) }
    };
}
pub(super) use either;

pub(super) fn count(count: Option<u32>) -> Option<usize> {
    usize::try_from(count?).ok()
}

/// An error if the value is not among the allowed ones, which `range` describes.
pub(super) fn within<T: PartialOrd + Into<u64> + Copy>(
    what: &'static str,
    value: Option<T>,
    allowed: std::ops::RangeInclusive<T>,
    range: &'static str,
) -> Result<(), SettingsError> {
    match value.filter(|value| !allowed.contains(value)) {
        None => Ok(()),
        Some(value) => Err(SettingsError::OutOfRange {
            what,
            value: value.into(),
            range,
        }),
    }
}
