//! nginx's mail proxy before the sink: the cost of a plain proxy that reads SMTP. Where mail goes it asks a service over
//! HTTP, which always says the sink, and whose CPU time does not count, as the sink's does not.

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context;

use super::{Installed, Pace, Peer, Running, Site, packages};

/// nginx of Debian, with its mail module.
#[derive(Clone, Copy, Debug)]
pub struct NginxMail;

impl Peer for NginxMail {
    fn name(&self) -> &'static str {
        "nginx mail"
    }

    fn pace(&self) -> Pace {
        Pace { sessions: 1_500, ..Pace::QUICK }
    }

    fn needs_root(&self) -> bool {
        true
    }

    fn install(&self, cache: &Path) -> anyhow::Result<Installed> {
        packages::install(&["nginx", "libnginx-mod-mail"], cache)
    }

    fn start(&self, installed: &Installed, site: &Site) -> anyhow::Result<Running> {
        let address = site.free_address()?;
        let directions = Directions::start(site.sink)?;
        let folder = site.folder.display();
        let settings = format!(
            "load_module /usr/lib/nginx/modules/ngx_mail_module.so;\n\
             daemon off;\n\
             user www-data;\n\
             worker_processes 1;\n\
             pid {folder}/nginx.pid;\n\
             error_log stderr crit;\n\
             events {{ worker_connections {}; }}\n\
             mail {{\n\
             server_name mail.example.test;\n\
             auth_http {}/;\n\
             proxy_pass_error_message on;\n\
             xclient off;\n\
             smtp_auth none;\n\
             smtp_capabilities PIPELINING 8BITMIME ENHANCEDSTATUSCODES \"SIZE 52428800\";\n\
             timeout 120s;\n\
             server {{ listen {address} backlog=4096; protocol smtp; }}\n\
             }}\n",
            site.descriptors.clamp(100, 60_000) - 50,
            directions.address,
        );
        let path = site.write("nginx.conf", &settings)?;
        let mut command = Command::new("nginx");
        command.arg("-p").arg(&site.folder).args(["-e", "stderr", "-c"]).arg(path);
        Ok(Running::start(&command, installed, site, Some(address))?.keeping(directions))
    }
}

/// The service that nginx asks: every mail goes to the sink.
#[derive(Debug)]
struct Directions {
    address: SocketAddr,
    over: Arc<AtomicBool>,
}

impl Directions {
    fn start(sink: SocketAddr) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").context("no port for what nginx asks")?;
        let address = listener.local_addr()?;
        let over = Arc::new(AtomicBool::new(false));
        let is_over = over.clone();
        let answer = format!(
            "HTTP/1.0 200 OK\r\nAuth-Status: OK\r\nAuth-Server: {}\r\nAuth-Port: {}\r\n\r\n",
            sink.ip(),
            sink.port()
        );
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if is_over.load(Ordering::Relaxed) {
                    return;
                }
                // Who does not ask in order is not answered: nginx then says so to its client.
                let _ = stream.and_then(|stream| direct(stream, &answer));
            }
        });
        Ok(Self { address, over })
    }
}

impl Drop for Directions {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        // Wakes the thread, which then ends; where that fails, it ends with the process.
        let _ = TcpStream::connect(self.address);
    }
}

/// Reads the request to its empty line, and answers.
fn direct(stream: TcpStream, answer: &str) -> io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    while !matches!(line.as_str(), "\r\n" | "\n") {
        line.clear();
        if stream.read_line(&mut line)? == 0 {
            return Ok(());
        }
    }
    stream.get_mut().write_all(answer.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read as _;

    #[test]
    fn who_asks_is_sent_to_the_sink() {
        let directions = Directions::start("127.0.0.1:2525".parse().unwrap()).unwrap();
        let mut stream = TcpStream::connect(directions.address).unwrap();
        stream.write_all(b"GET / HTTP/1.0\r\nHost: x\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.contains("Auth-Server: 127.0.0.1\r\nAuth-Port: 2525\r\n\r\n"), "{answer}");
    }
}
