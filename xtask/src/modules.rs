//! The modules of a crate, read from its files: what they define, what they import, and which paths
//! they write.
//!
//! Names are resolved as far as files need it: through imports, re-exports and globs, to the module
//! that defines an item. What a macro makes is taken to be defined in the module that is named.
//! Tests are left out.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};
use syn::{Attribute, Item, UseTree, Visibility};

/// Reads a file, if it exists.
pub(crate) type Source<'a> = &'a dyn Fn(&Path) -> Option<String>;

/// The modules of a crate; the first is its root.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    pub(crate) files: Vec<PathBuf>,
    pub(crate) modules: Vec<Module>,
}

/// A module: a file, or a block of one.
#[derive(Debug, Default)]
pub(crate) struct Module {
    pub(crate) file: usize,
    /// Paths that it writes, each with its line.
    pub(crate) written: Vec<(Vec<String>, usize)>,
    parent: Option<usize>,
    children: BTreeMap<String, usize>,
    items: BTreeSet<String>,
    imports: BTreeMap<String, Vec<String>>,
    globs: Vec<Vec<String>>,
}

/// What a path leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    /// A module.
    Module(usize),
    /// Something that this module defines.
    Item(usize),
}

/// Imports that lead to imports that lead back.
const STEPS_MAX: usize = 32;

impl Tree {
    /// Reads the crate whose root is the file `root`.
    pub(crate) fn read(root: &Path, source: Source<'_>) -> anyhow::Result<Self> {
        let mut tree = Self::default();
        let folder = root.parent().context("a crate has a folder")?;
        tree.read_file(None, root.to_owned(), folder, source)?;
        Ok(tree)
    }

    /// Takes in a file, whose own modules are in `folder`.
    fn read_file(
        &mut self,
        parent: Option<usize>,
        path: PathBuf,
        folder: &Path,
        source: Source<'_>,
    ) -> anyhow::Result<usize> {
        let text = source(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let parsed = syn::parse_file(&text).with_context(|| path.display().to_string())?;
        self.files.push(path);
        let module = Module { file: self.files.len() - 1, parent, ..Module::default() };
        self.read_items(module, &parsed.items, folder, source)
    }

    fn read_items(
        &mut self,
        module: Module,
        items: &[Item],
        folder: &Path,
        source: Source<'_>,
    ) -> anyhow::Result<usize> {
        let at = self.modules.len();
        let (file, mut reader) = (module.file, Reader { module });
        let mut inner = Vec::new();
        for item in items {
            match item {
                Item::Mod(item) if !is_test(&item.attrs) => inner.push(item),
                Item::Mod(_) => {}
                item => reader.visit_item(item),
            }
        }
        self.modules.push(reader.module);
        for item in inner {
            let name = item.ident.to_string();
            let folder = folder.join(&name);
            let child = if let Some((_, items)) = &item.content {
                let module = Module { file, parent: Some(at), ..Module::default() };
                self.read_items(module, items, &folder, source)?
            } else {
                let files = [folder.with_extension("rs"), folder.join("mod.rs")];
                let Some(path) = files.into_iter().find(|path| source(path).is_some()) else {
                    bail!("module `{name}` has no file in {}", folder.display());
                };
                self.read_file(Some(at), path, &folder, source)?
            };
            self.modules[at].children.insert(name, child);
        }
        Ok(at)
    }

    /// What `path` leads to when the module `from` writes it. `None` for what is outside the crate.
    pub(crate) fn resolve(&self, from: usize, path: &[String]) -> Option<Target> {
        self.walk(from, path, 0)
    }

    fn walk(&self, from: usize, path: &[String], steps: usize) -> Option<Target> {
        let (first, rest) = path.split_first()?;
        if steps > STEPS_MAX {
            return None;
        }
        let mut at = match first.as_str() {
            "crate" => 0,
            "self" => from,
            "super" => self.modules[from].parent?,
            name => match self.name(from, name, steps)? {
                Target::Module(module) => module,
                item @ Target::Item(_) => return Some(item),
            },
        };
        for name in rest {
            at = match (name.as_str(), self.name(at, name, steps)) {
                ("super", _) => self.modules[at].parent?,
                ("self", _) => at,
                (_, Some(Target::Module(module))) => module,
                (_, Some(item)) => return Some(item),
                // From outside, or made by a macro.
                (_, None) => return Some(Target::Item(at)),
            };
        }
        Some(Target::Module(at))
    }

    fn name(&self, at: usize, name: &str, steps: usize) -> Option<Target> {
        let module = &self.modules[at];
        if let Some(child) = module.children.get(name) {
            return Some(Target::Module(*child));
        }
        if module.items.contains(name) {
            return Some(Target::Item(at));
        }
        if let Some(path) = module.imports.get(name) {
            return self.walk(at, path, steps + 1);
        }
        module.globs.iter().find_map(|path| match self.walk(at, path, steps + 1)? {
            Target::Module(from) if steps < STEPS_MAX => self.name(from, name, steps + 1),
            _ => None,
        })
    }
}

/// Reads what a module's own items say.
struct Reader {
    module: Module,
}

impl Reader {
    /// Takes in what a `use` brings. That others may use it is no use of it.
    fn import(&mut self, tree: &UseTree, mut path: Vec<String>, own: bool) {
        let mut leaf = |alias: String, path: Vec<String>, line: usize| {
            if own {
                self.module.written.push((path.clone(), line));
            }
            self.module.imports.insert(alias, path);
        };
        match tree {
            UseTree::Path(tree) => {
                path.push(tree.ident.to_string());
                self.import(&tree.tree, path, own);
            }
            UseTree::Name(name) => {
                let alias = match name.ident.to_string().as_str() {
                    "self" => path.last().cloned().unwrap_or_default(),
                    ident => {
                        path.push(ident.to_owned());
                        ident.to_owned()
                    }
                };
                leaf(alias, path, name.ident.span().start().line);
            }
            UseTree::Rename(name) => {
                if name.ident != "self" {
                    path.push(name.ident.to_string());
                }
                leaf(name.rename.to_string(), path, name.ident.span().start().line);
            }
            UseTree::Glob(_) => self.module.globs.push(path),
            UseTree::Group(group) => {
                for tree in &group.items {
                    self.import(tree, path.clone(), own);
                }
            }
        }
    }

    /// Takes in the paths in a macro's tokens, which nobody has parsed.
    fn tokens(&mut self, tokens: TokenStream) {
        let mut path: Vec<String> = Vec::new();
        let (mut colons, mut line, mut is_field) = (0, 0, false);
        for token in tokens {
            match token {
                TokenTree::Ident(ident) if colons == 2 && !path.is_empty() => {
                    path.push(ident.to_string());
                    colons = 0;
                }
                TokenTree::Punct(punct) if punct.as_char() == ':' => colons += 1,
                token => {
                    self.end_of(&mut path, line);
                    colons = 0;
                    match token {
                        TokenTree::Ident(ident) if !is_field => {
                            line = ident.span().start().line;
                            path.push(ident.to_string());
                        }
                        TokenTree::Group(group) => self.tokens(group.stream()),
                        TokenTree::Punct(punct) => {
                            is_field = punct.as_char() == '.';
                            continue;
                        }
                        _ => {}
                    }
                }
            }
            is_field = false;
        }
        self.end_of(&mut path, line);
    }

    fn end_of(&mut self, path: &mut Vec<String>, line: usize) {
        if !path.is_empty() {
            self.module.written.push((std::mem::take(path), line));
        }
    }
}

impl<'ast> Visit<'ast> for Reader {
    fn visit_item(&mut self, item: &'ast Item) {
        let (attributes, name) = match item {
            Item::Const(item) => (&item.attrs, Some(&item.ident)),
            Item::Enum(item) => (&item.attrs, Some(&item.ident)),
            Item::Fn(item) => (&item.attrs, Some(&item.sig.ident)),
            Item::Macro(item) => (&item.attrs, item.ident.as_ref()),
            Item::Static(item) => (&item.attrs, Some(&item.ident)),
            Item::Struct(item) => (&item.attrs, Some(&item.ident)),
            Item::Trait(item) => (&item.attrs, Some(&item.ident)),
            Item::Type(item) => (&item.attrs, Some(&item.ident)),
            Item::Union(item) => (&item.attrs, Some(&item.ident)),
            Item::Impl(item) => (&item.attrs, None),
            Item::Use(item) => (&item.attrs, None),
            _ => return,
        };
        if is_test(attributes) {
            return;
        }
        self.module.items.extend(name.map(ToString::to_string));
        // The body of a `macro_rules` is written where the macro is used.
        if !matches!(item, Item::Macro(item) if item.ident.is_some()) {
            visit::visit_item(self, item);
        }
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        let own = matches!(item.vis, Visibility::Inherited);
        self.import(&item.tree, Vec::new(), own);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        if !is_test(&item.attrs) {
            visit::visit_impl_item_fn(self, item);
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let names = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        let line = path.segments.first().map_or(0, |segment| segment.ident.span().start().line);
        self.module.written.push((names, line));
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        visit::visit_macro(self, call);
        self.tokens(call.tokens.clone());
    }

    /// Attributes name derives and options of other crates.
    fn visit_attribute(&mut self, _: &'ast Attribute) {}
}

fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg")
            && attribute.parse_args::<syn::Path>().is_ok_and(|path| path.is_ident("test"))
    })
}
