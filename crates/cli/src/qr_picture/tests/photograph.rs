//! Photographs of QR codes as people take them, generated from a number: the same number gives the
//! same picture.

use std::io::Cursor;

use image::{
    DynamicImage, GrayImage, Luma,
    codecs::{
        jpeg::JpegEncoder,
        pnm::{PnmEncoder, PnmSubtype, SampleEncoding},
    },
};
use qrcode::{Color, EcLevel, QrCode};

/// What is wrong with a photograph.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    Noise,
    Blur,
    Turned,
    Perspective,
    Moire,
    Inverted,
    Mirrored,
    Jpeg,
    PoorLight,
    Small,
    Everything,
}

impl Class {
    pub(crate) const ALL: [Self; 11] = [
        Self::Noise,
        Self::Blur,
        Self::Turned,
        Self::Perspective,
        Self::Moire,
        Self::Inverted,
        Self::Mirrored,
        Self::Jpeg,
        Self::PoorLight,
        Self::Small,
        Self::Everything,
    ];
}

/// A picture file, and the bytes of the code in it.
pub(crate) struct Photograph {
    pub(crate) file: Vec<u8>,
    pub(crate) bytes: Vec<u8>,
}

/// The lengths of codes: from a server name without a homeserver to long URLs of both, in either
/// revision.
const LENGTHS: [usize; 6] = [76, 98, 120, 141, 163, 190];
/// The proposal's level, and those to which a drawing in a small terminal falls back.
const LEVELS: [EcLevel; 4] = [EcLevel::Q, EcLevel::Q, EcLevel::M, EcLevel::L];

impl Photograph {
    pub(crate) fn of(class: Class, number: usize) -> Self {
        let mut chance = Chance(number as u64 * 1000 + class as u64);
        let mut bytes = b"MATRIX\x02\x03".to_vec();
        bytes.resize_with(LENGTHS[number % LENGTHS.len()], || chance.byte());
        let code = super::super::code::code(&bytes, LEVELS[number % LEVELS.len()]).unwrap();
        let shot = Shot::of(class, code.width() as f32 + 8.0, &mut chance);
        let scene = shot.scene(&code, &mut chance);
        let seen = if shot.blur > 0.0 {
            DynamicImage::from(scene).blur(shot.blur).into_luma8()
        } else {
            scene
        };
        let seen = noisy(seen, shot.noise, &mut chance);
        Self {
            file: shot.developed(seen),
            bytes,
        }
    }
}

/// How a photograph was taken.
struct Shot {
    /// The width of the picture and of a module, in pixels.
    side: u32,
    module: f32,
    /// Radians.
    turn: f32,
    /// How much nearer one edge is than the other.
    lean: [f32; 2],
    mirrored: bool,
    inverted: bool,
    /// Standard deviations, in pixels and in levels of grey.
    blur: f32,
    noise: f32,
    /// The brightness of the darkest corner, and the contrast between ink and paper; 1 is perfect.
    shade: f32,
    contrast: f32,
    moire: f32,
    jpeg: Option<u8>,
}

impl Shot {
    fn of(class: Class, modules: f32, chance: &mut Chance) -> Self {
        let filled =
            |side: u32, chance: &mut Chance| chance.between(0.4, 0.8) * side as f32 / modules;
        let mut shot = Self {
            side: 1000,
            module: filled(1000, chance),
            turn: chance.between(-0.08, 0.08),
            lean: [0.0; 2],
            mirrored: class == Class::Mirrored,
            inverted: class == Class::Inverted,
            blur: 0.8,
            noise: 4.0,
            shade: 1.0,
            contrast: 1.0,
            moire: 0.0,
            jpeg: None,
        };
        match class {
            Class::Noise => {
                (shot.side, shot.module) = (1600, filled(1600, chance));
                shot.noise = chance.between(25.0, 60.0);
            }
            Class::Blur => shot.blur = shot.module * chance.between(0.2, 0.6),
            Class::Turned => shot.turn = chance.between(-3.2, 3.2),
            Class::Perspective => {
                shot.lean = [chance.between(-0.7, 0.7), chance.between(-0.7, 0.7)]
            }
            Class::Moire => shot.moire = chance.between(0.2, 0.7),
            Class::Inverted | Class::Mirrored => {}
            Class::Jpeg => {
                (shot.module, shot.jpeg) = (chance.between(3.0, 8.0), Some(20));
                shot.side = ((modules + 6.0) * shot.module) as u32;
            }
            Class::PoorLight => {
                (shot.shade, shot.contrast) = (chance.between(0.1, 0.4), chance.between(0.25, 0.7));
                shot.noise = chance.between(4.0, 12.0);
            }
            Class::Small => {
                (shot.module, shot.blur) = (chance.between(1.8, 3.5), 0.0);
                shot.side = ((modules + 6.0) * shot.module) as u32;
            }
            Class::Everything => {
                shot.turn = chance.between(-0.5, 0.5);
                shot.lean = [chance.between(-0.35, 0.35), chance.between(-0.35, 0.35)];
                shot.blur = shot.module * chance.between(0.1, 0.4);
                (shot.shade, shot.contrast) = (chance.between(0.3, 1.0), chance.between(0.5, 1.0));
                (shot.noise, shot.moire) = (chance.between(8.0, 25.0), chance.between(0.0, 0.3));
                shot.jpeg = Some(50);
            }
        }
        shot
    }

    /// The code in its surroundings, under a light.
    fn scene(&self, code: &QrCode, chance: &mut Chance) -> GrayImage {
        let (wave, across) = (
            chance.between(0.15, 0.9),
            chance.between(0.0, 3.1).sin_cos(),
        );
        let light = chance.between(-3.1, 3.1).sin_cos();
        let turn = self.turn.sin_cos();
        let half = self.side as f32 / 2.0;
        GrayImage::from_fn(self.side, self.side, |x, y| {
            let (x, y) = (x as f32 - half, y as f32 - half);
            let sub = |i: u8| {
                self.ink(
                    code,
                    turn,
                    x + f32::from(i % 2) / 2.0,
                    y + f32::from(i / 2) / 2.0,
                )
            };
            let ink = (0..4).map(sub).sum::<f32>() / 4.0;
            let along = 0.5 + (light.1 * x + light.0 * y) / half / 2.9;
            let one = (wave * (x * across.1 + y * across.0)).sin();
            let other = (1.1 * wave * (x * across.0 - y * across.1)).sin();
            let moire = 1.0 - self.moire / 2.0 * (1.0 - one * (other + 1.0) / 2.0);
            let level = 128.0 + (ink - 128.0) * self.contrast;
            Luma([(level * moire * (self.shade + (1.0 - self.shade) * along)) as u8])
        })
    }

    /// What is at this distance from the centre: ink, paper, or the surroundings.
    fn ink(&self, code: &QrCode, (sin, cos): (f32, f32), x: f32, y: f32) -> f32 {
        let depth = 1.0 + (self.lean[0] * x + self.lean[1] * y) / self.side as f32;
        let u = (x * cos + y * sin) / depth / self.module;
        let v = (y * cos - x * sin) / depth / self.module;
        let width = code.width() as i64;
        let module = |at: f32| (at + width as f32 / 2.0).floor() as i64;
        let (u, v) = (module(if self.mirrored { -u } else { u }), module(v));
        let within =
            |zone: i64| (-zone..width + zone).contains(&u) && (-zone..width + zone).contains(&v);
        if !within(4) {
            return 60.0
                + ((u.div_euclid(5) * 31 + v.div_euclid(3) * 17).rem_euclid(13) * 11) as f32;
        }
        let dark = within(0) && code[(u as usize, v as usize)] == Color::Dark;
        if dark == self.inverted { 235.0 } else { 25.0 }
    }

    fn developed(&self, picture: GrayImage) -> Vec<u8> {
        let (picture, mut file) = (DynamicImage::from(picture), Cursor::new(Vec::new()));
        match self.jpeg {
            Some(quality) => {
                picture.write_with_encoder(JpegEncoder::new_with_quality(&mut file, quality))
            }
            // The oldest format, which every reader supports.
            None => {
                let grey = PnmSubtype::Graymap(SampleEncoding::Binary);
                picture.write_with_encoder(PnmEncoder::new(&mut file).with_subtype(grey))
            }
        }
        .unwrap();
        file.into_inner()
    }
}

fn noisy(mut picture: GrayImage, deviation: f32, chance: &mut Chance) -> GrayImage {
    for Luma([level]) in picture.pixels_mut() {
        *level = (f32::from(*level) + deviation * chance.normal()) as u8;
    }
    picture
}

/// SplitMix64: small, and the same on every machine.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn byte(&mut self) -> u8 {
        self.next() as u8
    }

    fn between(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * (self.next() >> 40) as f32 / (1 << 24) as f32
    }

    /// Approximately normal: the sum of twelve uniform numbers.
    fn normal(&mut self) -> f32 {
        let mut four = || {
            let bits = self.next();
            (0..4)
                .map(|place| (bits >> (16 * place) & 0xffff) as f32 / 65536.0)
                .sum::<f32>()
        };
        four() + four() + four() - 6.0
    }
}
