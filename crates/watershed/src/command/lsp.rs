//! `watershed lsp`: answers an editor over standard input and output.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;
use lsp_server::{Connection, ErrorCode, Message, Notification, Request, Response};
use lsp_types::notification::{self, Notification as _};
use lsp_types::request::{self, Request as _};
use lsp_types::{
    CompletionResponse, DocumentSymbolResponse, GotoDefinitionResponse, MessageType,
    PrepareRenameResponse, PublishDiagnosticsParams, ShowMessageParams,
};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value as Json, json};
use watershed_lsp::{Documents, EXPLAIN, Folder, folder_of};

use super::explain;
use crate::exit::Exit;
use crate::load::text;

/// Answer an editor: findings, completion, definitions, renames and more, by the Language Server Protocol.
#[derive(Debug, Args)]
#[command(
    after_help = "An editor starts it. docs/editors.md has the settings of VS Code, Neovim and Helix."
)]
pub(crate) struct Arguments {
    /// Speak over standard input and output, which is the only way; some editors pass this flag.
    #[arg(long)]
    stdio: bool,
}

/// Most files of a folder that are looked at.
const FILES_MAX: usize = 1_000;

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<Exit> {
    let Arguments { stdio: _ } = arguments;
    let (connection, threads) = Connection::stdio();
    let parameters = connection.initialize(capabilities()).context("the editor did not begin")?;
    let rules = parameters.pointer("/initializationOptions/rules").and_then(Json::as_str);
    let mut server = Server::new(&connection, rules.map(str::to_owned));
    server.serve()?;
    drop(connection);
    threads.join().context("the editor went away")?;
    Ok(Exit::Clean)
}

/// What is offered to an editor.
fn capabilities() -> Json {
    json!({
        "textDocumentSync": { "openClose": true, "change": 1, "save": true },
        "hoverProvider": true,
        "completionProvider": { "triggerCharacters": [" ", "[", "/"] },
        "definitionProvider": true,
        "referencesProvider": true,
        "documentSymbolProvider": true,
        "renameProvider": { "prepareProvider": true },
        "codeActionProvider": { "codeActionKinds": ["quickfix"] },
        "documentFormattingProvider": true,
        "executeCommandProvider": { "commands": [EXPLAIN] },
    })
}

/// Signs of a file's name that stand in a URI as they are.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

struct Server<'c> {
    connection: &'c Connection,
    /// Where rules are explained: a rule's code comes behind that.
    rules: Option<String>,
    documents: Documents,
    /// What is open: its text is the editor's and not the disk's.
    open: BTreeSet<String>,
    /// What was read, by folder, until something in it changes.
    folders: BTreeMap<String, Folder>,
    /// Folders whose findings are to be sent.
    changed: BTreeSet<String>,
    /// Files for which findings were sent.
    told: BTreeSet<String>,
}

impl<'c> Server<'c> {
    fn new(connection: &'c Connection, rules: Option<String>) -> Self {
        Self {
            connection,
            rules,
            documents: Documents::default(),
            open: BTreeSet::new(),
            folders: BTreeMap::new(),
            changed: BTreeSet::new(),
            told: BTreeSet::new(),
        }
    }

    fn serve(&mut self) -> anyhow::Result<()> {
        while let Ok(message) = self.connection.receiver.recv() {
            match message {
                Message::Request(request) => {
                    if self.connection.handle_shutdown(&request)? {
                        return Ok(());
                    }
                    let response = self.answer(request);
                    self.connection.sender.send(response.into())?;
                }
                Message::Notification(notification) => self.take(notification),
                Message::Response(_) => {}
            }
            // What is typed fast is looked at once.
            if self.connection.receiver.is_empty() {
                self.publish()?;
            }
        }
        Ok(())
    }

    /// The folder of a file, as it is now.
    fn folder(&mut self, uri: &str) -> &Folder {
        let key = folder_of(uri).to_owned();
        let documents = &self.documents;
        self.folders.entry(key).or_insert_with(|| documents.folder(uri))
    }

    fn touch(&mut self, uri: &str) {
        let folder = folder_of(uri);
        self.folders.remove(folder);
        self.changed.insert(folder.to_owned());
    }

    /// Reads what lies on the disk beside a file and is not open.
    fn read_beside(&mut self, uri: &str) {
        let folder = folder_of(uri).to_owned();
        let known: Vec<String> = self.documents.within(&folder).map(str::to_owned).collect();
        for uri in known.iter().filter(|uri| !self.open.contains(*uri)) {
            self.documents.remove(uri);
        }
        let files = path_of(&folder).map(|path| files(&path)).unwrap_or_default();
        for path in files {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let uri = format!("{folder}{}", utf8_percent_encode(name, PLAIN));
            let is_open = self.open.iter().any(|open| decoded(open) == decoded(&uri));
            if let Ok(text) = text(&path)
                && !is_open
            {
                self.documents.set(&uri, text);
            }
        }
        self.touch(uri);
    }

    fn take(&mut self, notification: Notification) {
        let method = notification.method.clone();
        match method.as_str() {
            notification::DidOpenTextDocument::METHOD => {
                self.with::<notification::DidOpenTextDocument>(notification, |server, opened| {
                    let uri = opened.text_document.uri.as_str();
                    server.open.insert(uri.to_owned());
                    server.read_beside(uri);
                    server.documents.set(uri, opened.text_document.text);
                });
            }
            notification::DidChangeTextDocument::METHOD => {
                self.with::<notification::DidChangeTextDocument>(
                    notification,
                    |server, changed| {
                        let uri = changed.text_document.uri.as_str();
                        // Whole texts: that was agreed on.
                        if let Some(last) = changed.content_changes.into_iter().last() {
                            server.documents.set(uri, last.text);
                            server.touch(uri);
                        }
                    },
                );
            }
            notification::DidCloseTextDocument::METHOD => {
                self.with::<notification::DidCloseTextDocument>(notification, |server, closed| {
                    let uri = closed.text_document.uri.as_str();
                    server.open.remove(uri);
                    server.read_beside(uri);
                });
            }
            notification::DidSaveTextDocument::METHOD => {
                self.with::<notification::DidSaveTextDocument>(notification, |server, saved| {
                    server.read_beside(saved.text_document.uri.as_str());
                });
            }
            notification::DidChangeWatchedFiles::METHOD => {
                self.with::<notification::DidChangeWatchedFiles>(notification, |server, files| {
                    for change in files.changes {
                        server.read_beside(change.uri.as_str());
                    }
                });
            }
            _ => {}
        }
    }

    fn with<N: notification::Notification>(
        &mut self,
        notification: Notification,
        task: impl FnOnce(&mut Self, N::Params),
    ) {
        // One that cannot be read has nobody to be told.
        if let Ok(parameters) = serde_json::from_value(notification.params) {
            task(self, parameters);
        }
    }

    fn answer(&mut self, request: Request) -> Response {
        let id = request.id.clone();
        match self.result(request) {
            Ok(result) => Response::new_ok(id, result),
            Err((code, text)) => Response::new_err(id, code as i32, text),
        }
    }

    fn result(&mut self, request: Request) -> Result<Json, (ErrorCode, String)> {
        let method = request.method.clone();
        match method.as_str() {
            request::HoverRequest::METHOD => ask::<request::HoverRequest>(request, |of| {
                let at = of.text_document_position_params;
                Ok(self
                    .folder(at.text_document.uri.as_str())
                    .hover(at.text_document.uri.as_str(), at.position))
            }),
            request::Completion::METHOD => ask::<request::Completion>(request, |of| {
                let at = of.text_document_position;
                let uri = at.text_document.uri.as_str();
                Ok(Some(CompletionResponse::Array(self.folder(uri).completion(uri, at.position))))
            }),
            request::GotoDefinition::METHOD => ask::<request::GotoDefinition>(request, |of| {
                let at = of.text_document_position_params;
                let uri = at.text_document.uri.as_str();
                let found = self.folder(uri).definition(uri, at.position);
                Ok(Some(GotoDefinitionResponse::Array(found)))
            }),
            request::References::METHOD => ask::<request::References>(request, |of| {
                let at = of.text_document_position;
                let uri = at.text_document.uri.as_str();
                let declarations = of.context.include_declaration;
                Ok(Some(self.folder(uri).references(uri, at.position, declarations)))
            }),
            request::DocumentSymbolRequest::METHOD => {
                ask::<request::DocumentSymbolRequest>(request, |of| {
                    let uri = of.text_document.uri.as_str();
                    Ok(Some(DocumentSymbolResponse::Nested(self.folder(uri).outline(uri))))
                })
            }
            request::PrepareRenameRequest::METHOD => {
                ask::<request::PrepareRenameRequest>(request, |at| {
                    let uri = at.text_document.uri.as_str();
                    let range = self.folder(uri).renamable(uri, at.position);
                    Ok(range.map(PrepareRenameResponse::Range))
                })
            }
            request::Rename::METHOD => ask::<request::Rename>(request, |of| {
                let at = of.text_document_position;
                let uri = at.text_document.uri.as_str();
                self.folder(uri).rename(uri, at.position, &of.new_name).map(Some)
            }),
            request::CodeActionRequest::METHOD => {
                ask::<request::CodeActionRequest>(request, |of| {
                    let uri = of.text_document.uri.as_str();
                    let actions = self.folder(uri).actions(uri, of.range);
                    Ok(Some(actions.into_iter().map(Into::into).collect()))
                })
            }
            request::Formatting::METHOD => ask::<request::Formatting>(request, |of| {
                let uri = of.text_document.uri.as_str();
                self.folder(uri).formatting(uri).map(Some)
            }),
            request::ExecuteCommand::METHOD => ask::<request::ExecuteCommand>(request, |of| {
                let code = of.arguments.first().and_then(Json::as_str);
                match (of.command.as_str(), code.and_then(explain::text)) {
                    (EXPLAIN, Some(text)) => {
                        self.show(&text);
                        Ok(Some(Json::from(text)))
                    }
                    (EXPLAIN, None) => Err("unknown rule".to_owned()),
                    (other, _) => Err(format!("unknown command `{other}`")),
                }
            }),
            other => {
                let text = format!("`{other}` is not supported");
                Err((ErrorCode::MethodNotFound, text))
            }
        }
    }

    /// Lets the editor show a text.
    fn show(&self, text: &str) {
        let message = ShowMessageParams { typ: MessageType::INFO, message: text.to_owned() };
        let method = notification::ShowMessage::METHOD.to_owned();
        // An editor that has gone away reads nothing.
        let _ = self.connection.sender.send(Notification::new(method, message).into());
    }

    /// Sends the findings of what changed.
    fn publish(&mut self) -> anyhow::Result<()> {
        for folder in std::mem::take(&mut self.changed) {
            let rules = self.rules.clone();
            let found = self.folder(&folder).diagnostics(rules.as_deref());
            let found: Vec<_> =
                found.into_iter().map(|(uri, found)| (uri.to_owned(), found)).collect();
            // What is no longer there has no findings any more.
            let now: BTreeSet<String> = found.iter().map(|(uri, _)| uri.clone()).collect();
            let is_gone = |uri: &&String| folder_of(uri) == folder && !now.contains(*uri);
            let gone: Vec<String> = self.told.iter().filter(is_gone).cloned().collect();
            for (uri, diagnostics) in gone.into_iter().map(|uri| (uri, Vec::new())).chain(found) {
                if diagnostics.is_empty() {
                    if !self.told.remove(&uri) && !self.open.contains(&uri) {
                        continue;
                    }
                } else {
                    self.told.insert(uri.clone());
                }
                let Ok(uri) = uri.parse() else { continue };
                let all = PublishDiagnosticsParams { uri, diagnostics, version: None };
                let method = notification::PublishDiagnostics::METHOD.to_owned();
                self.connection.sender.send(Notification::new(method, all).into())?;
            }
        }
        Ok(())
    }
}

/// Reads the parameters of a request and writes its result.
fn ask<R: request::Request>(
    request: Request,
    task: impl FnOnce(R::Params) -> Result<R::Result, String>,
) -> Result<Json, (ErrorCode, String)>
where
    R::Params: DeserializeOwned,
    R::Result: Serialize,
{
    let parameters = serde_json::from_value(request.params)
        .map_err(|error| (ErrorCode::InvalidParams, format!("invalid parameters: {error}")))?;
    let result = task(parameters).map_err(|text| (ErrorCode::RequestFailed, text))?;
    serde_json::to_value(result).map_err(|error| (ErrorCode::InternalError, error.to_string()))
}

fn decoded(uri: &str) -> String {
    percent_decode_str(uri).decode_utf8_lossy().into_owned()
}

/// The path that a URI stands for, if it is one of a file.
fn path_of(uri: &str) -> Option<PathBuf> {
    Some(PathBuf::from(decoded(uri.strip_prefix("file://")?)))
}

/// The files of a folder that may be about a topology.
fn files(folder: &Path) -> Vec<PathBuf> {
    let is_ours = |path: &PathBuf| {
        let end = path.extension().and_then(|end| end.to_str());
        path.is_file() && matches!(end, Some("yaml" | "yml" | "json"))
    };
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> =
        entries.map(|entry| entry.path()).filter(is_ours).take(FILES_MAX).collect();
    found.sort();
    found
}
