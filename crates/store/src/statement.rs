//! The writer's SQL, built from the table descriptions and kept by its shape, so that few texts are ever prepared. How
//! many rows go into one statement, and how they are written there, is the engine's own affair.

use crate::{
    backend::{Connection, Row, Value, adding},
    table::{Kind, Table},
};
use std::{collections::HashMap, sync::Arc};

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
    additions: HashMap<Vec<usize>, Arc<str>>,
}

fn address(table: &'static Table) -> usize {
    std::ptr::from_ref(table).addr()
}

impl Statements {
    /// Applies `form` to the rows, in as few statements as the engine needs; returns what they return.
    pub(crate) async fn apply(
        &mut self,
        connection: &mut Connection,
        form: Form,
        table: &'static Table,
        rows: &[Vec<Value>],
    ) -> Result<Vec<Row>, sqlx::Error> {
        let width = if form == Form::Delete { table.keys } else { table.columns.len() };
        let kinds: Vec<Kind> = table.columns.iter().take(width).map(|(_, kind)| *kind).collect();
        let (mut answer, mut rest) = (Vec::new(), rows);
        while !rest.is_empty() {
            let (now, later) = rest.split_at(connection.rows_at_once(rest.len(), width));
            let key = (form, address(table), connection.shape(now.len()));
            let text = self.rows.entry(key);
            let text = text
                .or_insert_with(|| written(form, table, connection.insert(), &connection.rows_of(&kinds, now.len())));
            let text = Arc::clone(text);
            if form == Form::Claim {
                answer.extend(connection.fetch_rows(text, &kinds, now).await?);
            } else {
                connection.execute_rows(text, &kinds, now).await?;
            }
            rest = later;
        }
        Ok(answer)
    }

    /// Adds rows to several tables at once if `fence` finds its row, else none: whether it did. Not in a transaction, but one itself;
    /// only for engines that [can](Connection::adds_at_once).
    pub(crate) async fn add(
        &mut self,
        connection: &mut Connection,
        fence: &'static str,
        values: Vec<Value>,
        additions: &[(&'static Table, Vec<Vec<Value>>)],
    ) -> Result<bool, sqlx::Error> {
        let additions: Vec<_> = additions.iter().filter(|(_, rows)| !rows.is_empty()).collect();
        let tables: Vec<&'static Table> = additions.iter().map(|(table, _)| *table).collect();
        let key = tables.iter().map(|table| address(table)).collect();
        let text = self.additions.entry(key).or_insert_with(|| adding(fence, values.len(), &tables));
        let rows: Vec<_> = additions.iter().map(|(table, rows)| (*table, rows.as_slice())).collect();
        connection.add_rows(Arc::clone(text), &values, &rows).await
    }

    /// Which of `rows` exist with exactly these values in `columns`. They stay so until the transaction ends.
    pub(crate) async fn hold(
        &mut self,
        connection: &mut Connection,
        table: &'static Table,
        columns: &'static [&'static str],
        rows: &[Vec<Value>],
    ) -> Result<Vec<Row>, sqlx::Error> {
        let kinds: Vec<Kind> = columns.iter().map(|column| table.kind(column)).collect();
        let (mut answer, mut rest) = (Vec::new(), rows);
        while !rest.is_empty() {
            let (now, later) = rest.split_at(connection.rows_at_once(rest.len(), columns.len()));
            let key = (address(table), columns.as_ptr().addr(), connection.shape(now.len()));
            let text = self.conditions.entry(key);
            let text = text.or_insert_with(|| {
                connection.holding(table.name, columns, &connection.rows_of(&kinds, now.len())).into()
            });
            let text = Arc::clone(text);
            answer.extend(connection.fetch_rows(text, &kinds, now).await?);
            rest = later;
        }
        Ok(answer)
    }
}

/// The text that does `form` with `rows`, which stand for a table of values. `insert`: how the engine begins to.
fn written(form: Form, table: &Table, insert: &str, rows: &str) -> Arc<str> {
    let (name, keys) = (table.name, table.key_list());
    let insert = format!("{insert} INTO {name} ({}) {rows}", table.list());
    match form {
        Form::Insert => insert.into(),
        Form::Claim => format!("{insert} ON CONFLICT DO NOTHING RETURNING {}", table.list()).into(),
        Form::Put => {
            let columns = table.columns.iter().skip(table.keys);
            let sets: Vec<String> = columns.map(|(column, _)| format!("{column} = excluded.{column}")).collect();
            format!("{insert} ON CONFLICT ({keys}) DO UPDATE SET {}", sets.join(", ")).into()
        }
        Form::Delete => format!("DELETE FROM {name} WHERE ({keys}) IN ({rows})").into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table;

    #[test]
    fn putting_replaces_all_but_the_key() {
        assert_eq!(
            &*written(Form::Put, &table::TILES, "INSERT", "VALUES ($1, $2, $3)"),
            "INSERT INTO tiles (level, tile, hashes) VALUES ($1, $2, $3) \
             ON CONFLICT (level, tile) DO UPDATE SET hashes = excluded.hashes"
        );
    }
}
