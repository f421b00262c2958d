//! The results: a table for people, or a JSON object per row for programs.

use serde::Serialize;
use serde_json::{Map, Value};

use crate::error::BenchError;

/// One measured value.
#[derive(Serialize)]
pub(crate) struct BenchRow {
    name: String,
    value: Option<f64>,
    unit: &'static str,
    target: Option<f64>,
    /// How the value compares with the target: "at least" or "at most".
    #[serde(skip_serializing_if = "Option::is_none")]
    must_be: Option<&'static str>,
    /// `None` if there is no target, or if the row was left out on purpose.
    ok: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
    #[serde(flatten)]
    further: Map<String, Value>,
}

impl BenchRow {
    /// A measured value without a target.
    pub(crate) fn new(name: impl Into<String>, value: f64, unit: &'static str) -> Self {
        let (name, value) = (name.into(), Some(rounded(value)));
        Self {
            name,
            value,
            unit,
            target: None,
            must_be: None,
            ok: None,
            note: None,
            further: Map::new(),
        }
    }

    /// A row without a value.
    pub(crate) fn without(name: &str, note: String) -> Self {
        Self {
            value: None,
            note: Some(note),
            ..Self::new(name, 0.0, "")
        }
    }

    pub(crate) fn at_least(mut self, target: f64) -> Self {
        self.ok = self.value.map(|value| value >= target);
        Self {
            target: Some(target),
            must_be: Some("at least"),
            ..self
        }
    }

    pub(crate) fn at_most(mut self, target: f64) -> Self {
        self.ok = self.value.map(|value| value <= target);
        Self {
            target: Some(target),
            must_be: Some("at most"),
            ..self
        }
    }

    pub(crate) fn note(self, note: Option<String>) -> Self {
        Self { note, ..self }
    }

    pub(crate) fn with(mut self, name: &str, value: impl Into<Number>) -> Self {
        let Number(value) = value.into();
        self.further.insert(name.to_owned(), value);
        self
    }

    fn verdict(&self) -> &'static str {
        match self.ok {
            Some(true) => "ok",
            Some(false) => "MISSED",
            None => "",
        }
    }

    fn line(&self) -> String {
        let value = self
            .value
            .map_or_else(|| "-".to_owned(), |value| format!("{value} {}", self.unit));
        let target = self
            .must_be
            .zip(self.target)
            .map_or_else(String::new, |(how, much)| format!("{how} {much}"));
        let line = format!(
            "{:<36} {value:>20}  {target:<14} {:<7}",
            self.name,
            self.verdict()
        );
        let further = self
            .further
            .iter()
            .map(|(name, value)| format!("{name}={value}"));
        let note = self.note.clone();
        further
            .chain(note)
            .fold(line, |line, more| format!("{line} {more}"))
            .trim_end()
            .to_owned()
    }
}

/// A number for a further field.
pub(crate) struct Number(Value);

impl From<f64> for Number {
    fn from(value: f64) -> Self {
        Self(rounded(value).into())
    }
}

impl From<usize> for Number {
    fn from(value: usize) -> Self {
        Self(value.into())
    }
}

/// Rounds to four digits, or to a whole number: no value here is more precise.
fn rounded(value: f64) -> f64 {
    if value == 0.0 || !value.is_finite() {
        return value;
    }
    let unit = 10_f64.powf((value.abs().log10().floor() - 3.0).min(0.0));
    // Division by a whole number gives 0.9 instead of 0.9000000000000001.
    (value / unit).round() / (1.0 / unit).round()
}

/// Prints each row when it is measured.
pub(crate) struct BenchReport {
    json: bool,
    names: Vec<String>,
    all_fine: bool,
}

impl BenchReport {
    pub(crate) fn new(json: bool) -> Self {
        Self {
            json,
            names: Vec::new(),
            all_fine: true,
        }
    }

    pub(crate) fn add(&mut self, row: BenchRow) {
        self.all_fine &= row.ok != Some(false);
        let text = if self.json {
            serde_json::to_string(&row).unwrap_or_default()
        } else {
            row.line()
        };
        println!("{text}");
        self.names.push(row.name);
    }

    /// Adds the rows of a group that are still missing, as missed targets.
    pub(crate) fn fail(&mut self, names: &[&str], error: &BenchError) {
        for name in names {
            if !self.names.iter().any(|known| known == name) {
                let missed = BenchRow {
                    ok: Some(false),
                    ..BenchRow::without(name, error.to_string())
                };
                self.add(missed);
            }
        }
    }

    /// Whether no row has missed its target.
    pub(crate) fn all_fine(&self) -> bool {
        self.all_fine
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_reached_or_missed() {
        let row = |value| BenchRow::new("a", value, "");
        assert_eq!(row(0.9).at_least(0.9).ok, Some(true));
        assert_eq!(row(0.89).at_least(0.9).ok, Some(false));
        assert_eq!(row(0.0).at_most(0.0).ok, Some(true));
        assert_eq!(row(1.0).at_most(0.0).ok, Some(false));
        assert_eq!(row(1.0).ok, None);
    }

    #[test]
    fn a_row_that_is_not_there_fails() {
        let mut report = BenchReport::new(true);
        report.add(BenchRow::new("a", 1.0, ""));
        assert!(report.all_fine());
        report.fail(&["a"], &BenchError::Closed);
        assert!(report.all_fine(), "the row exists");
        report.fail(&["a", "b"], &BenchError::Closed);
        assert!(!report.all_fine());
    }

    #[test]
    fn what_was_not_measured_on_purpose_is_no_miss() {
        let mut report = BenchReport::new(true);
        let row = BenchRow::without("a", "not in a quick run".to_owned());
        assert!(row.line().contains("not in a quick run"));
        report.add(row);
        assert!(report.all_fine());
    }

    #[test]
    fn numbers_are_as_long_as_they_are_known() {
        for (value, short) in [
            (0.912_345, 0.9123),
            (123_456.7, 123_457.0),
            (0.0, 0.0),
            (0.9, 0.9),
            (-2.0, -2.0),
        ] {
            assert!((rounded(value) - short).abs() < f64::EPSILON, "{value}");
        }
    }
}
