//! Accepting connections: counted, and able to be cut in the middle.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use axum::Router;
use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::practice::PracticeTenant;
use crate::tls::TestIdentity;

/// A handle to the connection a request came on.
#[derive(Debug, Clone, Default)]
pub(crate) struct Connection {
    is_cut: Arc<AtomicBool>,
}

impl Connection {
    /// Nothing more is written: the peer sees the connection end without an answer.
    pub(crate) fn cut(&self) {
        self.is_cut.store(true, Ordering::Relaxed);
    }
}

/// A stream that can be cut.
#[derive(Debug)]
pub(crate) struct Cuttable<S> {
    inner: S,
    connection: Connection,
}

impl<S> Cuttable<S> {
    fn check(&self) -> io::Result<()> {
        if self.connection.is_cut.load(Ordering::Relaxed) {
            Err(io::ErrorKind::ConnectionReset.into())
        } else {
            Ok(())
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Cuttable<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.check()?;
        Pin::new(&mut self.inner).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Cuttable<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.check()?;
        Pin::new(&mut self.inner).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check()?;
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

/// Plain TCP, counted.
struct Plain {
    listener: TcpListener,
    practice: Arc<PracticeTenant>,
}

impl Listener for Plain {
    type Io = Cuttable<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        let (stream, address) = Listener::accept(&mut self.listener).await;
        // Small answers must not wait for more of the same.
        let _ = stream.set_nodelay(true);
        self.practice.calls().counts.connections += 1;
        (
            Cuttable {
                inner: stream,
                connection: Connection::default(),
            },
            address,
        )
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.listener.local_addr()
    }
}

/// TLS under the test authority; handshakes run beside each other.
struct Secure {
    ready: mpsc::Receiver<(Cuttable<TlsStream<TcpStream>>, SocketAddr)>,
    address: SocketAddr,
}

impl Secure {
    fn start(mut plain: Plain, acceptor: TlsAcceptor) -> io::Result<Self> {
        let address = plain.local_addr()?;
        let (send, ready) = mpsc::channel(64);
        tokio::spawn(async move {
            while !send.is_closed() {
                let (stream, peer) = plain.accept().await;
                let (send, acceptor) = (send.clone(), acceptor.clone());
                tokio::spawn(async move {
                    let Cuttable { inner, connection } = stream;
                    if let Ok(inner) = acceptor.accept(inner).await {
                        // A receiver that is gone has stopped serving.
                        let _ = send.send((Cuttable { inner, connection }, peer)).await;
                    }
                });
            }
        });
        Ok(Self { ready, address })
    }
}

impl Listener for Secure {
    type Io = Cuttable<TlsStream<TcpStream>>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        match self.ready.recv().await {
            Some(accepted) => accepted,
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        Ok(self.address)
    }
}

impl Connected<IncomingStream<'_, Plain>> for Connection {
    fn connect_info(stream: IncomingStream<'_, Plain>) -> Self {
        stream.io().connection.clone()
    }
}

impl Connected<IncomingStream<'_, Secure>> for Connection {
    fn connect_info(stream: IncomingStream<'_, Secure>) -> Self {
        stream.io().connection.clone()
    }
}

impl PracticeTenant {
    /// Serves until `shutdown` is ready, then saves the tenant's file.
    pub async fn serve(
        self: Arc<Self>,
        listener: TcpListener,
        shutdown: impl Future<Output = ()> + Send + 'static,
    ) -> io::Result<()> {
        let router = self.router();
        self.serve_router(listener, router, shutdown).await
    }

    /// As [`PracticeTenant::serve`], with a router of the caller's making around [`PracticeTenant::router`].
    pub async fn serve_router(
        self: Arc<Self>,
        listener: TcpListener,
        router: Router,
        shutdown: impl Future<Output = ()> + Send + 'static,
    ) -> io::Result<()> {
        self.set_base_url(format!("http://{}", listener.local_addr()?));
        let plain = Plain {
            listener,
            practice: Arc::clone(&self),
        };
        let service = router.into_make_service_with_connect_info::<Connection>();
        let saving = tokio::spawn(Arc::clone(&self).keep_saved());
        let served = axum::serve(plain, service)
            .with_graceful_shutdown(shutdown)
            .await;
        saving.abort();
        served.and(self.save())
    }

    /// As [`PracticeTenant::serve`], over HTTPS with a certificate of a test authority.
    pub async fn serve_tls(
        self: Arc<Self>,
        listener: TcpListener,
        identity: &TestIdentity,
        shutdown: impl Future<Output = ()> + Send + 'static,
    ) -> io::Result<()> {
        self.set_base_url(format!(
            "https://localhost:{}",
            listener.local_addr()?.port()
        ));
        let router = self.router();
        let plain = Plain {
            listener,
            practice: Arc::clone(&self),
        };
        let secure = Secure::start(plain, TlsAcceptor::from(identity.server_config()?))?;
        let service = router.into_make_service_with_connect_info::<Connection>();
        let saving = tokio::spawn(Arc::clone(&self).keep_saved());
        let served = axum::serve(secure, service)
            .with_graceful_shutdown(shutdown)
            .await;
        saving.abort();
        served.and(self.save())
    }
}
