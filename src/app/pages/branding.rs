//! The name, logo, color and help link of the pages.

use std::{fs, io::Read, path::Path, str::FromStr};

use crate::{
    app::failure::Failure,
    http::endpoints::asset::{Asset, CSS, SVG},
};

/// The maximum size of a logo in bytes.
const MAX_LOGO_BYTES: u64 = 256 * 1024;

/// The default for `--brand-color`.
const GREEN: Color = Color([0x0b, 0x5a, 0x44]);

/// The background colors of the page and of cards in light and dark mode, as in `static/base.css`.
const LIGHT: [Color; 2] = [Color([0xef, 0xf2, 0xed]), Color([0xfc, 0xfd, 0xfb])];
const DARK: [Color; 2] = [Color([0x0f, 0x16, 0x13]), Color([0x18, 0x21, 0x1d])];

/// The share of the brand color in the background of messages, in percent.
const TINT: u32 = 12;

const BLACK: Color = Color([0; 3]);
const WHITE: Color = Color([0xff; 3]);

/// The minimum contrast of text in light mode (WCAG 2.2, level AA) and in dark mode. Saturated text on a dark page
/// needs more contrast to be as legible.
const MIN_CONTRAST: f64 = 4.5;
const DARK_CONTRAST: f64 = 7.0;

/// The name, logo, color and help link of the pages.
#[derive(Debug)]
pub(crate) struct Brand {
    pub(crate) name: String,
    pub(crate) logo: Option<Logo>,
    pub(crate) color: Color,
    pub(crate) help_url: Option<String>,
}

impl Brand {
    /// Returns a style sheet with colors derived from the brand color. Text on buttons, and text in the brand color, is
    /// legible in light and dark mode.
    pub(crate) fn style(&self) -> String {
        let Self { color, .. } = self;
        let colors = |accent: Color, [_, card]: [Color; 2]| {
            format!("--accent: {accent}; --tint: {}", card.mixed(accent, TINT))
        };
        let light = colors(color.legible_on(&LIGHT, MIN_CONTRAST, BLACK), LIGHT);
        let dark = colors(color.legible_on(&DARK, DARK_CONTRAST, WHITE), DARK);
        format!(
            ":root {{ {light}; --button: {color}; --on-button: {} }}\n\
             @media (prefers-color-scheme: dark) {{ :root {{ {dark} }} }}\n",
            color.text_color()
        )
    }

    /// Returns an SVG icon with the first letter of the name.
    pub(crate) fn icon(&self) -> String {
        let letter = self.name.chars().find(|c| c.is_alphanumeric()).unwrap_or('•').to_uppercase();
        let (color, text) = (self.color, self.color.text_color());
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 32 32\"><rect width=\"32\" height=\"32\" rx=\"7\" \
             fill=\"{color}\"/><text x=\"16\" y=\"23\" text-anchor=\"middle\" font-family=\"system-ui, sans-serif\" \
             font-size=\"20\" font-weight=\"700\" fill=\"{text}\">{letter}</text></svg>"
        )
    }

    /// Returns the style sheet, the icon and the logo.
    pub(super) fn files(&self) -> Vec<(&'static str, Asset)> {
        let mut files =
            vec![("brand.css", Asset::new(CSS, self.style())), ("icon.svg", Asset::new(SVG, self.icon()))];
        if let Some(Logo { file, content_type, image }) = &self.logo {
            // An SVG file can contain scripts, which would run if someone opened its URL.
            let policy = "default-src 'none'; style-src 'unsafe-inline'; sandbox; frame-ancestors 'none'";
            let asset = Asset::new(content_type, image.clone());
            files.push((file, asset.with_content_security_policy(policy)));
        }
        files
    }
}

/// The image of `--brand-logo`.
#[derive(Debug)]
pub(crate) struct Logo {
    pub(crate) file: &'static str,
    content_type: &'static str,
    image: Vec<u8>,
}

impl Logo {
    /// Reads the file.
    ///
    /// # Errors
    /// If the file cannot be read, is too large, or is neither SVG nor PNG.
    pub(crate) fn open(path: &Path) -> Result<Self, Failure> {
        let wrong = |reason: String| Failure::usage(format!("--brand-logo {}: {reason}", path.display()));
        let mut image = Vec::new();
        let file = fs::File::open(path).map_err(|error| wrong(format!("cannot read the file: {error}")))?;
        file.take(MAX_LOGO_BYTES + 1)
            .read_to_end(&mut image)
            .map_err(|error| wrong(format!("cannot read the file: {error}")))?;
        if image.len() as u64 > MAX_LOGO_BYTES {
            let limit = MAX_LOGO_BYTES / 1024;
            return Err(wrong(format!("the file is larger than {limit} KiB; use a smaller image")));
        }
        let (file, content_type) = match () {
            () if image.starts_with(b"\x89PNG\r\n\x1a\n") => ("logo.png", "image/png"),
            () if is_svg(&image) => ("logo.svg", SVG),
            () => return Err(wrong("the file is neither SVG nor PNG; convert the image".to_owned())),
        };
        Ok(Self { file, content_type, image })
    }
}

/// Returns whether a file is an SVG image: its first element is `svg`.
fn is_svg(image: &[u8]) -> bool {
    let Ok(text) = str::from_utf8(image) else { return false };
    let mut rest = text.trim_start_matches('\u{feff}').trim_start();
    loop {
        let end = match () {
            () if rest.starts_with("<?") => "?>",
            () if rest.starts_with("<!--") => "-->",
            () if rest.starts_with("<!DOCTYPE") => {
                // The declarations in brackets contain `>` too.
                let subset = rest.split_once('[').filter(|(before, _)| !before.contains('>'));
                rest = subset
                    .map_or(Some(rest), |(_, after)| Some(after.split_once(']')?.1))
                    .unwrap_or_default();
                ">"
            }
            () => break,
        };
        let Some((_, after)) = rest.split_once(end) else { return false };
        rest = after.trim_start();
    }
    rest.strip_prefix("<svg").is_some_and(|rest| rest.starts_with([' ', '\t', '\r', '\n', '>', '/']))
}

/// An RGB color.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Color([u8; 3]);

impl Default for Color {
    fn default() -> Self {
        GREEN
    }
}

impl FromStr for Color {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let hex = text.strip_prefix('#').filter(|hex| hex.len() == 6);
        let hex = hex.filter(|hex| hex.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let number = hex.and_then(|hex| u32::from_str_radix(hex, 16).ok());
        let [_, red, green, blue] =
            number.ok_or("expected a color as #rrggbb, such as #0b5a44")?.to_be_bytes();
        Ok(Self([red, green, blue]))
    }
}

impl std::fmt::Display for Color {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [red, green, blue] = self.0;
        write!(f, "#{red:02x}{green:02x}{blue:02x}")
    }
}

impl Color {
    /// Returns the [relative luminance](https://www.w3.org/TR/WCAG22/#dfn-relative-luminance).
    fn luminance(self) -> f64 {
        let [red, green, blue] = self.0.map(|value| match f64::from(value) / 255.0 {
            value if value <= 0.04045 => value / 12.92,
            value => ((value + 0.055) / 1.055).powf(2.4),
        });
        0.2126 * red + 0.7152 * green + 0.0722 * blue
    }

    /// Returns the [contrast ratio](https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio).
    fn contrast(self, other: Self) -> f64 {
        let (one, other) = (self.luminance(), other.luminance());
        (one.max(other) + 0.05) / (one.min(other) + 0.05)
    }

    /// Returns black or white, whichever is more legible on this color. Its contrast is at least 4.58.
    fn text_color(self) -> Self {
        if self.contrast(WHITE) >= self.contrast(BLACK) { WHITE } else { BLACK }
    }

    /// Mixes this color with as little of `other` as needed to make text in the result legible on all these
    /// backgrounds.
    fn legible_on(self, backgrounds: &[Self], contrast: f64, other: Self) -> Self {
        let mixed = (0..=100).map(|percent| self.mixed(other, percent));
        let is_legible = |color: &Self| backgrounds.iter().all(|back| color.contrast(*back) >= contrast);
        mixed.into_iter().find(is_legible).unwrap_or(other)
    }

    fn mixed(self, other: Self, percent: u32) -> Self {
        let mix = |one: u8, other: u8| {
            let sum = u32::from(one) * (100 - percent) + u32::from(other) * percent;
            u8::try_from(sum / 100).unwrap_or(u8::MAX)
        };
        let [red, green, blue] = self.0;
        let [other_red, other_green, other_blue] = other.0;
        Self([mix(red, other_red), mix(green, other_green), mix(blue, other_blue)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_legible_with_every_brand_color_in_light_and_dark_mode() {
        let style = include_str!("../../../static/base.css");
        for (name, color) in ["paper", "card"].into_iter().cycle().zip(LIGHT.into_iter().chain(DARK)) {
            assert!(style.contains(&format!("--{name}: {color};")), "base.css has no --{name}: {color}");
        }
        let levels = [0, 0x33, 0x66, 0x77, 0x80, 0x99, 0xcc, 0xff];
        for red in levels {
            for green in levels {
                for blue in levels {
                    let color = Color([red, green, blue]);
                    assert!(
                        color.contrast(color.text_color()) >= MIN_CONTRAST,
                        "text on {color} is illegible"
                    );
                    for (backgrounds, contrast, other) in
                        [(LIGHT, MIN_CONTRAST, BLACK), (DARK, DARK_CONTRAST, WHITE)]
                    {
                        let accent = color.legible_on(&backgrounds, contrast, other);
                        for background in backgrounds {
                            assert!(
                                accent.contrast(background) >= contrast,
                                "{accent} on {background} is illegible"
                            );
                        }
                    }
                }
            }
        }
        // Contrast ratios from examples in WCAG.
        assert!((BLACK.contrast(WHITE) - 21.0).abs() < 1e-9);
        assert!((Color([0x77; 3]).contrast(WHITE) - 4.48).abs() < 0.01);
    }

    #[test]
    fn colors_that_are_not_in_rrggbb_format_are_refused() {
        assert_eq!("#0b5A44".parse(), Ok(GREEN));
        for invalid in ["", "0b5a44", "#0b5", "#0b5a4g", "#+b5a44", "#0b5a4411", "red", "#0b5a44;}", "#é5a44"]
        {
            assert!(invalid.parse::<Color>().is_err(), "{invalid:?} was accepted");
        }
    }

    #[test]
    fn svg_is_recognized_by_its_first_element() {
        for svg in [
            "<svg xmlns='http://www.w3.org/2000/svg'/>",
            "\u{feff}<?xml version='1.0'?>\n<!-- a > b -->\n<!DOCTYPE svg PUBLIC 'x' 'y'>\n<svg\nwidth='1'>",
            "<!DOCTYPE svg PUBLIC 'x' 'y' [\n<!ENTITY ns 'http://ns.adobe.com/'>\n]>\n<svg xmlns:x='&ns;'>",
        ] {
            assert!(is_svg(svg.as_bytes()), "not recognized as SVG: {svg}");
        }
        for other in
            ["", "<html><svg/></html>", "<svgx>", "<!DOCTYPE svg [<svg>", "<!-- <svg>", "svg", "<?xml"]
        {
            assert!(!is_svg(other.as_bytes()), "recognized as SVG: {other}");
        }
        assert!(!is_svg(b"\xff<svg>"));
    }
}
