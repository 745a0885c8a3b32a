//! Tables, and the document they make.

use std::fmt::{self, Display};
use std::fs;

use anyhow::{Context, Result};

use super::machine;
use super::peers::Peers;
use crate::tools::root;

/// Sections, printed as they come.
pub struct Report {
    head: String,
    body: String,
}

impl Report {
    /// An empty report about these peers.
    pub fn new(peers: &Peers) -> Report {
        let head = format!(
            "Measured on {}; on {}.\n\n{}\nEvery number comes from a process of its own, and those that are \
             compared took turns: read the ratios rather than the times, and compare within a table.\n",
            machine::description(),
            today(),
            peers.describe(),
        );
        Report { head, body: String::new() }
    }

    /// Adds a paragraph, a heading or a table.
    pub fn say(&mut self, text: impl Display) {
        let text = text.to_string();
        println!("\n{}", text.trim_end());
        self.body += &format!("\n{}\n", text.trim_end());
    }

    /// Prints where and against whom all that was measured.
    pub fn print_head(&self) {
        println!("\n{}", self.head.trim_end());
    }

    /// The whole of `BENCHMARKS.md`.
    pub fn document(&self, kept: &[&str]) -> String {
        let kept: String = kept.iter().map(|section| format!("\n{KEEP}\n{section}\n{KEPT}\n")).collect();
        format!("# Benchmarks\n\nWritten by `cargo xtask bench`. {}{}{kept}", self.head, self.body)
    }
}

const KEEP: &str = "<!-- keep: measured elsewhere, carried over by `cargo xtask bench` -->";
const KEPT: &str = "<!-- /keep -->";

/// The sections of a document that it says to keep.
pub fn kept_sections(document: &str) -> Vec<&str> {
    let sections = document.split(KEEP).skip(1);
    sections.filter_map(|rest| rest.split_once(KEPT)).map(|(section, _)| section.trim()).collect()
}

/// Writes a section that the other benchmarks keep into the document.
pub fn keep_section(section: &str) -> Result<()> {
    let path = root().join("BENCHMARKS.md");
    let old = fs::read_to_string(&path).unwrap_or_default();
    fs::write(&path, with_section(&old, section)).with_context(|| format!("writing {}", path.display()))?;
    eprintln!("wrote {}", path.display());
    Ok(())
}

/// A document with a kept section in the place of the one under the same heading, or at its end.
fn with_section(document: &str, section: &str) -> String {
    let heading = section.lines().next();
    match kept_sections(document).into_iter().find(|old| old.lines().next() == heading) {
        Some(old) => document.replacen(old, section.trim(), 1),
        None => format!("{document}\n{KEEP}\n{}\n{KEPT}\n", section.trim()),
    }
}

/// Rows of cells under a head: Markdown that reads well in a terminal, too.
pub struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    pub fn new<S: Into<String>>(head: impl IntoIterator<Item = S>) -> Table {
        let mut table = Table { rows: Vec::new() };
        table.row(head);
        table
    }

    pub fn row<S: Into<String>>(&mut self, cells: impl IntoIterator<Item = S>) {
        self.rows.push(cells.into_iter().map(Into::into).collect());
    }
}

impl Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let columns = self.rows[0].len();
        let width =
            |column: usize| self.rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0).max(3);
        let widths: Vec<usize> = (0..columns).map(width).collect();
        for (number, row) in self.rows.iter().enumerate() {
            // The first column names, the others are numbers.
            write!(f, "| {:<1$} |", row[0], widths[0])?;
            for (cell, width) in row.iter().zip(&widths).skip(1) {
                write!(f, " {cell:>width$} |")?;
            }
            writeln!(f)?;
            if number == 0 {
                write!(f, "|{}|", "-".repeat(widths[0] + 2))?;
                for width in &widths[1..] {
                    write!(f, "{}:|", "-".repeat(width + 1))?;
                }
                writeln!(f)?;
            }
        }
        Ok(())
    }
}

/// The least of some numbers.
pub fn least(numbers: &[f64]) -> f64 {
    numbers.iter().copied().fold(f64::INFINITY, f64::min)
}

/// The middle one of some numbers, or the mean of the middle two.
pub fn median(numbers: &[f64]) -> f64 {
    let mut sorted = numbers.to_vec();
    sorted.sort_by(f64::total_cmp);
    let (below, above) = (sorted[(sorted.len() - 1) / 2], sorted[sorted.len() / 2]);
    (below + above) / 2.0
}

/// Milliseconds, three digits of them.
pub fn ms(seconds: f64) -> String {
    three_digits(seconds * 1e3)
}

/// A number to three digits, or to its last before the point.
pub fn three_digits(number: f64) -> String {
    let decimals = match number.abs() {
        x if x < 9.995 => 2,
        x if x < 99.95 => 1,
        _ => 0,
    };
    format!("{number:.decimals$}")
}

/// The date in UTC.
pub fn today() -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    date(now.as_secs() / 86_400)
}

/// The date that is so many days after 1 January 1970.
fn date(days: u64) -> String {
    let leap = |year: u64| year.is_multiple_of(4) && !year.is_multiple_of(100) || year.is_multiple_of(400);
    let (mut year, mut day) = (1970, days);
    while day >= 365 + u64::from(leap(year)) {
        day -= 365 + u64::from(leap(year));
        year += 1;
    }
    let months = [31, 28 + u64::from(leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let mut month = 0;
    while day >= months[month] {
        day -= months[month];
        month += 1;
    }
    format!("{year}-{:02}-{:02}", month + 1, day + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_aligned_markdown() {
        let mut table = Table::new(["tokens", "ms"]);
        table.row(["8", "12.25"]);
        table.row(["512", "–"]);
        let expected = "\
| tokens |    ms |
|--------|------:|
| 8      | 12.25 |
| 512    |     – |
";
        assert_eq!(table.to_string(), expected);
    }

    #[test]
    fn the_middle_is_found_in_any_order() {
        for (numbers, middle) in [(&[3.0][..], 3.0), (&[9.0, 1.0], 5.0), (&[5.0, 1.0, 2.0], 2.0)] {
            assert_eq!(median(numbers), middle);
        }
        assert_eq!(least(&[2.0, 0.5, 7.0]), 0.5);
    }

    #[test]
    fn numbers_have_three_digits() {
        let cases =
            [(0.0012, "1.20"), (0.009_996, "10.0"), (0.0432, "43.2"), (0.099_96, "100"), (4.4, "4400")];
        for (seconds, text) in cases {
            assert_eq!(ms(seconds), text);
        }
    }

    #[test]
    fn dates_know_leap_years() {
        for (days, text) in
            [(0, "1970-01-01"), (789, "1972-02-29"), (11_016, "2000-02-29"), (20_454, "2026-01-01")]
        {
            assert_eq!(date(days), text);
        }
    }

    #[test]
    fn what_is_kept_survives_being_written() {
        let report = Report { head: "Head.\n".into(), body: "\nBody.\n".into() };
        let once = report.document(&["## A\n\ntable", "## B"]);
        assert_eq!(kept_sections(&once), ["## A\n\ntable", "## B"]);
        assert_eq!(report.document(&kept_sections(&once)), once);
        assert!(kept_sections("# Nothing\n").is_empty());

        let more = with_section(&once, "## C\n");
        assert_eq!(kept_sections(&more), ["## A\n\ntable", "## B", "## C"]);
        let other = with_section(&more, "## A\n\nanother table");
        assert_eq!(kept_sections(&other), ["## A\n\nanother table", "## B", "## C"]);
    }
}
