//! What the network stack says of an interface, by netlink: needs no privilege.

use std::io;
use std::pin::pin;

use futures_util::{Stream, StreamExt as _};
use rtnetlink::Handle;
use rtnetlink::packet_route::link::{LinkAttribute, LinkInfo, LinkMessage};
use rtnetlink::packet_route::tc::{TcAttribute, TcFilterBpfOption, TcMessage, TcOption};

use super::drivers;
use super::hooks::{Attached, Place};
use crate::kernel::hook::Mode;
use crate::kernel::interface::{self, XdpProgram};

/// An interface.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Link {
    pub(super) mtu: Option<u32>,
    /// What kind of virtual interface it is, or the driver of its hardware.
    pub(super) driver: Option<String>,
    pub(super) attached: Vec<Attached>,
}

/// Asks for an interface and for the programs on it.
pub(super) fn ask(index: u32) -> io::Result<Link> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let mut link = runtime.block_on(async {
        let (connection, handle, _) = rtnetlink::new_connection()?;
        tokio::select! {
            answer = ask_by(&handle, index) => answer,
            () = connection => Err(io::ErrorKind::ConnectionAborted.into()),
        }
    })?;
    link.attached.extend(interface::xdp_program(index)?.map(|XdpProgram { mode, id }| Attached {
        place: if mode == Mode::Native { Place::XdpNative } else { Place::XdpGeneric },
        id,
        name: None,
    }));
    Ok(link)
}

async fn ask_by(handle: &Handle, index: u32) -> io::Result<Link> {
    let links = all(handle.link().get().match_index(index).execute()).await?;
    let mut link = links.first().map(read).unwrap_or_default();
    let signed = i32::try_from(index).map_err(io::Error::other)?;
    // Where there is no clsact, there is no such place.
    if let Ok(filters) = all(handle.traffic_filter(signed).get().ingress().execute()).await {
        link.attached.extend(filters.iter().filter_map(filter));
    }
    Ok(link)
}

/// Every answer.
async fn all<T>(answers: impl Stream<Item = Result<T, rtnetlink::Error>>) -> io::Result<Vec<T>> {
    let mut answers = pin!(answers);
    let mut found = Vec::new();
    while let Some(answer) = answers.next().await {
        found.push(answer.map_err(io::Error::other)?);
    }
    Ok(found)
}

fn read(message: &LinkMessage) -> Link {
    let mut link = Link::default();
    let (mut bus, mut device) = (None, None);
    for attribute in &message.attributes {
        match attribute {
            LinkAttribute::Mtu(mtu) => link.mtu = Some(*mtu),
            LinkAttribute::LinkInfo(infos) => {
                link.driver = infos.iter().find_map(|info| match info {
                    LinkInfo::Kind(kind) => Some(kind.to_string()),
                    _ => None,
                });
            }
            LinkAttribute::ParentDevBusName(name) => bus = Some(name),
            LinkAttribute::ParentDevName(name) => device = Some(name),
            _ => {}
        }
    }
    if let (None, Some(bus), Some(device)) = (&link.driver, bus, device) {
        link.driver = drivers::of_device(bus, device);
    }
    link
}

fn filter(message: &TcMessage) -> Option<Attached> {
    let options = message.attributes.iter().find_map(|attribute| match attribute {
        TcAttribute::Options(options) => Some(options),
        _ => None,
    })?;
    let mut bpf = options.iter().filter_map(|option| match option {
        TcOption::Bpf(option) => Some(option),
        _ => None,
    });
    let name = bpf.clone().find_map(|option| match option {
        TcFilterBpfOption::ProgName(name) => Some(name.clone()),
        _ => None,
    });
    let id = bpf.find_map(|option| match option {
        TcFilterBpfOption::ProgId(id) => Some(*id),
        _ => None,
    })?;
    Some(Attached { place: Place::Clsact, id, name })
}
