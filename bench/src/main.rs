//! Measures Counterfoil as a ratio to a bare server, in one run on one machine. `cargo xtask bench` starts it.

mod application;
mod bare;
mod browser;
mod clock;
mod compare;
mod costs;
mod disk;
mod http_client;
mod jws;
mod load;
mod numbers;
mod pack;
mod passkey;
mod path;
mod people;
mod process;
mod random;
mod ready;
mod results;
mod run;
mod scenarios;
mod start;
mod totp;

use std::process::ExitCode;

const HELP: &str = "\
counterfoil-bench [run] [--seconds N] [--rounds N] [--connections N] [--only TEXT] [--out FILE]

Starts the server named by COUNTERFOIL_BIN once per engine and a bare axum server that parses the same body and
answers the same size; asks both in turns over keep-alive connections (closed loop, median of the rounds), then ours
at half its own maximum (open loop). The whole of it writes 12 GB to the volume first and gives them back. Prints a table and writes FILE (bench/results.json), and the table beside it (.txt).

  --seconds N      of one run, 10
  --rounds N       runs of each side, 5
  --connections N  64
  --only TEXT      scenarios whose name contains it, or one of several with semicolons between
  --out FILE       where results go; `-` writes none
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&error.to_string(), 1),
    };
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match words.as_slice() {
        ["help" | "--help" | "-h", ..] => {
            print!("{HELP}");
            return ExitCode::SUCCESS;
        }
        // The yardstick's process; `run` starts it.
        ["bare", bytes] => match bytes.parse() {
            Ok(bytes) => runtime.block_on(bare::run(bytes)),
            Err(_) => return fail("`bare` takes the size of its answer in bytes", 2),
        },
        ["run", rest @ ..] | rest => match run::Options::parse(rest) {
            Ok(options) => runtime.block_on(run::run(&options)),
            Err(text) => return fail(&text, 2),
        },
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error.to_string(), 1),
    }
}

fn fail(text: &str, code: u8) -> ExitCode {
    eprintln!("error: {text}");
    ExitCode::from(code)
}
