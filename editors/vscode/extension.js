// Connects VS Code with `watershed lsp`. Nothing is bundled: the protocol is a few lines, in protocol.js.
'use strict';

const { spawn, execFile } = require('node:child_process');
const vscode = require('vscode');
const { Client } = require('./protocol');

const SCHEME = 'watershed-rule';
const SELECTOR = [
  { scheme: 'file', language: 'yaml' },
  { scheme: 'file', pattern: '**/*.{yaml,yml}' },
];

/** @type {Client | undefined} */
let client;
let findings;
let output;

const program = () => vscode.workspace.getConfiguration('watershed').get('path', 'watershed');

// Between VS Code's types and the protocol's.
const position = (at) => ({ line: at.line, character: at.character });
const span = (range) => ({ start: position(range.start), end: position(range.end) });
const range = (of) =>
  new vscode.Range(of.start.line, of.start.character, of.end.line, of.end.character);
const location = (of) => new vscode.Location(vscode.Uri.parse(of.uri), range(of.range));
const textEdit = (of) => vscode.TextEdit.replace(range(of.range), of.newText);
const markdown = (of) => new vscode.MarkdownString(of.value);
const file = (document) => ({ uri: document.uri.toString() });
const isOurs = (document) => vscode.languages.match(SELECTOR, document) > 0;

function workspaceEdit(of) {
  const edit = new vscode.WorkspaceEdit();
  for (const change of of?.documentChanges ?? []) {
    edit.set(vscode.Uri.parse(change.textDocument.uri), change.edits.map(textEdit));
  }
  return edit;
}

function diagnostic(of) {
  // The protocol counts severities from 1.
  const found = new vscode.Diagnostic(range(of.range), of.message, (of.severity ?? 1) - 1);
  found.source = of.source;
  const target = of.codeDescription && vscode.Uri.parse(of.codeDescription.href);
  found.code = target ? { value: of.code, target } : of.code;
  found.relatedInformation = (of.relatedInformation ?? []).map(
    (other) => new vscode.DiagnosticRelatedInformation(location(other.location), other.message),
  );
  return found;
}

function symbol(of) {
  const found = new vscode.DocumentSymbol(
    of.name, '', of.kind - 1, range(of.range), range(of.selectionRange),
  );
  found.children = (of.children ?? []).map(symbol);
  return found;
}

function completion(of) {
  // Kinds count from 1 in the protocol, and from 0 here.
  const item = new vscode.CompletionItem(of.label, of.kind === undefined ? undefined : of.kind - 1);
  item.detail = of.detail;
  if (of.documentation) item.documentation = markdown(of.documentation);
  item.insertText = of.textEdit.newText;
  item.range = range(of.textEdit.range);
  return item;
}

function action(of) {
  const offered = new vscode.CodeAction(of.title, vscode.CodeActionKind.QuickFix);
  offered.diagnostics = (of.diagnostics ?? []).map(diagnostic);
  offered.isPreferred = of.isPreferred;
  if (of.edit) offered.edit = workspaceEdit(of.edit);
  if (of.command) {
    const [code] = of.command.arguments;
    offered.command = { title: of.title, command: 'vscode.open', arguments: [rule(code)] };
  }
  return offered;
}

/** The page that explains a rule. */
const rule = (code) => vscode.Uri.parse(`${SCHEME}:${code}`);

async function start() {
  await stop();
  const process = spawn(program(), ['lsp'], { stdio: ['pipe', 'pipe', 'pipe'] });
  process.stderr.on('data', (text) => output.append(text.toString()));
  process.on('error', (error) => {
    const text = `Watershed: cannot run ${program()}: ${error.message}. Set watershed.path.`;
    vscode.window.showErrorMessage(text);
  });
  const started = new Client(process, (method, params) => {
    if (method === 'textDocument/publishDiagnostics') {
      findings.set(vscode.Uri.parse(params.uri), params.diagnostics.map(diagnostic));
    }
  });
  await started.ask('initialize', {
    processId: null,
    rootUri: null,
    capabilities: {},
    initializationOptions: { rules: `${SCHEME}:` },
  });
  started.tell('initialized', {});
  client = started;
  vscode.workspace.textDocuments.forEach(opened);
}

async function stop() {
  const old = client;
  client = undefined;
  findings.clear();
  if (!old) return;
  await old.ask('shutdown', null).catch(() => undefined);
  old.tell('exit', null);
}

function opened(document) {
  if (!client || !isOurs(document)) return;
  const text = document.getText();
  client.tell('textDocument/didOpen', {
    textDocument: { ...file(document), languageId: 'yaml', version: document.version, text },
  });
}

function changed({ document }) {
  if (!client || !isOurs(document)) return;
  client.tell('textDocument/didChange', {
    textDocument: { ...file(document), version: document.version },
    contentChanges: [{ text: document.getText() }],
  });
}

function told(method) {
  return (document) => {
    if (client && isOurs(document)) client.tell(method, { textDocument: file(document) });
  };
}

const ask = async (method, params) => (client ? client.ask(method, params) : null);
const at = (document, place) => ({ textDocument: file(document), position: position(place) });

function providers() {
  const { languages } = vscode;
  return [
    languages.registerHoverProvider(SELECTOR, {
      async provideHover(document, place) {
        const found = await ask('textDocument/hover', at(document, place));
        return found && new vscode.Hover(markdown(found.contents), range(found.range));
      },
    }),
    languages.registerCompletionItemProvider(SELECTOR, {
      async provideCompletionItems(document, place) {
        return ((await ask('textDocument/completion', at(document, place))) ?? []).map(completion);
      },
    }, ' ', '[', '/'),
    languages.registerDefinitionProvider(SELECTOR, {
      async provideDefinition(document, place) {
        return ((await ask('textDocument/definition', at(document, place))) ?? []).map(location);
      },
    }),
    languages.registerReferenceProvider(SELECTOR, {
      async provideReferences(document, place, context) {
        const asked = { ...at(document, place), context };
        return ((await ask('textDocument/references', asked)) ?? []).map(location);
      },
    }),
    languages.registerDocumentSymbolProvider(SELECTOR, {
      async provideDocumentSymbols(document) {
        const asked = { textDocument: file(document) };
        return ((await ask('textDocument/documentSymbol', asked)) ?? []).map(symbol);
      },
    }),
    languages.registerRenameProvider(SELECTOR, {
      async prepareRename(document, place) {
        const found = await ask('textDocument/prepareRename', at(document, place));
        if (!found) throw new Error('nothing with a name stands here');
        return range(found);
      },
      async provideRenameEdits(document, place, newName) {
        return workspaceEdit(await ask('textDocument/rename', { ...at(document, place), newName }));
      },
    }),
    languages.registerCodeActionsProvider(SELECTOR, {
      async provideCodeActions(document, of) {
        const context = { diagnostics: [] };
        const asked = { textDocument: file(document), range: span(of), context };
        return ((await ask('textDocument/codeAction', asked)) ?? []).map(action);
      },
    }, { providedCodeActionKinds: [vscode.CodeActionKind.QuickFix] }),
    languages.registerDocumentFormattingEditProvider(SELECTOR, {
      async provideDocumentFormattingEdits(document, { tabSize, insertSpaces }) {
        const asked = { textDocument: file(document), options: { tabSize, insertSpaces } };
        return ((await ask('textDocument/formatting', asked)) ?? []).map(textEdit);
      },
    }),
  ];
}

async function activate(context) {
  output = vscode.window.createOutputChannel('Watershed');
  findings = vscode.languages.createDiagnosticCollection('watershed');
  const watcher = vscode.workspace.createFileSystemWatcher('**/*.{yaml,yml,json}');
  const watched = (type) => (uri) => {
    const changes = [{ uri: uri.toString(), type }];
    client?.tell('workspace/didChangeWatchedFiles', { changes });
  };
  const explained = {
    provideTextDocumentContent: (uri) =>
      new Promise((resolve) => {
        execFile(program(), ['explain', uri.path], (error, stdout, stderr) => {
          resolve(error ? stderr || String(error) : stdout);
        });
      }),
  };
  context.subscriptions.push(
    output,
    findings,
    watcher,
    watcher.onDidCreate(watched(1)),
    watcher.onDidChange(watched(2)),
    watcher.onDidDelete(watched(3)),
    vscode.workspace.registerTextDocumentContentProvider(SCHEME, explained),
    vscode.workspace.onDidOpenTextDocument(opened),
    vscode.workspace.onDidChangeTextDocument(changed),
    vscode.workspace.onDidSaveTextDocument(told('textDocument/didSave')),
    vscode.workspace.onDidCloseTextDocument(told('textDocument/didClose')),
    vscode.workspace.onDidChangeConfiguration((change) => {
      if (change.affectsConfiguration('watershed.path')) start();
    }),
    vscode.commands.registerCommand('watershed.restart', start),
    ...providers(),
  );
  await start();
}

module.exports = { activate, deactivate: stop };
