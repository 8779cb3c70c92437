//! What the network stack says of an interface: whether it is there, and which XDP program it has. Asked by netlink, which
//! needs no privilege; changes nothing.

use std::io;
use std::pin::pin;

use aya::programs::loaded_programs;
use futures_util::StreamExt as _;
use nix::errno::Errno;
use nix::net::if_::if_nametoindex;
use rtnetlink::packet_route::link::{LinkAttribute, LinkXdp, XdpAttached};

use super::hook::Mode;

/// The index of an interface in this network namespace; nothing where there is none of this name.
pub(super) fn index_of(interface: &str) -> io::Result<Option<u32>> {
    match if_nametoindex(interface) {
        Ok(index) => Ok(Some(index)),
        // Any other error says nothing about the interface: it must not be taken for gone.
        Err(Errno::ENODEV) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// The XDP program of an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct XdpProgram {
    pub(super) mode: Mode,
    pub(super) id: u32,
}

/// Which XDP program an interface has.
pub(super) fn xdp_program(index: u32) -> io::Result<Option<XdpProgram>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    runtime.block_on(async {
        let (connection, handle, _) = rtnetlink::new_connection()?;
        let asking = async {
            let mut links = pin!(handle.link().get().match_index(index).execute());
            links.next().await.transpose().map_err(io::Error::other)
        };
        let answer = tokio::select! {
            answer = asking => answer?,
            () = connection => None,
        };
        let attributes = answer.map(|link| link.attributes).unwrap_or_default();
        Ok(attributes.iter().find_map(|attribute| match attribute {
            LinkAttribute::Xdp(xdp) => read(xdp),
            _ => None,
        }))
    })
}

fn read(attributes: &[LinkXdp]) -> Option<XdpProgram> {
    let mode = attributes.iter().find_map(|attribute| match attribute {
        LinkXdp::Attached(XdpAttached::SocketBuffer) => Some(Mode::Generic),
        LinkXdp::Attached(XdpAttached::Driver | XdpAttached::Hardware | XdpAttached::Multiple) => {
            Some(Mode::Native)
        }
        _ => None,
    })?;
    let id = attributes.iter().find_map(|attribute| match attribute {
        LinkXdp::ProgId(id) => Some(*id),
        _ => None,
    })?;
    Some(XdpProgram { mode, id })
}

/// Whose program has an interface's place for XDP, as far as the kernel tells this process.
pub(super) fn owner(index: u32) -> Option<String> {
    let program = xdp_program(index).ok().flatten()?;
    let infos = loaded_programs().filter_map(Result::ok);
    let name =
        infos.filter(|info| info.id() == program.id).find_map(|info| info.name_as_str().map(str::to_owned));
    let id = program.id;
    Some(name.map_or_else(|| format!("id {id}"), |name| format!("`{name}`, id {id}")))
}
