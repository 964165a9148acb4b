//! Pictures for login pages. What is uploaded is never shown: it is read as a picture, made small,
//! and written anew, so that nothing but its pixels is left.

use std::io::Cursor;

use image::codecs::png::PngEncoder;
use image::imageops::FilterType;
use image::{DynamicImage, ImageFormat, ImageReader, Limits};

/// The largest file.
pub const MOST_BYTES: usize = 512 * 1024;
/// The largest picture that is read: a small file can claim a huge one.
const MOST_PIXELS: u32 = 4_000;
/// Memory for reading one.
const MOST_MEMORY: u64 = 64 * 1024 * 1024;
/// What is kept fits into this: twice what the page shows, for sharp screens.
const WIDEST: u32 = 640;
const HIGHEST: u32 = 160;

/// A picture of our own making.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remade {
    pub png: Vec<u8>,
    pub size: (u32, u32),
}

/// Why a file is no picture for a login page, in words for whoever chose it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoPicture {
    #[error("Choose a PNG, JPEG or WebP picture")]
    OtherFormat,
    #[error("This picture is damaged, or larger than 4000 by 4000 pixels")]
    Unreadable,
}

/// Reads a picture and writes it anew.
pub fn remake(bytes: &[u8]) -> Result<Remade, NoPicture> {
    let mut reader = ImageReader::new(Cursor::new(bytes))
        .with_guessed_format()
        .map_err(|_| NoPicture::Unreadable)?;
    // By its first bytes, whatever its name says. No SVG: it is a program.
    if !matches!(
        reader.format(),
        Some(ImageFormat::Png | ImageFormat::Jpeg | ImageFormat::WebP)
    ) {
        return Err(NoPicture::OtherFormat);
    }
    let mut limits = Limits::default();
    limits.max_image_width = Some(MOST_PIXELS);
    limits.max_image_height = Some(MOST_PIXELS);
    limits.max_alloc = Some(MOST_MEMORY);
    reader.limits(limits);
    let picture = reader.decode().map_err(|_| NoPicture::Unreadable)?;
    let picture = fitted(picture);
    let size = (picture.width(), picture.height());
    let mut png = Vec::new();
    DynamicImage::from(picture.into_rgba8())
        .write_with_encoder(PngEncoder::new(&mut png))
        .map_err(|_| NoPicture::Unreadable)?;
    Ok(Remade { png, size })
}

/// Never larger than it came.
fn fitted(picture: DynamicImage) -> DynamicImage {
    if picture.width() <= WIDEST && picture.height() <= HIGHEST {
        return picture;
    }
    picture.resize(WIDEST, HIGHEST, FilterType::Lanczos3)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(width: u32, height: u32, format: ImageFormat) -> Vec<u8> {
        let mut bytes = Cursor::new(Vec::new());
        let pixels = image::RgbImage::from_fn(width, height, |x, y| {
            image::Rgb([(x % 256) as u8, (y % 256) as u8, 120])
        });
        pixels.write_to(&mut bytes, format).unwrap();
        bytes.into_inner()
    }

    #[test]
    fn a_picture_is_made_small_and_written_anew() {
        for format in [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::WebP] {
            let made = remake(&encoded(1_000, 500, format)).unwrap();
            assert_eq!(made.size, (320, 160), "{format:?}");
            assert!(made.png.starts_with(b"\x89PNG\r\n\x1a\n"));
        }
        assert_eq!(
            remake(&encoded(40, 20, ImageFormat::Png)).unwrap().size,
            (40, 20)
        );
    }

    #[test]
    fn nothing_that_was_hidden_in_the_file_is_left() {
        let mut hostile = encoded(40, 20, ImageFormat::Png);
        hostile.extend_from_slice(b"<script>alert(1)</script>PK\x03\x04");
        let made = remake(&hostile).unwrap();
        assert!(!made.png.windows(7).any(|part| part == b"<script"));
    }

    #[test]
    fn what_is_no_picture_is_refused_without_being_read_far() {
        let svg = b"<svg xmlns=\"http://www.w3.org/2000/svg\"><script>alert(1)</script></svg>";
        let gif = b"GIF89a\x01\x00\x01\x00\x00\x00\x00;";
        for other in [
            svg.as_slice(),
            gif,
            b"",
            b"<!DOCTYPE html>",
            b"%PDF-1.7",
            b"BM\0\0",
        ] {
            assert_eq!(remake(other), Err(NoPicture::OtherFormat));
        }
        let whole = encoded(40, 20, ImageFormat::Png);
        assert_eq!(
            remake(&whole[..whole.len() / 2]),
            Err(NoPicture::Unreadable)
        );
        // Claims 60000 by 60000 pixels.
        let mut huge = whole.clone();
        huge[16..24].copy_from_slice(&[0, 0, 0xea, 0x60, 0, 0, 0xea, 0x60]);
        assert_eq!(remake(&huge), Err(NoPicture::Unreadable));
        assert_eq!(
            remake(&encoded(4_001, 1, ImageFormat::Png)),
            Err(NoPicture::Unreadable)
        );
    }
}
