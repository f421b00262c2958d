//! Ports for programs that cannot choose one and report it: proxies, Redis, Synapse. The tests of
//! other crates, the benchmarks and `interop` use this file, too.

use std::{
    net::{Ipv4Addr, TcpListener, UdpSocket},
    ops::Range,
    sync::Mutex,
};

/// Below those that the system gives to connections and to whoever asks for any port: one of those
/// could take the port before its program does, or while the program is away. As are the ports that
/// nodes of a Redis cluster open beside them, 10 000 above.
const PORTS: Range<u16> = 12_000..22_000;

/// A port of 127.0.0.1 on which nobody listens, and which no other call returns, in any process,
/// until this process ends.
///
/// # Panics
///
/// If all ports are taken.
pub(crate) fn free_port() -> u16 {
    /// A UDP socket at the same number marks a port as taken. The system removes it when the
    /// process ends, however it ends.
    static TAKEN: Mutex<Vec<UdpSocket>> = Mutex::new(Vec::new());
    let mut taken = TAKEN.lock().unwrap_or_else(|taken| taken.into_inner());
    for port in PORTS {
        let address = (Ipv4Addr::LOCALHOST, port);
        let Ok(mark) = UdpSocket::bind(address) else {
            continue;
        };
        taken.push(mark);
        // Otherwise another program has it. The mark saves the next call from trying again.
        if TcpListener::bind(address).is_ok() {
            return port;
        }
    }
    panic!("every port in {PORTS:?} is taken");
}
