//! Everything that can be shown as text, and everything that is traced, in one long string.

use std::fmt::{Debug, Write as _};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use super::known::Known;

/// What was shown, without white space: `{:#?}` writes lists over many lines.
#[derive(Clone, Debug, Default)]
pub(crate) struct Text(Arc<Mutex<String>>);

impl Text {
    /// Shows a value in both ways of `Debug`.
    pub(crate) fn show(&self, value: &dyn Debug) {
        self.say(&format!("{value:?}{value:#?}"));
    }

    pub(crate) fn say(&self, text: &str) {
        let mut all = self.0.lock().expect("nobody failed with it");
        all.extend(text.chars().filter(|character| !character.is_whitespace()));
        all.push('\n');
    }

    pub(crate) fn len(&self) -> usize {
        self.0.lock().expect("nobody failed with it").len()
    }

    /// The secrets in it, with what stands around them.
    pub(crate) fn find(&self, known: &Known) -> Vec<String> {
        let all = self.0.lock().expect("nobody failed with it");
        let needles = known.text_needles();
        let found = needles.find(all.as_bytes()).into_iter().map(|(secret, form, at)| {
            let around = &all.as_bytes()[at.saturating_sub(100)..all.len().min(at + 100)];
            format!("{secret}, {form:?}: {}", String::from_utf8_lossy(around))
        });
        found.collect()
    }
}

/// To be held by every test of a program in which one listens to traces: where there is a single listener, what is traced first on another
/// thread is never told to it.
pub(crate) fn one_at_a_time() -> MutexGuard<'static, ()> {
    static ONE: Mutex<()> = Mutex::new(());
    ONE.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Subscriber for Text {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn event(&self, event: &Event<'_>) {
        let mut words = Words(format!("{:?}", event.metadata()));
        event.record(&mut words);
        self.say(&words.0);
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let mut words = Words(format!("{:?}", span.metadata()));
        span.record(&mut words);
        self.say(&words.0);
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, record: &Record<'_>) {
        let mut words = Words(String::new());
        record.record(&mut words);
        self.say(&words.0);
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

struct Words(String);

impl Visit for Words {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let _written = write!(self.0, " {}={value:?}", field.name());
    }
}
