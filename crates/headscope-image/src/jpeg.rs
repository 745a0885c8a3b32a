//! JPEG (ITU-T T.81), baseline and progressive, as libjpeg-turbo decodes it and so Pillow: to the bit.
//!
//! Decoders agree on coefficients and differ in what comes after, by one or two of 255, which a model sees. So
//! the steps after are libjpeg's: its accurate integer transform, its triangle filter between sparser samples
//! of colour, and its fixed-point colours.

use crate::Image;

type Fallible<T> = Result<T, String>;

/// The order in which a block's coefficients are stored.
const ZIGZAG: [usize; 64] = [
    0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7,
    14, 21, 28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39,
    46, 53, 60, 61, 54, 47, 55, 62, 63,
];

/// Decodes a file, unless its width and height are not allowed.
pub(crate) fn decode(bytes: &[u8], mut allowed: impl FnMut(usize, usize) -> bool) -> Fallible<Option<Image>> {
    let mut decoder = Decoder::default();
    let mut reader = Reader { bytes, at: 2 };
    loop {
        match reader.marker()? {
            0xd9 => break,
            0x01 | 0xd0..=0xd7 => {}
            marker => {
                let segment = reader.segment()?;
                match marker {
                    0xc0..=0xc2 => {
                        decoder.start_frame(segment, marker == 0xc2)?;
                        let frame = decoder.frame.as_ref().ok_or("it has no frame")?;
                        if !allowed(frame.width, frame.height) {
                            return Ok(None);
                        }
                    }
                    0xc4 => decoder.huffman_tables(segment)?,
                    0xc3 | 0xc5..=0xc7 | 0xc9..=0xcf => {
                        return Err(format!("its coding (SOF{}) is not supported", marker - 0xc0));
                    }
                    0xda => reader.at = decoder.scan(segment, bytes, reader.at)?,
                    0xdb => decoder.quantization_tables(segment)?,
                    0xdd => decoder.restart = usize::from(u16_at(segment, 0)?),
                    0xe0 => decoder.jfif |= segment.starts_with(b"JFIF\0"),
                    0xee if segment.starts_with(b"Adobe") => decoder.adobe = segment.get(11).copied(),
                    _ => {}
                }
            }
        }
    }
    decoder.finish().map(Some)
}

/// Reads markers and their segments.
struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn marker(&mut self) -> Fallible<u8> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        // Whatever stands before a marker is skipped, as are the bytes that fill up to it.
        let at = rest.windows(2).position(|pair| pair[0] == 0xff && pair[1] != 0 && pair[1] != 0xff);
        let at = at.ok_or("it ends before its end marker")?;
        self.at += at + 2;
        Ok(rest[at + 1])
    }

    fn segment(&mut self) -> Fallible<&'a [u8]> {
        let len = usize::from(u16_at(self.bytes, self.at)?);
        let segment = self.bytes.get(self.at + 2..self.at + len.max(2)).ok_or("a segment is cut short")?;
        self.at += len.max(2);
        Ok(segment)
    }
}

fn u8_at(bytes: &[u8], at: usize) -> Fallible<u8> {
    bytes.get(at).copied().ok_or_else(|| "a segment is cut short".into())
}

fn u16_at(bytes: &[u8], at: usize) -> Fallible<u16> {
    Ok(u16::from_be_bytes([u8_at(bytes, at)?, u8_at(bytes, at + 1)?]))
}

#[derive(Default)]
struct Decoder {
    frame: Option<Frame>,
    quantization: [Option<[i32; 64]>; 4],
    dc: [Option<Huffman>; 4],
    ac: [Option<Huffman>; 4],
    restart: usize,
    jfif: bool,
    adobe: Option<u8>,
}

struct Frame {
    width: usize,
    height: usize,
    progressive: bool,
    components: Vec<Component>,
    /// The most samples, across and down, that a component has for a unit of the image.
    most: [usize; 2],
}

/// Brightness or a colour.
struct Component {
    id: u8,
    /// Samples across and down for each unit of the image.
    sampling: [usize; 2],
    table: usize,
    quantization: Option<[i32; 64]>,
    /// Samples across and down that the image needs.
    size: [usize; 2],
    /// Blocks across, filled up to whole units.
    stride: usize,
    blocks: Vec<[i16; 64]>,
}

/// A code of T.81, annex C.
struct Huffman {
    /// For each length, the code after the last.
    ends: [i32; 17],
    /// For each length, what is added to a code to find its value.
    offsets: [i32; 17],
    values: Vec<u8>,
}

impl Decoder {
    fn quantization_tables(&mut self, mut segment: &[u8]) -> Fallible<()> {
        while let Some((&head, rest)) = segment.split_first() {
            let (wide, len) = if head >> 4 == 0 { (false, 64) } else { (true, 128) };
            let slot =
                self.quantization.get_mut(usize::from(head & 15)).ok_or("a table has a number above 3")?;
            let mut table = [0; 64];
            for (i, place) in ZIGZAG.into_iter().enumerate() {
                table[place] = match wide {
                    true => i32::from(u16_at(rest, 2 * i)?),
                    false => i32::from(u8_at(rest, i)?),
                };
            }
            *slot = Some(table);
            segment = &rest[len..];
        }
        Ok(())
    }

    fn huffman_tables(&mut self, mut segment: &[u8]) -> Fallible<()> {
        while let Some((&head, rest)) = segment.split_first() {
            let (counts, rest) = rest.split_first_chunk::<16>().ok_or("a table is cut short")?;
            let n = counts.iter().map(|n| usize::from(*n)).sum();
            let (values, rest) = rest.split_at_checked(n).ok_or("a table is cut short")?;
            let (mut ends, mut offsets, mut code, mut first) = ([0; 17], [0; 17], 0, 0);
            for (len, n) in (1..).zip(counts) {
                offsets[len] = first - code;
                code += i32::from(*n);
                first += i32::from(*n);
                ends[len] = code;
                code <<= 1;
            }
            let tables = if head >> 4 == 0 { &mut self.dc } else { &mut self.ac };
            let slot = tables.get_mut(usize::from(head & 15)).ok_or("a table has a number above 3")?;
            *slot = Some(Huffman { ends, offsets, values: values.to_vec() });
            segment = rest;
        }
        Ok(())
    }

    fn start_frame(&mut self, segment: &[u8], progressive: bool) -> Fallible<()> {
        if self.frame.is_some() {
            return Err("it has two frames".into());
        }
        if u8_at(segment, 0)? != 8 {
            return Err(format!("its samples have {} bits; 8 are supported", segment[0]));
        }
        let (height, width) = (usize::from(u16_at(segment, 1)?), usize::from(u16_at(segment, 3)?));
        let n = usize::from(u8_at(segment, 5)?);
        if width == 0 || height == 0 {
            return Err(format!("it has {width} x {height} pixels"));
        }
        if n != 1 && n != 3 {
            return Err(format!("it has {n} colours; 1 (grey) and 3 are supported"));
        }
        let part = |i: usize| -> Fallible<(u8, [usize; 2], usize)> {
            let (id, sampling, table) =
                (u8_at(segment, 6 + 3 * i)?, u8_at(segment, 7 + 3 * i)?, u8_at(segment, 8 + 3 * i)?);
            let sampling = [usize::from(sampling >> 4), usize::from(sampling & 15)];
            match sampling.iter().all(|s| (1..=4).contains(s)) && table < 4 {
                true => Ok((id, sampling, usize::from(table))),
                false => Err(format!("its colour {i} is sampled {} x {}", sampling[0], sampling[1])),
            }
        };
        let parts: Vec<_> = (0..n).map(part).collect::<Fallible<_>>()?;
        let most = [0, 1].map(|axis| parts.iter().map(|(_, sampling, _)| sampling[axis]).max().unwrap_or(1));
        let units = [width.div_ceil(8 * most[0]), height.div_ceil(8 * most[1])];
        let component = |(id, sampling, table): (u8, [usize; 2], usize)| Component {
            id,
            sampling,
            table,
            quantization: None,
            size: [(width * sampling[0]).div_ceil(most[0]), (height * sampling[1]).div_ceil(most[1])],
            stride: units[0] * sampling[0],
            blocks: Vec::new(), // not before a scan: a header alone may claim any size
        };
        let components = parts.into_iter().map(component).collect();
        self.frame = Some(Frame { width, height, progressive, components, most });
        Ok(())
    }

    /// Decodes one scan; returns where it ends.
    fn scan(&mut self, segment: &[u8], bytes: &[u8], at: usize) -> Fallible<usize> {
        let frame = self.frame.as_mut().ok_or("a scan comes before the frame")?;
        let n = usize::from(u8_at(segment, 0)?);
        let mut parts = Vec::new();
        for i in 0..n {
            let (id, tables) = (u8_at(segment, 1 + 2 * i)?, u8_at(segment, 2 + 2 * i)?);
            let index = frame.components.iter().position(|component| component.id == id);
            let index = index.ok_or("a scan is of a colour that there is not")?;
            if parts.iter().any(|part: &Part<'_>| part.index == index) {
                return Err("a scan has a colour twice".into());
            }
            let table = |tables: &'_ [Option<Huffman>; 4], i: u8| -> Fallible<usize> {
                let i = usize::from(i);
                if i < tables.len() { Ok(i) } else { Err("a scan has a table above 3".into()) }
            };
            let (dc, ac) = (table(&self.dc, tables >> 4)?, table(&self.ac, tables & 15)?);
            parts.push(Part { index, dc: self.dc[dc].as_ref(), ac: self.ac[ac].as_ref() });
        }
        let bits = u8_at(segment, 3 + 2 * n)?;
        let band = Band {
            first: usize::from(u8_at(segment, 1 + 2 * n)?),
            last: usize::from(u8_at(segment, 2 + 2 * n)?),
            refines: frame.progressive && bits >> 4 != 0,
            shift: if frame.progressive { u32::from(bits & 15) } else { 0 },
            progressive: frame.progressive,
        };
        let whole = !frame.progressive && (band.first, band.last) != (0, 63);
        if n == 0 || whole || band.last > 63 || band.first > band.last || band.shift > 13 {
            return Err("a scan is of coefficients that there are not".into());
        }
        if band.progressive && (band.first == 0) != (band.last == 0) || (n > 1 && band.first > 0) {
            return Err("a scan mixes what stands in scans of their own".into());
        }
        for part in &parts {
            let component = &mut frame.components[part.index];
            let table = self.quantization[component.table];
            component.quantization = component.quantization.or(table);
            if component.blocks.is_empty() {
                let units = frame.height.div_ceil(8 * frame.most[1]);
                component.blocks = vec![[0; 64]; component.stride * units * component.sampling[1]];
            }
        }
        Scan { bits: Bits { bytes, at, byte: 0, left: 0 }, before: [0; 4], skip: 0, restart: self.restart }
            .decode(frame, &parts, band)
    }

    fn finish(self) -> Fallible<Image> {
        let frame = self.frame.ok_or("it has no frame")?;
        let planes: Vec<Vec<u8>> =
            frame.components.iter().map(|c| plane(c, &frame)).collect::<Fallible<_>>()?;
        let ids: Vec<u8> = frame.components.iter().map(|component| component.id).collect();
        let is_rgb = !self.jfif && (self.adobe == Some(0) || (self.adobe.is_none() && ids == *b"RGB"));
        let rgb = match &planes[..] {
            [grey] => grey.iter().flat_map(|grey| [*grey; 3]).collect(),
            [r, g, b] if is_rgb => r.iter().zip(g).zip(b).flat_map(|((r, g), b)| [*r, *g, *b]).collect(),
            [y, cb, cr] => y.iter().zip(cb).zip(cr).flat_map(|((y, cb), cr)| colour(*y, *cb, *cr)).collect(),
            _ => return Err("it has another number of colours".into()),
        };
        Ok(Image { height: frame.height, width: frame.width, rgb })
    }
}

// ---- coefficients ----------------------------------------------------------------------------

/// A component in a scan, with its codes.
struct Part<'a> {
    index: usize,
    dc: Option<&'a Huffman>,
    ac: Option<&'a Huffman>,
}

/// What a scan tells of each block.
#[derive(Clone, Copy)]
struct Band {
    first: usize,
    last: usize,
    /// Whether it adds a bit to what is known.
    refines: bool,
    shift: u32,
    progressive: bool,
}

struct Scan<'a> {
    bits: Bits<'a>,
    /// The last mean of each component.
    before: [i32; 4],
    /// Blocks of which nothing more is told.
    skip: u32,
    restart: usize,
}

impl Scan<'_> {
    fn decode(mut self, frame: &mut Frame, parts: &[Part<'_>], band: Band) -> Fallible<usize> {
        // Of one component its own blocks follow each other, of several the units of the image.
        let (units, inside) = match parts {
            [one] => {
                let component = &frame.components[one.index];
                (component.size.map(|samples| samples.div_ceil(8)), vec![[1, 1]])
            }
            _ => {
                let units =
                    [frame.width.div_ceil(8 * frame.most[0]), frame.height.div_ceil(8 * frame.most[1])];
                (units, parts.iter().map(|part| frame.components[part.index].sampling).collect())
            }
        };
        for unit in 0..units[0] * units[1] {
            if self.restart > 0 && unit > 0 && unit.is_multiple_of(self.restart) {
                self.bits.restart()?;
                (self.before, self.skip) = ([0; 4], 0);
            }
            let [x, y] = [unit % units[0], unit / units[0]];
            for (part, [across, down]) in parts.iter().zip(&inside) {
                let component = &mut frame.components[part.index];
                for i in 0..across * down {
                    let at = (y * down + i / across) * component.stride + x * across + i % across;
                    self.block(&mut component.blocks[at], part, band)?;
                }
            }
        }
        Ok(self.bits.at)
    }

    fn block(&mut self, block: &mut [i16; 64], part: &Part<'_>, band: Band) -> Fallible<()> {
        let dc = || part.dc.ok_or("a scan has no table");
        let ac = || part.ac.ok_or("a scan has no table");
        match (band.first, band.refines) {
            (0, false) => {
                let len = self.bits.symbol(dc()?)?;
                let before = &mut self.before[part.index];
                *before = before.wrapping_add(self.bits.signed(len)?);
                block[0] = (*before << band.shift) as i16;
                if band.progressive { Ok(()) } else { self.told(block, ac()?, Band { first: 1, ..band }) }
            }
            (0, true) => {
                block[0] |= (self.bits.bit()? << band.shift) as i16;
                Ok(())
            }
            (_, false) => self.told(block, ac()?, band),
            (_, true) => self.refined(block, ac()?, band),
        }
    }

    /// The coefficients of a band, for the first time.
    fn told(&mut self, block: &mut [i16; 64], table: &Huffman, band: Band) -> Fallible<()> {
        if self.skip > 0 {
            self.skip -= 1;
            return Ok(());
        }
        let mut k = band.first;
        while k <= band.last {
            let symbol = self.bits.symbol(table)?;
            let (run, len) = (usize::from(symbol >> 4), symbol & 15);
            match (run, len) {
                (15, 0) => k += 16,
                (run, 0) => {
                    if band.progressive {
                        self.skip = (1 << run) - 1 + self.bits.bits(run as u8)?;
                    }
                    return Ok(());
                }
                _ => {
                    k += run;
                    let place = *ZIGZAG.get(k).ok_or("a block has more than 64 numbers")?;
                    block[place] = (self.bits.signed(len)? << band.shift) as i16;
                    k += 1;
                }
            }
        }
        Ok(())
    }

    /// One more bit of a band's coefficients.
    fn refined(&mut self, block: &mut [i16; 64], table: &Huffman, band: Band) -> Fallible<()> {
        let bit = 1i16 << band.shift;
        let mut k = band.first;
        if self.skip == 0 {
            while k <= band.last {
                let symbol = self.bits.symbol(table)?;
                let (mut zeros, len) = (i32::from(symbol >> 4), symbol & 15);
                let mut new = 0;
                if len == 0 && zeros < 15 {
                    self.skip = (1 << zeros) + self.bits.bits(zeros as u8)?;
                    break;
                }
                if len != 0 {
                    new = if self.bits.bit()? == 1 { bit } else { -bit };
                }
                // So many that are still 0 are passed over; those that are not get their bit.
                while k <= band.last {
                    let value = &mut block[ZIGZAG[k]];
                    k += 1;
                    if *value != 0 {
                        self.bits.refine(value, bit)?;
                    } else if zeros == 0 {
                        *value = new;
                        break;
                    } else {
                        zeros -= 1;
                    }
                }
            }
        }
        if self.skip > 0 {
            let known = ZIGZAG[..=band.last].iter().skip(k);
            for place in known {
                if block[*place] != 0 {
                    self.bits.refine(&mut block[*place], bit)?;
                }
            }
            self.skip -= 1;
        }
        Ok(())
    }
}

struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
    byte: u8,
    left: u32,
}

impl Bits<'_> {
    fn bit(&mut self) -> Fallible<i32> {
        if self.left == 0 {
            self.byte = match (self.bytes.get(self.at), self.bytes.get(self.at + 1)) {
                (Some(0xff), Some(0)) => {
                    self.at += 1;
                    0xff
                }
                (Some(0xff) | None, _) => return Err("its data ends early".into()),
                (Some(byte), _) => *byte,
            };
            self.at += 1;
            self.left = 8;
        }
        self.left -= 1;
        Ok(i32::from(self.byte >> self.left & 1))
    }

    fn bits(&mut self, n: u8) -> Fallible<u32> {
        (0..n).try_fold(0, |bits, _| Ok(bits << 1 | self.bit()? as u32))
    }

    /// A number of so many bits, whose first says that it is positive.
    fn signed(&mut self, n: u8) -> Fallible<i32> {
        if n > 15 {
            return Err("a number has more than 15 bits".into());
        }
        let value = self.bits(n)? as i32;
        Ok(if n > 0 && value < 1 << (n - 1) { value - (1 << n) + 1 } else { value })
    }

    fn symbol(&mut self, table: &Huffman) -> Fallible<u8> {
        let mut code = 0;
        for len in 1..=16 {
            code = code << 1 | self.bit()?;
            if code < table.ends[len] {
                let value = usize::try_from(code + table.offsets[len]).ok();
                return value
                    .and_then(|at| table.values.get(at).copied())
                    .ok_or_else(|| "a code is wrong".into());
            }
        }
        Err("a code has more than 16 bits".into())
    }

    /// Reads the next bit of a coefficient that is not 0.
    fn refine(&mut self, value: &mut i16, bit: i16) -> Fallible<()> {
        if self.bit()? == 1 && *value & bit == 0 {
            *value = if *value < 0 { value.wrapping_sub(bit) } else { value.wrapping_add(bit) };
        }
        Ok(())
    }

    fn restart(&mut self) -> Fallible<()> {
        self.left = 0;
        match (self.bytes.get(self.at), self.bytes.get(self.at + 1)) {
            (Some(0xff), Some(0xd0..=0xd7)) => {
                self.at += 2;
                Ok(())
            }
            _ => Err("a restart marker is missing".into()),
        }
    }
}

// ---- samples ---------------------------------------------------------------------------------

/// A component in the size of the image.
fn plane(component: &Component, frame: &Frame) -> Fallible<Vec<u8>> {
    let table = component.quantization.ok_or("a colour has no scan, or no table")?;
    let [width, height] = component.size;
    let stride = component.stride * 8;
    let mut samples = vec![0; component.blocks.len() * 64];
    for (i, block) in component.blocks.iter().enumerate() {
        let at = i / component.stride * 8 * stride + i % component.stride * 8;
        transform(block, &table, &mut samples[at..], stride);
    }
    let rows = samples.chunks_exact(stride).take(height).map(|row| &row[..width]).collect::<Vec<_>>();
    let sparser = [0, 1].map(|axis| frame.most[axis] as f64 / component.sampling[axis] as f64);
    let taller: Vec<Vec<u16>> = (0..frame.height).map(|y| down(&rows, y, sparser, width)).collect();
    let finish = |(y, row): (usize, &Vec<u16>)| across(row, y, sparser, frame.width);
    Ok(taller.iter().enumerate().flat_map(finish).collect())
}

/// Whether colours are mixed from their neighbours; libjpeg does so where samples are half as dense (across only
/// of more than two).
fn is_smooth(sparser: [f64; 2], width: usize) -> bool {
    matches!(sparser, [2.0, 1.0 | 2.0] if width > 2) || sparser == [1.0, 2.0]
}

/// The samples for row `y` of the image; four times as large where two rows were mixed.
fn down(rows: &[&[u8]], y: usize, sparser: [f64; 2], width: usize) -> Vec<u16> {
    let near = ((y as f64 / sparser[1]) as usize).min(rows.len() - 1);
    if sparser[1] != 2.0 || !is_smooth(sparser, width) {
        return rows[near].iter().map(|sample| u16::from(*sample)).collect();
    }
    let far = if y.is_multiple_of(2) { near.saturating_sub(1) } else { (near + 1).min(rows.len() - 1) };
    rows[near].iter().zip(rows[far]).map(|(near, far)| 3 * u16::from(*near) + u16::from(*far)).collect()
}

/// The samples of row `y` in the width of the image.
fn across(row: &[u16], y: usize, sparser: [f64; 2], width: usize) -> Vec<u8> {
    let smooth = is_smooth(sparser, row.len());
    let tall = smooth && sparser[1] == 2.0;
    if !smooth || sparser[0] != 2.0 {
        let sample = |x: usize| row[((x as f64 / sparser[0]) as usize).min(row.len() - 1)];
        // Halves are rounded up and down by turns, so that no row is brighter.
        let rounded = |sample: u16| if tall { (sample + 1 + (y % 2) as u16) >> 2 } else { sample };
        return (0..width).map(|x| rounded(sample(x)) as u8).collect();
    }
    let (one, shift) = if tall { ([8, 7], 4) } else { ([1, 2], 2) };
    let mixed = |x: usize| {
        let (near, is_right) = (x / 2, x % 2);
        let far = if is_right == 1 { near + 1 } else { near.wrapping_sub(1) };
        let far = row.get(far).copied().unwrap_or(row[near]); // at the edge there is only one
        ((3 * row[near] + far + one[is_right]) >> shift) as u8
    };
    (0..width).map(mixed).collect()
}

/// Red, green and blue in fixed point.
fn colour(y: u8, cb: u8, cr: u8) -> [u8; 3] {
    let [y, cb, cr] = [i32::from(y), i32::from(cb) - 128, i32::from(cr) - 128];
    const HALF: i32 = 1 << 15;
    let r = y + ((91_881 * cr + HALF) >> 16);
    let g = y + ((-22_554 * cb - 46_802 * cr + HALF) >> 16);
    let b = y + ((116_130 * cb + HALF) >> 16);
    [r, g, b].map(|part| part.clamp(0, 255) as u8)
}

/// The samples of a block: libjpeg's accurate integer transform, columns first.
fn transform(block: &[i16; 64], table: &[i32; 64], out: &mut [u8], stride: usize) {
    let mut columns = [0i64; 64];
    for x in 0..8 {
        let column = std::array::from_fn(|y| i64::from(block[8 * y + x]) * i64::from(table[8 * y + x]));
        for (y, value) in turn(column).into_iter().enumerate() {
            columns[8 * y + x] = (value + (1 << 10)) >> 11;
        }
    }
    for (y, row) in columns.chunks_exact(8).enumerate() {
        for (x, value) in turn(std::array::from_fn(|x| row[x])).into_iter().enumerate() {
            out[y * stride + x] = (((value + (1 << 17)) >> 18) + 128).clamp(0, 255) as u8;
        }
    }
}

/// Eight numbers through the inverse cosine transform, 8192 times as large (Loeffler, Ligtenberg and Moschytz,
/// ICASSP 1989).
fn turn(x: [i64; 8]) -> [i64; 8] {
    let shared = (x[2] + x[6]) * 4433;
    let (a, b) = (shared - x[6] * 15137, shared + x[2] * 6270);
    let (sum, difference) = ((x[0] + x[4]) << 13, (x[0] - x[4]) << 13);
    let even = [sum + b, difference + a, difference - a, sum - b];

    let [z1, z2, z3, z4] = [x[7] + x[1], x[5] + x[3], x[7] + x[3], x[5] + x[1]];
    let z5 = (z3 + z4) * 9633;
    let (z1, z2) = (z1 * -7373, z2 * -20995);
    let (z3, z4) = (z3 * -16069 + z5, z4 * -3196 + z5);
    let odd = [x[1] * 12299 + z1 + z4, x[3] * 25172 + z2 + z3, x[5] * 16819 + z2 + z4, x[7] * 2446 + z1 + z3];
    std::array::from_fn(|i| if i < 4 { even[i] + odd[i] } else { even[7 - i] - odd[7 - i] })
}
