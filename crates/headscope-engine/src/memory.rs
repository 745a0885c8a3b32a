//! Keys and values of tokens that were read before, so that a text can be continued without reading
//! it again.

use std::collections::BTreeMap;

use headscope_trace::{Attn, Tensor};

use crate::kernels::Heads;

/// What a model remembers of a text between passes.
#[derive(Default)]
pub(crate) struct Memory {
    blocks: BTreeMap<Attn, KeysValues>,
    /// Tokens read so far, by the stack that is continued.
    pub(crate) tokens: usize,
    /// What an encoder made of the text.
    pub(crate) encoded: Option<Tensor>,
}

/// The keys and values of one attention block, of every token so far.
#[derive(Default)]
pub(crate) struct KeysValues {
    k: Rows,
    v: Rows,
}

/// Heads of tokens, one row each: `[tokens, heads · d_head]`.
#[derive(Default)]
struct Rows {
    values: Vec<f32>,
    n_heads: usize,
    d_head: usize,
}

impl Memory {
    /// Whether anything is remembered of a block.
    pub(crate) fn knows(&self, attn: Attn) -> bool {
        self.blocks.contains_key(&attn)
    }

    /// What is remembered of a block, with further tokens behind it; of what it attends to in the
    /// encoder, which stays the same, it is remembered once.
    pub(crate) fn extended(&mut self, attn: Attn, k: Heads<'_>, v: Heads<'_>) -> KeysValues {
        let mut block = self.blocks.remove(&attn).unwrap_or_default();
        if !attn.cross || block.k.values.is_empty() {
            block.k.append(k);
            block.v.append(v);
        }
        block
    }

    /// Takes back what [`extended`](Memory::extended) lent.
    pub(crate) fn keep(&mut self, attn: Attn, block: KeysValues) {
        self.blocks.insert(attn, block);
    }
}

impl KeysValues {
    pub(crate) fn heads(&self) -> [Heads<'_>; 2] {
        [self.k.heads(), self.v.heads()]
    }
}

impl Rows {
    fn append(&mut self, heads: Heads<'_>) {
        (self.n_heads, self.d_head) = (heads.n_heads, heads.d_head);
        for token in 0..heads.tokens {
            for head in 0..heads.n_heads {
                let at = head * heads.head_stride + token * heads.token_stride;
                self.values.extend_from_slice(&heads.data[at..at + heads.d_head]);
            }
        }
    }

    fn heads(&self) -> Heads<'_> {
        let Rows { values, n_heads, d_head } = self;
        let width = n_heads * d_head;
        Heads {
            data: values,
            n_heads: *n_heads,
            tokens: values.len() / width.max(1),
            d_head: *d_head,
            head_stride: *d_head,
            token_stride: width,
        }
    }
}
