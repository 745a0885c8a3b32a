//! The matrix view, as `web/src/views/matrix` draws it: several heads are matrices beside each other.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::ops::Range;

use headscope_trace::Token;

use super::colours::LAST_STEP;
use super::label::{Label, width_of};
use super::svg::{Anchor, Svg, Type, tenths};
use super::{CAPTION, Drawn, MARGIN, Scene, letter_of, sentences, strength_of};

/// Side of the cells together: of one matrix, and of each of several.
const SIDE: [f64; 2] = [560.0, 300.0];
/// One matrix may have this side where that gives each row its label.
const LABELLED_SIDE: f64 = 900.0;
/// More cells to a side than this are summed up.
const MOST_CELLS: [usize; 2] = [256, 128];
const LARGEST_CELL: f64 = 44.0;
/// Cells of this side are parted by a line.
const PARTED: f64 = 7.0;
/// Cells of these sides have their weight written in them, with two digits and with three.
const WRITTEN: [f64; 2] = [27.0, 38.0];
/// Weights that would be written as nothing but zeros are left out.
const LEAST_WRITTEN: f64 = 0.005;
/// Ink on cells up to this strength, paper on stronger ones; the reverse on dark paper.
const PALE: f64 = 0.42;

/// Font size of a token.
const SIZE: f64 = 12.5;
const WIDEST_LABEL: f64 = 104.0;
/// Column labels rise at this angle.
const SLANT: f64 = 50.0;
/// From the cells to the labels.
const GAP: f64 = 7.0;
/// Pixels between two labels at least; columns need more, as theirs are slanted.
const APART: [f64; 2] = [13.0, 17.0];

/// Where things are in one matrix, in pixels from its upper left corner.
struct Layout {
    left: f64,
    top: f64,
    /// A token's share of a side; a cell's is as many times that as tokens are summed up in it.
    unit: f64,
    /// How many tokens of either side a cell stands for.
    span: usize,
    width: f64,
    height: f64,
    /// With everything around the cells.
    room: [f64; 2],
}

pub fn draw(scene: &Scene<'_>) -> String {
    let layout = lay_out(scene);
    let several = scene.heads.len() > 1;
    let name = if several { 24.0 } else { 0.0 };
    let beside = beside(scene.heads.len());
    let mut svg = Svg::default();
    scene.caption(&mut svg);
    for (at, drawn) in scene.heads.iter().enumerate() {
        let x = MARGIN + (at % beside) as f64 * (layout.room[0] + MARGIN);
        let y = CAPTION + MARGIN - 10.0 + (at / beside) as f64 * (layout.room[1] + name + MARGIN);
        svg.group(format_args!(r#"transform="translate({} {})""#, tenths(x), tenths(y + name)), |svg| {
            if several {
                let set = Type { size: 13.0, bold: true, fill: scene.colours.soft, anchor: Anchor::Start };
                svg.text(0.0, -name / 2.0, set, &format!("Head {}", drawn.number));
            }
            matrix(svg, scene, &layout, drawn);
        });
    }
    let rows = scene.heads.len().div_ceil(beside) as f64;
    let bottom = CAPTION + MARGIN - 10.0 + rows * (layout.room[1] + name + MARGIN);
    let right = scale_key(&mut svg, scene, &layout, bottom);
    let width = (MARGIN + beside as f64 * (layout.room[0] + MARGIN)).max(right + MARGIN);
    let what = format!(
        "A row for each of {} queries, a column for each of {} keys, a cell for each weight: from 0 to 1 on a \
         square-root scale.",
        scene.queries.len(),
        scene.keys.len(),
    );
    scene.finish(svg, [width.max(scene.least_width()), bottom + MARGIN], &what)
}

/// How many matrices stand in a row: all of a few, else about as many as there are rows.
fn beside(matrices: usize) -> usize {
    let square = (matrices as f64).sqrt().ceil() as usize;
    if matrices <= 3 { matrices } else { square }
}

fn lay_out(scene: &Scene<'_>) -> Layout {
    let several = usize::from(scene.heads.len() > 1);
    let longer = scene.queries.len().max(scene.keys.len());
    let mut span = 1;
    while longer.div_ceil(span) > MOST_CELLS[several] {
        span *= 2;
    }
    // A cell of whole pixels has sharp edges.
    let cells = longer.div_ceil(span) as f64;
    let labelled = if several == 0 && cells * APART[0] <= LABELLED_SIDE { APART[0] } else { 1.0 };
    let cell = (SIDE[several] / cells).floor().clamp(labelled, LARGEST_CELL);
    let unit = cell / span as f64;
    let [rows, columns] = [(scene.queries, true), (scene.keys, false)]
        .map(|(tokens, is_row)| labels_of(scene, tokens, unit, is_row));
    let longest =
        |labels: &[(usize, Label)]| labels.iter().map(|(_, label)| label.width * SIZE).fold(0.0, f64::max);
    let bracket = |tokens: &[Token]| if sentences(tokens).len() > 1 { 26.0 } else { 0.0 };
    let left = (longest(&rows) + GAP + 6.0 + bracket(scene.queries)).max(72.0).ceil();
    let (sin, cos) = SLANT.to_radians().sin_cos();
    let top = (longest(&columns) * sin + GAP + 14.0).max(42.0).ceil();
    let [width, height] = [scene.keys, scene.queries].map(|tokens| unit * tokens.len() as f64);
    let ends = columns.iter().map(|(at, label)| (*at as f64 + 0.5) * unit + label.width * SIZE * cos + 8.0);
    let room = [left + ends.fold(width, f64::max), top + height + bracket(scene.keys)];
    Layout { left, top, unit, span, width, height, room }
}

fn matrix(svg: &mut Svg, scene: &Scene<'_>, layout: &Layout, drawn: &Drawn) {
    cells(svg, scene, layout, drawn);
    let Layout { left, top, width, height, unit, .. } = *layout;
    // Lines of paper between cells that are large enough, and between sentences.
    let line = |at: f64, is_row: bool| match is_row {
        true => format!("M{} {}h{}", tenths(left), tenths(top + at), tenths(width)),
        false => format!("M{} {}v{}", tenths(left + at), tenths(top), tenths(height)),
    };
    if unit * layout.span as f64 >= PARTED {
        let rows = (0..=scene.queries.len()).map(|row| line(row as f64 * unit, true));
        let columns = (0..=scene.keys.len()).map(|column| line(column as f64 * unit, false));
        let paper = scene.colours.paper;
        svg.push(format_args!(r#"<path d="{}" stroke="{paper}"/>"#, rows.chain(columns).collect::<String>()));
    }
    if unit >= WRITTEN[0] {
        weights(svg, scene, layout, drawn);
    }
    for (tokens, is_row) in [(scene.queries, true), (scene.keys, false)] {
        for (_, run) in sentences(tokens).iter().skip(1) {
            let line = line(run.start as f64 * unit, is_row);
            let quiet = scene.colours.quiet;
            svg.push(format_args!(r#"<path d="{line}" stroke="{quiet}" stroke-opacity="0.75"/>"#));
        }
        labels(svg, scene, layout, tokens, is_row);
        brackets(svg, scene, layout, tokens, is_row);
    }
    if let Some(token) = scene.token {
        let place = [left - 1.0, top + token as f64 * unit, width + 2.0, unit.max(1.5)].map(tenths);
        let [x, y, width, height] = place;
        let accent = scene.colours.accent;
        svg.push(format_args!(
            r#"<rect x="{x}" y="{y}" width="{width}" height="{height}" fill="{accent}" fill-opacity="0.13" stroke="{accent}" stroke-opacity="0.8"/>"#
        ));
    }
    let set = Type { size: 11.0, ..scene.small(Anchor::End) };
    svg.text(left - GAP - 2.0, top - 28.0, set, "keys →");
    svg.text(left - GAP - 2.0, top - 14.0, set, "queries ↓");
}

/// One path for all cells of a colour. What is masked leaves no cell: there the paper is seen.
fn cells(svg: &mut Svg, scene: &Scene<'_>, layout: &Layout, drawn: &Drawn) {
    let Layout { left, top, unit, span, .. } = *layout;
    let mut paths: BTreeMap<u8, String> = BTreeMap::new();
    for (row, first) in (0..scene.queries.len()).step_by(span).enumerate() {
        let queries = first..(first + span).min(scene.queries.len());
        let steps: Vec<Option<u8>> = (0..scene.keys.len())
            .step_by(span)
            .map(|key| largest(scene, drawn, queries.clone(), key..(key + span).min(scene.keys.len())))
            .map(|weight| Some((strength_of(weight?) * f64::from(LAST_STEP)).round() as u8))
            .collect();
        let mut column = 0;
        for run in steps.chunk_by(|a, b| a == b) {
            let start = column * span;
            column += run.len();
            let end = (column * span).min(scene.keys.len());
            if let Some(step) = run[0] {
                let [x, y] = [left + start as f64 * unit, top + (row * span) as f64 * unit].map(tenths);
                let [w, h] = [(end - start) as f64 * unit, queries.len() as f64 * unit].map(tenths);
                let _ = write!(paths.entry(step).or_default(), "M{x} {y}h{w}v{h}h-{w}z");
            }
        }
    }
    svg.group(r#"class="cells" shape-rendering="crispEdges""#, |svg| {
        for (step, path) in &paths {
            svg.push(format_args!(r#"<path d="{path}" fill="{}"/>"#, scene.colours.ramp(*step)));
        }
    });
}

/// The largest weight of some queries on some keys; none where the model lets nothing be seen.
fn largest(scene: &Scene<'_>, drawn: &Drawn, queries: Range<usize>, keys: Range<usize>) -> Option<f64> {
    let seen = queries.flat_map(|query| {
        let sight = scene.mask.keys(query, scene.keys.len());
        let seen = sight.start.max(keys.start)..sight.end.min(keys.end);
        seen.filter(|key| scene.keys[*key].mask).map(move |key| drawn.weight(query, key))
    });
    seen.reduce(f64::max)
}

/// The weights in cells that have room for them.
fn weights(svg: &mut Svg, scene: &Scene<'_>, layout: &Layout, drawn: &Drawn) {
    let Layout { left, top, unit, .. } = *layout;
    let (digits, size) = if unit >= WRITTEN[1] { (3, 12.0) } else { (2, 11.0) };
    let [low, high] = [scene.colours.ramp(0), scene.colours.ramp(LAST_STEP)];
    for row in 0..scene.queries.len() {
        for column in 0..scene.keys.len() {
            let seen = largest(scene, drawn, row..row + 1, column..column + 1);
            let Some(weight) = seen.filter(|weight| *weight >= LEAST_WRITTEN) else { continue };
            let fill = if strength_of(weight) > PALE { &low } else { &high };
            let [x, y] = [left + (column as f64 + 0.5) * unit, top + (row as f64 + 0.5) * unit];
            svg.text(x, y, Type { size, bold: false, fill, anchor: Anchor::Middle }, &short(weight, digits));
        }
    }
}

/// A weight without the zero before the point.
fn short(weight: f64, digits: usize) -> String {
    let text = format!("{weight:.digits$}");
    text.strip_prefix('0').map_or_else(|| text[..=digits].to_owned(), str::to_owned)
}

/// How many tokens from one label to the next, when each takes `room` pixels: 1, 2, 5, 10, 20, 50, …
fn label_step(unit: f64, room: f64) -> usize {
    let steps = (0..).flat_map(|power| [1, 2, 5].map(|times| times * 10_usize.pow(power)));
    steps.into_iter().find(|step| *step as f64 * unit >= room).unwrap_or(1)
}

/// The labels of the tokens that have one; with their places where most have none.
fn labels_of(scene: &Scene<'_>, tokens: &[Token], unit: f64, is_row: bool) -> Vec<(usize, Label)> {
    let step = label_step(unit, APART[usize::from(!is_row)]);
    let is_shown = |at: usize| at.is_multiple_of(step) || (is_row && scene.token == Some(at));
    let label = |at: usize| {
        let place = if step > 2 { format!("{at} ") } else { String::new() };
        (at, Label::numbered(&place, &tokens[at].piece, WIDEST_LABEL / SIZE))
    };
    (0..tokens.len()).filter(|at| is_shown(*at)).map(label).collect()
}

fn labels(svg: &mut Svg, scene: &Scene<'_>, layout: &Layout, tokens: &[Token], is_row: bool) {
    let Layout { left, top, unit, .. } = *layout;
    for (at, label) in labels_of(scene, tokens, unit, is_row) {
        let token = &tokens[at];
        let bold = is_row && scene.token == Some(at);
        let fill = match (bold, token.special, is_row) {
            (true, ..) => scene.colours.ink,
            (_, true, _) => scene.colours.quiet,
            (_, _, true) => scene.colours.ink,
            (_, _, false) => scene.colours.soft,
        };
        let middle = (at as f64 + 0.5) * unit;
        let set = |anchor| Type { size: SIZE, bold, fill, anchor };
        if is_row {
            let x = left - GAP - 2.0;
            if bold {
                let width = label.width * SIZE;
                let ground = [x - width - 5.0, top + middle - 9.0, width + 10.0, 18.0];
                svg.rect(ground, 5.0, scene.colours.accent_soft);
            }
            svg.label(x, top + middle, set(Anchor::End), &label, scene.colours);
        } else {
            let place = [left + middle, top - GAP].map(tenths);
            let slanted = format!(r#"transform="translate({} {}) rotate(-{SLANT})""#, place[0], place[1]);
            svg.group(slanted, |svg| svg.label(2.0, 0.0, set(Anchor::Start), &label, scene.colours));
        }
    }
}

/// A bracket with a letter for each sentence: outside the labels of rows, under the columns.
fn brackets(svg: &mut Svg, scene: &Scene<'_>, layout: &Layout, tokens: &[Token], is_row: bool) {
    let runs = sentences(tokens);
    if runs.len() < 2 {
        return;
    }
    let Layout { left, top, unit, height, .. } = *layout;
    let quiet = scene.colours.quiet;
    let set = Type { size: SIZE, bold: false, fill: quiet, anchor: Anchor::Middle };
    for (segment, run) in runs {
        let start = if is_row { top } else { left };
        let [low, high] = [start + run.start as f64 * unit + 2.0, start + run.end as f64 * unit - 2.0];
        let middle = (low + high) / 2.0;
        let (path, [x, y]) = if is_row {
            (format!("M24 {}H18V{}H24", tenths(low), tenths(high)), [9.0, middle])
        } else {
            let back = top + height + GAP + 6.0;
            let [low, high, back, front] = [low, high, back, back - 6.0].map(tenths);
            (format!("M{low} {front}V{back}H{high}V{front}"), [middle, back + 10.0])
        };
        svg.push(format_args!(r#"<path d="{path}" fill="none" stroke="{quiet}" stroke-opacity="0.7"/>"#));
        svg.text(x, y, set, &letter_of(segment));
    }
}

/// What the colours mean, and what a cell stands for; returns where that ends at the right.
fn scale_key(svg: &mut Svg, scene: &Scene<'_>, layout: &Layout, y: f64) -> f64 {
    let set = scene.small(Anchor::Start);
    let mut x = MARGIN;
    svg.text(x, y, set, "0");
    x += 14.0;
    for step in 0..32_u8 {
        let fill = scene.colours.ramp(step * 8 + step / 4);
        svg.rect([x + f64::from(step) * 4.0, y - 4.5, 4.5, 9.0], 0.0, &fill);
    }
    x += 136.0;
    svg.text(x, y, set, "1, √ scale");
    x += 76.0;
    let is_masked = |query: usize| scene.mask.keys(query, scene.keys.len()).len() < scene.keys.len();
    if (0..scene.queries.len()).any(is_masked) || scene.keys.iter().any(|key| !key.mask) {
        svg.push(format_args!(
            r#"<rect x="{}" y="{}" width="9" height="9" rx="2" fill="none" stroke="{}"/>"#,
            tenths(x),
            tenths(y - 4.5),
            scene.colours.hair,
        ));
        svg.text(x + 15.0, y, set, "masked");
        x += 76.0;
    }
    if layout.span > 1 {
        let what = format!("a cell is the largest of {0} × {0} weights", layout.span);
        svg.text(x, y, set, &what);
        x += width_of(&what) * set.size;
    }
    x
}
