//! Writes events as lines.

use std::fmt;

use chrono::{SecondsFormat, Utc};
use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use super::sink::Sink;
use super::{TRAINING, is_simulated};
use crate::secret::redact;

/// Modules and crates whose events belong to training.
const TRAINING_MODULES: [&str; 7] = ["boost", "decide", "features", "labels", "metrics", "models", "shadow"];

/// Writes every event as one JSON object to the log files.
pub(super) struct JsonLayer {
    pub all: Sink,
    pub training: Sink,
    pub errors: Sink,
}

/// The fields of a span, for the events within it.
struct SpanFields(Map<String, Value>);

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for JsonLayer {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        if let Some(span) = context.span(id) {
            span.extensions_mut().insert(SpanFields(fields.0));
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let mut fields = Fields::default();
        values.record(&mut fields);
        if let Some(span_fields) = span.extensions_mut().get_mut::<SpanFields>() {
            span_fields.0.extend(fields.0);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let meta = event.metadata();
        let mut fields = Fields::default();
        event.record(&mut fields);
        let mut line = Map::new();
        line.insert("timestamp".into(), Utc::now().to_rfc3339_opts(SecondsFormat::Millis, true).into());
        line.insert("level".into(), meta.level().as_str().into());
        line.insert("target".into(), meta.target().into());
        if let Some(message) = fields.0.remove("message") {
            line.insert("message".into(), message);
        }
        if is_simulated() {
            line.insert("simulated".into(), true.into());
        }
        let mut spans = Vec::new();
        for span in context.event_scope(event).into_iter().flat_map(|scope| scope.from_root()) {
            spans.push(Value::from(span.name()));
            if let Some(span_fields) = span.extensions().get::<SpanFields>() {
                line.extend(span_fields.0.iter().map(|(name, value)| (field_name(name), value.clone())));
            }
        }
        line.extend(fields.0.into_iter().map(|(name, value)| (field_name(&name), value)));
        if !spans.is_empty() {
            line.insert("spans".into(), spans.into());
        }
        let text = redact(Value::Object(line).to_string());
        self.all.line(&text);
        if is_training(meta) {
            self.training.line(&text);
        }
        if *meta.level() <= Level::WARN {
            self.errors.line(&text);
        }
    }
}

/// The name of a field, with `_` after it if the line has a key of that name.
fn field_name(name: &str) -> String {
    match name {
        "timestamp" | "level" | "target" | "message" | "simulated" | "spans" => format!("{name}_"),
        other => other.to_owned(),
    }
}

fn is_training(meta: &Metadata<'_>) -> bool {
    let target = meta.target();
    // A module of this crate, or a crate of the workspace: `huracan::models::…`, `huracan_boost::…`.
    let path = target.strip_prefix("huracan::").or_else(|| target.strip_prefix("huracan_"));
    let module = path.map(|path| path.split("::").next().unwrap_or(path));
    target == TRAINING || module.is_some_and(|module| TRAINING_MODULES.contains(&module))
}

/// Prints warnings and errors on standard error.
pub(super) struct TerminalLayer;

impl<S: Subscriber> Layer<S> for TerminalLayer {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let word = match *event.metadata().level() {
            Level::ERROR => "error",
            Level::WARN => "warning",
            _ => return,
        };
        let mut fields = Fields::default();
        event.record(&mut fields);
        crate::ui::print_line(&redact(short_line(word, fields.0)));
    }
}

fn short_line(word: &str, mut fields: Map<String, Value>) -> String {
    let plain = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let message = fields.remove("message").map(|value| plain(&value)).unwrap_or_default();
    let rest: Vec<_> = fields.iter().map(|(name, value)| format!("{name}={}", plain(value))).collect();
    let rest = if rest.is_empty() { String::new() } else { format!(" ({})", rest.join(", ")) };
    format!("{word}: {message}{rest}")
}

#[derive(Default)]
struct Fields(Map<String, Value>);

impl Fields {
    fn put(&mut self, field: &Field, value: impl Into<Value>) {
        self.0.insert(field.name().to_owned(), value.into());
    }
}

impl Visit for Fields {
    fn record_f64(&mut self, field: &Field, value: f64) {
        // JSON has no NaN and no infinity. Text keeps the information, null would not.
        if value.is_finite() { self.put(field, value) } else { self.put(field, value.to_string()) }
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value);
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.put(field, value.to_string());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, format!("{value:?}"));
    }
}
