//! `--backend sink:`: a mail server in this process that counts and throws away, for trying out.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context;
use smtp_load::sink::{Sink, SinkBehaviour, SinkCounts};
use tokio::net::TcpListener;

use crate::telemetry::field;

/// Starts it on a port of its own on the loopback, in a thread that ends with the process.
pub(super) fn start() -> anyhow::Result<SocketAddr> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").context("no port for the sink")?;
    listener.set_nonblocking(true).context("no port for the sink")?;
    let address = listener.local_addr().context("no port for the sink")?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("no runtime for the sink")?;
    let serve = move || {
        let served = runtime.block_on(async {
            let listener = TcpListener::from_std(listener)?;
            Sink::serve(listener, SinkBehaviour::default(), Arc::new(SinkCounts::default())).await
        });
        if let Err(error) = served {
            tracing::error!({ field::ERROR } = %error, "the sink has ended; recipients are told to try later");
        }
    };
    std::thread::Builder::new().name("sink".to_owned()).spawn(serve).context("no thread for the sink")?;
    Ok(address)
}
