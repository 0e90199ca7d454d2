//! The migrations that create the tables and bring them up to date when a database is opened.

use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::{SqlSafeStr, SqlStr};

struct BrainMigration {
    version: i64,
    description: &'static str,
    postgres: &'static str,
    sqlite: &'static str,
}

/// Every change of the brain's tables, oldest first. A released migration is never edited, because a checksum of its
/// text is stored in each database: add a new one.
const BRAIN: &[BrainMigration] = &[
    BrainMigration {
        version: 1,
        description: "brain",
        postgres: include_str!("../../migrations/postgres/0001_brain.sql"),
        sqlite: include_str!("../../migrations/sqlite/0001_brain.sql"),
    },
    BrainMigration {
        version: 2,
        description: "consensus",
        postgres: include_str!("../../migrations/postgres/0002_consensus.sql"),
        sqlite: include_str!("../../migrations/sqlite/0002_consensus.sql"),
    },
    BrainMigration {
        version: 3,
        description: "risk",
        postgres: include_str!("../../migrations/postgres/0003_risk.sql"),
        sqlite: include_str!("../../migrations/sqlite/0003_risk.sql"),
    },
    BrainMigration {
        version: 4,
        description: "health",
        postgres: include_str!("../../migrations/postgres/0004_health.sql"),
        sqlite: include_str!("../../migrations/sqlite/0004_health.sql"),
    },
    BrainMigration {
        version: 5,
        description: "sync etag",
        postgres: include_str!("../../migrations/postgres/0005_sync_etag.sql"),
        sqlite: include_str!("../../migrations/sqlite/0005_sync_etag.sql"),
    },
    BrainMigration {
        version: 6,
        description: "trades by run in order",
        postgres: include_str!("../../migrations/postgres/0006_trades_by_run_in_order.sql"),
        sqlite: include_str!("../../migrations/sqlite/0006_trades_by_run_in_order.sql"),
    },
    BrainMigration {
        version: 7,
        description: "faster exports",
        postgres: include_str!("../../migrations/postgres/0007_faster_exports.sql"),
        sqlite: include_str!("../../migrations/sqlite/0007_faster_exports.sql"),
    },
    BrainMigration {
        version: 8,
        description: "forward record",
        postgres: include_str!("../../migrations/postgres/0008_forward_record.sql"),
        sqlite: include_str!("../../migrations/sqlite/0008_forward_record.sql"),
    },
    BrainMigration {
        version: 9,
        description: "forward basis",
        postgres: include_str!("../../migrations/postgres/0009_forward_basis.sql"),
        sqlite: include_str!("../../migrations/sqlite/0009_forward_basis.sql"),
    },
];

/// Every change of the journal's tables: version, description, SQL.
const JOURNAL: &[(i64, &str, &str)] = &[
    (1, "journal", include_str!("../../migrations/journal/0001_journal.sql")),
    (2, "trades in order", include_str!("../../migrations/journal/0002_trades_in_order.sql")),
];

fn migration(version: i64, description: &'static str, sql: &'static str) -> Migration {
    let sql: SqlStr = sql.into_sql_str();
    Migration::new(version, description.into(), MigrationType::Simple, sql, false)
}

pub(crate) fn brain_on_postgres() -> Migrator {
    Migrator::with_migrations(BRAIN.iter().map(|m| migration(m.version, m.description, m.postgres)).collect())
}

pub(crate) fn brain_on_sqlite() -> Migrator {
    Migrator::with_migrations(BRAIN.iter().map(|m| migration(m.version, m.description, m.sqlite)).collect())
}

pub(crate) fn journal() -> Migrator {
    Migrator::with_migrations(
        JOURNAL.iter().map(|&(version, description, sql)| migration(version, description, sql)).collect(),
    )
}
