//! Follows interfaces that come and go: has the places looked at whenever the kernel tells that some link has changed.
//! What it tells is not read, so that nothing is missed where it tells too much at once.

use std::io;

use futures_util::StreamExt as _;
use rtnetlink::MulticastGroup;

use super::KernelError;
use super::places::Shared;

/// Follows until the kernel does not tell any more, which is an error.
pub(super) async fn follow(places: Shared) -> Result<(), KernelError> {
    let failed = |source| KernelError::Interfaces { source };
    let (connection, _handle, mut told) =
        rtnetlink::new_multicast_connection(&[MulticastGroup::Link]).map_err(failed)?;
    let listening = tokio::spawn(connection);
    loop {
        // First: something may have changed before this listened.
        let looking = places.clone();
        let looked = tokio::task::spawn_blocking(move || looking.lock().look()).await;
        looked.map_err(|error| failed(io::Error::other(error)))?;
        if told.next().await.is_none() {
            listening.abort();
            return Err(failed(io::Error::other("the kernel has ended the conversation")));
        }
        // What has been told meanwhile, the next look sees.
        while told.try_recv().is_ok() {}
    }
}
