//! The table that `doctor` prints.

use comfy_table::{Cell, Color, ContentArrangement, Table};

use super::{Check, Status};

/// One row per component, with a remedy for those that are not healthy.
pub fn doctor_table(checks: &[Check], colour: bool) -> String {
    let mut table = Table::new();
    table.load_style(comfy_table::presets::UTF8_FULL_CONDENSED);
    table.set_content_arrangement(ContentArrangement::Dynamic);
    if colour {
        table.enforce_styling();
    } else {
        table.force_no_tty();
    }
    table.set_header(["component", "status", "latency", "result", "what to do"]);
    for check in checks {
        let tint = match check.status {
            Status::Healthy => Color::Green,
            Status::Degraded => Color::Yellow,
            Status::Failed => Color::Red,
            Status::Off => Color::DarkGrey,
        };
        table.add_row(vec![
            Cell::new(&check.component),
            Cell::new(check.status.name()).fg(tint),
            Cell::new(check.latency_ms.map(|ms| format!("{ms:.1} ms")).unwrap_or_default()),
            Cell::new(&check.message),
            Cell::new(check.remedy.as_deref().unwrap_or("")),
        ]);
    }
    table.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_component_has_a_row_with_its_remedy() {
        let checks = [
            Check::new("disk", Status::Healthy, "80 GiB free"),
            Check::new("brain", Status::Failed, "refused").with_remedy("start the database"),
        ];
        let text = doctor_table(&checks, false);
        for word in ["disk", "healthy", "80 GiB free", "brain", "failed", "start the database"] {
            assert!(text.contains(word), "{text}");
        }
        assert!(!text.contains('\u{1b}'));
    }
}
