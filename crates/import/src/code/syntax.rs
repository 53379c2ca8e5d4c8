//! What is common to the languages: expressions and statements, each with its place.
//!
//! Only what values are made of is told apart. Everything else keeps its parts, which are looked
//! through for calls.

use std::rc::Rc;

use watershed_topology::source::Span;

/// An expression.
#[derive(Debug, Clone)]
pub(super) struct Expr {
    pub(super) span: Span,
    pub(super) kind: Kind,
}

#[derive(Debug, Clone)]
pub(super) enum Kind {
    Null,
    Bool(bool),
    Int(i128),
    Float(f64),
    Text(String),
    /// Texts and values one after the other: `f"{a}.b"`.
    Joined(Vec<Expr>),
    List(Vec<Expr>),
    /// Keys and values; a key of `None` takes in all of another mapping.
    Map(Vec<(Option<Expr>, Expr)>),
    /// A structure with its type's name.
    Make(String, Vec<Field>),
    Name(String),
    Member(Box<Expr>, String),
    Index(Box<Expr>, Box<Expr>),
    Call(Box<Call>),
    Binary(Op, Box<Expr>, Box<Expr>),
    Minus(Box<Expr>),
    /// The first, or the second if the first is nothing: `a or b`, `a ?? b`.
    Otherwise(Box<Expr>, Box<Expr>),
    /// One of two, by a condition.
    Choice(Box<Expr>, Box<Expr>, Box<Expr>),
    /// A list made of another one.
    Each(Box<Each>),
    Function(Rc<Function>),
    /// A list or a mapping whose items take its place.
    Spread(Box<Expr>),
    /// Something else, and its parts.
    Other(Vec<Expr>),
}

#[derive(Debug, Clone)]
pub(super) struct Field {
    /// `None` takes in the fields of another structure.
    pub(super) name: Option<String>,
    pub(super) name_span: Span,
    pub(super) value: Expr,
}

#[derive(Debug, Clone)]
pub(super) struct Call {
    pub(super) callee: Expr,
    pub(super) arguments: Vec<Argument>,
}

#[derive(Debug, Clone)]
pub(super) struct Argument {
    pub(super) name: Option<String>,
    pub(super) name_span: Span,
    pub(super) value: Expr,
}

impl Argument {
    /// An argument that is told from the others by its position.
    pub(super) fn positional(value: Expr) -> Self {
        Self { name: None, name_span: value.span, value }
    }
}

#[derive(Debug, Clone)]
pub(super) struct Each {
    pub(super) target: Target,
    pub(super) items: Expr,
    pub(super) value: Expr,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Op {
    Add,
    Subtract,
    Multiply,
    Divide,
    Power,
    Shift,
    Format,
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    More,
    MoreOrEqual,
    And,
    Or,
    Other,
}

/// What is assigned to.
#[derive(Debug, Clone)]
pub(super) enum Target {
    One(Expr),
    /// Several values at once.
    Several(Vec<Self>),
    Nothing,
}

#[derive(Debug, Clone)]
pub(super) enum Stmt {
    Assign(Target, Expr),
    /// `a += b`.
    Add(Expr, Expr),
    Expr(Expr),
    For(Target, Expr, Vec<Self>),
    /// A condition if it is one, and branches of which one runs, or none.
    Branches(Option<Expr>, Vec<Vec<Self>>),
    Block(Vec<Self>),
    Function(Rc<Function>),
    Class(Rc<Class>),
    Return(Option<Expr>),
    /// Local name, the module, and the name in it; without one, the module itself.
    Import(String, String, Option<String>),
}

#[derive(Debug, Default)]
pub(super) struct Function {
    pub(super) name: String,
    /// What the object is called on which it is called, if that is an argument or a receiver.
    pub(super) this: Option<String>,
    pub(super) parameters: Vec<Parameter>,
    pub(super) body: Vec<Stmt>,
}

#[derive(Debug, Clone)]
pub(super) struct Parameter {
    pub(super) name: String,
    pub(super) default: Option<Expr>,
    /// Whether it takes in all arguments that are left.
    pub(super) rest: bool,
}

#[derive(Debug)]
pub(super) struct Class {
    pub(super) name: String,
    /// Fields with the values that they have if nothing else is said, in their order.
    pub(super) fields: Vec<(String, Option<Expr>)>,
    pub(super) methods: Vec<Rc<Function>>,
}

impl Class {
    /// What makes an object of it.
    pub(super) fn constructor(&self) -> Option<&Rc<Function>> {
        self.methods.iter().find(|one| matches!(one.name.as_str(), "__init__" | "constructor"))
    }
}
