//! An editor's conversation with `watershed lsp`, over standard input and output.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

use serde_json::{Value, json};

use crate::server::watershed;

/// An editor.
struct Editor {
    server: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
    asked: i64,
}

#[expect(clippy::needless_pass_by_value, reason = "what is sent is written where it is sent")]
impl Editor {
    fn start() -> Self {
        let mut command = watershed(&["lsp", "--stdio"]);
        let mut server = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (to, from) = (server.stdin.take().unwrap(), server.stdout.take().unwrap());
        let mut editor = Self { server, to, from: BufReader::new(from), asked: 0 };
        let options = json!({ "rules": "watershed-rule:" });
        let told = editor
            .ask("initialize", json!({ "capabilities": {}, "initializationOptions": options }));
        assert_eq!(told["capabilities"]["hoverProvider"], true);
        editor.tell("initialized", json!({}));
        editor
    }

    fn send(&mut self, message: &Value) {
        let text = message.to_string();
        write!(self.to, "Content-Length: {}\r\n\r\n{text}", text.len()).unwrap();
        self.to.flush().unwrap();
    }

    fn tell(&mut self, method: &str, params: Value) {
        self.send(&json!({ "jsonrpc": "2.0", "method": method, "params": params }));
    }

    fn read(&mut self) -> Value {
        let mut length = 0;
        loop {
            let mut line = String::new();
            assert!(self.from.read_line(&mut line).unwrap() > 0, "the server went away");
            match line.trim().split_once(": ") {
                Some(("Content-Length", number)) => length = number.parse().unwrap(),
                Some(_) => {}
                None => break,
            }
        }
        let mut body = vec![0; length];
        self.from.read_exact(&mut body).unwrap();
        serde_json::from_slice(&body).unwrap()
    }

    /// The answer to a question, whatever is told before it.
    fn answer(&mut self, method: &str, params: Value) -> Value {
        self.asked += 1;
        let id = self.asked;
        self.send(&json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }));
        loop {
            let message = self.read();
            if message["id"] == id {
                return message;
            }
        }
    }

    fn ask(&mut self, method: &str, params: Value) -> Value {
        let answer = self.answer(method, params);
        assert_eq!(answer["error"], Value::Null, "{method}");
        answer["result"].clone()
    }

    /// The findings of a file, the next time that they are told.
    fn findings(&mut self, uri: &str) -> Vec<(String, u64)> {
        loop {
            let message = self.read();
            let params = &message["params"];
            if message["method"] == "textDocument/publishDiagnostics" && params["uri"] == uri {
                let found = params["diagnostics"].as_array().unwrap().iter();
                let shown = |one: &Value| {
                    let code = one["code"].as_str().unwrap().to_owned();
                    let href = one["codeDescription"]["href"].as_str().unwrap();
                    assert_eq!(href, format!("watershed-rule:{code}"));
                    (code, one["range"]["start"]["character"].as_u64().unwrap())
                };
                return found.map(shown).collect();
            }
        }
    }

    fn end(mut self) {
        self.ask("shutdown", Value::Null);
        self.tell("exit", Value::Null);
        assert!(self.server.wait().unwrap().success());
    }
}

/// The topology of a folder is in two files. The sign in the description is two units of UTF-16 and four bytes.
#[test]
fn an_editor_is_answered_about_the_files_of_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    let streams = "watershed: 1\nname: x\nstreams:\n  A: { description: 𝄞, subjects: [a.>], maxAge: 1d, consumers: { c: { max_deliver: 3, dead_letter: A } } }\n";
    let services = "watershed: 1\nservices:\n  s: { consumes: [A/c] }\n";
    std::fs::write(folder.path().join("streams.yaml"), streams).unwrap();
    std::fs::write(folder.path().join("services.yaml"), services).unwrap();
    let path = folder.path().canonicalize().unwrap().display().to_string();
    let uri = |name: &str| format!("file://{path}/{name}");
    let (streams_uri, services_uri) = (uri("streams.yaml"), uri("services.yaml"));
    let mut editor = Editor::start();
    let open = |uri: &str, text: &str| json!({ "textDocument": { "uri": uri, "languageId": "yaml", "version": 1, "text": text } });
    editor.tell("textDocument/didOpen", open(&streams_uri, streams));
    let found = editor.findings(&streams_uri);
    let at = |code: &str| found.iter().find(|(own, _)| own == code).map(|(_, at)| *at);
    // Behind the sign, in units of UTF-16.
    assert_eq!(at("F003"), Some(41));

    let place = |uri: &str, line: u64, character: u64| {
        json!({
            "textDocument": { "uri": uri },
            "position": { "line": line, "character": character },
        })
    };
    let hover = editor.ask("textDocument/hover", place(&streams_uri, 3, 26));
    assert!(hover["contents"]["value"].as_str().unwrap().starts_with("**subjects**"), "{hover}");
    // The other file is not open, and is known all the same.
    let found = editor.ask("textDocument/definition", place(&services_uri, 2, 20));
    assert_eq!(found[0]["uri"], streams_uri.as_str());
    let mut asked = place(&streams_uri, 3, 2);
    asked["context"] = json!({ "includeDeclaration": false });
    assert_eq!(editor.ask("textDocument/references", asked).as_array().unwrap().len(), 2);
    let mut asked = place(&streams_uri, 3, 2);
    asked["newName"] = json!("B");
    let changes = editor.ask("textDocument/rename", asked);
    assert_eq!(changes["documentChanges"].as_array().unwrap().len(), 2);
    let mut asked = place(&streams_uri, 3, 2);
    asked["newName"] = json!("b.c");
    let refused = editor.answer("textDocument/rename", asked);
    assert!(refused["error"]["message"].as_str().unwrap().starts_with("invalid name"));

    let whole =
        json!({ "start": { "line": 0, "character": 0 }, "end": { "line": 4, "character": 0 } });
    let asked = json!({
        "textDocument": { "uri": streams_uri }, "range": whole, "context": { "diagnostics": [] },
    });
    let actions = editor.ask("textDocument/codeAction", asked);
    let fix = actions.as_array().unwrap().iter().find(|one| !one["edit"].is_null()).unwrap();
    assert_eq!(fix["title"], "write `max_age`");
    let asked = json!({ "command": "watershed.explain", "arguments": ["F003"] });
    let text = editor.ask("workspace/executeCommand", asked);
    assert!(text.as_str().unwrap().starts_with("F003 unknown-key"));

    let fixed = streams.replace("maxAge", "max_age");
    let change = json!({
        "textDocument": { "uri": streams_uri, "version": 2 }, "contentChanges": [{ "text": fixed }],
    });
    editor.tell("textDocument/didChange", change);
    assert!(editor.findings(&streams_uri).iter().all(|(code, _)| code != "F003"));
    let asked = json!({
        "textDocument": { "uri": streams_uri }, "options": { "tabSize": 2, "insertSpaces": true },
    });
    assert_eq!(editor.ask("textDocument/formatting", asked), json!([]));
    let outline = editor
        .ask("textDocument/documentSymbol", json!({ "textDocument": { "uri": streams_uri } }));
    assert_eq!(outline[0]["children"][0]["children"][0]["name"], "c");
    let completion = editor.ask("textDocument/completion", place(&services_uri, 2, 20));
    assert_eq!(completion[0]["label"], "A/c");
    assert_eq!(editor.answer("textDocument/unheard", json!({}))["error"]["code"], -32601);
    editor.end();
}
