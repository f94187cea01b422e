//! Which namespaces a file has, and what each exports over all of its blocks.
//!
//! Owns: that blocks of one name are one namespace, whether a block has values at all. Must not know: what
//! is written in their stead.

use std::collections::{HashMap, HashSet};

use oxc::ast::ast::{
    BindingIdentifier, Declaration, Program, Statement, TSModuleReference, TSNamespaceDeclaration,
    TSNamespaceDeclarationBody,
};
use oxc::ast_visit::Visit;
use oxc::semantic::Scoping;
use oxc::syntax::symbol::SymbolId;

/// Where a namespace is declared.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Parent {
    File,
    /// Exported by a namespace: shared by its blocks.
    Namespace(usize),
    /// Local to the block that starts there.
    Block(u32),
}

/// A namespace, all of its blocks together.
#[derive(Debug, Default)]
pub(super) struct Namespace {
    /// Names that a block exports.
    pub(super) exports: HashSet<String>,
    /// Members of the enums that it exports.
    pub(super) enums: HashMap<String, HashSet<String>>,
}

/// All namespaces of a file.
#[derive(Debug, Default)]
pub(super) struct Namespaces {
    all: Vec<Namespace>,
    known: HashMap<(Parent, String), usize>,
    /// By where a block's declaration starts.
    blocks: HashMap<u32, usize>,
    /// Variables and aliases that are properties of their namespace.
    pub(super) properties: HashSet<SymbolId>,
}

impl Namespaces {
    /// Those of `program`.
    pub(super) fn of(program: &Program<'_>) -> Namespaces {
        let mut found = Namespaces::default();
        for statement in &program.body {
            if let Some((declaration, _)) = namespace(statement) {
                found.add(declaration, Parent::File);
            }
        }
        found
    }

    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// The namespace that a block belongs to.
    pub(super) fn number(&self, declaration: &TSNamespaceDeclaration<'_>) -> usize {
        self.blocks.get(&declaration.span.start).copied().unwrap_or_default()
    }

    pub(super) fn get(&self, number: usize) -> &Namespace {
        &self.all[number]
    }

    fn add(&mut self, declaration: &TSNamespaceDeclaration<'_>, parent: Parent) {
        if declaration.declare {
            return;
        }
        let name = declaration.id.name.to_string();
        let next = self.all.len();
        let number = *self.known.entry((parent, name)).or_insert(next);
        if number == next {
            self.all.push(Namespace::default());
        }
        self.blocks.insert(declaration.span.start, number);
        match &declaration.body {
            TSNamespaceDeclarationBody::TSNamespaceDeclaration(inner) => {
                self.all[number].exports.insert(inner.id.name.to_string());
                self.add(inner, Parent::Namespace(number));
            }
            TSNamespaceDeclarationBody::TSModuleBlock(block) => {
                for statement in &block.body {
                    if let Statement::ExportDeclaration(export) = statement {
                        self.export(number, &export.declaration);
                    }
                    if let Some((inner, is_exported)) = namespace(statement) {
                        let local = Parent::Block(declaration.span.start);
                        self.add(inner, if is_exported { Parent::Namespace(number) } else { local });
                    }
                }
            }
        }
    }

    fn export(&mut self, number: usize, declaration: &Declaration<'_>) {
        let mut names = Names::default();
        match declaration {
            Declaration::VariableDeclaration(it) => {
                for one in &it.declarations {
                    names.visit_binding_pattern(&one.id);
                }
                self.properties.extend(names.symbols.iter().copied());
            }
            Declaration::TSImportEqualsDeclaration(it) => {
                names.visit_binding_identifier(&it.id);
                self.properties.extend(names.symbols.iter().copied());
            }
            Declaration::FunctionDeclaration(it) => {
                it.id.iter().for_each(|id| names.visit_binding_identifier(id));
            }
            Declaration::ClassDeclaration(it) => {
                it.id.iter().for_each(|id| names.visit_binding_identifier(id));
            }
            Declaration::TSEnumDeclaration(it) => {
                names.visit_binding_identifier(&it.id);
                let members = it.body.members.iter().map(|member| member.id.static_name().to_string());
                let name = it.id.name.to_string();
                self.all[number].enums.entry(name).or_default().extend(members);
            }
            Declaration::TSNamespaceDeclaration(it) if has_values(it) => {
                names.visit_binding_identifier(&it.id);
            }
            _ => {}
        }
        self.all[number].exports.extend(names.names);
    }
}

/// The names that a pattern binds.
#[derive(Default)]
struct Names {
    names: Vec<String>,
    symbols: Vec<SymbolId>,
}

impl<'a> Visit<'a> for Names {
    fn visit_binding_identifier(&mut self, it: &BindingIdentifier<'a>) {
        self.names.push(it.name.to_string());
        self.symbols.extend(it.symbol_id.get());
    }

    fn visit_expression(&mut self, _: &oxc::ast::ast::Expression<'a>) {}
}

/// The namespace that a statement declares, and whether it is exported.
pub(super) fn namespace<'p, 'a>(
    statement: &'p Statement<'a>,
) -> Option<(&'p TSNamespaceDeclaration<'a>, bool)> {
    match statement {
        Statement::TSNamespaceDeclaration(it) => Some((it, false)),
        Statement::ExportDeclaration(export) => match &export.declaration {
            Declaration::TSNamespaceDeclaration(it) => Some((it, true)),
            _ => None,
        },
        _ => None,
    }
}

/// Whether a block is more than types: whether there is something at run time.
pub(super) fn has_values(declaration: &TSNamespaceDeclaration<'_>) -> bool {
    if declaration.declare {
        return false;
    }
    let block = match &declaration.body {
        TSNamespaceDeclarationBody::TSNamespaceDeclaration(inner) => return has_values(inner),
        TSNamespaceDeclarationBody::TSModuleBlock(block) => block,
    };
    block.body.iter().any(|statement| match statement {
        Statement::ExportDeclaration(export) => is_value(&export.declaration),
        // An alias alone is none, unless it is exported.
        Statement::TSImportEqualsDeclaration(_) => false,
        statement => statement.as_declaration().is_none_or(is_value),
    })
}

/// Whether a declaration is there at run time.
pub(super) fn is_value(declaration: &Declaration<'_>) -> bool {
    match declaration {
        Declaration::TSTypeAliasDeclaration(_)
        | Declaration::TSInterfaceDeclaration(_)
        | Declaration::TSExternalModuleDeclaration(_)
        | Declaration::TSGlobalDeclaration(_) => false,
        Declaration::TSNamespaceDeclaration(it) => has_values(it),
        Declaration::FunctionDeclaration(it) => !it.declare && it.body.is_some(),
        other => !other.declare(),
    }
}

/// Whether an alias stands for something that is there at run time, as far as this file tells.
pub(super) fn is_alias_of_value(scoping: &Scoping, reference: &TSModuleReference<'_>) -> bool {
    let Some(root) = root(reference) else { return true };
    let symbol = scoping.get_reference(root.reference_id()).symbol_id();
    symbol.is_none_or(|symbol| {
        let flags = scoping.symbol_flags(symbol);
        flags.is_value() || flags.is_import() && !flags.is_type_import()
    })
}

/// The first name of `A.B.C`.
pub(super) fn root<'p, 'a>(
    reference: &'p TSModuleReference<'a>,
) -> Option<&'p oxc::ast::ast::IdentifierReference<'a>> {
    use oxc::ast::ast::TSTypeName;
    let mut name = match reference {
        TSModuleReference::ExternalModuleReference(_) => return None,
        TSModuleReference::IdentifierReference(it) => return Some(it),
        TSModuleReference::QualifiedName(it) => &it.left,
    };
    loop {
        match name {
            TSTypeName::IdentifierReference(it) => return Some(it),
            TSTypeName::QualifiedName(it) => name = &it.left,
            TSTypeName::ThisExpression(_) => return None,
        }
    }
}
