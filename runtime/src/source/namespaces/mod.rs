//! TypeScript's namespaces as functions, as its own compiler writes them: what a block exports is a property
//! of one object, for this block and for all others of that name.
//!
//! Owns: references to what is exported; `import name = require()` in modules of ECMAScript. Must not know: types, which stay. oxc's transformer keeps a copy of
//! what is exported in a variable, which goes stale, and forgets what other blocks export.

mod collect;
mod members;

use std::collections::HashSet;

use oxc::ast::ast::{
    AssignmentTargetPropertyIdentifier, Declaration, IdentifierReference, ObjectProperty, Program, Statement,
    TSImportEqualsDeclaration, TSModuleReference, TSNamespaceDeclaration, TSNamespaceDeclarationBody,
};
use oxc::ast_visit::{Visit, walk};
use oxc::semantic::Scoping;
use oxc::span::{GetSpan, Span};
use oxc::syntax::scope::ScopeId;
use oxc::syntax::symbol::SymbolId;

use super::edits::{Edited, Edits, Piece};
use collect::Namespaces;

/// `source`, which `program` was parsed from, without namespaces that have values; none where it has none.
/// `is_module`: it is a module of ECMAScript, so that `require` goes, too.
pub(super) fn lower(
    source: &str,
    program: &Program<'_>,
    scoping: &Scoping,
    is_module: bool,
) -> Option<Edited> {
    let namespaces = Namespaces::of(program);
    let requires = is_module && program.body.iter().any(|statement| required(statement).is_some());
    if namespaces.is_empty() && !requires {
        return None;
    }
    let mut lowering = Lowering {
        source,
        scoping,
        namespaces,
        edits: Edits::default(),
        blocks: Vec::new(),
        enums: Vec::new(),
        declared: HashSet::new(),
        is_shorthand: false,
        is_module,
    };
    lowering.visit_program(program);
    (!lowering.edits.is_empty()).then(|| lowering.edits.apply(source))
}

/// A block that the walk is in.
#[derive(Clone, Debug)]
struct Block {
    namespace: usize,
    scope: ScopeId,
    /// What the namespace is called in the block.
    name: String,
}

/// An enum that the walk is in.
#[derive(Clone, Debug)]
struct Enum {
    scope: ScopeId,
    name: String,
    /// Members of this and of its other declarations.
    members: HashSet<String>,
}

struct Lowering<'s> {
    source: &'s str,
    scoping: &'s Scoping,
    namespaces: Namespaces,
    edits: Edits,
    blocks: Vec<Block>,
    /// Those that are written here, and not by the transformer.
    enums: Vec<Enum>,
    /// Namespaces and enums that have their variable.
    declared: HashSet<SymbolId>,
    /// The next reference is one of `{ name }`.
    is_shorthand: bool,
    is_module: bool,
}

/// `import name = require("specifier")`: the specifier's place, and whether it is exported.
fn required<'p, 'a>(statement: &'p Statement<'a>) -> Option<(&'p TSImportEqualsDeclaration<'a>, Span, bool)> {
    let (alias, is_exported) = match statement {
        Statement::TSImportEqualsDeclaration(it) => (it, false),
        Statement::ExportDeclaration(export) => match &export.declaration {
            Declaration::TSImportEqualsDeclaration(it) => (it, true),
            _ => return None,
        },
        _ => return None,
    };
    match &alias.module_reference {
        TSModuleReference::ExternalModuleReference(it) => Some((alias, it.expression.span, is_exported)),
        _ => None,
    }
}

fn range(span: Span) -> std::ops::Range<usize> {
    span.start as usize..span.end as usize
}

impl Lowering<'_> {
    /// What stands for `it`, where that is not its name.
    fn replacement(&self, it: &IdentifierReference<'_>) -> Option<String> {
        let name = it.name.as_str();
        let reference = self.scoping.get_reference(it.reference_id());
        let symbol = reference.symbol_id();
        let scope = symbol.map(|symbol| self.scoping.symbol_scope_id(symbol));
        let is_in = |outer: ScopeId| {
            scope.is_some_and(|scope| scope == outer || self.scoping.scope_is_descendant_of(scope, outer))
        };
        for one in self.enums.iter().rev() {
            if is_in(one.scope) && scope != Some(one.scope) {
                return None;
            }
            if one.members.contains(name) {
                return Some(format!("{}[{}]", one.name, members::quoted(name)));
            }
        }
        for block in self.blocks.iter().rev() {
            if is_in(block.scope) {
                let is_property = symbol.is_some_and(|symbol| self.namespaces.properties.contains(&symbol));
                return is_property.then(|| format!("{}.{name}", block.name));
            }
            if self.namespaces.get(block.namespace).exports.contains(name) {
                return Some(format!("{}.{name}", block.name));
            }
        }
        None
    }

    /// A module of ECMAScript has no `require`: its value is what a CommonJS module exports, else all that an
    /// ECMAScript one does, as for Node.js's `require`.
    fn require(
        &mut self,
        whole: Span,
        alias: &TSImportEqualsDeclaration<'_>,
        specifier: Span,
        is_exported: bool,
    ) {
        let name = alias.id.name.as_str();
        let is_used = alias.id.symbol_id.get().is_none_or(|symbol| {
            self.scoping.get_resolved_references(symbol).any(|reference| reference.is_value())
        });
        if alias.import_kind.is_type() || !is_exported && !is_used {
            return self.edits.replace(range(whole), Vec::new());
        }
        let mut all = format!("${name}");
        while self.source.contains(&all) {
            all.push('$');
        }
        let export = if is_exported { "export " } else { "" };
        let value = format!("\"module.exports\" in {all} ? {all}[\"module.exports\"] : {all}");
        let pieces = vec![
            format!("import * as {all} from ").into(),
            Piece::Source(range(specifier)),
            format!("; {export}const {name} = {value};").into(),
        ];
        self.edits.replace(range(whole), pieces);
    }

    /// Writes a namespace's block; `whole` is its statement. `parent` is the block that exports it.
    fn namespace(&mut self, it: &TSNamespaceDeclaration<'_>, whole: Span, is_exported: bool) {
        if !collect::has_values(it) {
            // At the top the transformer takes care of it.
            if !self.blocks.is_empty() {
                self.edits.replace(range(whole), Vec::new());
            }
            return;
        }
        let name = it.id.name.to_string();
        let parent = self.blocks.last().map(|block| block.name.clone());
        let scope = it.scope_id.get().unwrap_or(self.scoping.root_scope_id());
        let block =
            Block { namespace: self.namespaces.number(it), scope, name: self.parameter(&name, scope) };
        let keyword = match &parent {
            None if is_exported => "export var",
            None => "var",
            Some(_) => "let",
        };
        let variable = self.variable(it.id.symbol_id(), keyword, &name, parent.is_none());
        let argument = match parent.filter(|_| is_exported) {
            Some(parent) => format!("{name} = {parent}.{name} || ({parent}.{name} = {{}})"),
            None => format!("{name} || ({name} = {{}})"),
        };
        let head = format!(";{variable}(function ({}) {{", block.name);
        let tail = format!("}})({argument});");
        let (start, end) = (whole.start as usize, whole.end as usize);
        self.blocks.push(block);
        match &it.body {
            TSNamespaceDeclarationBody::TSNamespaceDeclaration(inner) => {
                self.edits.replace(start..inner.span.start as usize, vec![head.into()]);
                self.edits.behind(end, tail);
                self.namespace(inner, inner.span, true);
            }
            TSNamespaceDeclarationBody::TSModuleBlock(body) => {
                let first = body.span.start as usize + 1;
                self.edits.replace(start..first, vec![head.into()]);
                self.edits.replace(end - 1..end, vec![tail.into()]);
                for statement in &body.body {
                    self.member(statement);
                }
            }
        }
        self.blocks.pop();
    }

    /// The declaration of a namespace's or enum's variable, where no other declaration of that name has it.
    fn variable(&mut self, symbol: SymbolId, keyword: &str, name: &str, is_top: bool) -> String {
        let flags = self.scoping.symbol_redeclarations(symbol).iter().map(|other| other.flags);
        let has_another = flags
            .into_iter()
            .any(|flags| flags.is_function() || flags.is_class() || is_top && flags.is_enum());
        if has_another || !self.declared.insert(symbol) {
            return String::new();
        }
        format!("{keyword} {name}; ")
    }

    /// What a block's function calls its namespace: the name, where nothing inside has it, too.
    fn parameter(&self, name: &str, scope: ScopeId) -> String {
        let is_taken = self.scoping.symbol_ids().any(|symbol| {
            self.scoping.symbol_name(symbol) == name && {
                let other = self.scoping.symbol_scope_id(symbol);
                other == scope || self.scoping.scope_is_descendant_of(other, scope)
            }
        });
        let mut parameter = name.to_owned();
        let mut number = 0;
        while is_taken && (number == 0 || self.source.contains(&parameter)) {
            number += 1;
            parameter = format!("{name}_{number}");
        }
        parameter
    }
}

impl<'a> Visit<'a> for Lowering<'_> {
    fn visit_statement(&mut self, it: &Statement<'a>) {
        match collect::namespace(it) {
            Some((declaration, is_exported)) if self.blocks.is_empty() => {
                self.namespace(declaration, it.span(), is_exported);
            }
            _ => match required(it).filter(|_| self.is_module) {
                Some((alias, specifier, is_exported)) => {
                    self.require(it.span(), alias, specifier, is_exported)
                }
                None => walk::walk_statement(self, it),
            },
        }
    }

    fn visit_identifier_reference(&mut self, it: &IdentifierReference<'a>) {
        let is_shorthand = std::mem::take(&mut self.is_shorthand);
        if self.blocks.is_empty() || !self.scoping.get_reference(it.reference_id()).is_value() {
            return;
        }
        if let Some(text) = self.replacement(it) {
            let text = if is_shorthand { format!("{}: {text}", it.name) } else { text };
            self.edits.replace(range(it.span), vec![Piece::Text(text)]);
        }
    }

    fn visit_object_property(&mut self, it: &ObjectProperty<'a>) {
        if it.shorthand {
            self.is_shorthand = true;
            self.visit_expression(&it.value);
            self.is_shorthand = false;
        } else {
            walk::walk_object_property(self, it);
        }
    }

    fn visit_assignment_target_property_identifier(&mut self, it: &AssignmentTargetPropertyIdentifier<'a>) {
        self.is_shorthand = true;
        self.visit_identifier_reference(&it.binding);
        self.is_shorthand = false;
        it.init.iter().for_each(|init| self.visit_expression(init));
    }
}
