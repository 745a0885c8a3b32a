//! Keys and values of a head as the product reads them.

use super::Heads;
use crate::kernels::panel::{GROUP, PANEL, padded};
use crate::kernels::rows::turn_numbers;
use crate::kernels::share::Shared;
use crate::kernels::simd::{Kernel, Simd};
use std::ops::Range;

/// Where the keys and values of one key head lie in memory for packed ones:
/// the centre of the keys, then the keys, then the values.
#[derive(Clone, Copy)]
pub(super) struct Layout {
    tokens: usize,
    d_head: usize,
    /// Width of the values, 0 if they are not wanted.
    d_value: usize,
}

impl Layout {
    pub(super) fn new(k: &Heads, d_value: usize) -> Layout {
        Layout { tokens: k.tokens, d_head: k.d_head, d_value }
    }

    /// Numbers for one head.
    pub(super) fn len(&self) -> usize {
        self.values_at() + self.tokens * self.value_width()
    }

    fn keys_at(&self) -> usize {
        self.d_head.next_multiple_of(GROUP)
    }

    fn values_at(&self) -> usize {
        self.keys_at() + self.tokens.next_multiple_of(PANEL) * self.d_head
    }

    /// Columns of values in whole groups.
    pub(super) fn value_width(&self) -> usize {
        self.d_value.next_multiple_of(GROUP)
    }

    /// Columns of values that stand together, in whole groups: as few panels as can be,
    /// of nearly equal width, because a narrow one has too few sums to keep the multipliers
    /// busy. 64 columns are 32 + 32, not 48 + 16.
    pub(super) fn value_panels(&self) -> impl Iterator<Item = Range<usize>> + use<> {
        let (groups, panels) = (self.d_value.div_ceil(GROUP), self.d_value.div_ceil(PANEL));
        let start = move |i: usize| i * groups / panels * GROUP;
        (0..panels).map(move |i| start(i)..start(i + 1))
    }

    /// Some columns of the values of some tokens.
    pub(super) fn values<'a>(
        &self,
        values: &'a [f32],
        columns: &Range<usize>,
        tokens: &Range<usize>,
    ) -> &'a [f32] {
        let at = |token: usize| self.tokens * columns.start + token * columns.len();
        &values[at(tokens.start)..at(tokens.end)]
    }

    /// The packed keys and values of a head.
    pub(super) fn read<'a>(&self, memory: &'a [f32]) -> Packed<'a> {
        Packed {
            centre: &memory[..self.d_head],
            keys: &memory[self.keys_at()..self.values_at()],
            values: &memory[self.values_at()..self.len()],
        }
    }
}

/// What a task reads of a head.
#[derive(Clone, Copy)]
pub(super) struct Packed<'a> {
    /// What was taken off each key, `[d_head]`.
    pub(super) centre: &'a [f32],
    /// `[panels][d_head][48]`, zero beyond the last key up to the end of its group.
    pub(super) keys: &'a [f32],
    /// `[value panels][tokens][columns]`, see [`Layout::value_panels`].
    pub(super) values: &'a [f32],
}

/// Packs keys and values `tokens` of one key head.
pub(super) struct Pack<'a, 'b> {
    pub(super) k: &'b Heads<'a>,
    pub(super) v: &'b Heads<'a>,
    pub(super) head: usize,
    /// Begins with a panel.
    pub(super) tokens: Range<usize>,
    pub(super) causal: bool,
    pub(super) layout: Layout,
    /// The memory of this head.
    pub(super) to: Shared<'b, f32>,
}

impl Kernel for Pack<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let centre = if self.causal { self.first_key() } else { self.mean_key() };
        self.keys(simd, &centre);
        if self.tokens.start == 0 {
            self.part(0..centre.len()).copy_from_slice(&centre);
        }
        if self.layout.d_value > 0 {
            self.values(simd);
        }
    }
}

impl<'b> Pack<'_, 'b> {
    /// A part of the head's memory.
    #[inline(always)]
    fn part(&self, range: Range<usize>) -> &'b mut [f32] {
        // SAFETY: no two tasks pack the same tokens of a head, and a task asks
        // once for each part: keys and values of its tokens, and the centre
        // with the first of them.
        #[allow(unsafe_code)]
        unsafe {
            self.to.part(range)
        }
    }

    fn first_key(&self) -> Vec<f32> {
        if self.k.tokens == 0 { vec![0.0; self.k.d_head] } else { self.k.row(self.head, 0).to_vec() }
    }

    /// A vector near the mean of the keys: the mean of 16 to 31 of them, evenly
    /// spread. Any vector would be right, so that a few keys will do.
    #[inline(always)]
    fn mean_key(&self) -> Vec<f32> {
        let k = self.k;
        let step = (k.tokens / 16).max(1);
        let mut sum = vec![0.0; k.d_head];
        for token in (0..k.tokens).step_by(step) {
            sum.iter_mut().zip(k.row(self.head, token)).for_each(|(sum, key)| *sum += key);
        }
        let count = k.tokens.div_ceil(step).max(1) as f32;
        sum.iter_mut().for_each(|sum| *sum /= count);
        sum
    }

    #[inline(always)]
    fn keys<S: Simd>(&self, simd: S, centre: &[f32]) {
        let d_head = self.k.d_head;
        let start = self.layout.keys_at();
        let to = self.tokens.start * d_head..self.tokens.end.next_multiple_of(PANEL) * d_head;
        let panels = self.part(start + to.start..start + to.end);
        for (p, panel) in panels.chunks_exact_mut((d_head * PANEL).max(1)).enumerate() {
            let first = self.tokens.start + p * PANEL;
            let count = PANEL.min(self.tokens.end - first);
            for g in (0..count).step_by(GROUP) {
                prefetch(simd, self.k, self.head, first + g + GROUP..first + g + 2 * GROUP);
                for (i, block) in panel.chunks_mut(GROUP * PANEL).enumerate() {
                    let mut square = [[0.0; GROUP]; GROUP];
                    let at = i * GROUP..i * GROUP + block.len() / PANEL;
                    let centre = padded(&centre[at.clone()]);
                    for (j, numbers) in square.iter_mut().take(count - g).enumerate() {
                        *numbers = padded(&self.k.row(self.head, first + g + j)[at.clone()]);
                        numbers.iter_mut().zip(centre).for_each(|(number, c)| *number -= c);
                    }
                    turn_numbers(simd, &square, &mut block[g..]);
                }
            }
        }
    }

    #[inline(always)]
    fn values<S: Simd>(&self, simd: S) {
        let (v, tokens) = (self.v, &self.tokens);
        for columns in self.layout.value_panels() {
            let width = columns.len();
            let start = self.layout.values_at() + self.layout.tokens * columns.start;
            let rows = self.part(start + tokens.start * width..start + tokens.end * width);
            for (token, row) in tokens.clone().zip(rows.chunks_exact_mut(width)) {
                prefetch(simd, v, self.head, token + GROUP..token + GROUP + 1);
                let values = &v.row(self.head, token)[columns.start..v.d_head.min(columns.end)];
                for (to, from) in row.chunks_exact_mut(GROUP).zip(values.chunks(GROUP)) {
                    to.copy_from_slice(&padded(from));
                }
            }
        }
    }
}

/// Asks for rows that are wanted soon: from one to the next is too far for the processor to guess.
#[inline(always)]
fn prefetch<S: Simd>(simd: S, x: &Heads, head: usize, tokens: Range<usize>) {
    for token in tokens.start..tokens.end.min(x.tokens) {
        for line in x.row(head, token).chunks(GROUP) {
            simd.prefetch(line.as_ptr().cast());
        }
    }
}
