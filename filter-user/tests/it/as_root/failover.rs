//! Two real Postfixes: one is stopped while mail flows, and comes back.

use crate::backend_faults::deliver;
use crate::daemon::{Daemon, eventually};
use crate::postfix::Postfix;

#[test]
fn mail_goes_on_while_the_first_backend_is_away_and_goes_back_to_it() {
    let (mut first, second) = (Postfix::proper(), Postfix::proper());
    let daemon = Daemon::start(&format!(
        "--backend {} --backend {} --backend-probe-interval 100ms --local-domain example.test",
        first.address, second.address
    ));
    let deliver = |count| {
        for _ in 0..count {
            let (at, reply) = deliver(daemon.address);
            assert!(reply.starts_with("250"), "{reply:?} at {at}");
        }
    };
    let delivered = |postfix: &Postfix, count| {
        eventually("the deliveries", || (postfix.delivered().len() == count).then_some(()));
    };
    deliver(2);
    delivered(&first, 2);
    first.stop();
    deliver(3);
    delivered(&second, 3);
    daemon.logged("backend is down");
    first.start_again();
    daemon.logged("backend is up again");
    deliver(1);
    delivered(&first, 3);
    delivered(&second, 3);
}
