//! The page's colours (`web/src/theme.css`, `colours.ts` and `views/matrix/ramp.ts`).

/// Light or dark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Theme {
    /// Dark ink on light paper.
    #[default]
    Light,
    /// Light ink on dark paper.
    Dark,
}

/// What a theme draws with, by the names of the style sheet.
pub struct Colours {
    pub paper: &'static str,
    pub ink: &'static str,
    pub soft: &'static str,
    pub quiet: &'static str,
    pub hair: &'static str,
    pub accent: &'static str,
    pub accent_soft: &'static str,
    heads: [&'static str; 16],
    ramp: [Lch; 3],
}

/// How a head's curves look.
#[derive(Debug, Clone, Copy)]
pub struct Ink {
    pub colour: &'static str,
    pub is_dashed: bool,
}

/// Lightness, chroma and hue of OKLCH.
type Lch = [f64; 3];

const LIGHT: Colours = Colours {
    paper: "#fbfbf9",
    ink: "#1c1d21",
    soft: "#4a4c54",
    quiet: "#686a72",
    hair: "#e3e3de",
    accent: "#2b63d9",
    accent_soft: "#dce6fa",
    heads: [
        "#2b63d9", "#d05a00", "#00795b", "#a1348f", "#8a6a00", "#c3274f", "#0e7fa8", "#4d4f57", "#6f9bf5",
        "#f09a52", "#3db391", "#cf7cc2", "#c7a332", "#ec7f98", "#57b6d8", "#8f929c",
    ],
    ramp: [[0.955, 0.012, 262.0], [0.585, 0.185, 262.0], [0.215, 0.09, 270.0]],
};

const DARK: Colours = Colours {
    paper: "#131417",
    ink: "#ececee",
    soft: "#b9bbc3",
    quiet: "#92959f",
    hair: "#292b31",
    accent: "#7aa5ff",
    accent_soft: "#22304d",
    heads: [
        "#7aa5ff", "#ffac5e", "#4fd0a8", "#e08fd4", "#e3c552", "#ff8fa6", "#63c7ec", "#c6c8d0", "#4f78d1",
        "#cc7f38", "#2f977a", "#b0629f", "#a98d2c", "#cf5f78", "#3893b5", "#8d9099",
    ],
    ramp: [[0.245, 0.022, 265.0], [0.605, 0.155, 263.0], [0.965, 0.035, 250.0]],
};

/// The last step of a ramp; the first is 0.
pub const LAST_STEP: u8 = u8::MAX;

impl Theme {
    /// What it draws with.
    pub(super) fn colours(self) -> &'static Colours {
        match self {
            Theme::Light => &LIGHT,
            Theme::Dark => &DARK,
        }
    }
}

impl Colours {
    /// How head number `index` of `count` looks: one alone has the accent, the second eight of many are dashed, so that
    /// colour is not all they have.
    pub fn head(&self, index: usize, count: usize) -> Ink {
        match count {
            1 => Ink { colour: self.accent, is_dashed: false },
            _ => Ink { colour: self.heads[index % 16], is_dashed: index % 16 >= 8 },
        }
    }

    /// The colour of a cell: lightness in even steps from end to end, chroma swelling towards the accent.
    pub fn ramp(&self, step: u8) -> String {
        let share = f64::from(step) / f64::from(LAST_STEP);
        let [from, middle, to] = self.ramp;
        let between = |a: f64, b: f64, share: f64| a + (b - a) * share;
        let (a, b, part) =
            if share < 0.5 { (from, middle, share * 2.0) } else { (middle, to, share * 2.0 - 1.0) };
        let [red, green, blue] =
            rgb([between(from[0], to[0], share), between(a[1], b[1], part), between(a[2], b[2], part)]);
        format!("#{red:02x}{green:02x}{blue:02x}")
    }
}

/// OKLCH to sRGB (Björn Ottosson, <https://bottosson.github.io/posts/oklab/>).
fn rgb([lightness, chroma, hue]: Lch) -> [u8; 3] {
    let (sin, cos) = hue.to_radians().sin_cos();
    let (a, b) = (chroma * cos, chroma * sin);
    let l = (lightness + 0.3963377774 * a + 0.2158037573 * b).powi(3);
    let m = (lightness - 0.1055613458 * a - 0.0638541728 * b).powi(3);
    let s = (lightness - 0.0894841775 * a - 1.291485548 * b).powi(3);
    let linear = [
        4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s,
        -1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s,
        -0.0041960863 * l - 0.7034186147 * m + 1.707614701 * s,
    ];
    linear.map(|linear| {
        let value = if linear <= 0.0031308 { 12.92 * linear } else { 1.055 * linear.powf(1.0 / 2.4) - 0.055 };
        (255.0 * value.clamp(0.0, 1.0)).round() as u8
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_colours_are_the_pages() {
        let web = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../web/src");
        let Ok(style) = std::fs::read_to_string(web.join("theme.css")) else {
            eprintln!("skipped: the page's sources are not beside this crate");
            return;
        };
        let read = |file: &str| std::fs::read_to_string(web.join(file)).unwrap();
        let (palette, ramp) = (read("colours.ts"), read("views/matrix/ramp.ts"));
        let (_, dark) = style.split_once(r#":host([data-theme="dark"])"#).unwrap();
        for (theme, style, name) in [(Theme::Light, style.as_str(), "LIGHT"), (Theme::Dark, dark, "DARK")] {
            let colours = theme.colours();
            for (variable, colour) in [
                ("paper", colours.paper),
                ("ink", colours.ink),
                ("soft", colours.soft),
                ("quiet", colours.quiet),
                ("hair", colours.hair),
                ("accent", colours.accent),
                ("accent-soft", colours.accent_soft),
            ] {
                let (_, value) = style.split_once(&format!("--{variable}: ")).unwrap();
                assert!(value.starts_with(&format!("{colour};")), "--{variable} of {theme:?}");
            }
            let list = |name: &str| {
                palette.split_once(&format!("const {name} = ")).unwrap().1.lines().next().unwrap()
            };
            let quoted = |index: usize| format!("\"{}\"", colours.head(index, 16).colour);
            for index in 0..16 {
                let more = if index < 8 { "" } else { "_MORE" };
                let place = list(&format!("{name}{more}")).find(&quoted(index)).unwrap();
                assert_eq!(place, 1 + 11 * (index % 8), "head {index} of {theme:?}");
            }
            let (_, stops) = ramp.split_once(&format!("const {name}: ")).unwrap();
            let stops: String = stops.lines().skip(1).take(3).flat_map(|line| line.trim().chars()).collect();
            let ours = colours.ramp.map(|[l, c, h]| format!("[{l}, {c}, {h}],")).concat();
            assert_eq!(stops, ours, "{theme:?}");
        }
    }
}
