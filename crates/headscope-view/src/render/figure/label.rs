//! How a piece is shown, as the page shows it (`web/src/model/piece.ts`): as text, with signs for what text does not
//! show. There is no font to ask here, so widths are estimates, on the generous side.

use std::fmt::Write;

use unicode_width::UnicodeWidthChar;

use super::svg::{escape, tenths};

/// Longer pieces are cut, whatever room there is.
const LONGEST: usize = 64;
/// What continues a word hangs on the piece before by this mark, as by an arc on the page.
const JOIN: &str = "‿";
/// Signs are a little smaller than text.
const SIGN_SIZE: f64 = 0.8;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    /// The mark of what continues a word; a number.
    Quiet,
    /// Stands for something invisible.
    Sign,
}

/// A piece as it is drawn.
pub struct Label {
    runs: Vec<(Kind, String)>,
    /// Its width, in font sizes.
    pub width: f64,
    /// Whether it is written from the right.
    pub is_rtl: bool,
}

impl Label {
    /// `piece`, cut to a width of `most` font sizes.
    pub fn new(piece: &str, most: f64) -> Label {
        Label::numbered("", piece, most)
    }

    /// The same behind a number, which counts too.
    pub fn numbered(number: &str, piece: &str, most: f64) -> Label {
        let rest = piece.strip_prefix("##").filter(|rest| !rest.is_empty());
        let mut label = Label { runs: Vec::new(), width: 0.0, is_rtl: piece.chars().any(is_right_to_left) };
        if !number.is_empty() {
            label.push(Kind::Quiet, number);
        }
        if rest.is_some() {
            label.push(Kind::Quiet, JOIN);
        }
        let all: Vec<char> = rest.unwrap_or(piece).chars().take(LONGEST + 1).collect();
        for (at, c) in all.iter().enumerate() {
            let sign = sign_of(*c, at == 0 || at + 1 == all.len());
            let (kind, shown) = sign.map_or((Kind::Text, c.to_string()), |sign| (Kind::Sign, sign));
            let room = if at + 1 == all.len() { most } else { most - em(Kind::Sign, "…") };
            if at == LONGEST || label.width + em(kind, &shown) > room {
                label.push(Kind::Sign, "…");
                break;
            }
            label.push(kind, &shown);
        }
        label
    }

    /// Adds a character or a mark; text that follows text is one run, so that letters join.
    fn push(&mut self, kind: Kind, text: &str) {
        self.width += em(kind, text);
        match self.runs.last_mut() {
            Some((Kind::Text, run)) if kind == Kind::Text => run.push_str(text),
            _ => self.runs.push((kind, text.to_owned())),
        }
    }

    /// The runs as what a text element holds, at a font size.
    pub fn markup(&self, size: f64, quiet: &str) -> String {
        let mut out = String::new();
        for (kind, text) in &self.runs {
            let text = escape(text);
            let _ = match kind {
                Kind::Text => write!(out, "{text}"),
                Kind::Quiet => write!(out, r#"<tspan fill="{quiet}">{text}</tspan>"#),
                Kind::Sign => {
                    write!(
                        out,
                        r#"<tspan fill="{quiet}" font-size="{}">{text}</tspan>"#,
                        tenths(size * SIGN_SIZE)
                    )
                }
            };
        }
        out
    }
}

/// The width of a line of text, in font sizes.
pub fn width_of(text: &str) -> f64 {
    text.chars().map(char_em).sum()
}

fn em(kind: Kind, text: &str) -> f64 {
    match kind {
        Kind::Sign => width_of(text) * SIGN_SIZE,
        Kind::Text | Kind::Quiet => width_of(text),
    }
}

/// What a character takes in the sans-serif fonts of today's systems, the wider ones.
fn char_em(c: char) -> f64 {
    match c {
        'i' | 'j' | 'l' | 'I' | '.' | ',' | ':' | ';' | '\'' | '|' | '!' => 0.3,
        'f' | 't' | 'r' | '(' | ')' | '[' | ']' | '{' | '}' | '/' | '\\' | ' ' | '-' => 0.4,
        'm' | 'w' | 'M' | 'W' | '@' | '%' | '…' => 0.95,
        'A'..='Z' | '&' | '#' | '+' | '=' | '<' | '>' | '~' => 0.7,
        ' '..='~' => 0.6,
        c => [0.0, 0.66, 1.05][c.width().unwrap_or(0).min(2)],
    }
}

fn is_right_to_left(c: char) -> bool {
    matches!(
        c,
        '\u{590}'..='\u{8ff}' | '\u{fb1d}'..='\u{fdff}' | '\u{fe70}'..='\u{fefc}'
            | '\u{10800}'..='\u{10fff}' | '\u{1e800}'..='\u{1efff}'
    )
}

/// The sign for a character that cannot be seen where it stands.
fn sign_of(c: char, at_an_end: bool) -> Option<String> {
    let named = match c {
        ' ' if !at_an_end => return None, // between words it is plain to see
        '\u{200c}' | '\u{200d}' if !at_an_end => return None, // between letters it shapes them
        ' ' | '\u{120}' | '\u{2581}' => "␣", // byte-level BPE writes a space so, and SentencePiece so
        '\u{a0}' => "⍽",
        '\n' | '\u{10a}' => "⏎",
        '\r' => "␍",
        '\t' | '\u{109}' => "⇥",
        '\u{7f}' => "␡",
        '\u{ad}' => "SHY",
        '\u{61c}' => "ALM",
        '\u{200b}' => "ZWSP",
        '\u{200c}' => "ZWNJ",
        '\u{200d}' => "ZWJ",
        '\u{200e}' => "LRM",
        '\u{200f}' => "RLM",
        '\u{2028}' => "LS",
        '\u{2029}' => "PS",
        '\u{202a}' => "LRE",
        '\u{202b}' => "RLE",
        '\u{202c}' => "PDF",
        '\u{202d}' => "LRO",
        '\u{202e}' => "RLO",
        '\u{2060}' => "WJ",
        '\u{2066}' => "LRI",
        '\u{2067}' => "RLI",
        '\u{2068}' => "FSI",
        '\u{2069}' => "PDI",
        '\u{feff}' => "BOM",
        '\0'..='\u{1f}' => return char::from_u32(0x2400 + u32::from(c)).map(String::from),
        _ => return None,
    };
    Some(named.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(label: &Label) -> String {
        label.runs.iter().map(|(_, text)| text.as_str()).collect()
    }

    #[test]
    fn what_cannot_be_seen_has_a_sign() {
        for (piece, shown) in [
            ("##ing", "‿ing"),
            ("##", "##"),
            ("Ġthe", "␣the"),
            ("▁a b", "␣a b"),
            ("", ""),
            ("a\u{202e}b", "aRLOb"),
            ("\u{0}\n", "␀⏎"),
            ("👩\u{200d}🚀", "👩\u{200d}🚀"),
            ("\u{200d}", "ZWJ"),
        ] {
            assert_eq!(plain(&Label::new(piece, 99.0)), shown, "{piece:?}");
        }
    }

    #[test]
    fn long_pieces_are_cut_to_the_room_there_is() {
        for piece in ["word".repeat(9), "猫".repeat(70), "i".repeat(1_000_000), "\u{202e}".repeat(9)] {
            let label = Label::new(&piece, 12.0);
            assert!(plain(&label).ends_with('…') && label.width <= 12.0, "{}", plain(&label));
        }
        assert_eq!(plain(&Label::new("猫猫", 3.0)), "猫猫");
    }
}
