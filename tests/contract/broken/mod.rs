//! Stores that each break one rule. The contract suites must report a violation of every documented rule.

mod sessions;
mod small_stores;
mod users;

use std::collections::BTreeSet;

use gatepass::testing::contract::Violation;

/// Asserts that `run`, which runs a suite on a store with a fault, reports the rule that `table` lists for the fault.
/// Also asserts that `table` lists all documented rules of the trait `name`.
async fn assert_caught<F: Copy + std::fmt::Debug>(
    (name, source): (&str, &str),
    table: &[(F, &str)],
    run: impl AsyncFn(F) -> Result<(), Violation>,
) {
    for (fault, rule) in table {
        let violation = run(*fault).await.expect_err(&format!("expected a violation for {fault:?}"));
        assert_eq!(violation.rule(), *rule, "{fault:?}: {violation}");
        let text = violation.to_string();
        let explanation = text.split_once(&format!("\n  {rule}: ")).expect("the text of the rule").1;
        assert!(explanation.len() > 40 && explanation.ends_with('.'), "{text}");
    }
    let (before, _) = source.split_once(&format!("pub trait {name}:")).expect("the trait");
    let documentation = before.lines().rev().take_while(|line| !line.is_empty());
    let documented = documentation.filter_map(|line| line.strip_prefix("/// - **")?.split_once("**: "));
    let documented: BTreeSet<_> = documented.map(|(rule, _)| rule).collect();
    assert_eq!(
        documented,
        table.iter().map(|(_, rule)| *rule).collect(),
        "{name}: expected a fault for each documented rule"
    );
}
