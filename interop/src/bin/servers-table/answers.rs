//! What one server answered, in one round or several.

use std::collections::BTreeSet;

use openschannel_interop::servers::Server;
use serde_json::Value;

/// The protocol versions, as the probe names them and as people do.
pub(crate) const VERSIONS: [(&str, &str); 2] = [("tls1.2", "TLS 1.2"), ("tls1.3", "TLS 1.3")];

/// The schema of the probe's JSON that is read here.
const SCHEMA: u64 = 1;

pub(crate) struct Answers {
    pub(crate) server: Server,
    grades: BTreeSet<String>,
    pub(crate) questions: Vec<Question>,
}

pub(crate) struct Question {
    pub(crate) id: String,
    pub(crate) title: String,
    /// By version, different verdicts only: more than one if chance decides.
    pub(crate) answers: [Vec<Answer>; 2],
}

pub(crate) struct Answer {
    pub(crate) verdict: String,
    pub(crate) finding: String,
    pub(crate) evidence: Vec<String>,
}

impl Answers {
    pub(crate) fn from_json(server: Server, json: &[u8]) -> Self {
        let report: Value = serde_json::from_slice(json).unwrap();
        assert_eq!(report["schema"], SCHEMA, "{report}");
        let mut questions: Vec<Question> = Vec::new();
        for entry in report["questions"].as_array().unwrap() {
            let id = text(&entry["id"]);
            let version = VERSIONS.iter().position(|(name, _)| entry["protocol"] == *name).unwrap();
            let known = questions.iter().position(|question| question.id == id).unwrap_or_else(|| {
                let title = text(&entry["title"]);
                questions.push(Question { id, title, answers: [Vec::new(), Vec::new()] });
                questions.len() - 1
            });
            questions[known].answers[version].push(Answer::from_json(entry));
        }
        Self { server, grades: [text(&report["grade"])].into(), questions }
    }

    /// Another round.
    pub(crate) fn add(&mut self, other: Self) {
        self.grades.extend(other.grades);
        for (known, new) in self.questions.iter_mut().zip(other.questions) {
            assert_eq!(known.id, new.id);
            for (known, new) in known.answers.iter_mut().zip(new.answers) {
                for answer in new {
                    if known.iter().all(|other| other.verdict != answer.verdict) {
                        known.push(answer);
                    }
                }
            }
        }
    }

    pub(crate) fn grades(&self) -> String {
        one_or_other(self.grades.iter().map(String::as_str))
    }

    /// What was seen, for a question and version as [`Question::place`] names them.
    pub(crate) fn evidence(&self, place: &str) -> String {
        let found = self.questions.iter().flat_map(|question| {
            (0..VERSIONS.len())
                .filter(|version| question.place(*version) == place)
                .flat_map(|version| &question.answers[version])
        });
        found
            .map(|answer| format!("  {}\n    {}\n", answer.finding, answer.evidence.join("\n    ")))
            .collect()
    }
}

impl Question {
    /// The verdict in one version, "good"; "good or bad" where chance decides, "-" where the question does not exist.
    pub(crate) fn verdict(&self, version: usize) -> String {
        let verdicts: BTreeSet<&str> =
            self.answers[version].iter().map(|answer| answer.verdict.as_str()).collect();
        match one_or_other(verdicts).as_str() {
            "" | "not-applicable" => "-".to_owned(),
            verdicts => verdicts.replace("not-applicable", "-"),
        }
    }

    pub(crate) fn place(&self, version: usize) -> String {
        format!("{} {}", self.id, VERSIONS[version].1)
    }
}

impl Answer {
    fn from_json(entry: &Value) -> Self {
        let evidence = entry["evidence"].as_array().unwrap();
        Self {
            verdict: text(&entry["verdict"]),
            finding: text(&entry["finding"]),
            evidence: evidence
                .iter()
                .map(|line| format!("{}: {}", text(&line["who"]), text(&line["what"])))
                .collect(),
        }
    }
}

fn one_or_other<'a>(values: impl IntoIterator<Item = &'a str>) -> String {
    values.into_iter().collect::<Vec<_>>().join(" or ")
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}")).to_owned()
}
