//! What the brain knows of a run at work, on SQLite and PostgreSQL alike: health checks, the lock's holder, the last
//! success.

use crate::postgres;
use crate::rows;

use huracan::brain::{Brain, HEALTH_CHECKS, HealthRow, RunStatus, time_of_ms};

async fn looks_at_components_are_added_once(brain: &Brain) {
    let check = HealthRow {
        run_id: "run-1".to_owned(),
        checked_at: time_of_ms(1_000),
        component: "database".to_owned(),
        status: "healthy".to_owned(),
        latency_ms: Some(12.5),
        error_rate: 0.25,
        data_gaps: 3,
        model_load_time_ms: None,
        message: "5 connections".to_owned(),
        remedy: None,
        simulated: false,
    };
    let loaded = HealthRow { checked_at: time_of_ms(1_500), model_load_time_ms: Some(245.3), ..check.clone() };
    let later = HealthRow { checked_at: time_of_ms(2_000), status: "failed".to_owned(), ..check.clone() };
    for _ in 0..2 {
        brain.store_health(&[check.clone(), loaded.clone(), later.clone()]).await.expect("stores");
    }
    assert_eq!(brain.rows(&HEALTH_CHECKS, "run-1").await.expect("reads"), [check, loaded, later]);
}

async fn the_last_success_is_a_whole_run_and_only_a_living_holder_is_named(brain: &Brain) {
    assert_eq!(brain.last_success().await.expect("reads"), None);
    for (id, status) in [("a", RunStatus::Done), ("b", RunStatus::Partial), ("c", RunStatus::Failed)] {
        brain.begin_run(&rows::run(id)).await.expect("begins");
        brain.finish_run(id, status, None).await.expect("ends");
    }
    let whole = brain.run("a").await.expect("reads").finished;
    assert!(whole.is_some());
    assert_eq!(brain.last_success().await.expect("reads"), whole);

    assert_eq!(brain.lock_holder().await.expect("reads"), None);
    let lock = brain.lock("run of 2025-11-08").await.expect("locks");
    let holder = brain.lock_holder().await.expect("reads").expect("a holder");
    assert!(holder.contains("run of 2025-11-08"), "{holder}");
    lock.release().await.expect("releases");
    assert_eq!(brain.lock_holder().await.expect("reads"), None);
}

#[tokio::test]
async fn a_run_at_work_is_known_on_sqlite() {
    let home = tempfile::tempdir().expect("a folder");
    let brain = Brain::open("sqlite://data/brain.db", home.path(), 2).await.expect("opens");
    looks_at_components_are_added_once(&brain).await;
    the_last_success_is_a_whole_run_and_only_a_living_holder_is_named(&brain).await;
}

#[tokio::test]
async fn a_run_at_work_is_known_on_postgres() {
    let home = tempfile::tempdir().expect("a folder");
    let Some(url) = postgres::fresh_database().await else { return };
    let brain = Brain::open(&url, home.path(), 2).await.expect("opens");
    looks_at_components_are_added_once(&brain).await;
    the_last_success_is_a_whole_run_and_only_a_living_holder_is_named(&brain).await;
}
