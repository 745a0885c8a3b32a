//! What comes next of a panel, and how tiles ask for it on their way.

use super::buffer::LINE;
use super::panel::Numbers;
use super::tile::LOOKS;

/// Lines of memory to be asked for: `2^shift` side by side, then as many one stride further.
#[derive(Clone, Copy)]
pub(super) struct Ahead {
    from: *const u8,
    stride: usize,
    shift: u32,
}

impl Ahead {
    #[inline(always)]
    pub(super) fn new(from: *const u8, numbers: &Numbers) -> Ahead {
        match numbers {
            Numbers::Rows(rows) => {
                Ahead { from: from.wrapping_add(LINE - 1), stride: rows.stride(), shift: rows.log2_lines() }
            }
            Numbers::Columns(columns) => {
                Ahead { from, stride: columns.stride(), shift: columns.log2_lines() }
            }
            _ => Ahead { from, stride: 0, shift: usize::BITS - 1 - LINE.ilog2() },
        }
    }

    /// Line `k`.
    #[inline(always)]
    pub(super) fn line(self, k: usize) -> *const u8 {
        let (row, line) = (k >> self.shift, k & ((1 << self.shift) - 1));
        self.from.wrapping_add(row.wrapping_mul(self.stride).wrapping_add(line * LINE))
    }

    /// Requests for so many of these lines in the course of so many chains: evenly, a block before each is read, but
    /// for lines that do not all lie side by side, of which a stream takes whole rows.
    pub(super) fn requests(self, lines: usize, chains: usize) -> Requests {
        let looks = chains.max(1) * LOOKS;
        let mut next =
            Requests { at: self.from, pace: 0, streams: 0, apart: 0, chains: usize::MAX, left: 0, jump: 0 };
        if self.stride == 0 {
            next.streams = lines.div_ceil(looks);
            next.apart = LINE;
            next.pace = (lines * LINE).div_ceil(looks);
        } else {
            let rows = lines >> self.shift;
            next.streams = rows.div_ceil(chains.max(1));
            let rows = rows.div_ceil(next.streams.max(1));
            next.apart = rows.wrapping_mul(self.stride);
            next.chains = chains.max(1) / rows.max(1);
            next.pace = (LINE << self.shift).div_ceil(next.chains * LOOKS);
            next.jump = self.stride.wrapping_sub(next.chains * LOOKS * next.pace);
        }
        next
    }
}

/// Requests for lines of memory, one for each of some streams at each look ahead: neighbours, if all lines lie side by
/// side, so that each is asked for as long before it is read as any other.
///
/// A look is a pointer that moves on and a branch that is always the same, and what is rarer waits for the end of a
/// chain: six instructions more for 48 multiplications took a twentieth of the time (AVX2, AMD Zen 3).
#[derive(Clone, Copy, Debug)]
pub(super) struct Requests {
    /// Where the first stream is.
    at: *const u8,
    /// Bytes from a look to the next: at most a line, or as many lines as there are streams of neighbours.
    pace: usize,
    streams: usize,
    /// Bytes from a stream to the next.
    apart: usize,
    /// Chains in which a stream reaches the end of its row, those that are left, and from there to the next row.
    chains: usize,
    left: usize,
    jump: usize,
}

impl Requests {
    /// Those that remain after so many chains.
    #[inline(always)]
    pub(super) fn after(mut self, chains: usize) -> Requests {
        let (rows, rest) = (chains / self.chains, chains % self.chains);
        self.at = self.at.wrapping_add(chains * LOOKS * self.pace).wrapping_add(rows.wrapping_mul(self.jump));
        self.left = self.chains - rest;
        self
    }

    #[inline(always)]
    pub(super) fn look(&mut self, ask: impl Fn(*const u8)) {
        ask(self.at);
        for k in 1..self.streams {
            ask(self.at.wrapping_add(k.wrapping_mul(self.apart)));
        }
        self.at = self.at.wrapping_add(self.pace);
    }

    #[inline(always)]
    pub(super) fn chain_ends(&mut self) {
        self.left -= 1;
        if self.left == 0 {
            self.left = self.chains;
            self.at = self.at.wrapping_add(self.jump);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;
    use std::collections::HashSet;

    #[test]
    fn every_line_is_asked_for() {
        let places = [
            (0, usize::BITS - 1 - LINE.ilog2()),
            (3072, 3),
            (1536, 2),
            (9216, 2),
            (72_usize.wrapping_neg(), 1),
        ];
        for (stride, shift) in places {
            for lines in [48 << shift.min(3), 128 << shift.min(3)] {
                for (tiles, chains_of_a_tile) in [(1, 4), (2, 4), (8, 4), (9, 1), (64, 4), (5, 2)] {
                    let ahead = Ahead { from: std::ptr::without_provenance(1 << 40), stride, shift };
                    let block = ahead.requests(lines, tiles * chains_of_a_tile);
                    let asked = RefCell::new(HashSet::new());
                    for tile in 0..tiles {
                        let mut next = block.after(tile * chains_of_a_tile);
                        for _ in 0..chains_of_a_tile {
                            for _ in 0..LOOKS {
                                next.look(|line| _ = asked.borrow_mut().insert(line.addr() / LINE));
                            }
                            next.chain_ends();
                        }
                        let after = block.after((tile + 1) * chains_of_a_tile);
                        assert_eq!((next.at, next.left), (after.at, after.left), "tile {tile} of {block:?}");
                    }
                    let asked = asked.into_inner();
                    let missed = (0..lines).find(|line| !asked.contains(&(ahead.line(*line).addr() / LINE)));
                    assert_eq!(
                        missed, None,
                        "of {lines} lines, {tiles} x {chains_of_a_tile} chains: {block:?}"
                    );
                    assert!(
                        asked.len() <= 2 * lines + 2 * LOOKS,
                        "{} of {lines} lines: {block:?}",
                        asked.len()
                    );
                }
            }
        }
    }
}
