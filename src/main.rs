//! The binary: reads the command line and the configuration, then runs the server.

use std::io::Read;
use std::process::ExitCode;

use lockstep::base::memory::{self, Allocator};
use lockstep::base::{process, title};
use lockstep::config::{Config, Invocation, Param, cli};
use lockstep::server::background::{self, Place};
use lockstep::server::{logging, run};

#[global_allocator]
static ALLOCATOR: Allocator = Allocator;

fn main() -> ExitCode {
    title::make_room();
    memory::begin_with_small_pages();
    let arguments = process::arguments().iter().skip(1).cloned();
    let launch = match cli::parse(arguments) {
        Invocation::Help => {
            println!("{}", cli::help());
            return ExitCode::SUCCESS;
        }
        Invocation::Version => {
            println!("{}", cli::version());
            return ExitCode::SUCCESS;
        }
        Invocation::Serve(launch) => launch,
    };
    let mut input = Vec::new();
    if launch.read_stdin
        && let Err(error) = std::io::stdin().read_to_end(&mut input)
    {
        eprintln!("Can't read the configuration from stdin: {error}");
        return ExitCode::FAILURE;
    }
    let config = match Config::load(&launch, &mut &input[..]) {
        Ok(config) => config,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::FAILURE;
        }
    };
    match background::enter(&config, &input) {
        Ok(Place::Here) => {}
        Ok(Place::Left) => return ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("Can't go to the background: {error}");
            return ExitCode::FAILURE;
        }
    }
    let log = logging::start(config.choice(Param::LogLevel), config.path(Param::LogFile));
    match run::run(config, &log) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}
