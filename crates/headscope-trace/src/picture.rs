//! A picture as a model cuts it: into patches, which are its tokens.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{Section, Values};

/// What a model saw of an image, small enough to be shown beside its tokens.
///
/// In a file it is the U8 tensor `image`, `[height, width, 3]`, and the entry `image` of the metadata, which
/// says how it is cut.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    /// How it is cut.
    pub grid: Grid,
    /// Its rows.
    pub height: usize,
    /// Its columns.
    pub width: usize,
    /// Red, green and blue of every pixel, row by row.
    pub rgb: Arc<[u8]>,
}

/// The patches of a picture, of one size, which cover it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grid {
    /// Rows of patches.
    pub rows: usize,
    /// Columns of patches.
    pub columns: usize,
    /// The token of the first patch; the others follow, row by row.
    pub first: usize,
}

impl Grid {
    /// The number of patches.
    pub fn len(self) -> usize {
        self.rows.saturating_mul(self.columns)
    }

    /// Whether there is no patch.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }
}

impl Picture {
    /// The pixels as a file carries them.
    pub(crate) fn section(&self) -> Section<'_> {
        let shape = vec![self.height, self.width, 3];
        Section { name: NAME.into(), shape, values: Values::U8(&self.rgb) }
    }

    /// A picture read from a file, for a text of so many tokens.
    pub(crate) fn read(grid: &str, shape: &[usize], rgb: &[u8], tokens: usize) -> Result<Picture, String> {
        let grid: Grid = serde_json::from_str(grid).map_err(|e| format!("its image does not parse: {e}"))?;
        let &[height, width, 3] = shape else {
            return Err(format!("its image has shape {shape:?}; expected [height, width, 3]"));
        };
        if rgb.is_empty() || grid.is_empty() {
            return Err("its image is empty".into());
        }
        if grid.first.saturating_add(grid.len()) != tokens {
            let Grid { rows, columns, first } = grid;
            return Err(format!(
                "its image has {rows} x {columns} patches after {first} tokens; it has {tokens} tokens"
            ));
        }
        Ok(Picture { grid, height, width, rgb: rgb.into() })
    }
}

/// What the tensor and the entry of the metadata are called.
pub(crate) const NAME: &str = "image";
