//! Nobody without the generator's key gets past the first message, and nobody crashes the device.
#![no_main]

use getrandom::SysRng;
use libfuzzer_sys::fuzz_target;
use matrix_qr_protocol::{
    channel::{Generator, Initiated},
    revision::Dialect,
};
use rand_core::UnwrapErr;

fuzz_target!(|bytes: &[u8]| {
    let generator = Generator::new(&mut UnwrapErr(SysRng));
    let key = generator.public_key();
    assert!(generator.accept(bytes).is_err());
    if let Ok((initiated, _)) = Initiated::new(&key, Dialect::default(), &mut UnwrapErr(SysRng)) {
        assert!(initiated.finish(bytes).is_err());
    }
});
