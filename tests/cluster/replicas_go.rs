//! Replicas that are killed, drained and started under load: no client loses a request.

use crate::cluster::{clients::Clients, replicas::Cluster};

#[test]
fn no_request_is_lost_while_one_replica_is_killed_another_one_drained_and_a_third_one_comes() {
    let test = "no_request_is_lost_while_one_replica_is_killed_another_one_drained_and_a_third_one_comes";
    let Some(mut cluster) = Cluster::create(test) else { return };
    let [mut killed, mut drained, stays] = [cluster.replica(), cluster.replica(), cluster.replica()];
    let clients = Clients::begin(cluster.address);
    clients.wait_for_answers(3);

    // Stopped first, so that every client has a request on its sockets when it dies.
    killed.service.program.signal("STOP");
    clients.wait_until_stuck();
    let before = clients.answered();
    killed.service.program.signal("KILL");
    killed.service.program.wait();
    // Its address is known until Docker, or whoever it is, sees that it is gone: here it refuses.
    clients.wait_for_answers(3);
    cluster.names.remove(killed.address);
    let after_the_kill = clients.answered() - before;

    let before = clients.answered();
    drained.service.program.signal("TERM");
    assert_eq!(drained.service.program.wait(), Some(0));
    clients.wait_for_answers(3);
    cluster.names.remove(drained.address);
    let after_the_drain = clients.answered() - before;

    let comes = cluster.replica();
    comes.service.program.wait_for("GET /users/me 200");
    comes.service.program.wait_for("POST /token 200");

    let answered = clients.answered();
    let lost = clients.end();
    eprintln!(
        "{answered} requests were answered, {after_the_kill} of them between the kill and its being known, \
         {after_the_drain} during the drain; {} were lost",
        lost.len()
    );
    assert!(lost.is_empty(), "lost: {lost:#?}");
    assert!(stays.service.program.log().contains("GET /users/me 200"));
}
