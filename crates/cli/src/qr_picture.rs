//! QR codes as pictures: on the terminal, in files, and read from pictures. The meaning of the
//! bytes does not matter here.

mod code;
mod decode;
mod draw;
mod file;
mod read;

pub(crate) use self::{
    draw::{Blocks, Drawing, Ink, drawings},
    file::PictureFile,
    read::{PictureError, from_picture, is_markup},
};

#[cfg(test)]
mod tests;
