//! Running the server: its listeners, its signals and its settings.

use std::{
    convert::Infallible,
    future::{Future, pending},
    io,
};

use listenfd::ListenFd;
use matrix_qr_rendezvous::{Memory, Rendezvous, Store, Timeouts, serve, serve_router};
#[cfg(feature = "redis")]
use matrix_qr_rendezvous::{Redis, RedisTlsError};
use tokio::sync::oneshot;

use crate::{
    healthcheck::Unhealthy,
    open_files::cap_connections,
    options::ServerOptions,
    settings::{LoadedSettings, Settings, SettingsError, StoreChoice, StoreUrl},
    signals::{HangupSignals, StopSignals},
    sockets::{self, ListenError, OpenSocket},
};

/// Runs the server until it is stopped.
pub(crate) async fn run(
    passed: ListenFd,
    options: &ServerOptions,
    loaded: LoadedSettings,
) -> Result<(), StartError> {
    match &loaded.store.url {
        StoreUrl::Memory => with_store(Memory::default(), passed, options, loaded).await,
        #[cfg(feature = "redis")]
        StoreUrl::Redis(url) => {
            let store = Redis::with_certificates(url, &loaded.store.certificates)?;
            with_store(store, passed, options, loaded).await
        }
    }
}

async fn with_store<S: Store>(
    store: S,
    passed: ListenFd,
    options: &ServerOptions,
    mut loaded: LoadedSettings,
) -> Result<(), StartError> {
    let signals = StopSignals::new().map_err(StartError::Signals)?;
    let hangups = HangupSignals::new().map_err(StartError::Signals)?;
    cap_connections(&mut loaded);
    let OpenSocket { listener, address } =
        sockets::for_clients(passed, &loaded.listen, loaded.listen_mode).await?;
    let rendezvous = Rendezvous::with_store(store, loaded.config.clone());
    let operations = operations(&loaded, &rendezvous).await?;
    tracing::info!(%address, public_url = %loaded.config.public_url, store = %loaded.store.url, "listening");
    let (stop, stopped) = oneshot::channel();
    let served = tokio::select! {
        served = serve(listener, rendezvous.clone(), async { drop(stopped.await) }) => served,
        ended = operations => ended,
        () = until_second_signal(signals, stop) => Ok(()),
        never = reload(hangups, options, loaded.settings, loaded.store, &rendezvous) => match never {},
    };
    served.map_err(StartError::Serve)?;
    tracing::info!("stopped");
    Ok(())
}

/// Starts the stop at the first signal, and returns at the second: then the server does not wait
/// for anything.
async fn until_second_signal(mut signals: StopSignals, stop: oneshot::Sender<()>) {
    signals.next().await;
    tracing::info!("stopping");
    drop(stop);
    signals.next().await;
    tracing::warn!("stopped by a second signal: requests in progress are not answered");
}

/// Serves the operator's routes, if they have an address, until the process ends.
async fn operations<S: Store>(
    loaded: &LoadedSettings,
    rendezvous: &Rendezvous<S>,
) -> Result<impl Future<Output = io::Result<()>> + use<S>, StartError> {
    let opened = match &loaded.settings.metrics_listen {
        Some(address) => {
            Some(sockets::open(address, loaded.listen_mode, "--metrics-listen").await?)
        }
        None => None,
    };
    let router = rendezvous.operations();
    Ok(async move {
        let Some(OpenSocket { listener, address }) = opened else {
            return pending().await;
        };
        tracing::info!(%address, "listening for the operator");
        serve_router(listener, router, Timeouts::default(), pending()).await
    })
}

/// At each SIGHUP reloads the settings and applies the limits. Invalid settings change nothing.
async fn reload<S: Store>(
    mut hangups: HangupSignals,
    options: &ServerOptions,
    in_force: Settings,
    store: StoreChoice,
    rendezvous: &Rendezvous<S>,
) -> Infallible {
    loop {
        hangups.next().await;
        match options.load() {
            Err(error) => {
                tracing::error!(%error, "invalid settings, so nothing changes")
            }
            Ok(loaded) => {
                rendezvous.set_limits(loaded.config.limits);
                let settings = in_force.with_limits_of(&loaded.settings);
                let restart = settings != loaded.settings || store != loaded.store;
                tracing::info!("applied the limits");
                if restart {
                    tracing::warn!("other settings have changed too, and need a restart");
                }
            }
        }
    }
}

/// Why the program ends with an error.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartError {
    #[error(transparent)]
    Settings(#[from] SettingsError),
    #[error("cannot start: {0}")]
    Runtime(io::Error),
    #[error(transparent)]
    Listen(#[from] ListenError),
    #[error(transparent)]
    Unhealthy(#[from] Unhealthy),
    #[error("cannot wait for signals: {0}")]
    Signals(io::Error),
    #[error("cannot serve: {0}")]
    Serve(io::Error),
    #[cfg(feature = "redis")]
    #[error(transparent)]
    Redis(#[from] RedisTlsError),
}
