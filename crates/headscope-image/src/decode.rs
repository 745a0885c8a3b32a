//! Files to rows of red, green and blue, as Pillow's `convert("RGB")` makes them: alpha is dropped, not blended;
//! of 16 bits the upper 8 are kept, but a grey of 16 bits ends at 255; an orientation that a camera noted is not
//! looked at, as transformers does not.

use std::fs;
use std::io::Cursor;
use std::path::Path;

use png::{BitDepth, ColorType, Transformations};

use crate::{ImageError, jpeg};

/// The most pixels that are decoded: a small file can claim any number.
const MAX_PIXELS: usize = 1 << 26;

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n";
const JPEG: &[u8] = b"\xff\xd8\xff";

/// An image in 8 bits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// Its rows.
    pub height: usize,
    /// Its columns.
    pub width: usize,
    /// Red, green and blue of every pixel, row by row.
    pub rgb: Vec<u8>,
}

/// Whether a file that begins so is a png or a jpeg.
pub fn is_image(head: &[u8]) -> bool {
    head.starts_with(PNG) || head.starts_with(JPEG)
}

impl Image {
    /// Reads a png or jpeg file.
    ///
    /// # Errors
    /// If it cannot be read, or is no whole png or jpeg, or has too many pixels.
    pub fn open(path: impl AsRef<Path>) -> Result<Image, ImageError> {
        let path = path.as_ref();
        let bytes = fs::read(path).map_err(|source| ImageError::Io { path: path.to_owned(), source })?;
        Image::decode(&bytes, &path.display().to_string())
    }

    /// Reads an image from the bytes of its file; `file` names them in errors.
    ///
    /// # Errors
    /// As [`open`](Image::open).
    pub fn decode(bytes: &[u8], file: &str) -> Result<Image, ImageError> {
        let damaged =
            |kind| move |detail: String| ImageError::Damaged { file: file.to_owned(), kind, detail };
        let allowed = |width: usize, height: usize| match width.saturating_mul(height) <= MAX_PIXELS {
            true => Ok(()),
            false => Err(ImageError::TooLarge { file: file.to_owned(), width, height, limit: MAX_PIXELS }),
        };
        if bytes.starts_with(PNG) {
            return decode_png(bytes, &allowed, &damaged("png"));
        }
        if bytes.starts_with(JPEG) {
            let mut refused = None;
            let may = |width, height| {
                refused = allowed(width, height).err();
                refused.is_none()
            };
            let image = jpeg::decode(bytes, may).map_err(damaged("jpeg"))?;
            return image.ok_or_else(|| refused.unwrap_or(ImageError::NoImage { file: file.to_owned() }));
        }
        Err(ImageError::NoImage { file: file.to_owned() })
    }
}

type Allowed<'a> = &'a dyn Fn(usize, usize) -> Result<(), ImageError>;
type Damaged<'a> = &'a dyn Fn(String) -> ImageError;

fn decode_png(bytes: &[u8], allowed: Allowed<'_>, damaged: Damaged<'_>) -> Result<Image, ImageError> {
    let mut decoder = png::Decoder::new(Cursor::new(bytes));
    decoder.set_transformations(Transformations::EXPAND);
    let fault = |e: png::DecodingError| damaged(e.to_string());
    let mut reader = decoder.read_info().map_err(fault)?;
    let (width, height) = (reader.info().width as usize, reader.info().height as usize);
    allowed(width, height)?;
    let (color, depth) = reader.output_color_type();
    let len = reader.output_buffer_size().ok_or_else(|| damaged("it is too large".into()))?;
    let mut samples = vec![0; len];
    reader.next_frame(&mut samples).map_err(fault)?;

    // Of 16 bits, the first byte is the upper one. Pillow keeps a grey's 16 bits and cuts them at 255.
    let bytes_each = if depth == BitDepth::Sixteen { 2 } else { 1 };
    let grey16 = reader.info().color_type == ColorType::Grayscale && bytes_each == 2;
    let sample = |pixel: &[u8], i: usize| match grey16 {
        true if pixel[0] > 0 => 255,
        true => pixel[1],
        false => pixel[i * bytes_each],
    };
    let (channels, places) = match color {
        ColorType::Grayscale => (1, [0; 3]),
        ColorType::GrayscaleAlpha => (2, [0; 3]),
        ColorType::Rgb => (3, [0, 1, 2]),
        ColorType::Rgba => (4, [0, 1, 2]),
        ColorType::Indexed => return Err(damaged("its palette is missing".into())),
    };
    let pixels = samples.chunks_exact(channels * bytes_each);
    let rgb = pixels.flat_map(|pixel| places.map(|place| sample(pixel, place))).collect();
    Ok(Image { height, width, rgb })
}
