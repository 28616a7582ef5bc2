//! A slow client: in turn one whose request comes in parts, and one whose request never comes.

use std::{thread, time::Duration};

use crate::{
    client::Client,
    errands::Outcome,
    purse::Purse,
    support::{Failure, connection::Connection, requests::users_me},
};

const PAUSE: Duration = Duration::from_millis(500);

pub fn be_slow(client: &mut Client, purse: &Purse, turn: usize) -> Result<Outcome, Failure> {
    let broken = |error: std::io::Error| format!("a slow client: {error}");
    let Some(token) = purse.living_token(turn) else { return Ok(Outcome::NothingToDo) };
    let request = users_me(&token);
    let (first, rest) = request.split_at(request.len() / 2);
    let (second, third) = rest.split_at(rest.len() / 2);

    let mut connection = Connection::open(client.address).map_err(broken)?;
    connection.send(first).map_err(broken)?;
    if turn.is_multiple_of(2) {
        for part in [second, third] {
            thread::sleep(PAUSE);
            connection.send(part).map_err(broken)?;
        }
        let answer = connection.answer().map_err(broken)?;
        if answer.status != 200 || answer.body != client.user {
            return Err(format!("a slow client: {answer:?}"));
        }
    } else {
        let answer = connection.answer().map_err(broken)?;
        if answer.status != 408 {
            return Err(format!("a client whose request never came: {answer:?}"));
        }
    }
    Ok(Outcome::Answered)
}
