//! A SentencePiece `.model`: a protocol buffer with pieces, their scores, and how text is normalized.
//!
//! The reader takes no length on trust: a field that claims more bytes than there are is refused,
//! and nothing is allocated but copies of bytes that are there.

/// What a `.model` holds, as far as it says how text is tokenized.
#[derive(Debug, PartialEq)]
pub(crate) struct SentencePiece {
    pub(crate) pieces: Vec<Piece>,
    pub(crate) kind: u64,
    pub(crate) byte_fallback: bool,
    pub(crate) unk_id: i32,
    pub(crate) bos_id: i32,
    pub(crate) eos_id: i32,
    pub(crate) unk_piece: String,
    pub(crate) bos_piece: String,
    pub(crate) eos_piece: String,
    pub(crate) charsmap: Vec<u8>,
    pub(crate) add_dummy_prefix: bool,
    pub(crate) remove_extra_whitespaces: bool,
    pub(crate) escape_whitespaces: bool,
    pub(crate) whitespace_as_suffix: bool,
}

#[derive(Debug, PartialEq)]
pub(crate) struct Piece {
    pub(crate) text: String,
    pub(crate) score: f32,
    pub(crate) kind: u64,
}

/// Kinds of model: [`SentencePiece::kind`].
pub(crate) const UNIGRAM: u64 = 1;

/// Kinds of piece: [`Piece::kind`].
pub(crate) const NORMAL: u64 = 1;
pub(crate) const CONTROL: u64 = 3;
pub(crate) const USER_DEFINED: u64 = 4;

/// As a file that leaves everything out.
impl Default for SentencePiece {
    fn default() -> SentencePiece {
        SentencePiece {
            pieces: Vec::new(),
            kind: UNIGRAM,
            byte_fallback: false,
            unk_id: 0,
            bos_id: 1,
            eos_id: 2,
            unk_piece: "<unk>".into(),
            bos_piece: "<s>".into(),
            eos_piece: "</s>".into(),
            charsmap: Vec::new(),
            add_dummy_prefix: true,
            remove_extra_whitespaces: true,
            escape_whitespaces: true,
            whitespace_as_suffix: false,
        }
    }
}

impl SentencePiece {
    pub(crate) fn parse(bytes: &[u8]) -> Result<SentencePiece, String> {
        let mut model = SentencePiece::default();
        for field in Fields::of(bytes) {
            match field? {
                (1, Value::Bytes(piece)) => model.pieces.push(Piece::parse(piece)?),
                (2, Value::Bytes(trainer)) => model.read_trainer(trainer)?,
                (3, Value::Bytes(normalizer)) => model.read_normalizer(normalizer)?,
                (1..=3, _) => {
                    return Err("it is no SentencePiece model: its fields are of other types".into());
                }
                _ => {}
            }
        }
        if model.pieces.is_empty() {
            return Err("it holds no piece".into());
        }
        Ok(model)
    }

    fn read_trainer(&mut self, bytes: &[u8]) -> Result<(), String> {
        for field in Fields::of(bytes) {
            match field? {
                (3, Value::Number(kind)) => self.kind = kind,
                (24, Value::Number(suffix)) => self.whitespace_as_suffix = suffix != 0,
                (35, Value::Number(fallback)) => self.byte_fallback = fallback != 0,
                (40, Value::Number(id)) => self.unk_id = id as i32,
                (41, Value::Number(id)) => self.bos_id = id as i32,
                (42, Value::Number(id)) => self.eos_id = id as i32,
                (45, Value::Bytes(text)) => self.unk_piece = utf8(text)?,
                (46, Value::Bytes(text)) => self.bos_piece = utf8(text)?,
                (47, Value::Bytes(text)) => self.eos_piece = utf8(text)?,
                _ => {}
            }
        }
        Ok(())
    }

    fn read_normalizer(&mut self, bytes: &[u8]) -> Result<(), String> {
        for field in Fields::of(bytes) {
            match field? {
                (2, Value::Bytes(charsmap)) => self.charsmap = charsmap.to_vec(),
                (3, Value::Number(add)) => self.add_dummy_prefix = add != 0,
                (4, Value::Number(remove)) => self.remove_extra_whitespaces = remove != 0,
                (5, Value::Number(escape)) => self.escape_whitespaces = escape != 0,
                _ => {}
            }
        }
        Ok(())
    }

    /// The pieces that are never split, in the order of their ids: control tokens, which are
    /// special, and the user's.
    pub(crate) fn whole(&self) -> impl Iterator<Item = (&str, bool)> {
        let kept = self.pieces.iter().filter(|piece| matches!(piece.kind, CONTROL | USER_DEFINED));
        kept.map(|piece| (piece.text.as_str(), piece.kind == CONTROL))
    }

    /// Pieces and scores, as the `tokenizers` crate's unigram model takes them.
    pub(crate) fn scored(&self) -> Vec<(String, f64)> {
        self.pieces.iter().map(|piece| (piece.text.clone(), piece.score.into())).collect()
    }
}

impl Piece {
    fn parse(bytes: &[u8]) -> Result<Piece, String> {
        let mut piece = Piece { text: String::new(), score: 0.0, kind: NORMAL };
        for field in Fields::of(bytes) {
            match field? {
                (1, Value::Bytes(text)) => piece.text = utf8(text)?,
                (2, Value::Word(bits)) => piece.score = f32::from_bits(bits),
                (3, Value::Number(kind)) => piece.kind = kind,
                _ => {}
            }
        }
        Ok(piece)
    }
}

fn utf8(bytes: &[u8]) -> Result<String, String> {
    let text = std::str::from_utf8(bytes);
    text.map(str::to_owned).map_err(|_| format!("it has a piece that is not UTF-8: {bytes:?}"))
}

/// The value of a field, by how it is written.
#[derive(Debug, PartialEq)]
enum Value<'a> {
    Number(u64),
    Bytes(&'a [u8]),
    Word(u32),
    Long,
}

/// The fields of a message: their numbers and values.
struct Fields<'a> {
    rest: &'a [u8],
    failed: bool,
}

impl<'a> Fields<'a> {
    fn of(bytes: &'a [u8]) -> Fields<'a> {
        Fields { rest: bytes, failed: false }
    }

    fn field(&mut self) -> Result<(u64, Value<'a>), String> {
        let key = self.number()?;
        let value = match key & 7 {
            0 => Value::Number(self.number()?),
            1 => {
                self.take(8)?;
                Value::Long
            }
            2 => {
                let length = self.number()?;
                Value::Bytes(self.take(length)?)
            }
            5 => Value::Word(self.take(4)?.try_into().map(u32::from_le_bytes).unwrap_or_default()),
            other => return Err(format!("it is no SentencePiece model: it has a field of type {other}")),
        };
        Ok((key >> 3, value))
    }

    /// Seven bits a byte, low ones first, as long as the eighth is set.
    fn number(&mut self) -> Result<u64, String> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.take(1)?[0];
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err("it is no SentencePiece model: it has a number of more than 64 bits".into())
    }

    fn take(&mut self, length: u64) -> Result<&'a [u8], String> {
        let there = self.rest.len();
        let taken = usize::try_from(length).ok().and_then(|length| self.rest.split_at_checked(length));
        let (taken, rest) = taken
            .ok_or_else(|| format!("it is cut short: a field claims {length} bytes; there are {there}"))?;
        self.rest = rest;
        Ok(taken)
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u64, Value<'a>), String>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() || self.failed {
            return None;
        }
        let field = self.field();
        self.failed = field.is_err();
        Some(field)
    }
}
