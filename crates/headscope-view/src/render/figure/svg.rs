//! The few elements that figures are made of, written as XML.

use std::fmt::{Display, Write};

use super::colours::Colours;
use super::label::Label;

/// What the page's text is set in (`web/src/theme.css`).
const FAMILY: &str = "Inter, ui-sans-serif, system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, \
'Noto Sans', sans-serif";

/// Where a text begins, ends or is centred.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Anchor {
    Start,
    Middle,
    End,
}

/// How a text is set.
#[derive(Debug, Clone, Copy)]
pub struct Type<'a> {
    pub size: f64,
    pub bold: bool,
    pub fill: &'a str,
    pub anchor: Anchor,
}

/// A drawing under way, in pixels.
#[derive(Default)]
pub struct Svg {
    body: String,
}

impl Svg {
    /// Adds an element, or whatever markup it is.
    pub fn push(&mut self, markup: impl Display) {
        let _ = writeln!(self.body, "{markup}"); // a string takes all that is written
    }

    /// What is drawn by `inside`, under the attributes of a group.
    pub fn group(&mut self, attributes: impl Display, inside: impl FnOnce(&mut Svg)) {
        self.push(format_args!("<g {attributes}>"));
        inside(self);
        self.push("</g>");
    }

    /// A line of text whose middle is at `y`.
    pub fn text(&mut self, x: f64, y: f64, set: Type<'_>, text: &str) {
        self.set(x, y, set, false, &escape(text));
    }

    /// A token. One that is written from the right is anchored at its other end, which is where it begins.
    pub fn label(&mut self, x: f64, y: f64, set: Type<'_>, label: &Label, colours: &Colours) {
        let anchor = match set.anchor {
            Anchor::Start if label.is_rtl => Anchor::End,
            Anchor::End if label.is_rtl => Anchor::Start,
            other => other,
        };
        self.set(x, y, Type { anchor, ..set }, label.is_rtl, &label.markup(set.size, colours.quiet));
    }

    fn set(&mut self, x: f64, y: f64, set: Type<'_>, is_rtl: bool, markup: &str) {
        let anchor = match set.anchor {
            Anchor::Start => "",
            Anchor::Middle => r#" text-anchor="middle""#,
            Anchor::End => r#" text-anchor="end""#,
        };
        let weight = if set.bold { r#" font-weight="650""# } else { "" };
        let direction = if is_rtl { r#" direction="rtl""# } else { "" };
        self.push(format_args!(
            r#"<text x="{}" y="{}" font-size="{}" fill="{}"{anchor}{weight}{direction}>{markup}</text>"#,
            tenths(x),
            tenths(y + set.size * 0.35), // the baseline, as good as fonts agree on it
            tenths(set.size),
            set.fill,
        ));
    }

    /// A filled rectangle with round corners.
    pub fn rect(&mut self, [x, y, width, height]: [f64; 4], radius: f64, fill: &str) {
        let round = if radius > 0.0 { format!(r#" rx="{}""#, tenths(radius)) } else { String::new() };
        let [x, y, width, height] = [x, y, width, height].map(tenths);
        self.push(format_args!(
            r#"<rect x="{x}" y="{y}" width="{width}" height="{height}"{round} fill="{fill}"/>"#
        ));
    }

    /// The whole file: a picture on its own paper, with a title and a description for those who do not see it.
    pub fn finish(self, size: [f64; 2], colours: &Colours, title: &str, description: &str) -> String {
        let [width, height] = size.map(f64::ceil);
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
             viewBox=\"0 0 {width} {height}\" role=\"img\" font-family=\"{FAMILY}\" \
             style=\"font-variant-numeric:tabular-nums\">\n<title>{}</title>\n<desc>{}</desc>\n\
             <rect width=\"{width}\" height=\"{height}\" fill=\"{}\"/>\n{}</svg>\n",
            escape(title),
            escape(description),
            colours.paper,
            self.body,
        )
    }
}

/// A length as it is written: to a tenth of a pixel.
pub fn tenths(value: f64) -> f64 {
    (value * 10.0).round() / 10.0 + 0.0 // no negative zero
}

/// Text as it may stand in XML, which has no way to write some characters.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\u{0}'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => {
                out.push(char::REPLACEMENT_CHARACTER);
            }
            c => out.push(c),
        }
    }
    out
}
