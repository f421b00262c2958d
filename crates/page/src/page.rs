//! Starts the page, and ends it.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use matrix_qr_protocol::revision::Role;
use tokio::{
    net::TcpListener,
    sync::{Semaphore, oneshot, watch},
    task::JoinHandle,
};
use url::Url;

use crate::{
    address::Address,
    person::PagePerson,
    questions::Questions,
    routes,
    serve::serve,
    shared::{ReadCode, Shared, Shown},
    view::{DeviceView, View},
    viewer::{Token, Viewer},
};

/// How long the end of a sign-in may take to reach the page.
const LAST_WORD: Duration = Duration::from_secs(3);

/// Where the page is, and what it needs.
pub struct PageOptions {
    /// Where to listen; port 0 is a free one. Everything but loopback lets other machines in.
    pub listen: SocketAddr,
    /// Where a proxy serves the page, if there is one: a URL with a host, and nothing after it.
    pub public: Option<Url>,
    /// The devices whose person is asked there: one, or two.
    pub roles: Vec<Role>,
    /// Finds a code in what the person scans. It may take a second; it runs on a thread of its own,
    /// one at a time.
    pub read_code: Arc<ReadCode>,
}

/// A page that is served until this is dropped or closed.
pub struct Page {
    shared: Arc<Shared>,
    url: Url,
    stop: Option<oneshot::Sender<()>>,
    server: JoinHandle<()>,
}

impl Page {
    /// Starts to serve it.
    ///
    /// # Errors
    /// Nothing can listen there, or the system has no randomness.
    pub async fn start(options: PageOptions) -> io::Result<Self> {
        let listener = TcpListener::bind(options.listen).await?;
        let address = Address::new(listener.local_addr()?, options.public);
        let secret = Token::random().ok_or_else(|| io::Error::other("there is no randomness"))?;
        let url = address.url(secret.as_str())?;
        let view = View {
            devices: options.roles.into_iter().map(DeviceView::new).collect(),
            ends: None,
        };
        let shared = Arc::new(Shared {
            secret,
            address,
            view: watch::Sender::new(view),
            questions: Questions::default(),
            viewer: Viewer::default(),
            shown: watch::Sender::new(Shown::Nothing),
            is_cancelled: watch::Sender::new(false),
            read_code: options.read_code,
            reader: Arc::new(Semaphore::new(1)),
        });
        let (stop, stopped) = oneshot::channel();
        let app = routes::router(shared.clone());
        let server = tokio::spawn(serve(listener, app, stopped));
        Ok(Self {
            shared,
            url,
            stop: Some(stop),
            server,
        })
    }

    /// Its address. Whoever has it can take part in the sign-in, so it is for the person alone.
    #[must_use]
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// The person at the page, for the device of this role; `None` if the page has no such device.
    #[must_use]
    pub fn person(&self, role: Role) -> Option<PagePerson> {
        let view = self.shared.view.borrow();
        let device = view.devices.iter().position(|device| device.role == role)?;
        Some(PagePerson::new(self.shared.clone(), device, role))
    }

    /// Is ready as soon as somebody has cancelled the sign-in there.
    pub fn cancelled(&self) -> impl Future<Output = ()> + Send + use<> {
        let shared = self.shared.clone();
        async move { shared.cancelled().await }
    }

    /// Is ready as soon as somebody has opened it.
    pub async fn opened(&self) {
        self.shared.viewer.arrived().await;
    }

    /// Stops, as soon as the page that is open, or is about to come back, has shown the end, at most
    /// after three seconds.
    pub async fn close(mut self) {
        let (stop, server) = (self.stop.take(), &mut self.server);
        let last_word = async {
            self.shared.end_is_shown().await;
            drop(stop);
            let _ = server.await;
        };
        // Whoever is still connected then is not waited for.
        let _ = tokio::time::timeout(LAST_WORD, last_word).await;
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        self.server.abort();
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use std::pin::pin;

    use futures_util::StreamExt as _;

    use super::*;
    use crate::view::PageOutcome;

    #[tokio::test]
    async fn the_end_is_shown_even_if_it_comes_before_the_last_view_was_taken() {
        let page = Page::start(PageOptions {
            listen: ([127, 0, 0, 1], 0).into(),
            public: None,
            roles: vec![Role::New],
            read_code: Arc::new(|_| Err(String::new())),
        });
        let page = page.await.unwrap();
        let viewing = page.shared.viewer.take().unwrap();
        let mut events = pin!(routes::views(viewing, page.shared.clone()));
        for event in ["page", "view"] {
            assert!(events.next().await.is_some(), "{event}");
        }
        page.shared.view.send_modify(|view| {
            view.devices[0].outcome = Some(PageOutcome {
                success: true,
                what: String::new(),
                cause: None,
                advice: String::new(),
            });
        });
        assert!(events.next().await.is_some(), "the end");
        assert_eq!(*page.shared.shown.borrow(), Shown::End);
        assert!(events.next().await.is_none());
    }
}
