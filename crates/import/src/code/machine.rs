//! A program while it is followed: what names mean, and which calls were seen.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use watershed_topology::source::{FileId, Span};

use super::syntax::{Class, Function, Stmt};
use super::value::{Bound, Given, Made, Value, What};
use crate::script::Language;
use crate::word::Arms;

/// Expressions and statements of all programs together that are followed.
const STEPS_MAX: usize = 3_000_000;

/// The same of one function that nobody calls, with what it calls.
const ROOT_STEPS_MAX: usize = 60_000;

/// Names that a function calls which is followed for what it returns.
const CALLS_LIGHT: usize = 4;

/// Calls of functions in each other.
pub(super) const CALLS_MAX: usize = 24;

/// Expressions and blocks in each other, with those of functions that are called in them.
pub(super) const LEVELS_MAX: usize = 120;

/// Numbers of conditions begin here: those of scripts are below.
const CONDITIONS: usize = 1 << 24;

/// A file, or a block in one.
#[derive(Debug)]
pub(super) struct Module {
    pub(super) file: FileId,
    /// The file's name, or nothing for a block of a document.
    pub(super) path: String,
    pub(super) language: Language,
    pub(super) body: Vec<Stmt>,
    /// Whether it says anything of NATS.
    pub(super) about: bool,
    /// Names that are called in it.
    pub(super) calls: BTreeSet<String>,
    /// Packages that it imports, by the names that it has for them. In Go.
    pub(super) packages: BTreeMap<String, String>,
}

/// A function, and what it belongs to.
#[derive(Debug, Clone)]
pub(super) struct Defined {
    pub(super) module: usize,
    pub(super) class: Option<Rc<Class>>,
    pub(super) function: Rc<Function>,
    /// Names that are called in it.
    pub(super) calls: BTreeSet<String>,
}

/// All programs of one reading.
#[derive(Debug, Default)]
pub(super) struct Program {
    pub(super) modules: Vec<Module>,
    /// Functions and methods by name.
    pub(super) functions: BTreeMap<(Language, String), Vec<Defined>>,
    /// Modules by the names that they define outside of functions.
    pub(super) defines: BTreeMap<(Language, String), Vec<usize>>,
}

/// A call of something that the programs do not define.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    pub(super) callee: Value,
    pub(super) arguments: Vec<Given>,
    pub(super) span: Span,
    pub(super) arms: Arms,
    pub(super) language: Language,
    /// The program that begins what leads to the call.
    pub(super) module: usize,
}

/// What names mean inside of a function.
#[derive(Debug, Default)]
pub(super) struct Frame {
    pub(super) names: BTreeMap<String, Value>,
    pub(super) module: usize,
    /// Whether it sees the frame below.
    pub(super) inner: bool,
    pub(super) returned: Option<Value>,
    /// Functions that are defined in it.
    pub(super) functions: Vec<Rc<Function>>,
}

/// Names of functions.
pub(super) type Names<'p> = BTreeSet<(Language, &'p str)>;

pub(super) struct Machine<'p> {
    pub(super) program: &'p Program,
    /// Functions that may lead to a call of a client library.
    pub(super) wrappers: Names<'p>,
    /// What functions returned that were given nothing that is known, by the object they were called on.
    pub(super) returned: BTreeMap<(usize, usize), (Option<Value>, Value)>,
    /// Whether a call of this name may declare something.
    pub(super) wants: fn(Language, &str) -> bool,
    /// What each module defines.
    pub(super) globals: Vec<BTreeMap<String, Value>>,
    /// Modules whose statements have begun to run.
    pub(super) begun: Vec<bool>,
    pub(super) frames: Vec<Frame>,
    /// The object that methods of a class are called on if no other is known.
    pub(super) objects: BTreeMap<(usize, String), Value>,
    /// Functions that run now, and those that have run.
    pub(super) running: Vec<Rc<Function>>,
    pub(super) ran: BTreeSet<usize>,
    pub(super) arms: Arms,
    pub(super) conditions: usize,
    pub(super) steps: usize,
    /// Steps after which what is followed now is given up.
    until: usize,
    /// Where there was too much to be followed.
    pub(super) stopped: Option<usize>,
    pub(super) depth: usize,
    pub(super) level: usize,
    pub(super) seen: Vec<Seen>,
}

impl<'p> Machine<'p> {
    pub(super) fn new(program: &'p Program, wants: fn(Language, &str) -> bool) -> Self {
        Self {
            program,
            wrappers: Names::new(),
            returned: BTreeMap::new(),
            wants,
            globals: program.modules.iter().map(|_| BTreeMap::new()).collect(),
            begun: vec![false; program.modules.len()],
            frames: Vec::new(),
            objects: BTreeMap::new(),
            running: Vec::new(),
            ran: BTreeSet::new(),
            arms: Vec::new(),
            conditions: CONDITIONS,
            steps: 0,
            until: ROOT_STEPS_MAX,
            stopped: None,
            depth: 0,
            level: 0,
            seen: Vec::new(),
        }
    }

    pub(super) fn module(&self) -> usize {
        self.frames.last().map_or(0, |frame| frame.module)
    }

    pub(super) fn language(&self) -> Language {
        self.program.modules.get(self.module()).map_or(Language::Python, |module| module.language)
    }

    /// Counts a step, and returns whether the budget of steps is spent.
    pub(super) fn tired(&mut self) -> bool {
        self.steps = self.steps.saturating_add(1);
        let tired = self.steps > self.until;
        if tired && self.stopped.is_none() {
            self.stopped = Some(self.module());
        }
        tired
    }

    /// Allows for as many steps as one function takes, unless there were too many of all already.
    pub(super) fn rest(&mut self) {
        self.until = self.steps.saturating_add(ROOT_STEPS_MAX).min(STEPS_MAX);
    }

    /// What a name means here, if the program says so.
    pub(super) fn lookup(&mut self, name: &str, span: Span) -> Option<Value> {
        let found = self.local(name).or_else(|| self.own_field(name));
        let found = found.or_else(|| self.global(self.module(), name));
        let found = found.or_else(|| self.neighbour(name))?;
        Some(match found.what {
            // What is not known is shown where it is used.
            What::Unknown => Value::unknown(span),
            _ => found,
        })
    }

    fn local(&self, name: &str) -> Option<Value> {
        for frame in self.frames.iter().rev() {
            if let Some(value) = frame.names.get(name) {
                return Some(value.clone());
            }
            if !frame.inner {
                break;
            }
        }
        None
    }

    /// A field of the object that a method is called on; in Java it has no more than its name.
    fn own_field(&self, name: &str) -> Option<Value> {
        if self.language() != Language::Java {
            return None;
        }
        let this = self.local("this")?;
        this.made()?.get(name).cloned()
    }

    pub(super) fn global(&self, module: usize, name: &str) -> Option<Value> {
        self.globals.get(module)?.get(name).cloned()
    }

    /// What another file defines whose names are seen here without an import: in Go those of the
    /// folder, in Rust and Java what has the name alone.
    fn neighbour(&mut self, name: &str) -> Option<Value> {
        let own = self.program.modules.get(self.module())?;
        let language = own.language;
        let here = folder(&own.path);
        let program = self.program;
        let defining = program.defines.get(&(language, name.to_owned()))?;
        let others = defining.iter().copied().filter(|index| {
            program.modules.get(*index).is_some_and(|other| match language {
                Language::Go => here == folder(&other.path),
                Language::Rust | Language::Java => true,
                // The blocks of a document belong together.
                _ => own.path.is_empty() && other.file == own.file,
            })
        });
        let others: Vec<usize> = others.collect();
        let mut found = None;
        for other in others {
            self.begin(other);
            let Some(value) = self.global(other, name) else { continue };
            if found.is_some() && matches!(language, Language::Rust | Language::Java) {
                return None;
            }
            found = Some(value);
        }
        found
    }

    /// Gives a name a value: that of the innermost frame that has it, else a new one.
    pub(super) fn assign(&mut self, name: &str, value: Value) {
        if self.local(name).is_none()
            && self.own_field(name).is_some()
            && let Some(this) = self.local("this")
            && let Some(made) = this.made()
        {
            let mut made = made.clone();
            made.set(name, value.span, value);
            return self.assign("this", Value::new(What::Made(made.into()), this.span));
        }
        for frame in self.frames.iter_mut().rev() {
            if let Some(known) = frame.names.get_mut(name) {
                *known = value;
                return;
            }
            if !frame.inner {
                break;
            }
        }
        self.define(name, value);
    }

    /// Gives a name a value here.
    pub(super) fn define(&mut self, name: &str, value: Value) {
        let module = self.module();
        if self.frames.len() > 1 {
            if let Some(frame) = self.frames.last_mut() {
                frame.names.insert(name.to_owned(), value);
            }
        } else if let Some(globals) = self.globals.get_mut(module) {
            globals.insert(name.to_owned(), value);
        }
    }

    /// The module that a name stands for in an import.
    pub(super) fn resolve(&self, name: &str) -> Option<usize> {
        let own = self.program.modules.get(self.module())?;
        let language = own.language;
        let candidates: Vec<String> = match language {
            Language::Python => {
                let path = name.trim_start_matches('.').replace('.', "/");
                vec![format!("{path}.py"), format!("{path}/__init__.py")]
            }
            Language::JavaScript | Language::TypeScript | Language::Tsx
                if name.starts_with('.') || name.starts_with('@') =>
            {
                let path = name.trim_start_matches(['.', '/', '@']);
                let plain = path.strip_suffix(".js").unwrap_or(path);
                let ends = [".ts", ".js", ".mjs", ".tsx", ".jsx", "/index.ts", "/index.js"];
                ends.iter().map(|end| format!("{plain}{end}")).collect()
            }
            _ => return None,
        };
        let fits = |path: &str| {
            candidates.iter().any(|one| {
                path.strip_suffix(one.as_str())
                    .is_some_and(|before| before.is_empty() || before.ends_with('/'))
            })
        };
        let near = |path: &str| {
            path.bytes().zip(own.path.bytes()).take_while(|(one, other)| one == other).count()
        };
        let all = self.program.modules.iter().enumerate();
        all.filter(|(_, other)| other.language == language && fits(&other.path))
            .max_by_key(|(index, other)| (near(&other.path), usize::MAX - index))
            .map(|(index, _)| index)
    }

    /// The package that a name stands for in Go: the files of a folder.
    pub(super) fn package(&mut self, package: &str, name: &str) -> Option<Value> {
        if self.language() != Language::Go {
            return None;
        }
        let program = self.program;
        let all = program.defines.get(&(Language::Go, name.to_owned()))?;
        let folder_of =
            |index: usize| program.modules.get(index).map_or("", |other| folder(&other.path));
        let imported = program.modules.get(self.module())?.packages.get(package);
        let fits = |index: usize| match imported {
            Some(path) => common_end(path, folder_of(index)),
            None => usize::from(folder_of(index).rsplit('/').next() == Some(package)),
        };
        let best = all.iter().map(|index| fits(*index)).max().filter(|best| *best > 0)?;
        for index in all.iter().copied().filter(|index| fits(*index) == best) {
            self.begin(index);
            if let Some(value) = self.global(index, name) {
                return Some(value);
            }
        }
        None
    }

    /// The one function of this name in any program of the language; of several, the one that takes
    /// as many arguments. Of a known type, its own.
    pub(super) fn defined(
        &self,
        name: &str,
        arguments: usize,
        of: Option<&str>,
    ) -> Option<&'p Defined> {
        let language = self.language();
        let all = self.program.functions.get(&(language, name.to_owned()))?;
        let class = |one: &&Defined| one.class.as_ref().map(|class| class.name.as_str()) == of;
        if let Some(one) = all.iter().find(class).filter(|_| of.is_some()) {
            return Some(one);
        }
        // What leads nowhere is only followed if that is soon done.
        let leads = self.wrappers.contains(&(language, name));
        if !leads && all.iter().any(|one| one.calls.len() > CALLS_LIGHT) {
            return None;
        }
        let only = |fits: &dyn Fn(&Defined) -> bool| {
            let takes = |one: &&Defined| one.function.parameters.len() == arguments;
            let mut fit = all.iter().filter(|one| fits(one)).filter(takes);
            fit.next().filter(|_| fit.next().is_none())
        };
        let path = |module: usize| self.program.modules.get(module).map_or("", |one| &*one.path);
        let here = self.module();
        match all.as_slice() {
            [one] => Some(one),
            // The nearest: in the same file, or in the same folder.
            _ => only(&|_| true)
                .or_else(|| only(&|one| one.module == here))
                .or_else(|| only(&|one| folder(path(one.module)) == folder(path(here)))),
        }
    }

    /// The object that methods of a class are called on if no other is known.
    pub(super) fn object(&self, module: usize, class: &Rc<Class>, span: Span) -> Value {
        let known = self.objects.get(&(module, class.name.clone())).cloned();
        known.unwrap_or_else(|| {
            let made = Made {
                kind: class.name.clone(),
                class: Some((Rc::clone(class), module)),
                ..Made::default()
            };
            Value::new(What::Made(made.into()), span)
        })
    }

    pub(super) fn bound(&self, function: &Rc<Function>) -> What {
        let inner = self.frames.len() > 1;
        let bound =
            Bound { function: Rc::clone(function), module: self.module(), inner, this: None };
        What::Function(bound.into())
    }

    pub(super) fn is_running(&self, function: &Rc<Function>) -> bool {
        self.running.iter().any(|one| Rc::ptr_eq(one, function))
    }
}

/// The folder of a file.
fn folder(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// How many parts two paths end in alike; none if one is a package of the client library.
fn common_end(path: &str, folder: &str) -> usize {
    if path.starts_with("github.com/nats-io/") {
        return 0;
    }
    let parts = path.rsplit('/').zip(folder.rsplit('/'));
    parts.take_while(|(one, other)| one == other).count()
}

/// What tells functions apart.
pub(super) fn id(function: &Rc<Function>) -> usize {
    Rc::as_ptr(function) as usize
}
