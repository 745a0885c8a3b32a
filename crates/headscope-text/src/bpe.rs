//! Byte pair encoding: a vocabulary and, in their order, the merges that make its pieces.

use std::collections::HashMap;

use tokenizers::ModelWrapper;
use tokenizers::models::bpe::BPE;

use crate::model::Model;

/// Ids by piece.
pub(crate) type Ids = HashMap<String, u32>;

/// Two pieces that become one.
pub(crate) type Merge = (String, String);

/// No piece that is put together is longer; to try all ways to part a longer one would take forever.
const LONGEST_PIECE: usize = 4096;

/// What becomes of characters that the vocabulary lacks.
#[derive(Default)]
pub(crate) struct Unknown {
    pub(crate) token: Option<String>,
    /// Whether several of them in a row are one token.
    pub(crate) fused: bool,
    /// Whether each of their bytes has a piece, `<0xF0>`.
    pub(crate) as_bytes: bool,
}

/// The model of a vocabulary and its merges.
pub(crate) fn model(ids: Ids, merges: Vec<Merge>, unknown: Unknown) -> Result<Model, String> {
    for (left, right) in &merges {
        // The crate would panic.
        let joined = format!("{left}{right}");
        if ![left, right, &joined].iter().all(|piece| ids.contains_key(*piece)) {
            return Err(stranger(left, right));
        }
    }
    let unknown_id = unknown.token.as_ref().and_then(|token| ids.get(token).copied());
    let mut builder = BPE::builder()
        .vocab_and_merges(ids.into_iter().collect::<tokenizers::models::bpe::Vocab>(), merges)
        .fuse_unk(unknown.fused)
        .byte_fallback(unknown.as_bytes);
    if let Some(token) = unknown.token {
        builder = builder.unk_token(token);
    }
    let model = builder.build().map_err(|e| e.to_string())?;
    Ok(Model::Other { model: ModelWrapper::BPE(model), unknown: unknown_id })
}

/// Llama's way with characters that the vocabulary lacks: they are bytes.
pub(crate) fn as_bytes(unk_token: Option<&str>) -> Unknown {
    Unknown { token: unk_token.map(str::to_owned), fused: true, as_bytes: true }
}

/// What is wrong with a merge on which the crate would panic.
pub(crate) fn stranger(left: &str, right: &str) -> String {
    format!("the merge of {left:?} and {right:?} is of pieces that its vocabulary lacks")
}

/// Reads a `vocab.json`, `{"piece": id, …}`.
pub(crate) fn read_vocab(bytes: &[u8]) -> Result<Ids, String> {
    let vocabulary: crate::vocabulary::Vocabulary =
        serde_json::from_slice(bytes).map_err(|e| format!("it does not parse: {e}"))?;
    Ok(vocabulary.iter().map(|(piece, id)| (piece.to_owned(), id)).collect())
}

/// Reads a `merges.txt`: two pieces a line, first merges first.
pub(crate) fn read_merges(bytes: &[u8]) -> Result<Vec<Merge>, String> {
    let text = std::str::from_utf8(bytes)
        .map_err(|e| format!("byte {} is not UTF-8; expected two pieces a line", e.valid_up_to()))?;
    let lines = text.lines().enumerate().filter(|(_, line)| !line.starts_with("#version"));
    lines
        .map(|(number, line)| {
            parse_merge(line).ok_or_else(|| format!("line {} is {line:?}; expected two pieces", number + 1))
        })
        .collect()
}

/// Two pieces with a space between.
pub(crate) fn parse_merge(line: &str) -> Option<Merge> {
    let (left, right) = line.split_once(' ')?;
    let whole = !left.is_empty() && !right.is_empty() && !right.contains(' ');
    whole.then(|| (left.to_owned(), right.to_owned()))
}

/// The merges of a vocabulary that comes without: all ways to put a piece together from two others.
/// Pieces of a better score are made first, where there are scores, else those of a smaller id, as
/// transformers does it.
pub(crate) fn merges_of(pieces: &[String], scores: Option<&[f64]>) -> Result<Vec<Merge>, String> {
    // Of a piece that stands there twice the last one counts, at the place of the first, as in a
    // Python dict.
    let mut ids: HashMap<&str, usize> = HashMap::with_capacity(pieces.len());
    let mut order = Vec::with_capacity(pieces.len());
    for (id, piece) in pieces.iter().enumerate() {
        if ids.insert(piece, id).is_none() {
            order.push(piece.as_str());
        }
    }
    let mut found = Vec::new();
    for piece in order {
        if piece.len() > LONGEST_PIECE {
            return Err(format!("one of its pieces has {} bytes; at most {LONGEST_PIECE}", piece.len()));
        }
        let id = ids[piece];
        let rank = scores.map_or(id as f64, |scores| scores.get(id).copied().unwrap_or_default() + 0.0);
        let mut ways: Vec<_> = piece
            .char_indices()
            .skip(1)
            .map(|(at, _)| piece.split_at(at))
            .filter_map(|(left, right)| Some((*ids.get(left)?, *ids.get(right)?, left, right)))
            .collect();
        ways.sort_by_key(|&(left, right, ..)| (left, right));
        found.extend(ways.into_iter().map(|(_, _, left, right)| (rank, left, right)));
    }
    let length = |piece: &str| piece.chars().count();
    found.sort_by(|a, b| {
        let order = f64::total_cmp(&a.0, &b.0)
            .then_with(|| length(a.1).cmp(&length(b.1)))
            .then_with(|| length(a.2).cmp(&length(b.2)));
        if scores.is_some() { order.reverse() } else { order }
    });
    Ok(found.into_iter().map(|(_, left, right)| (left.to_owned(), right.to_owned())).collect())
}

/// The characters that stand for the 256 bytes in a byte-level vocabulary, so that no piece holds
/// a space or a control character: printable ones stand for themselves, the others for 256 and on.
pub(crate) fn byte_letters() -> [char; 256] {
    let mut next = 0x100;
    std::array::from_fn(|byte| {
        let printable = matches!(byte, 0x21..=0x7e | 0xa1..=0xac | 0xae..=0xff);
        let code = if printable { byte as u32 } else { next };
        next += u32::from(!printable);
        char::from_u32(code).unwrap_or_default()
    })
}

/// Whether a character is one of the [`byte_letters`].
pub(crate) fn is_byte_letter(c: char) -> bool {
    matches!(u32::from(c), 0x21..=0x7e | 0xa1..=0xac | 0xae..=0x143)
}
