//! The commands of README.md print what README.md shows.

use support::Example;

#[test]
fn commands_of_the_readme_print_what_it_shows() {
    let example = Example::start(env!("CARGO_BIN_EXE_minimal"), &[]);
    example.run_file(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md"));
    example.run("```console\n$ stat -c %a members.db\n600\n```");
}
