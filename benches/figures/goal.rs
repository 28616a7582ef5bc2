//! A goal, and whether it was reached.

use crate::support::table::Table;

pub struct Goal {
    pub what: String,
    pub figure: String,
    /// None where it is not measured here; the figure says why.
    pub value: Option<f64>,
    pub bound: Bound,
}

#[derive(Clone, Copy)]
pub enum Bound {
    AtLeast(f64),
    AtMost(f64),
}

impl Bound {
    fn figure(self) -> f64 {
        match self {
            Self::AtLeast(bound) | Self::AtMost(bound) => bound,
        }
    }

    fn is_kept(self, value: f64) -> bool {
        match self {
            Self::AtLeast(bound) => value >= bound,
            Self::AtMost(bound) => value <= bound,
        }
    }
}

pub fn table(goals: Vec<Goal>) -> Table {
    let mut table = Table::new(["goal", "figure", "figure ÷ goal", "met"]);
    for Goal { what, figure, value, bound } in goals {
        let (ratio, met) = match value {
            Some(value) if bound.is_kept(value) => (format!("{:.2}", value / bound.figure()), "yes"),
            Some(value) => (format!("{:.2}", value / bound.figure()), "**NO**"),
            None => (String::new(), "–"),
        };
        table.row([what, figure, ratio, met.to_owned()]);
    }
    table
}
