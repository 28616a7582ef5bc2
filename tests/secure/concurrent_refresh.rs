//! Concurrent use of a single refresh token.

use std::collections::HashSet;

use crate::secure::{Reply, Service, Tokens, concurrently, on_both, replicas, rows};

/// Sends 50 concurrent refreshes with this token, alternating between the two replicas.
fn refresh_concurrently(replicas: &[Service; 2], token: &str) -> Vec<Reply> {
    concurrently(50, |number| replicas[number % 2].refresh(token, ""))
}

#[test]
fn eleven_of_fifty_concurrent_refreshes_within_the_grace_period_succeed_with_the_same_refresh_token() {
    on_both(|gatepass| {
        let replicas = replicas(gatepass, &["--refresh-grace=60"]);
        let mut token = replicas[0].sign_in_offline().refresh;
        for round in 0..2 {
            let (all, refused): (Vec<_>, Vec<_>) =
                refresh_concurrently(&replicas, &token).into_iter().partition(|reply| reply.status == 200);
            assert_eq!(all.len(), 11, "expected the first response and ten repetitions");
            assert!(refused.iter().all(|reply| reply.json()["error"] == "invalid_grant"), "{refused:?}");
            let all: Vec<_> = all.iter().map(Tokens::of).collect();
            let next: HashSet<_> = all.iter().map(|tokens| tokens.refresh.clone()).collect();
            assert_eq!(next.len(), 1, "round {round}");
            let access: HashSet<_> = all.iter().map(|tokens| tokens.access.as_str()).collect();
            assert_eq!(access.len(), all.len());
            for tokens in &all {
                let statuses = replicas.each_ref().map(|replica| replica.users_me(&tokens.access).status);
                assert_eq!(statuses, [200, 200]);
            }
            token = next.into_iter().next().unwrap();
        }
        assert_eq!(rows(gatepass, "SELECT id FROM sessions").len(), 1);
        replicas[1].refreshed(&token);
    });
}

#[test]
fn concurrent_refreshes_without_a_grace_period_end_the_session() {
    on_both(|gatepass| {
        let replicas = replicas(gatepass, &["--refresh-grace=0"]);
        let other = replicas[0].sign_in_offline();
        let first = replicas[0].sign_in_offline();
        let (accepted, refused): (Vec<_>, Vec<_>) = refresh_concurrently(&replicas, &first.refresh)
            .into_iter()
            .partition(|reply| reply.status == 200);
        assert!(accepted.len() <= 1, "expected at most one refresh to be accepted, got {}", accepted.len());
        let reuse = accepted.iter().map(Tokens::of).chain([first]);
        let reuse = reuse.map(|tokens| replicas[1].refresh(&tokens.refresh, ""));
        for reply in refused.into_iter().chain(reuse) {
            assert_eq!((reply.status, &reply.json()["error"]), (400, &"invalid_grant".into()));
        }
        assert_eq!(rows(gatepass, "SELECT id FROM sessions").len(), 1);
        replicas[1].refreshed(&other.refresh);
    });
}
