//! `send`: runs from files.

use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, ensure};
use shared::limits::BODY_BYTES_MAX;
use shared::run::NewRun;
use shared::validate;

use crate::cli::SendArguments;
use crate::client::{self, Client};
use crate::config::Settings;
use crate::{exit, report, uploader};

/// Sends each file, and says of each what became of it.
pub fn send(arguments: &SendArguments) -> ExitCode {
    let settings = Settings::of_this_process(&arguments.options);
    let token = settings.token.as_ref().map(|token| token.value.clone());
    let client = match Client::new(&settings.master_url.value, token) {
        Ok(client) => client,
        Err(error) => {
            report::say(&error.to_string());
            return ExitCode::from(exit::USAGE);
        }
    };
    let mut all_sent = true;
    for file in &arguments.files {
        match send_file(&client, &settings, file) {
            Ok(link) if !settings.quiet.value => {
                report::say(&format!("{} uploaded {link}", file.display()));
            }
            Ok(_) => {}
            Err(error) => {
                all_sent = false;
                report::say(&format!("{} NOT uploaded: {error:#}", file.display()));
            }
        }
    }
    if all_sent {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(exit::NOT_SENT)
    }
}

fn send_file(client: &Client, settings: &Settings, file: &Path) -> anyhow::Result<String> {
    let bytes = file.metadata().context("cannot read it")?.len();
    ensure!(
        bytes <= BODY_BYTES_MAX as u64,
        "it has {bytes} bytes, a master takes at most {BODY_BYTES_MAX}"
    );
    let json = std::fs::read(file).context("cannot read it")?;
    let run: NewRun = serde_json::from_slice(&json).context("it is no run")?;
    validate::run(&run).context("it is no run that a master takes")?;
    let body = client::compress(&json)?;
    let timeout = settings.upload_timeout.value;
    uploader::send(client, &body, Instant::now(), timeout)?;
    Ok(client::link(&settings.master_url.value, &run.run_id))
}
