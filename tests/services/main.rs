//! The database, exports and remotes, over real connections.

#[path = "../support/dropbox/mod.rs"]
mod dropbox;
#[path = "../support/postgres.rs"]
mod postgres;
#[path = "../support/rows.rs"]
mod rows;
#[path = "../support/s3/mod.rs"]
mod s3;
#[path = "../support/skip.rs"]
mod skip;
#[path = "../support/sync.rs"]
mod sync;

mod brain;
mod brain_health;
mod export;
mod export_memory;
mod sync_dropbox;
mod sync_faults;
mod sync_s3;
mod sync_s3_faults;
