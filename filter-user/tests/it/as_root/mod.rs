//! What needs root: a Postfix of its own, network namespaces, the kernel program.

mod backend_tls;
mod balancer;
mod capture;
mod control;
mod decisions;
mod delegation;
mod delivery;
mod demo;
mod doctor;
mod enforcement;
mod failover;
mod kb_q255695;
mod life;
mod mail_exchange;
mod peers;
mod privileges;
mod relay_host;
mod site;
mod threats;
mod tls_mail;
mod transparent;
