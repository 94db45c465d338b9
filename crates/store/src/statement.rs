//! The writer's SQL, built from the table descriptions and kept by its size: batches come in powers of two, so that few
//! texts are ever prepared.

use crate::{
    backend::{Connection, Row, Value},
    table::Table,
};
use std::{collections::HashMap, fmt::Write as _, sync::Arc};

/// Rows of one statement at most; and values, far below both engines' bounds (32,766 and 65,535).
const ROWS: usize = 256;
const VALUES: usize = 8_192;

/// What is done with rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Form {
    /// INSERT.
    Insert,
    /// INSERT, silently nothing for a key that is there; tells which were inserted.
    Claim,
    /// INSERT or replace all columns that are not the key.
    Put,
    /// DELETE by key.
    Delete,
}

/// Texts by what they do and to how many rows.
#[derive(Default)]
pub(crate) struct Statements {
    rows: HashMap<(Form, usize, usize), Arc<str>>,
    conditions: HashMap<(usize, usize, usize), Arc<str>>,
}

/// `($1, $2), ($3, $4)`.
fn placeholders(rows: usize, width: usize) -> String {
    let mut text = String::new();
    for row in 0..rows {
        text.push_str(if row == 0 { "(" } else { ", (" });
        for column in 0..width {
            let _ = write!(text, "{}${}", if column == 0 { "" } else { ", " }, row * width + column + 1);
        }
        text.push(')');
    }
    text
}

/// The largest power of two that is at most `left` and within the bounds.
fn chunk(left: usize, width: usize) -> usize {
    let most = ROWS.min(VALUES / width.max(1)).max(1).min(left.max(1));
    1 << most.ilog2()
}

fn address(table: &'static Table) -> usize {
    std::ptr::from_ref(table).addr()
}

impl Statements {
    fn text(&mut self, form: Form, table: &'static Table, rows: usize) -> Arc<str> {
        let text = self.rows.entry((form, address(table), rows)).or_insert_with(|| {
            let name = table.name;
            match form {
                Form::Delete => {
                    let keys = table.key_list();
                    format!("DELETE FROM {name} WHERE ({keys}) IN (VALUES {})", placeholders(rows, table.keys))
                }
                _ => {
                    let values = placeholders(rows, table.columns.len());
                    let insert = format!("INSERT INTO {name} ({}) VALUES {values}", table.list());
                    match form {
                        Form::Claim => format!("{insert} ON CONFLICT DO NOTHING RETURNING {}", table.list()),
                        Form::Put => {
                            let sets: Vec<String> = table
                                .columns
                                .iter()
                                .skip(table.keys)
                                .map(|(c, _)| format!("{c} = excluded.{c}"))
                                .collect();
                            format!("{insert} ON CONFLICT ({}) DO UPDATE SET {}", table.key_list(), sets.join(", "))
                        }
                        _ => insert,
                    }
                }
            }
            .into()
        });
        Arc::clone(text)
    }

    /// Applies `form` to the rows, in statements of powers of two; returns what they return.
    pub(crate) async fn apply(
        &mut self,
        connection: &mut Connection,
        form: Form,
        table: &'static Table,
        rows: &[Vec<Value>],
    ) -> Result<Vec<Row>, sqlx::Error> {
        let width = if form == Form::Delete { table.keys } else { table.columns.len() };
        let (mut answer, mut rest) = (Vec::new(), rows);
        while !rest.is_empty() {
            let (now, later) = rest.split_at(chunk(rest.len(), width));
            let values: Vec<Value> = now.iter().flatten().cloned().collect();
            let text = self.text(form, table, now.len());
            if form == Form::Claim {
                answer.extend(connection.fetch(text, &values).await?);
            } else {
                connection.execute(text, &values).await?;
            }
            rest = later;
        }
        Ok(answer)
    }

    /// Which of `rows` exist with exactly these values in `columns`. Locks them: writing a column to itself is the one
    /// lock that both engines and every PostgreSQL-compatible one have.
    pub(crate) async fn hold(
        &mut self,
        connection: &mut Connection,
        table: &'static Table,
        columns: &'static [&'static str],
        rows: &[Vec<Value>],
    ) -> Result<Vec<Row>, sqlx::Error> {
        let (mut answer, mut rest) = (Vec::new(), rows);
        while !rest.is_empty() {
            let (now, later) = rest.split_at(chunk(rest.len(), columns.len()));
            let key = (address(table), columns.as_ptr().addr(), now.len());
            let text =
                Arc::clone(self.conditions.entry(key).or_insert_with(|| condition(table, columns, now.len()).into()));
            let values: Vec<Value> = now.iter().flatten().cloned().collect();
            answer.extend(connection.fetch(text, &values).await?);
            rest = later;
        }
        Ok(answer)
    }
}

fn condition(table: &Table, columns: &[&str], rows: usize) -> String {
    let name = table.name;
    let last = columns.last().copied().unwrap_or_default();
    let equal: Vec<String> = columns.iter().zip(1..).map(|(c, n)| format!("{name}.{c} = v.column{n}")).collect();
    format!(
        "UPDATE {name} SET {last} = {name}.{last} FROM (VALUES {}) AS v WHERE {} RETURNING {}",
        placeholders(rows, columns.len()),
        equal.join(" AND "),
        columns.join(", "),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table;

    #[test]
    fn rows_go_in_powers_of_two_within_the_bounds() {
        assert_eq!([1, 2, 3, 37, 255, 256, 1000].map(|left| chunk(left, 3)), [1, 2, 2, 32, 128, 256, 256]);
        assert_eq!(chunk(256, 64), 128);
    }

    #[test]
    fn a_condition_writes_its_last_column_to_itself() {
        assert_eq!(
            condition(&table::LOGINS, &["id", "state"], 2),
            "UPDATE logins SET state = logins.state FROM (VALUES ($1, $2), ($3, $4)) AS v \
             WHERE logins.id = v.column1 AND logins.state = v.column2 RETURNING id, state"
        );
    }
}
