//! All the cases, each with its server running, and the rounds in which they take turns.

use std::rc::Rc;

use crate::{
    answer::{self, Answer},
    bare,
    case::{Case, Name},
    fastapi::{self, Chapter},
    hand_written::{self, Framework, Users},
    pace::Pace,
    peer::{On, Peer},
    population::Population,
    postgres_copy, service, sign_ins,
    support::{
        Failure,
        load::{CONNECTIONS, Exchange, Until},
        python, requests,
    },
};

pub struct Cases {
    cases: Vec<Case>,
    /// What is not on this machine.
    pub left_out: Vec<&'static str>,
}

/// What they are made of.
pub struct Ground<'a> {
    pub few: &'a Population,
    pub many: &'a Population,
    pub postgres: Option<&'a postgres_copy::Copy>,
    pub core: Option<usize>,
}

impl Cases {
    pub fn start(ground: &Ground<'_>, pace: &Pace) -> Result<Self, Failure> {
        let mut this = Self { cases: Vec::new(), left_out: Vec::new() };
        this.add_gatepass(ground, pace)?;
        match python::program("uvicorn") {
            Ok(_) => this.add_fastapi(ground)?,
            Err(why) => {
                // The page does not need the reason, with this machine's paths.
                eprintln!("FastAPI is left out: {why}");
                this.left_out.push("FastAPI");
            }
        }
        this.add_hand_written(ground, pace)?;
        Ok(this)
    }

    fn add_gatepass(&mut self, ground: &Ground<'_>, pace: &Pace) -> Result<(), Failure> {
        let on = On::from(ground.core);
        let tutorial = Rc::new(service::tutorial(on, Some(1))?);
        self.add(Name::Tutorial, &tutorial, tutorial_read_users_me())?;
        self.add(Name::TutorialToken, &tutorial, tutorial_sign_in())?;
        self.add_bare(Name::BareTutorial, &tutorial, on, tutorial_read_users_me())?;

        let secure = Rc::new(service::secure(on, Some(1), &ground.many.place, &[])?);
        self.add(Name::SecureSqlite, &secure, ground.many.exchange(pace.tokens))?;
        self.add_bare(Name::BareSecure, &secure, on, ground.many.exchange(pace.tokens))?;
        let secure = Rc::new(service::secure(on, Some(1), &ground.few.place, &[])?);
        self.add(Name::SecureFew, &secure, ground.few.exchange(pace.tokens))?;
        match ground.postgres {
            Some(copy) => {
                let secure = Rc::new(service::secure(on, Some(1), &copy.place, &[])?);
                self.add(Name::SecurePostgres, &secure, ground.many.exchange(pace.tokens))?;
            }
            None => self.left_out.push("PostgreSQL"),
        }
        Ok(())
    }

    /// A bare handler beside `gatepass`, which is asked the same and has to answer the same.
    fn add_bare(
        &mut self,
        name: Name,
        gatepass: &Peer,
        on: On<'_>,
        exchange: Exchange,
    ) -> Result<(), Failure> {
        exchange.rewind();
        let original = Answer::of(&exchange, gatepass.address)?;
        let peer = Rc::new(bare::start(on, &original)?);
        // It knows one answer, whoever asks.
        let exchange = exchange.answered_by(&original.body);
        peer.await_answer(&exchange)?;
        exchange.rewind();
        let of_gatepass = exchange.answer(gatepass.address)?;
        answer::compare(&of_gatepass, &exchange.answer(peer.address)?)?;
        self.add(name, &peer, exchange)
    }

    fn add_fastapi(&mut self, ground: &Ground<'_>) -> Result<(), Failure> {
        let on = On::from(ground.core);
        let peer = Rc::new(fastapi::start(on, Chapter::Simple)?);
        self.add(Name::Chapter, &peer, tutorial_read_users_me())?;
        self.add(Name::ChapterToken, &peer, tutorial_sign_in())?;
        let peer = Rc::new(fastapi::start(on, Chapter::Jwt)?);
        let exchange = fastapi::jwt_read_users_me(&sign_ins::token(&peer, "johndoe")?);
        self.add(Name::JwtChapter, &peer, exchange)
    }

    fn add_hand_written(&mut self, ground: &Ground<'_>, pace: &Pace) -> Result<(), Failure> {
        for (name, framework, users) in [
            (Name::AxumMemory, Framework::Axum, Users::Memory),
            (Name::AxumSqlite, Framework::Axum, Users::Sqlite),
            (Name::ActixMemory, Framework::Actix, Users::Memory),
            (Name::ActixSqlite, Framework::Actix, Users::Sqlite),
        ] {
            let peer = hand_written::start(On::from(ground.core), framework, users, ground.many)?;
            self.add(name, &Rc::new(peer), hand_written::exchange(ground.many, pace.tokens)?)?;
        }
        Ok(())
    }

    fn add(&mut self, name: Name, peer: &Rc<Peer>, exchange: Exchange) -> Result<(), Failure> {
        let failed = |failure| format!("{}: {failure}", name.words());
        peer.await_answer(&exchange).map_err(failed)?;
        // No request that counts is the first one of its token.
        let once = Until::Answered(exchange.count());
        exchange.run_on(CONNECTIONS, peer.address, once).map_err(failed)?;
        self.cases.push(Case::new(name, peer, exchange));
        Ok(())
    }

    /// Every case in turn, again and again, so that a disturbance of the machine meets all of them.
    pub fn measure(&mut self, pace: &Pace) -> Result<(), Failure> {
        for round in 1..=pace.rounds {
            eprintln!("round {round} of {} …", pace.rounds);
            for case in &mut self.cases {
                case.round(pace)?;
            }
            // There and back: whatever grows with time grows for all cases alike.
            self.cases.reverse();
        }
        self.cases.sort_by_key(|case| case.name as usize);
        Ok(())
    }

    pub fn all(&self) -> &[Case] {
        &self.cases
    }

    /// One of them, unless it was left out.
    pub fn get(&self, name: Name) -> Option<&Case> {
        self.cases.iter().find(|case| case.name == name)
    }
}

/// The answer to GET /users/me in the tutorial.
const USER: &str = r#"{"username":"johndoe","email":"johndoe@example.com","full_name":"John Doe","disabled":false,"hashed_password":"fakehashedsecret"}"#;
/// The answer to POST /token there.
const TOKEN: &str = r#"{"access_token":"johndoe","token_type":"bearer"}"#;

pub fn tutorial_read_users_me() -> Exchange {
    Exchange::new(&requests::users_me("johndoe"), USER)
}

fn tutorial_sign_in() -> Exchange {
    Exchange::new(&sign_ins::request("johndoe"), TOKEN)
}
