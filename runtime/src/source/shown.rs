//! An expression as an error message names it: names and properties, with what is long left out.
//!
//! Owns: the form, its length. Must not know: messages.

use oxc::ast::ast::{Expression, MemberExpression};

/// The longest text in bytes.
const TEXT_BYTES_MAX: usize = 80;

/// The text for `expression`; none where it has no name in it.
pub(super) fn shown(expression: &Expression<'_>) -> Option<String> {
    let text = text(expression)?;
    (text.len() <= TEXT_BYTES_MAX).then_some(text)
}

fn text(expression: &Expression<'_>) -> Option<String> {
    let expression = expression.get_inner_expression();
    if let Some(member) = expression.as_member_expression() {
        return property(member);
    }
    Some(match expression {
        Expression::Identifier(identifier) => identifier.name.to_string(),
        Expression::ThisExpression(_) => "this".into(),
        Expression::Super(_) => "super".into(),
        Expression::NullLiteral(_) => "null".into(),
        Expression::BooleanLiteral(literal) => literal.value.to_string(),
        Expression::NumericLiteral(literal) => literal.raw.as_ref()?.to_string(),
        Expression::StringLiteral(literal) => format!("{:?}", literal.value.as_str()),
        Expression::CallExpression(call) => {
            let arguments = if call.arguments.is_empty() { "" } else { "..." };
            format!("{}{}({arguments})", text(&call.callee)?, if call.optional { "?." } else { "" })
        }
        Expression::ImportExpression(_) => "import(...)".into(),
        Expression::AwaitExpression(wait) => format!("(await {})", text(&wait.argument)?),
        Expression::ChainExpression(chain) => {
            let inner = &chain.expression;
            match inner.as_member_expression() {
                Some(member) => property(member)?,
                None => match inner {
                    oxc::ast::ast::ChainElement::CallExpression(call) => {
                        let arguments = if call.arguments.is_empty() { "" } else { "..." };
                        format!(
                            "{}{}({arguments})",
                            text(&call.callee)?,
                            if call.optional { "?." } else { "" }
                        )
                    }
                    _ => return None,
                },
            }
        }
        _ => return None,
    })
}

fn property(member: &MemberExpression<'_>) -> Option<String> {
    let object = text(member.object())?;
    let mark = |dot: &str| if member.optional() { "?.".to_owned() } else { dot.to_owned() };
    Some(match member {
        MemberExpression::StaticMemberExpression(member) => {
            format!("{object}{}{}", mark("."), member.property.name)
        }
        MemberExpression::PrivateFieldExpression(member) => {
            format!("{object}{}#{}", mark("."), member.field.name)
        }
        MemberExpression::ComputedMemberExpression(member) => {
            let key = text(&member.expression).unwrap_or_else(|| "...".into());
            format!("{object}{}[{key}]", mark(""))
        }
    })
}
