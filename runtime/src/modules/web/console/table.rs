//! `console.table` (Console standard, section 1.1.9).
//!
//! Owns: rows, columns, their frame. Must not know: where the text goes.

use rquickjs::{Object, Value};

use super::inspect::{ITEMS_MAX, inspect};
use super::intrinsics::Intrinsics;
use crate::js::engine::State;
use crate::js::reflect::{self, Slot};
use crate::js::value;

/// Columns of a table.
const COLUMNS_MAX: usize = 50;
/// Rows of a table.
const ROWS_MAX: usize = ITEMS_MAX * 10;

/// A row: its index, its cells by column, or the one value that it is.
type Row = (String, Vec<(String, String)>, Option<String>);

/// The table of `data`, limited to `filter`'s columns; none for what has no rows.
pub(super) fn table(data: &Value<'_>, filter: Option<Vec<String>>) -> Option<String> {
    let object = data.as_object()?;
    let class = reflect::class_name(data);
    if let "Map" | "Set" = class.as_str() {
        return Some(entries(data, class == "Map"));
    }
    let mut names: Vec<String> = filter.clone().unwrap_or_default();
    let mut rows: Vec<Row> = Vec::new();
    for (index, item) in properties(object, ROWS_MAX) {
        let Some(inner) = item.as_object().filter(|_| !item.is_function()) else {
            rows.push((index, Vec::new(), Some(inspect(&item, 0, false))));
            continue;
        };
        let mut cells = Vec::new();
        for (name, cell) in properties(inner, COLUMNS_MAX) {
            if filter.as_ref().is_some_and(|wanted| !wanted.contains(&name)) {
                continue;
            }
            if !names.contains(&name) && names.len() < COLUMNS_MAX {
                names.push(name.clone());
            }
            cells.push((name, inspect(&cell, 0, false)));
        }
        rows.push((index, cells, None));
    }
    let values = rows.iter().any(|(_, _, value)| value.is_some());
    let mut head = vec!["(index)".to_owned()];
    head.extend(names.iter().cloned());
    head.extend(values.then(|| "Values".to_owned()));
    let lines = rows.into_iter().map(|(index, cells, value)| {
        let mut line = vec![index];
        line.extend(names.iter().map(|name| {
            let found = cells.iter().find(|(known, _)| known == name);
            found.map(|(_, text)| text.clone()).unwrap_or_default()
        }));
        line.extend(values.then(|| value.unwrap_or_default()));
        line
    });
    Some(draw(&head, &lines.collect::<Vec<_>>()))
}

/// The table of a Map or Set, an entry a row, as Node draws it.
fn entries(data: &Value<'_>, keyed: bool) -> String {
    let kept = State::of(data.ctx()).extension::<Intrinsics>();
    let (items, _) = kept.items(data, keyed, ROWS_MAX);
    let rows = items.into_iter().enumerate().map(|(index, (key, item))| {
        let mut line = vec![index.to_string(), inspect(&key, 0, false)];
        line.extend(item.map(|item| inspect(&item, 0, false)));
        line
    });
    let head = ["(iteration index)", "Key", "Values"].into_iter().filter(|name| keyed || *name != "Key");
    draw(&head.map(str::to_owned).collect::<Vec<_>>(), &rows.collect::<Vec<_>>())
}

/// Own enumerable data properties with string keys.
fn properties<'js>(object: &Object<'js>, most: usize) -> Vec<(String, Value<'js>)> {
    if reflect::proxy_target(object.as_value()).is_some() {
        return Vec::new();
    }
    let keys = reflect::own_keys(object).unwrap_or_default();
    let found = keys.iter().filter(|key| key.is_string()).filter_map(|key| {
        let property = reflect::own(object, key).ok().flatten().filter(|property| property.enumerable)?;
        match property.slot {
            Slot::Data(item) => Some((value::to_string(key).ok()?, item)),
            Slot::Accessor(..) => None,
        }
    });
    found.take(most).collect()
}

fn draw(head: &[String], rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().map(|row| &row[column]).chain([&head[column]]);
        cells.map(|cell| cell.chars().count() + 2).max().unwrap_or(2)
    };
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let rule = |left: &str, middle: &str, right: &str| {
        let lines: Vec<String> = widths.iter().map(|width| "─".repeat(*width)).collect();
        format!("{left}{}{right}", lines.join(middle))
    };
    let line = |cells: &[String]| {
        let cells = cells.iter().zip(&widths).map(|(cell, width)| {
            let fill = width - cell.chars().count() - 1;
            format!(" {cell}{}", " ".repeat(fill))
        });
        format!("│{}│", cells.collect::<Vec<_>>().join("│"))
    };
    let mut out = vec![rule("┌", "┬", "┐"), line(head), rule("├", "┼", "┤")];
    out.extend(rows.iter().map(|row| line(row)));
    out.push(rule("└", "┴", "┘"));
    out.join("\n")
}
