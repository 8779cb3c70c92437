//! The sink of a comparison: it takes what is for the local domain, refuses the rest, and runs on the generators' CPU, so
//! that it is nobody's cost.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use smtp_load::served::Pinned;
use smtp_load::sink::{Sink, SinkBehaviour, SinkCounts};
use tokio::sync::oneshot;

/// A sink that serves from a thread of this process, until it is dropped.
#[derive(Debug)]
pub struct SinkThread {
    /// Where it listens.
    pub address: SocketAddr,
    counts: Arc<SinkCounts>,
    _ends: oneshot::Sender<()>,
}

impl SinkThread {
    /// Starts it on this CPU, where one is given, in the network namespace of the calling thread.
    pub fn start(cpu: Option<usize>) -> anyhow::Result<Self> {
        let counts = Arc::new(SinkCounts::default());
        let (ends, end) = oneshot::channel::<()>();
        let (tell, told) = mpsc::channel();
        let counted = counts.clone();
        std::thread::spawn(move || {
            let served = serve(cpu, counted, end, &tell);
            // Whoever waits for the address hears why there is none; later nobody listens, and the counts stand still.
            let _ = served.map_err(|error| tell.send(Err(error)));
        });
        let address = told.recv().context("the sink's thread ended")??;
        Ok(Self { address, counts, _ends: ends })
    }

    /// How many have come.
    #[must_use]
    pub fn messages(&self) -> u64 {
        self.counts.messages()
    }

    /// Waits until so many messages have come.
    pub fn wait_for(&self, messages: u64) -> anyhow::Result<()> {
        let until = Instant::now() + Duration::from_secs(60);
        while self.messages() < messages {
            let came = self.messages();
            ensure!(Instant::now() < until, "of {messages} messages {came} have come to the sink in 60 s");
            std::thread::sleep(Duration::from_millis(2));
        }
        Ok(())
    }
}

fn serve(
    cpu: Option<usize>,
    counts: Arc<SinkCounts>,
    end: oneshot::Receiver<()>,
    tell: &mpsc::Sender<anyhow::Result<SocketAddr>>,
) -> anyhow::Result<()> {
    let _pinned = cpu.map(Pinned::to).transpose()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener =
            tokio::net::TcpListener::bind("127.0.0.1:0").await.context("the sink cannot listen")?;
        let _ = tell.send(Ok(listener.local_addr()?));
        let mut behaviour = SinkBehaviour::default();
        let refusal = "550 5.7.1 relaying is prohibited".to_owned();
        behaviour.recipient_replies.push(("elsewhere.example".to_owned(), refusal));
        tokio::select! {
            served = Sink::serve(listener, behaviour, counts) => served.context("the sink's listener failed"),
            _ = end => Ok(()),
        }
    })
}
