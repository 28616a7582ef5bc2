//! Runs the commands in README.md and compares their output with README.md.

use support::Example;

#[test]
fn readme_commands_print_the_output_in_the_readme() {
    let example = Example::start(env!("CARGO_BIN_EXE_minimal"), &[]);
    example.run_file(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md"));
    example.run("```console\n$ stat -c %a members.db\n600\n```");
}
