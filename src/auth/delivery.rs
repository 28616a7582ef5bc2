//! The rules for repeating the response to a refresh: a client that lost the response can get another response. If two
//! parties have the refresh token, the session ends.

use crate::{
    auth::throttle::network,
    domain::{client::ClientInfo, session::Delivery},
};

/// The maximum number of times that the response to a rotation is repeated.
const MAX_REPETITIONS: u64 = 10;

/// The maximum number of attempts to change a token family. Each failed attempt means that a concurrent request changed
/// the family, by a rotation, a repetition or the use of a token.
pub(super) const DELIVERY_ATTEMPTS: u64 = MAX_REPETITIONS + 6;

/// The result of another use of the previous refresh token within the grace period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Repetition {
    /// The response may be repeated. Contains the changed delivery.
    Allowed(Delivery),
    /// The only sender repeated the request too often.
    TooMany,
    /// Two parties have the refresh token: another sender received a response, or several senders repeated the request
    /// too often.
    Reuse,
}

/// The result of the use of an access token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Use {
    /// The use shows for the first time that the client received the current refresh token. Contains the changed
    /// delivery.
    First(Delivery),
    /// The use shows nothing new: the token was not issued by a refresh, it is older than the current refresh token, or
    /// a response is already known to have been received.
    Repeated,
    /// The token comes from a response that was presumed lost, since another sender requested a repetition: two parties
    /// have the refresh token.
    OfLostResponse,
}

impl Delivery {
    pub(super) fn repeated(&self, is_same_sender: bool) -> Repetition {
        if !is_same_sender && self.is_received {
            return Repetition::Reuse;
        }
        if self.last - self.first >= MAX_REPETITIONS {
            let is_only_sender = is_same_sender && self.to_sender == self.first;
            return if is_only_sender { Repetition::TooMany } else { Repetition::Reuse };
        }
        let last = self.last + 1;
        Repetition::Allowed(match is_same_sender {
            true => Self { last, ..*self },
            false => Self { last, to_sender: last, is_received: false, ..*self },
        })
    }

    /// Returns what the use of the access token with this number shows.
    pub(super) fn used(&self, sequence: u64) -> Use {
        // The response to a sign-in is not repeated.
        if self.first == 0 || sequence < self.first {
            Use::Repeated
        } else if sequence < self.to_sender {
            Use::OfLostResponse
        } else if self.is_received {
            Use::Repeated
        } else {
            Use::First(Self { is_received: true, ..*self })
        }
    }
}

/// Returns whether two requests come from the same [`network`] and have the same user agent.
pub(super) fn is_same_sender(one: &ClientInfo, other: &ClientInfo) -> bool {
    one.address.map(network) == other.address.map(network) && one.user_agent == other.user_agent
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;
    use crate::domain::time::Timestamp;

    const NOW: Timestamp = Timestamp::from_unix(1_700_000_000);

    /// The delivery after a rotation whose response has the number 7.
    const ROTATED: Delivery = Delivery { rotated: NOW, first: 7, to_sender: 7, last: 7, is_received: false };

    fn allowed(repetition: Repetition) -> Delivery {
        let Repetition::Allowed(delivery) = repetition else {
            panic!("expected an allowed repetition, got {repetition:?}")
        };
        delivery
    }

    fn received(used: Use) -> Delivery {
        let Use::First(delivery) = used else { panic!("expected the first use, got {used:?}") };
        delivery
    }

    #[test]
    fn response_is_repeated_to_the_same_sender_ten_times_even_if_it_was_received() {
        for start in [ROTATED, received(ROTATED.used(7))] {
            let last = (0..10).fold(start, |delivery, _| allowed(delivery.repeated(true)));
            assert_eq!(last, Delivery { last: 17, ..start });
            assert_eq!(last.repeated(true), Repetition::TooMany);
        }
    }

    #[test]
    fn response_is_repeated_to_another_sender_only_until_a_response_is_received() {
        let moved = allowed(ROTATED.repeated(false));
        assert_eq!(moved, Delivery { to_sender: 8, last: 8, ..ROTATED });
        // The client that changed networks stays signed in, even if it repeats its request.
        let used = received(moved.used(8));
        assert_eq!(used.used(8), Use::Repeated);
        assert_eq!(allowed(used.repeated(true)).used(9), Use::Repeated);
        // The first response was received after all, or a third sender has the token.
        assert_eq!(used.used(7), Use::OfLostResponse);
        assert_eq!(moved.used(7), Use::OfLostResponse);
        assert_eq!(used.repeated(false), Repetition::Reuse);
        assert_eq!(received(ROTATED.used(7)).repeated(false), Repetition::Reuse);
    }

    #[test]
    fn too_many_repetitions_to_several_senders_count_as_reuse() {
        let repeat = |delivery: Delivery, senders: &[bool]| {
            senders.iter().fold(delivery, |delivery, is_same| allowed(delivery.repeated(*is_same)))
        };
        let by_one = repeat(ROTATED, &[true; 10]);
        assert_eq!([true, false].map(|same| by_one.repeated(same)), [Repetition::TooMany, Repetition::Reuse]);
        // A thief requested all repetitions, only the last one, or those from the fifth on.
        for switch in [0, 9, 4] {
            let mut senders = [true; 10];
            senders[switch] = false;
            let by_two = repeat(ROTATED, &senders);
            assert_eq!(
                [true, false].map(|same| by_two.repeated(same)),
                [Repetition::Reuse; 2],
                "another sender repeated the request after {switch} repetitions"
            );
        }
    }

    #[test]
    fn use_of_an_access_token_from_before_the_rotation_changes_nothing() {
        for delivery in [ROTATED, allowed(ROTATED.repeated(false)), received(ROTATED.used(7))] {
            for sequence in [0, 6] {
                assert_eq!(delivery.used(sequence), Use::Repeated);
            }
        }
        assert_eq!(Delivery::of_sign_in(NOW).used(0), Use::Repeated);
    }

    #[test]
    fn senders_are_compared_by_network_and_user_agent() {
        let sender = |address: &str, user_agent: &str| ClientInfo {
            address: Some(address.parse().unwrap()),
            user_agent: Some(user_agent.to_owned()),
            device_cookie: None,
        };
        let browser = sender("203.0.113.7", "Firefox");
        assert!(is_same_sender(&browser, &browser));
        assert!(is_same_sender(&sender("2001:db8::1", "Firefox"), &sender("2001:db8::2", "Firefox")));
        assert!(is_same_sender(&ClientInfo::default(), &ClientInfo::default()));
        for other in [
            sender("203.0.113.8", "Firefox"),
            sender("203.0.113.7", "curl"),
            sender("2001:db8::1", "Firefox"),
            ClientInfo::default(),
            ClientInfo { user_agent: None, ..browser.clone() },
        ] {
            assert!(!is_same_sender(&browser, &other), "{other:?}");
        }
        assert!(!is_same_sender(&sender("2001:db8::1", "Firefox"), &sender("2001:db8:0:1::1", "Firefox")));
    }

    /// A request with the previous refresh token by one of three senders, or a use of the access token of an earlier
    /// response.
    #[derive(Clone, Copy, Debug)]
    enum Step {
        Repeat(u8),
        Use(prop::sample::Index),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![(0..3_u8).prop_map(Step::Repeat), any::<prop::sample::Index>().prop_map(Step::Use)]
    }

    proptest! {
        /// Reuse is detected before two senders have used access tokens, and the response is repeated at most ten
        /// times.
        #[test]
        fn reuse_is_detected_before_two_senders_use_tokens_of_one_rotation(steps in vec(step(), 1..40)) {
            // The sender of each response, and whether its token was used.
            let (mut responses, mut delivery) = (vec![(0_u8, false)], ROTATED);
            for step in steps {
                match step {
                    Step::Repeat(sender) => {
                        match delivery.repeated(responses.last().is_some_and(|(last, _)| *last == sender)) {
                            Repetition::Allowed(next) => {
                                delivery = next;
                                responses.push((sender, false));
                            }
                            Repetition::TooMany => {
                                prop_assert_eq!(responses.len(), 11);
                                let is_only_sender = responses.iter().all(|(other, _)| *other == sender);
                                prop_assert!(is_only_sender, "several senders got responses: {responses:?}");
                            }
                            Repetition::Reuse => {
                                let is_conflict = |(other, used): &(u8, bool)| {
                                    *other != sender && (*used || responses.len() == 11)
                                };
                                prop_assert!(
                                    responses.iter().any(is_conflict),
                                    "unexpected reuse: no other sender used a token, and the limit was not reached"
                                );
                                return Ok(());
                            }
                        }
                    }
                    Step::Use(index) => {
                        let position = index.index(responses.len());
                        let sender = responses[position].0;
                        match delivery.used(7 + position as u64) {
                            Use::First(next) => delivery = next,
                            Use::Repeated => {}
                            Use::OfLostResponse => {
                                let is_from_another = |(other, _): &(u8, bool)| *other != sender;
                                let is_lost = responses[position..].iter().any(is_from_another);
                                prop_assert!(is_lost, "the response was not lost: no other sender got a later one");
                                return Ok(());
                            }
                        }
                        responses[position].1 = true;
                    }
                }
                let used: std::collections::BTreeSet<_> =
                    responses.iter().filter(|(_, used)| *used).map(|(sender, _)| sender).collect();
                prop_assert!(used.len() <= 1, "several senders used tokens: {responses:?}");
                prop_assert!(responses.len() <= 11);
                prop_assert_eq!(delivery.last, 6 + responses.len() as u64);
            }
        }
    }
}
