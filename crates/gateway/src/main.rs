//! `credence`: see `credence --help`.

use std::process::ExitCode;

fn main() -> ExitCode {
    credence_gateway::cli::run()
}
