//! Pages: a self-contained one, and the shell of the app.
//!
//! Both carry the one front-end component, whose source is `web/`. A page's policy names the
//! hashes of the very script and style it holds and allows nothing else, so that no token, however
//! spelled, can run or fetch anything. A page that carries its data computes patterns: that script may start workers
//! from what it hands them, and compile WebAssembly (`'wasm-unsafe-eval'`, which lets no text become script).

use std::collections::BTreeMap;
use std::io::Write;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use headscope_trace::{Encoding, Header};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::view_data::PAGE_BYTES;
use crate::{Focus, ViewData};

/// The front-end component, built from `web/`.
pub const SCRIPT: &str = include_str!("../../dist/headscope.js");

/// The lesson, with the component inside.
pub const LESSON: &str = include_str!("../../dist/lesson.js");

/// What a reader of the lesson may change.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Sentences {
    /// Sentences A and B.
    pub pair: [String; 2],
    /// Two sentences with one word in two meanings.
    pub senses: [String; 2],
}

impl Default for Sentences {
    fn default() -> Sentences {
        Sentences {
            pair: ["The cat sat on the mat", "The dog played in the park"].map(str::to_owned),
            senses: ["We sat by the river bank", "We went to the money bank"].map(str::to_owned),
        }
    }
}

/// What the lesson begins with.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Syllabus {
    /// The sentences.
    pub sentences: Sentences,
    /// How the vocabulary spells the ids that the lesson speaks of.
    pub pieces: BTreeMap<u32, String>,
}

/// One of the traces that a lesson is told on.
pub struct Scene {
    /// What the lesson calls it.
    pub name: &'static str,
    /// Its container.
    pub bytes: Vec<u8>,
}

/// What the page looks like before the component has drawn.
const STYLE: &str = ":root{color-scheme:light dark}html,body{margin:0;height:100%;background:#fbfbf9}\
@media(prefers-color-scheme:dark){html,body{background:#131417;color:#ececee}}\
noscript{display:block;padding:2rem;font:16px/1.5 system-ui,sans-serif}";

/// What the page's data are in: one script of this type for each of [`ViewData::parts`], which no browser runs.
const DATA: &str = "application/x-headscope";

/// A page that needs nothing but itself: no server, no network.
pub fn standalone(data: &ViewData, focus: &Focus) -> String {
    alone(data, PAGE_BYTES, focus, str::to_owned)
}

/// How many bytes of numbers a page in a notebook carries before it does with fewer digits: a notebook
/// holds many pages, and is read and saved as a whole.
const NOTEBOOK_BYTES: usize = 6 << 20;

/// Such a page inside a frame of so many pixels, as the output of a notebook's cell. The frame may run scripts
/// and offer downloads, and reaches neither the notebook nor any address.
///
/// A page sees whether it is dark around it by the frame's `color-scheme`, which is set where notebooks say that
/// they are dark. Where frames and styles are taken out, as in notebooks that are not trusted, a line is left.
pub fn framed(data: &ViewData, focus: &Focus, height: u32) -> String {
    let mut out = alone(data, NOTEBOOK_BYTES, focus, escape_attribute);
    let dark = DARK_NOTEBOOKS.map(|place| format!("{place} .headscope-frame")).join(",");
    let before = format!(
        "<style>.headscope-frame{{width:100%;border:0;display:block}}.headscope-note{{display:none}}\
         {dark}{{color-scheme:dark}}</style>\
         <p class=\"headscope-note\">{NOT_SHOWN}</p>\
         <iframe class=\"headscope-frame\" title=\"headscope\" sandbox=\"allow-scripts allow-downloads\" \
         style=\"height:{height}px\" srcdoc=\""
    );
    out.insert_str(0, &before);
    out + "\"></iframe>"
}

const NOT_SHOWN: &str = "A view of headscope stands here. It is not shown, since this notebook was not run here: \
run the cell, or trust the notebook.";

/// What is around a cell where a notebook is dark: `JupyterLab`, Notebook 7 and VS Code.
const DARK_NOTEBOOKS: [&str; 2] = ["[data-jp-theme-light=false]", ".vscode-dark"];

/// A page that carries up to `most` bytes of numbers in all digits, as `written` writes it.
fn alone(data: &ViewData, most: usize, focus: &Focus, written: fn(&str) -> String) -> String {
    let (text, target) = (&data.trace().encoding, &data.trace().target);
    let texts: Vec<&str> = text.texts().chain(target.iter().flat_map(Encoding::texts)).collect();
    let main = format!(r#"<main data-headscope="page" data-focus="{}"></main>"#, escape(&json(focus)));
    // Room for a byte a number, as large pages have it: growing would take twice the memory.
    let numbers = data.trace().values().map(|(_, value)| value.len()).sum();
    let mut blocks = String::with_capacity(numbers);
    let overview = data.each_within(most, carried, |part| blocks += &written(&part));
    carrying(&title(&texts), &main, &overview, blocks, SCRIPT, written)
}

/// The lesson as a page that needs nothing but itself.
pub fn standalone_lesson(scenes: Vec<Scene>, syllabus: &Syllabus) -> String {
    let (names, parts): (Vec<&str>, Vec<String>) =
        scenes.into_par_iter().map(|scene| (scene.name, carried(scene.bytes))).unzip();
    let (first, others) = parts.split_first().expect("a lesson has scenes");
    let main = lesson_main(Some(&names), syllabus);
    carrying(LESSON_TITLE, &main, first, others.concat(), LESSON, str::to_owned)
}

/// The lesson in the app.
pub fn lesson(syllabus: &Syllabus) -> String {
    let script = r#"<script type="module" src="/lesson.js"></script>"#;
    let [before, behind] = page(&app_policy(), LESSON_TITLE, &lesson_main(None, syllabus));
    before + script + &behind
}

const LESSON_TITLE: &str = "How attention works · headscope";

/// `carried` are the scenes that the page has inside; without, it asks for them.
fn lesson_main(carried: Option<&[&str]>, syllabus: &Syllabus) -> String {
    let syllabus = serde_json::to_string(syllabus).expect("plain structs serialize");
    let carried = carried.map(|names| format!(" data-scenes=\"{}\"", names.join(" "))).unwrap_or_default();
    format!(r#"<main data-headscope="lesson"{carried} data-syllabus="{}"></main>"#, escape(&syllabus))
}

/// Scenes one after another, behind the length of a JSON object that says where each is.
pub fn bundle(scenes: &[Scene]) -> Vec<u8> {
    let mut end = 0;
    let places = scenes.iter().map(|scene| {
        let start = end;
        end += scene.bytes.len();
        (scene.name, [start, end])
    });
    let places = serde_json::to_vec(&places.collect::<BTreeMap<_, _>>()).expect("plain values serialize");
    let mut out = (places.len() as u64).to_le_bytes().to_vec();
    out.extend(places);
    scenes.iter().for_each(|scene| out.extend(&scene.bytes));
    out
}

/// A part of a page's data, as the page carries it.
fn carried(part: Vec<u8>) -> String {
    let packed = gzip(by_planes(part));
    let mut element = String::with_capacity(packed.len() / 3 * 4 + 100);
    element += &format!("<script type=\"{DATA}\">");
    BASE64_STANDARD.encode_string(packed, &mut element);
    element + "</script>\n"
}

/// A page with its data and its script inside, as `written` writes it; `others` are written already. These may be tens
/// of megabytes, of which there should not be two copies: the page grows around them.
fn carrying(
    title: &str,
    main: &str,
    first: &str,
    others: String,
    script: &str,
    written: fn(&str) -> String,
) -> String {
    // `</script` cannot stand in an inlined script; the escape means the same in JavaScript.
    let script = script.replace("</script", "<\\/script");
    let policy = format!(
        "default-src 'none'; script-src 'sha256-{}' 'wasm-unsafe-eval'; worker-src blob:; style-src 'sha256-{}'; img-src data: blob:; base-uri 'none'; form-action 'none'",
        hash(&script),
        hash(STYLE),
    );
    let [before, behind] = page(&policy, title, main);
    // It begins as soon as it is read, and draws while the parts that nobody looks at yet are on their way.
    let before = format!("{before}{first}<script type=\"module\" async>{script}</script>\n");
    let mut out = others;
    out.insert_str(0, &written(&before));
    out + &written(&behind)
}

/// The page of the app, whose data and script come from its server; with a way to the lesson, if that is served too.
pub fn app(editable: bool, teaches: bool, focus: &Focus) -> String {
    let main = format!(
        r#"<main data-headscope="app" data-editable="{editable}" data-teaches="{teaches}" data-focus="{}"></main>"#,
        escape(&json(focus))
    );
    let [before, behind] = page(&app_policy(), "headscope", &main);
    before + r#"<script type="module" src="/headscope.js"></script>"# + &behind
}

/// The policy of the app, for its header too; `STYLE` stands for the style's hash.
const APP_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'sha256-STYLE'; connect-src 'self'; \
img-src data: blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The policy of the app as an HTTP header, which can also forbid framing.
pub fn app_policy() -> String {
    APP_POLICY.replace("STYLE", &hash(STYLE))
}

/// What stands before the scripts of a page, and behind them.
fn page(policy: &str, title: &str, main: &str) -> [String; 2] {
    // A policy in the page cannot speak of framing; browsers warn when it tries.
    let policy = policy.replace("; frame-ancestors 'none'", "");
    let before = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"{policy}\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"generator\" content=\"headscope {version}\">\n\
         <title>{title}</title>\n<link rel=\"icon\" href=\"data:,\">\n<style>{STYLE}</style>\n</head>\n<body>\n{main}\n\
         <noscript>This page draws attention with JavaScript, which is switched off here.</noscript>\n",
        version = env!("CARGO_PKG_VERSION"),
    );
    [before, "\n</body>\n</html>\n".into()]
}

/// The texts, shortened, then the program's name.
fn title(texts: &[&str]) -> String {
    let shorten = |text: &&str| {
        let line: String = text.chars().filter(|c| !c.is_control()).take(60).collect();
        if line.len() < text.len() { format!("{}…", line.trim_end()) } else { line }
    };
    let texts: Vec<String> = texts.iter().map(shorten).collect();
    let title =
        if texts.is_empty() { "headscope".into() } else { format!("{} · headscope", texts.join(" | ")) };
    escape(&title)
}

/// Text as it may stand in HTML, attributes included.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// The same in double quotes, where `<` means nothing: a page takes little more room so. In letters of ASCII alone:
/// Python keeps a text with a single other one in two bytes a letter, or four.
fn escape_attribute(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 16);
    for c in text.chars() {
        match c {
            '&' => out += "&amp;",
            '"' => out += "&quot;",
            c if c.is_ascii() || c.is_control() => out.push(c), // HTML takes numbers of controls for other signs
            c => out += &format!("&#{};", u32::from(c)),
        }
    }
    out
}

fn json(focus: &Focus) -> String {
    serde_json::to_string(focus).expect("plain structs serialize")
}

fn hash(text: &str) -> String {
    BASE64_STANDARD.encode(Sha256::digest(text))
}

/// Behind two lengths, a container whose numbers lie plane by plane: all first bytes, then all second ones.
/// The exponents of neighbours are alike, so they pack better side by side.
fn by_planes(whole: Vec<u8>) -> Vec<u8> {
    let header = Header::read(&whole).expect("a container that we have just written");
    let numbers = header.tensors.iter().filter(|tensor| tensor.dtype == "F32").map(|tensor| &tensor.bytes);
    let start = numbers.clone().map(|bytes| bytes.start).min().unwrap_or(0);
    let end = numbers.map(|bytes| bytes.end).max().unwrap_or(0);
    let mut out = Vec::with_capacity(whole.len() + 16);
    for place in [start, end] {
        out.extend((place as u64).to_le_bytes());
    }
    out.extend(&whole[..start]);
    for plane in 0..size_of::<f32>() {
        out.extend(whole[start..end].iter().skip(plane).step_by(size_of::<f32>()));
    }
    out.extend(&whole[end..]);
    out
}

/// Parts of this size are packed quickly: of a page of 42 MB the rest would take seconds for a fifteenth.
const LARGE: usize = 1 << 20;

fn gzip(bytes: Vec<u8>) -> Vec<u8> {
    let level = if bytes.len() < LARGE { Compression::default() } else { Compression::fast() };
    let mut encoder = GzEncoder::new(Vec::with_capacity(bytes.len()), level);
    encoder.write_all(&bytes).expect("a vector takes all that is written");
    encoder.finish().expect("a vector takes all that is written")
}

#[cfg(test)]
mod tests {
    use super::*;
    use headscope_trace::{AttentionRule, Attn, AttnPoint, Card, Tensor, Trace};

    fn data(text: &str) -> ViewData {
        let mut encoding = Encoding::from_ids(&[1], |_| text.to_owned());
        encoding.text = text.to_owned();
        encoding.parts.push(0..text.len());
        let mut trace = Trace::new(
            Card::new("tiny", "bert"),
            encoding,
            vec![(Attn::block(0), AttentionRule::full(1.0, 1))],
        );
        trace.insert(Attn::block(0).site(AttnPoint::Pattern), Tensor::new([1, 1, 1], vec![1.0]));
        ViewData::new(trace).unwrap()
    }

    #[test]
    fn hostile_text_stays_text() {
        let hostile = "</script><img src=x onerror=alert(1)><script>alert(2)</script>\"'&";
        let focus = Focus { view: Some(hostile.into()), ..Focus::default() };
        let page = standalone(&data(hostile), &focus);
        assert!(!page.contains("<img"));
        assert_eq!(page.matches("<script").count(), page.matches("</script>").count());
        assert!(!page.contains("alert(2)</script>"));
        assert!(page.contains("&lt;/script&gt;&lt;img src=x onerror=alert(1)&gt;"));
    }

    #[test]
    fn planes_hold_every_byte() {
        let data = data("a");
        let whole = data.overview();
        let planes = by_planes(whole.clone());
        let place = |at: usize| u64::from_le_bytes(planes[at..at + 8].try_into().unwrap()) as usize;
        let (start, end) = (place(0), place(8));
        assert_eq!(whole.len() + 16, planes.len());
        assert_eq!((&planes[16..16 + start], &planes[16 + end..]), (&whole[..start], &whole[end..]));
        let quarter = (end - start) / 4;
        assert!(quarter > 0 && (end - start) % 4 == 0);
        for i in 0..end - start {
            assert_eq!(whole[start + i], planes[16 + start + (i % 4) * quarter + i / 4]);
        }
    }

    #[test]
    fn a_bundle_says_where_each_scene_is() {
        let bytes = data("a").overview();
        let scene = |name| Scene { name, bytes: bytes.clone() };
        let bundle = bundle(&[scene("pair"), scene("first")]);
        let length = u64::from_le_bytes(bundle[..8].try_into().unwrap()) as usize;
        let places: BTreeMap<String, [usize; 2]> = serde_json::from_slice(&bundle[8..8 + length]).unwrap();
        for [start, end] in places.values() {
            assert_eq!(bundle[8 + length..][*start..*end], bytes);
        }
        assert_eq!(places["first"][1] + 8 + length, bundle.len());
    }

    #[test]
    fn the_policy_names_the_hash_of_what_is_inlined() {
        let page = standalone(&data("a"), &Focus::default());
        let script =
            page.split("<script type=\"module\" async>").nth(1).unwrap().split("</script>").next().unwrap();
        // Besides, that script may compile the WebAssembly which it brings along; no other word is allowed.
        assert!(page.contains(&format!("; script-src 'sha256-{}' 'wasm-unsafe-eval'; ", hash(script))));
        assert!(!app_policy().contains("wasm"), "the server computes what the app shows");
        let style = page.split("<style>").nth(1).unwrap().split("</style>").next().unwrap();
        assert!(page.contains(&format!("style-src 'sha256-{}'", hash(style))));
    }

    #[test]
    fn no_address_outside_is_named() {
        let scenes = vec![Scene { name: "pair", bytes: data("a").overview() }];
        let lessons = [standalone_lesson(scenes, &Syllabus::default()), lesson(&Syllabus::default())];
        for page in lessons
            .into_iter()
            .chain([standalone(&data("a"), &Focus::default()), app(true, true, &Focus::default())])
        {
            for scheme in ["https://", "//cdn", "src=\"http"] {
                assert!(!page.contains(scheme), "{scheme}");
            }
        }
    }

    #[test]
    fn a_frame_holds_the_page_and_nothing_of_it_gets_out() {
        let hostile = "\"></iframe><script>alert(1)</script>&quot; √";
        let framed = framed(&data(hostile), &Focus::default(), 300);
        let (_, inside) = framed.split_once("srcdoc=\"").unwrap();
        let (srcdoc, after) = inside.split_once('"').unwrap();
        assert_eq!(after, "></iframe>");
        assert!(framed.is_ascii());
        let mut page = String::new();
        for (i, piece) in srcdoc.split("&#").enumerate() {
            let (code, text) = if i == 0 { ("", piece) } else { piece.split_once(';').unwrap() };
            page.extend(code.parse().ok().and_then(char::from_u32));
            page += &text.replace("&quot;", "\"").replace("&amp;", "&");
        }
        assert_eq!(page, standalone(&data(hostile), &Focus::default()));
    }

    #[test]
    fn long_titles_are_cut() {
        assert_eq!(title(&["a\u{7}b", &"x".repeat(100)]), format!("ab… | {}… · headscope", "x".repeat(60)));
    }
}
