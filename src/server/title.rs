//! `set-proc-title` and `proc-title-template`.

use crate::base::{process, title};
use crate::config::template::{TitlePart, expand};
use crate::config::{Config, Param};

/// Shows the title that the configuration asks for.
pub fn update(config: &Config) {
    if !config.get_bool(Param::SetProcTitle) {
        return;
    }
    let template = config.get_text(Param::ProcTitleTemplate);
    // A template that was accepted can be expanded.
    let text = expand(&template, |part| value_of(config, part)).unwrap_or_default();
    if let Err(error) = title::set(&text) {
        tracing::debug!("The process keeps its title: {error}");
    }
}

fn value_of(config: &Config, part: TitlePart) -> Vec<u8> {
    let port = config.get_int(Param::Port);
    match part {
        TitlePart::Title => match process::arguments().first() {
            Some(program) => program.as_encoded_bytes().to_vec(),
            None => b"server".to_vec(),
        },
        TitlePart::ListenAddress if port == 0 => config.get_text(Param::UnixSocket).to_vec(),
        TitlePart::ListenAddress => {
            let addresses = config.bind();
            let first = addresses.first().map_or("*", String::as_str);
            format!("{first}:{port}").into_bytes()
        }
        TitlePart::Port => port.to_string().into_bytes(),
        // There is neither TLS nor a cluster.
        TitlePart::TlsPort => b"0".to_vec(),
        TitlePart::ServerMode => Vec::new(),
        TitlePart::UnixSocket => config.get_text(Param::UnixSocket).to_vec(),
        TitlePart::ConfigFile => match config.file() {
            Some(path) => path.as_os_str().as_encoded_bytes().to_vec(),
            None => Vec::new(),
        },
    }
}
