//! Names for the places in a transformer where a value can be seen.

use std::fmt;
use std::str::FromStr;

use crate::TraceError;

/// Which half of a model: the only one, or one of an encoder and a decoder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Stack {
    /// A model with a single stack of layers; its sites have no prefix.
    #[default]
    Only,
    /// The encoder of two stacks: `encoder.`
    Encoder,
    /// The decoder of two stacks: `decoder.`
    Decoder,
}

/// A place inside an attention block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AttnPoint {
    /// Queries before rotary, in models that have it: `[heads, tokens, d_head]`.
    QPre,
    /// Keys before rotary, in models that have it: `[key heads, tokens, d_head]`.
    KPre,
    /// Queries, after rotary: `[heads, tokens, d_head]`.
    Q,
    /// Keys, after rotary: `[key heads, tokens, d_head]`.
    K,
    /// Values: `[key heads, tokens, d_head]`.
    V,
    /// What the vectors of distances ask, in models that have them: `[heads, 2 · span, d_head]`.
    PosQ,
    /// What the vectors of distances are asked by, in models that have them: `[heads, 2 · span, d_head]`.
    PosK,
    /// What softmax sees: scaled, capped and masked (−∞ where masked), `[heads, queries, keys]`.
    Scores,
    /// The attention weights, `[heads, queries, keys]`.
    Pattern,
    /// Log-sum-exp of each row of scores, `[heads, queries]`.
    Lse,
    /// The weighted sum of values, `[heads, tokens, d_head]`.
    Z,
}

/// A place in a model, with TransformerLens's meaning.
///
/// In a post-norm block (BERT) `resid_mid` and `resid_post` are the sums *before* their
/// LayerNorm; the next block's `resid_pre` comes after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Point {
    /// The vectors of the tokens alone, looked up, `[tokens, width of the table]`.
    WordEmbed,
    /// The vectors of their positions, where those are learned, `[tokens, width of the table]`.
    PosEmbed,
    /// What enters the first block, `[tokens, width]`.
    Embed,
    /// What enters a block, `[tokens, width]`.
    ResidPre,
    /// Inside the block's self-attention.
    Attn(AttnPoint),
    /// What self-attention adds to the residual stream, `[tokens, width]`.
    AttnOut,
    /// Inside the block's attention to the encoder.
    CrossAttn(AttnPoint),
    /// What attention to the encoder adds, `[tokens, width]`.
    CrossAttnOut,
    /// The residual stream between attention and MLP, `[tokens, width]`.
    ResidMid,
    /// What the MLP adds, `[tokens, width]`.
    MlpOut,
    /// The residual stream at the end of the block, `[tokens, width]`.
    ResidPost,
    /// What transformers calls `last_hidden_state`, `[tokens, width]`.
    LastHidden,
    /// Scores over the vocabulary, `[tokens, vocabulary]`.
    Logits,
}

impl Point {
    /// Whether the point belongs to one block rather than to the whole stack.
    fn in_block(self) -> bool {
        !matches!(self, Point::WordEmbed | Point::PosEmbed | Point::Embed | Point::LastHidden | Point::Logits)
    }
}

/// A place in a model where a value can be seen; prints as TransformerLens names it, without
/// `hook_`: `blocks.3.attn.pattern`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Site {
    /// The stack of layers.
    pub stack: Stack,
    /// The block, counted from 0; 0 for points of the whole stack.
    pub layer: usize,
    /// The place.
    pub point: Point,
}

impl Site {
    /// A site of block `layer`, or of the whole stack if the point is one of those.
    pub fn new(stack: Stack, layer: usize, point: Point) -> Site {
        Site { stack, layer: if point.in_block() { layer } else { 0 }, point }
    }

    /// The attention block this site lies in, and where in it.
    pub fn attn(self) -> Option<(Attn, AttnPoint)> {
        let attn = |cross| Attn { stack: self.stack, layer: self.layer, cross };
        match self.point {
            Point::Attn(point) => Some((attn(false), point)),
            Point::CrossAttn(point) => Some((attn(true), point)),
            _ => None,
        }
    }

    /// Every site that a stack of `n_layers` self-attending blocks can have, in the order of a pass;
    /// with those of their attention to the encoder if they `cross`.
    pub fn all(stack: Stack, n_layers: usize, cross: bool) -> impl Iterator<Item = Site> {
        use AttnPoint::*;
        let attn = [QPre, KPre, Q, K, V, PosQ, PosK, Scores, Pattern, Lse, Z];
        let crossing = cross.then(|| attn.map(Point::CrossAttn).into_iter().chain([Point::CrossAttnOut]));
        let block = move |layer| {
            [Point::ResidPre]
                .into_iter()
                .chain(attn.map(Point::Attn))
                .chain([Point::AttnOut])
                .chain(crossing.clone().into_iter().flatten())
                .chain([Point::ResidMid, Point::MlpOut, Point::ResidPost])
                .map(move |point| Site::new(stack, layer, point))
        };
        let whole = move |point| Site::new(stack, 0, point);
        [Point::WordEmbed, Point::PosEmbed, Point::Embed]
            .into_iter()
            .map(whole)
            .chain((0..n_layers).flat_map(block))
            .chain([whole(Point::LastHidden), whole(Point::Logits)])
    }

    /// The order of a pass: `embed`, then the blocks, then what follows them.
    fn rank(&self) -> (Stack, u8, usize, Point) {
        let phase = match self.point {
            Point::WordEmbed | Point::PosEmbed | Point::Embed => 0,
            Point::LastHidden | Point::Logits => 2,
            _ => 1,
        };
        (self.stack, phase, self.layer, self.point)
    }
}

impl Ord for Site {
    fn cmp(&self, other: &Site) -> std::cmp::Ordering {
        self.rank().cmp(&other.rank())
    }
}

impl PartialOrd for Site {
    fn partial_cmp(&self, other: &Site) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

/// One attention block of a model: `blocks.3.attn`, `decoder.blocks.0.cross_attn`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Attn {
    /// The stack of layers.
    pub stack: Stack,
    /// The block, counted from 0.
    pub layer: usize,
    /// Attention of a decoder to its encoder, rather than of a stack to itself.
    pub cross: bool,
}

impl Attn {
    /// The self-attention of block `layer` in a model of one stack.
    pub fn block(layer: usize) -> Attn {
        Attn { stack: Stack::Only, layer, cross: false }
    }

    /// The stack whose tokens are attended to.
    pub fn key_stack(self) -> Stack {
        if self.cross { Stack::Encoder } else { self.stack }
    }

    /// A site inside this block.
    pub fn site(self, point: AttnPoint) -> Site {
        let point = if self.cross { Point::CrossAttn(point) } else { Point::Attn(point) };
        Site::new(self.stack, self.layer, point)
    }
}

const ATTN_POINTS: [(&str, AttnPoint); 11] = [
    ("q_pre", AttnPoint::QPre),
    ("k_pre", AttnPoint::KPre),
    ("q", AttnPoint::Q),
    ("k", AttnPoint::K),
    ("v", AttnPoint::V),
    ("pos_q", AttnPoint::PosQ),
    ("pos_k", AttnPoint::PosK),
    ("scores", AttnPoint::Scores),
    ("pattern", AttnPoint::Pattern),
    ("lse", AttnPoint::Lse),
    ("z", AttnPoint::Z),
];

const POINTS: [(&str, Point); 11] = [
    ("word_embed", Point::WordEmbed),
    ("pos_embed", Point::PosEmbed),
    ("embed", Point::Embed),
    ("resid_pre", Point::ResidPre),
    ("attn_out", Point::AttnOut),
    ("cross_attn_out", Point::CrossAttnOut),
    ("resid_mid", Point::ResidMid),
    ("mlp_out", Point::MlpOut),
    ("resid_post", Point::ResidPost),
    ("last_hidden", Point::LastHidden),
    ("logits", Point::Logits),
];

/// The name of `value` in one of the tables above.
fn name_of<T: PartialEq>(table: &'static [(&'static str, T)], value: &T) -> &'static str {
    table.iter().find(|(_, v)| v == value).map_or("?", |(name, _)| name)
}

/// The value called `name` in one of the tables above.
fn named<T: Copy>(table: &[(&str, T)], name: &str) -> Option<T> {
    table.iter().find(|(n, _)| *n == name).map(|(_, v)| *v)
}

impl Stack {
    fn prefix(self) -> &'static str {
        match self {
            Stack::Only => "",
            Stack::Encoder => "encoder.",
            Stack::Decoder => "decoder.",
        }
    }

    fn split(name: &str) -> (Stack, &str) {
        [Stack::Encoder, Stack::Decoder]
            .into_iter()
            .find_map(|stack| Some((stack, name.strip_prefix(stack.prefix())?)))
            .unwrap_or((Stack::Only, name))
    }
}

impl fmt::Display for Attn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.cross { "cross_attn" } else { "attn" };
        write!(f, "{}blocks.{}.{kind}", self.stack.prefix(), self.layer)
    }
}

impl fmt::Display for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.attn() {
            Some((attn, point)) => write!(f, "{attn}.{}", name_of(&ATTN_POINTS, &point)),
            None if self.point.in_block() => {
                write!(f, "{}blocks.{}.{}", self.stack.prefix(), self.layer, name_of(&POINTS, &self.point))
            }
            None => write!(f, "{}{}", self.stack.prefix(), name_of(&POINTS, &self.point)),
        }
    }
}

fn parse_site(name: &str) -> Option<Site> {
    let (stack, rest) = Stack::split(name);
    let Some(in_block) = rest.strip_prefix("blocks.") else {
        let point = named(&POINTS, rest).filter(|point| !point.in_block())?;
        return Some(Site::new(stack, 0, point));
    };
    let (layer, place) = in_block.split_once('.')?;
    let point = match place.split_once('.') {
        Some(("attn", point)) => Point::Attn(named(&ATTN_POINTS, point)?),
        Some(("cross_attn", point)) => Point::CrossAttn(named(&ATTN_POINTS, point)?),
        Some(_) => return None,
        None => named(&POINTS, place).filter(|point| point.in_block())?,
    };
    Some(Site::new(stack, layer.parse().ok()?, point))
}

impl FromStr for Site {
    type Err = TraceError;

    fn from_str(name: &str) -> Result<Site, TraceError> {
        parse_site(name)
            .filter(|site| site.to_string() == name) // `blocks.03.attn.q` and `blocks.+3…` are nobody's name
            .ok_or_else(|| TraceError::Site { name: name.to_owned() })
    }
}

impl FromStr for Attn {
    type Err = TraceError;

    fn from_str(name: &str) -> Result<Attn, TraceError> {
        let site: Option<Site> = format!("{name}.q").parse().ok();
        site.and_then(Site::attn)
            .map(|(attn, _)| attn)
            .ok_or_else(|| TraceError::Site { name: name.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip() {
        let names = [
            "word_embed",
            "pos_embed",
            "embed",
            "blocks.3.attn.q",
            "blocks.3.attn.q_pre",
            "blocks.3.attn.pos_k",
            "blocks.11.attn.pattern",
            "blocks.0.attn_out",
            "blocks.0.resid_pre",
            "blocks.0.resid_mid",
            "blocks.0.resid_post",
            "blocks.7.mlp_out",
            "last_hidden",
            "logits",
            "encoder.embed",
            "decoder.blocks.2.cross_attn.lse",
            "decoder.blocks.2.cross_attn_out",
        ];
        for name in names {
            let site: Site = name.parse().unwrap();
            assert_eq!(site.to_string(), name);
        }
        for site in Site::all(Stack::Decoder, 13, true) {
            assert_eq!(site.to_string().parse::<Site>().unwrap(), site);
        }
    }

    #[test]
    fn other_names_are_refused() {
        for name in [
            "",
            "blocks",
            "blocks.3",
            "blocks.x.attn.q",
            "blocks.03.attn.q",
            "blocks.0.embed",
            "attn_out",
            "blocks.0.attn.Q",
            "blocks.0.mlp.q",
            "blocks.99999999999999999999.attn.q",
        ] {
            assert!(name.parse::<Site>().is_err(), "{name}");
        }
    }

    #[test]
    fn sites_sort_in_the_order_of_a_pass() {
        let sites: Vec<Site> = Site::all(Stack::Only, 12, false).collect();
        assert!(sites.is_sorted());
        assert_eq!(sites.len(), 12 * 16 + 5);
        let crossing: Vec<Site> = Site::all(Stack::Decoder, 12, true).collect();
        assert!(crossing.is_sorted());
        assert_eq!(crossing.len(), 12 * 28 + 5);
    }
}
