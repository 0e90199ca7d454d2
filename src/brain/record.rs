//! Rows and tables: one declaration gives a row's struct, its columns, and how it is written and read.

use std::marker::PhantomData;

use super::error::BrainError;
use super::value::{Column, Value};

/// A struct that is one row of a table.
pub trait Record: Sized + Send + Sync + 'static {
    /// The columns, in order.
    const COLUMNS: &'static [Column];
    /// The row's values in the order of `COLUMNS`.
    fn values(&self) -> Vec<Value>;
    /// Builds a row from values in the order of `COLUMNS`; `what` names the table in errors.
    ///
    /// # Errors
    /// [`BrainError::Decode`] for a value of the wrong kind.
    fn from_values(what: &str, values: Vec<Value>) -> Result<Self, BrainError>;
}

/// A row that belongs to one run.
pub trait RunRecord: Record {
    /// The run that wrote the row.
    fn run_id(&self) -> &str;
}

/// A table and its key: the columns that order it and differ between any two rows.
#[derive(Debug)]
pub struct Table<R> {
    /// Name in the database.
    pub name: &'static str,
    /// The key columns, separated by commas.
    pub key: &'static str,
    row: PhantomData<fn() -> R>,
}

impl<R: Record> Table<R> {
    /// A table with this name and key.
    pub const fn new(name: &'static str, key: &'static str) -> Self {
        Self { name, key, row: PhantomData }
    }

    /// The columns as a list in SQL.
    pub fn column_list(&self) -> String {
        R::COLUMNS.iter().map(|column| column.name).collect::<Vec<_>>().join(", ")
    }
}

/// Declares a row struct whose fields are the columns of its table, in order.
macro_rules! row {
    ($(#[$doc:meta])* pub struct $name:ident { $($(#[$field_doc:meta])* pub $field:ident: $type:ty,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, serde::Serialize)]
        pub struct $name { $($(#[$field_doc])* pub $field: $type,)* }

        impl $crate::brain::Record for $name {
            const COLUMNS: &'static [$crate::brain::Column] = &[$($crate::brain::Column {
                name: stringify!($field),
                kind: <$type as $crate::brain::value::Field>::KIND,
            },)*];

            fn values(&self) -> Vec<$crate::brain::Value> {
                vec![$($crate::brain::value::Field::to_value(&self.$field),)*]
            }

            fn from_values(
                what: &str,
                values: Vec<$crate::brain::Value>,
            ) -> Result<Self, $crate::brain::BrainError> {
                let mut values = values.into_iter();
                $(
                    let value = values.next().unwrap_or($crate::brain::Value::Null);
                    let shown = value.to_plain();
                    let $field = <$type as $crate::brain::value::Field>::from_value(value).ok_or_else(|| {
                        $crate::brain::BrainError::Decode {
                            what: what.to_owned(),
                            column: stringify!($field),
                            found: format!("'{shown}'"),
                            expected: stringify!($type),
                        }
                    })?;
                )*
                Ok(Self { $($field,)* })
            }
        }
    };
}

/// Implements [`RunRecord`] by a row's field `run_id`.
macro_rules! run_rows {
    ($($name:ty),+ $(,)?) => {
        $(impl $crate::brain::record::RunRecord for $name {
            fn run_id(&self) -> &str {
                &self.run_id
            }
        })+
    };
}

pub(crate) use {row, run_rows};
