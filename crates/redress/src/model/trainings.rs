//! Trainings 信用修复培训 and interviews 约谈 of subjects, how many of those that stand on a list have taken part, and the commitments that are public.

use chrono::{DateTime, NaiveDate, Utc};
use credence_core::problem::{Kind, ProblemType};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// A training that cannot have been.
pub static BAD_TRAINING: ProblemType = ProblemType {
    code: "bad_training",
    kind: Kind::Unprocessable,
    zh: "培训或约谈登记不正确：日期不得晚于今日，学时须大于 0、不超过 9999 且至多一位小数（见 field）；请修改",
    en: "this is no training: its day may not lie ahead, and hours are more than 0, at most 9999, with one decimal at most (see `field`); change it",
};
/// It was recorded before.
pub static TRAINING_EXISTS: ProblemType = ProblemType {
    code: "training_exists",
    kind: Kind::Conflict,
    zh: "该主体同日、同类、同一组织单位的培训或约谈已登记，未重复登记；请核对",
    en: "a training of this subject of that kind, day and organiser is recorded already and is not recorded twice; check it",
};

/// What is recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum TrainingKind {
    /// 信用修复培训.
    Training,
    /// 约谈.
    Interview,
}

impl TrainingKind {
    /// Stable code.
    pub fn code(self) -> &'static str {
        match self {
            Self::Training => "training",
            Self::Interview => "interview",
        }
    }
}

/// A training or interview to be recorded. The subject is told by exactly one of its two fields.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewTraining {
    /// Who took part.
    pub subject_id: Option<Uuid>,
    /// Who took part, by its unified social credit code.
    pub uscc: Option<String>,
    /// Training or interview.
    pub kind: TrainingKind,
    /// Day.
    pub held_on: NaiveDate,
    /// Who held it.
    pub organiser: String,
    /// Hours, with one decimal at most.
    pub hours: Option<f64>,
    /// Number of the certificate.
    pub certificate_no: Option<String>,
}

/// A training or interview as it was recorded.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TrainingView {
    /// Its id.
    pub id: Uuid,
    /// Who took part.
    pub subject_id: Uuid,
    /// Training or interview.
    pub kind: TrainingKind,
    /// Day.
    pub held_on: NaiveDate,
    /// Who held it.
    pub organiser: String,
    /// Hours.
    pub hours: Option<f64>,
    /// Number of the certificate.
    pub certificate_no: Option<String>,
    /// When it was recorded.
    pub recorded_at: DateTime<Utc>,
}

/// Hours as the database keeps them, with one decimal; `None` when they are none.
pub fn hours_text(hours: f64) -> Option<String> {
    let text = format!("{hours:.1}");
    let same = text.parse::<f64>().is_ok_and(|rounded| (rounded - hours).abs() < 1e-9);
    (same && hours > 0.0 && hours <= 9999.0).then_some(text)
}

/// How many subjects on lists of serious dishonesty took part in a training or interview since they were listed 修复培训覆盖率.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Indicator {
    /// The day.
    pub on: NaiveDate,
    /// Subjects that stand on such a list on that day.
    pub listed: i64,
    /// Those of them that took part.
    pub trained: i64,
    /// Share in percent, with one decimal; none where nobody is listed.
    pub share: Option<f64>,
    /// Share that has to be exceeded, in percent.
    pub target: i64,
    /// Rule and version that set it.
    pub rule: String,
    /// Whether it is exceeded; none where nobody is listed.
    pub met: Option<bool>,
}

impl Indicator {
    /// Reckons it. The target has to be exceeded, as it reads "more than" (> 60 %).
    pub fn reckon(on: NaiveDate, (listed, trained): (i64, i64), target: i64, rule: String) -> Self {
        let some = listed > 0;
        // Tenths of a percent, rounded half up; whole numbers, so that no share is met by the way numbers are written.
        let tenths = some.then(|| (trained * 2000 + listed) / (listed * 2));
        let share = tenths.and_then(|t| i32::try_from(t).ok()).map(|t| f64::from(t) / 10.0);
        Self { on, listed, trained, share, target, rule, met: some.then_some(trained * 100 > target * listed) }
    }
}

/// A public commitment 信用承诺 of an organisation that applied for repair.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CommitmentView {
    /// Its id.
    pub id: Uuid,
    /// Who commits itself.
    pub subject_id: Uuid,
    /// Its name.
    pub subject_name: Option<String>,
    /// Its unified social credit code.
    pub uscc: Option<String>,
    /// The commitment.
    pub text: String,
    /// Day it was given.
    pub given_on: NaiveDate,
    /// Last day it is shown.
    pub until: NaiveDate,
}

/// A page of commitments.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct CommitmentPage {
    /// Newest first.
    pub commitments: Vec<CommitmentView>,
    /// Where the next page begins; absent on the last.
    pub next: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_have_one_decimal_at_most() {
        for (hours, text) in [(0.1, "0.1"), (1.1, "1.1"), (2.5, "2.5"), (8.0, "8.0"), (9999.0, "9999.0")] {
            assert_eq!(hours_text(hours).as_deref(), Some(text));
        }
        for hours in [0.0, -1.0, 0.04, 1.25, 9999.1, 10_000.0, f64::NAN, f64::INFINITY] {
            assert_eq!(hours_text(hours), None, "{hours}");
        }
    }

    #[test]
    fn the_target_has_to_be_exceeded() {
        let of = |listed, trained| {
            let on = NaiveDate::from_ymd_opt(2026, 11, 24).unwrap();
            let indicator = Indicator::reckon(on, (listed, trained), 60, "kpi.repair_training_share@1".into());
            (indicator.share, indicator.met)
        };
        assert_eq!(of(0, 0), (None, None));
        assert_eq!(of(5, 3), (Some(60.0), Some(false)), "60 % is not more than 60 %");
        assert_eq!(of(1667, 1000), (Some(60.0), Some(false)), "what looks like 60.0 may lie below");
        assert_eq!(of(1666, 1000), (Some(60.0), Some(true)), "or above");
        assert_eq!(of(3, 2), (Some(66.7), Some(true)));
        assert_eq!(of(2, 2), (Some(100.0), Some(true)));
    }
}
