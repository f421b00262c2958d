//! Nobody without the generator's key gets past the first message, and nobody crashes the device.
#![no_main]

use getrandom::SysRng;
use libfuzzer_sys::fuzz_target;
use matrix_qr_protocol::{
    channel::{Generator, Initiated},
    rendezvous::{Binding, Payload},
    revision::{Dialect, Revision},
};
use rand_core::UnwrapErr;

fuzz_target!(|bytes: &[u8]| {
    let payload = Payload::from(bytes.to_vec());
    for revision in [Revision::Msc4108, Revision::Msc4388] {
        let generator = Generator::new(revision, Dialect::default(), &mut UnwrapErr(SysRng));
        let key = generator.public_key();
        assert!(generator.accept(&payload, Binding::default()).is_err());
        let initiated = Initiated::new(
            &key,
            revision,
            Dialect::default(),
            Binding::default(),
            &mut UnwrapErr(SysRng),
        );
        if let Ok((initiated, _)) = initiated {
            assert!(initiated.finish(&payload).is_err());
        }
    }
});
