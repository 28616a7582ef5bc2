//! Replicas that are killed, stopped and started under load.

use crate::cluster::{load::Load, setup::Cluster};

#[test]
fn no_request_fails_while_replicas_are_killed_stopped_and_started() {
    let Some(mut cluster) = Cluster::create() else { return };
    let [mut killed, mut stopped, other] = [(); 3].map(|()| cluster.start_replica());
    let load = Load::start(cluster.address);
    load.wait_for_responses(3);

    // Pause the replica first, so that every client has a request in progress when the replica is killed.
    killed.service.program.signal("STOP");
    load.wait_until_stalled();
    let before = load.responses();
    killed.service.program.signal("KILL");
    killed.service.program.wait();
    // The name server still returns the address of the killed replica, which refuses connections.
    load.wait_for_responses(3);
    cluster.names.remove(killed.address);
    let after_kill = load.responses() - before;

    let before = load.responses();
    stopped.service.program.signal("TERM");
    assert_eq!(stopped.service.program.wait(), Some(0));
    load.wait_for_responses(3);
    cluster.names.remove(stopped.address);
    let during_stop = load.responses() - before;

    let started = cluster.start_replica();
    started.service.program.wait_for("GET /users/me 200");
    started.service.program.wait_for("POST /token 200");

    let responses = load.responses();
    let failures = load.stop();
    eprintln!("{responses} responses, {after_kill} after the kill and {during_stop} during the stop");
    assert!(failures.is_empty(), "{failures:#?}");
    assert!(other.service.program.log().contains("GET /users/me 200"));
}
