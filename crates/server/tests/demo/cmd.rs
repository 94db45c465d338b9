//! The command line, one small file per case in `tests/cmd`: the command, what it prints, its exit code.

#[test]
fn commands_say_what_they_do_and_exit_with_0_1_or_2() {
    trycmd::TestCases::new().case("tests/cmd/*.trycmd");
}
