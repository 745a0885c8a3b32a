//! What is done to an image before a model sees it, as `preprocessor_config.json` tells.

use headscope_trace::Tensor;
use serde_json::{Map, Value};

use crate::{Filter, Image, ImageError};

/// The longest side that an image is resized to.
const MAX_SIDE: usize = 4096;

/// What a family's images go through where its folder does not say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Usual {
    /// ViT's: resized to the size of the model.
    Vit,
    /// DeiT's: resized to 256/224 of the model's size, and the middle taken.
    Deit,
    /// DINOv2's: the shorter side to 256 pixels, and the middle 224 x 224 taken.
    Dinov2,
}

/// Resizes, cuts, scales and normalises, in this order.
#[derive(Debug, Clone, PartialEq)]
pub struct Processor {
    file: String,
    resize: Option<(Size, Filter)>,
    crop: Option<[usize; 2]>,
    rescale: Option<f64>,
    normalize: Option<[[f32; 3]; 2]>, // mean, deviation
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Size {
    /// Height and width.
    Exact([usize; 2]),
    /// The shorter side; the other keeps its ratio.
    Shortest(usize),
}

/// An image as a model takes it, and as a person sees what that is.
#[derive(Debug, Clone, PartialEq)]
pub struct Prepared {
    /// `[3, height, width]`.
    pub pixels: Tensor,
    /// The same pixels before they were scaled and normalised.
    pub shown: Image,
}

const CLIP: [[f32; 3]; 2] =
    [[0.481_454_66, 0.457_827_5, 0.408_210_73], [0.268_629_54, 0.261_302_6, 0.275_777_1]];
const IMAGENET: [[f32; 3]; 2] = [[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]];
const STANDARD: [[f32; 3]; 2] = [[0.5; 3]; 2];

/// Settings that change nothing of what is done to one image.
const WITHOUT_EFFECT: [&str; 11] = [
    "image_processor_type",
    "feature_extractor_type",
    "processor_class",
    "do_convert_rgb", // always done
    "data_format",
    "input_data_format",
    "return_tensors",
    "device",
    "disable_grouping",
    "_valid_processor_keys",
    "auto_map",
];

impl Processor {
    /// What a family's images usually go through, for a model of images of this height and width.
    pub fn usual(usual: Usual, [height, width]: [usize; 2]) -> Processor {
        let (resize, crop, normalize) = match usual {
            Usual::Vit => ((Size::Exact([height, width]), Filter::Bilinear), None, STANDARD),
            Usual::Deit => {
                let larger = [height, width].map(|side| side * 256 / 224);
                ((Size::Exact(larger), Filter::Bicubic), Some([height, width]), IMAGENET)
            }
            Usual::Dinov2 => ((Size::Shortest(256), Filter::Bicubic), Some([224; 2]), IMAGENET),
        };
        Processor {
            file: "the usual preprocessing".into(),
            resize: Some(resize),
            crop,
            rescale: Some(1.0 / 255.0),
            normalize: Some(normalize),
        }
    }

    /// What `preprocessor_config.json` says; `file` names it in errors.
    ///
    /// # Errors
    /// If it does not parse, or a setting is malformed, unknown or not supported.
    pub fn read(json: &[u8], file: &str) -> Result<Processor, ImageError> {
        let parsed = serde_json::from_slice(json).map_err(|e| ImageError::Setting {
            file: file.into(),
            key: "the file".into(),
            detail: format!("is no JSON object: {e}"),
        });
        Settings { file: file.into(), values: parsed? }.read()
    }

    /// Makes of an image what a model takes.
    ///
    /// # Errors
    /// If the image is so long that keeping its ratio makes it longer than is sensible.
    pub fn prepare(&self, image: &Image) -> Result<Prepared, ImageError> {
        let mut shown = image.clone();
        if let Some((size, filter)) = self.resize {
            let [height, width] = self.sides(size, image)?;
            shown = shown.resize(height, width, filter);
        }
        if let Some([height, width]) = self.crop {
            let corner = |had: usize, wanted: usize| (had as isize - wanted as isize).div_euclid(2);
            shown = shown.cut([corner(shown.height, height), corner(shown.width, width)], height, width);
        }
        let [mean, deviation] = self.normalize.unwrap_or([[0.0; 3], [1.0; 3]]);
        let channel = |c: usize| {
            let value = move |pixel: &u8| {
                // The order and the precisions of transformers.
                let scaled = (f64::from(*pixel) * self.rescale.unwrap_or(1.0)) as f32;
                if self.normalize.is_some() { (scaled - mean[c]) / deviation[c] } else { scaled }
            };
            shown.rgb.iter().skip(c).step_by(3).map(value)
        };
        let pixels = (0..3).flat_map(channel).collect();
        Ok(Prepared { pixels: Tensor::new([3, shown.height, shown.width], pixels), shown })
    }

    /// The height and width that an image is resized to.
    fn sides(&self, size: Size, image: &Image) -> Result<[usize; 2], ImageError> {
        let short = match size {
            Size::Exact(sides) => return Ok(sides),
            Size::Shortest(short) => short,
        };
        let &Image { height, width, .. } = image;
        let long = (short as f64 * height.max(width) as f64 / height.min(width) as f64) as usize;
        let [new_height, new_width] = if width <= height { [long, short] } else { [short, long] };
        if long > 4 * MAX_SIDE {
            return Err(ImageError::Stretched {
                file: self.file.clone(),
                width,
                height,
                new_width,
                new_height,
                limit: 4 * MAX_SIDE,
            });
        }
        Ok([new_height, new_width])
    }
}

/// What a type of processor does where its file says nothing.
struct Kind {
    name: &'static str,
    size: Size,
    crop: Option<[usize; 2]>,
    filter: Filter,
    normalize: [[f32; 3]; 2],
    /// Whether one number is a square or the shorter side.
    square: bool,
}

const KINDS: [Kind; 3] = [
    Kind {
        name: "ViT",
        size: Size::Exact([224; 2]),
        crop: None,
        filter: Filter::Bilinear,
        normalize: STANDARD,
        square: true,
    },
    Kind {
        name: "DeiT",
        size: Size::Exact([256; 2]),
        crop: Some([224; 2]),
        filter: Filter::Bicubic,
        normalize: STANDARD,
        square: true,
    },
    Kind {
        name: "Bit",
        size: Size::Shortest(224),
        crop: Some([224; 2]),
        filter: Filter::Bicubic,
        normalize: CLIP,
        square: false,
    },
];

/// The file, key by key.
struct Settings {
    file: String,
    values: Map<String, Value>,
}

impl Settings {
    fn read(mut self) -> Result<Processor, ImageError> {
        let kind = self.kind()?;
        let on = |s: &mut Settings, key: &str, usual: bool| {
            s.take(key, Value::as_bool, "true or false").map(|v| v.unwrap_or(usual))
        };
        let do_resize = on(&mut self, "do_resize", true)?;
        let do_crop = on(&mut self, "do_center_crop", kind.crop.is_some())?;
        let do_rescale = on(&mut self, "do_rescale", true)?;
        let do_normalize = on(&mut self, "do_normalize", true)?;
        if on(&mut self, "do_pad", false)? {
            return Err(self.fault("do_pad", "is true; padding is not supported".into()));
        }
        let square = on(&mut self, "default_to_square", kind.square)?;
        let size = self.size("size", if square { Size::Exact([0; 2]) } else { Size::Shortest(0) })?;
        let crop = match self.size("crop_size", Size::Exact([0; 2]))? {
            Some(Size::Shortest(_)) => {
                return Err(self.fault("crop_size", "has shortest_edge; expected height and width".into()));
            }
            Some(Size::Exact(sides)) => sides,
            None => kind.crop.unwrap_or([224; 2]),
        };
        let filter = self.filter(kind.filter)?;
        let factor = self.take("rescale_factor", Value::as_f64, "a number")?.unwrap_or(1.0 / 255.0);
        let mean = self.channels("image_mean", kind.normalize[0])?;
        let deviation = self.channels("image_std", kind.normalize[1])?;
        if do_normalize && deviation.contains(&0.0) {
            return Err(self.fault("image_std", "holds a 0; expected other numbers".into()));
        }
        self.nothing_else()?;
        Ok(Processor {
            resize: do_resize.then_some((size.unwrap_or(kind.size), filter)),
            crop: do_crop.then_some(crop),
            rescale: do_rescale.then_some(factor),
            normalize: do_normalize.then_some([mean, deviation]),
            file: self.file,
        })
    }

    /// The type of processor, in any of the ways it has been named over the years.
    fn kind(&mut self) -> Result<&'static Kind, ImageError> {
        let (key, name) = ["image_processor_type", "feature_extractor_type"]
            .into_iter()
            .find_map(|key| Some((key, self.values.get(key)?.as_str()?.to_owned())))
            .ok_or_else(|| {
                self.fault("image_processor_type", format!("is missing; supported are {}", supported()))
            })?;
        let stem = name.trim_end_matches("Fast").trim_end_matches("Pil");
        let stem = stem.strip_suffix("ImageProcessor").or_else(|| stem.strip_suffix("FeatureExtractor"));
        KINDS
            .iter()
            .find(|kind| Some(kind.name) == stem)
            .ok_or_else(|| self.fault(key, format!("is {name:?}; supported are {}", supported())))
    }

    /// One side or several, in the forms they have had: a number, a list, or an object.
    fn size(&mut self, key: &str, of_one: Size) -> Result<Option<Size>, ImageError> {
        let Some(value) = self.values.remove(key).filter(|value| !value.is_null()) else { return Ok(None) };
        let side = |value: &Value| {
            let side = value.as_u64().and_then(|side| usize::try_from(side).ok());
            side.filter(|side| (1..=MAX_SIDE).contains(side))
        };
        let size = match &value {
            Value::Number(_) => side(&value).map(|side| match of_one {
                Size::Exact(_) => Size::Exact([side; 2]),
                Size::Shortest(_) => Size::Shortest(side),
            }),
            Value::Array(sides) => match &sides[..] {
                [height, width] => side(height).zip(side(width)).map(|(h, w)| Size::Exact([h, w])),
                _ => None,
            },
            Value::Object(sides) => {
                let given = |name: &str| sides.get(name).filter(|value| !value.is_null());
                let names = sides.iter().filter(|(_, value)| !value.is_null()).count();
                match (given("height"), given("width"), given("shortest_edge")) {
                    (Some(height), Some(width), None) if names == 2 => {
                        side(height).zip(side(width)).map(|(h, w)| Size::Exact([h, w]))
                    }
                    (None, None, Some(short)) if names == 1 => side(short).map(Size::Shortest),
                    _ => None,
                }
            }
            _ => None,
        };
        let expected = format!("height and width, or shortest_edge, each from 1 to {MAX_SIDE}");
        size.map(Some).ok_or_else(|| self.fault(key, format!("is {value}; expected {expected}")))
    }

    /// Pillow's number for a filter.
    fn filter(&mut self, usual: Filter) -> Result<Filter, ImageError> {
        match self.take("resample", Value::as_u64, "a number")? {
            None => Ok(usual),
            Some(1) => Ok(Filter::Lanczos),
            Some(2) => Ok(Filter::Bilinear),
            Some(3) => Ok(Filter::Bicubic),
            Some(4) => Ok(Filter::Box),
            Some(5) => Ok(Filter::Hamming),
            Some(other) => {
                let supported = "1 (Lanczos), 2 (bilinear), 3 (bicubic), 4 (box), 5 (Hamming)";
                Err(self.fault("resample", format!("is {other}; supported are {supported}")))
            }
        }
    }

    /// One number for each channel, or one for all.
    fn channels(&mut self, key: &str, usual: [f32; 3]) -> Result<[f32; 3], ImageError> {
        let number = |value: &Value| value.as_f64().map(|n| n as f32).filter(|n| n.is_finite());
        let read = |value: &Value| match value.as_array().map(Vec::as_slice) {
            None => number(value).map(|number| [number; 3]),
            Some([r, g, b]) => Some([number(r)?, number(g)?, number(b)?]),
            Some(_) => None,
        };
        Ok(self.take(key, read, "a number, or three")?.unwrap_or(usual))
    }

    /// Takes the value of `key` out of the settings, unless it is absent or null.
    fn take<T>(
        &mut self,
        key: &str,
        read: impl Fn(&Value) -> Option<T>,
        expected: &str,
    ) -> Result<Option<T>, ImageError> {
        match self.values.remove(key) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => {
                let fault = || self.fault(key, format!("is {value}; expected {expected}"));
                read(&value).map(Some).ok_or_else(fault)
            }
        }
    }

    /// Refuses what is left and could have an effect.
    fn nothing_else(&self) -> Result<(), ImageError> {
        let idle = |key: &str, value: &Value| value.is_null() || WITHOUT_EFFECT.contains(&key);
        match self.values.iter().find(|(key, value)| !idle(key, value)) {
            Some((key, value)) => Err(self.fault(key, format!("is {value}; it is not supported"))),
            None => Ok(()),
        }
    }

    fn fault(&self, key: &str, detail: String) -> ImageError {
        ImageError::Setting { file: self.file.clone(), key: key.into(), detail }
    }
}

fn supported() -> String {
    KINDS.map(|kind| format!("{}ImageProcessor", kind.name)).join(", ")
}
