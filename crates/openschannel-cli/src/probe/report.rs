//! The report: the same for JSON, whose form docs/probe.md fixes, and for people.

use serde::Serialize;

use crate::options::Version;
use crate::report::protocol_name;

use super::grade::{Grade, grade};
use super::log::Evidence;
use super::question::{Question, Rule};
use super::verdict::{Judgement, Verdict};

/// Raised when a field changes its meaning or goes; new fields do not raise it.
const SCHEMA: u32 = 1;

/// Everything that was found out.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    schema: u32,
    program: &'static str,
    pub(super) target: String,
    pub(super) starttls: Option<String>,
    pub(super) http_path: Option<String>,
    pub(super) grade: Grade,
    pub(super) questions: Vec<Answer>,
}

/// One question in one version.
#[derive(Debug, Serialize)]
pub(super) struct Answer {
    #[serde(serialize_with = "as_id")]
    pub(super) id: Question,
    title: &'static str,
    #[serde(serialize_with = "as_name")]
    pub(super) protocol: Version,
    pub(super) verdict: Verdict,
    pub(super) finding: String,
    pub(super) rule: Rule,
    pub(super) evidence: Vec<Evidence>,
}

impl Answer {
    pub(super) fn new(
        id: Question,
        protocol: Version,
        judgement: Judgement,
        evidence: Vec<Evidence>,
    ) -> Self {
        let Judgement { verdict, finding } = judgement;
        let rule = id.rule(protocol);
        Self { id, title: id.title(), protocol, verdict, finding, rule, evidence }
    }
}

impl Report {
    pub(super) fn new(
        target: String,
        starttls: Option<String>,
        http_path: Option<String>,
        mut questions: Vec<Answer>,
    ) -> Self {
        questions.sort_by_key(|answer| (answer.id, answer.protocol));
        let grade = grade(questions.iter().map(|answer| (answer.id, answer.verdict)));
        let program = concat!("openschannel ", env!("CARGO_PKG_VERSION"));
        Self { schema: SCHEMA, program, target, starttls, http_path, grade, questions }
    }

    /// How many questions were answered in one version at least, and how many there are.
    pub(super) fn answered(&self) -> (usize, usize) {
        let is_answered = |question: &&Question| {
            let mut answers = self.questions.iter().filter(|answer| answer.id == **question);
            answers.any(|answer| answer.verdict != Verdict::NotApplicable)
        };
        (Question::ALL.iter().filter(is_answered).count(), Question::ALL.len())
    }

    /// One line of JSON, without the line's end.
    pub(super) fn to_json(&self) -> String {
        // A struct of strings and numbers always serializes.
        serde_json::to_string(self).unwrap_or_default()
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes fields so")]
fn as_id<S: serde::Serializer>(question: &Question, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(question.id())
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes fields so")]
fn as_name<S: serde::Serializer>(version: &Version, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(protocol_name(version.protocol()))
}
