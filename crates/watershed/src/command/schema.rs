//! `watershed schema`: the language for editors.

use clap::Args;
use watershed_topology::json_schema::json_schema;

use crate::exit::Exit;
use crate::ui;

/// Print the JSON Schema of topology files, for completion in an editor.
#[derive(Debug, Args)]
#[command(after_help = "Example: watershed schema > watershed.schema.json\n\n\
    Then, as the first line of watershed.yaml:\n\
    # yaml-language-server: $schema=watershed.schema.json")]
pub(crate) struct Arguments {}

pub(crate) fn run(_: &Arguments) -> Exit {
    ui::json::print(&json_schema());
    Exit::Clean
}
