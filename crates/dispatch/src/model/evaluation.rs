//! Evaluation 分析评估: what became of the directives that were issued in some months, compared by agency, memorandum, measure, region or
//! month.

use chrono::{DateTime, Datelike, Duration, Months, NaiveDate, NaiveTime, Utc};
use credence_core::problem::{Kind, Problem, ProblemType, Result};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Not a way to compare.
pub static EVALUATION_DIMENSION_UNKNOWN: ProblemType = ProblemType {
    code: "evaluation_dimension_unknown",
    kind: Kind::Unprocessable,
    zh: "by 只能是 agency、memorandum、measure、region、month，多个用逗号分隔；请修改后重试",
    en: "`by` is agency, memorandum, measure, region or month, several separated by commas; change it and ask again",
};
/// Too many ways to compare at once, or one twice.
pub static EVALUATION_DIMENSIONS_REFUSED: ProblemType = ProblemType {
    code: "evaluation_dimensions_refused",
    kind: Kind::Unprocessable,
    zh: "by 最多 max 项且不能重复；请删去多余的项，改用筛选参数",
    en: "`by` takes at most `max` dimensions, none of them twice; leave some out and narrow with the filters instead",
};
/// Not a month.
pub static EVALUATION_MONTH_INVALID: ProblemType = ProblemType {
    code: "evaluation_month_invalid",
    kind: Kind::Malformed,
    zh: "from 与 to 应为 YYYY-MM 形式的月份（例如 2026-11）；请修改后重试",
    en: "`from` and `to` are months written YYYY-MM, for example 2026-11; correct them",
};
/// The last month is before the first.
pub static EVALUATION_MONTHS_REVERSED: ProblemType = ProblemType {
    code: "evaluation_months_reversed",
    kind: Kind::Unprocessable,
    zh: "from 晚于 to；请对调两个月份",
    en: "`from` is after `to`; exchange the two months",
};
/// Too many months at once.
pub static EVALUATION_SPAN_TOO_LONG: ProblemType = ProblemType {
    code: "evaluation_span_too_long",
    kind: Kind::Unprocessable,
    zh: "一次最多统计 max 个月；请缩短期间，分次统计",
    en: "at most `max` months at a time; shorten the period and ask several times",
};
/// A filter names something that there is not.
pub static EVALUATION_FILTER_UNKNOWN: ProblemType = ProblemType {
    code: "evaluation_filter_unknown",
    kind: Kind::Unprocessable,
    zh: "筛选参数 filter 的值不存在，或不在您可统计的范围内；请核对代码",
    en: "the value of the filter `filter` does not exist, or lies outside of what you may evaluate; check the code",
};
/// Neither JSON nor CSV.
pub static EVALUATION_FORMAT_UNKNOWN: ProblemType = ProblemType {
    code: "evaluation_format_unknown",
    kind: Kind::Malformed,
    zh: "format 只能是 json 或 csv；请修改后重试",
    en: "`format` is json or csv; change it and ask again",
};
/// More lines than an answer takes.
pub static EVALUATION_TOO_LARGE: ProblemType = ProblemType {
    code: "evaluation_too_large",
    kind: Kind::Unprocessable,
    zh: "结果超过 max 行；请减少 by 的项、缩短期间或增加筛选",
    en: "the result has more than `max` rows; compare by less, shorten the period or add a filter",
};

/// As many evaluations as the process takes are being worked on.
pub static EVALUATION_BUSY: ProblemType = ProblemType {
    code: "evaluation_busy",
    kind: Kind::TooMany,
    zh: "正在进行的统计过多；请稍后再试",
    en: "too many evaluations are being worked on; try again in a moment",
};

/// Most dimensions at once.
pub const DIMENSIONS_MAX: usize = 3;
/// Most months at once: five years, as long as the longest plan an office reports on.
pub const MONTHS_MAX: i32 = 60;

/// A way to compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Dimension {
    /// The agency that carries the measure out.
    Agency,
    /// The memorandum.
    Memorandum,
    /// The measure.
    Measure,
    /// The division of the list entry, as its joint action keeps it; not that of the agency.
    Region,
    /// The month in which the directive was issued, in China.
    Month,
}

impl Dimension {
    /// Every one.
    pub const ALL: [Self; 5] = [Self::Agency, Self::Memorandum, Self::Measure, Self::Region, Self::Month];

    /// Stable code.
    pub fn code(self) -> &'static str {
        match self {
            Self::Agency => "agency",
            Self::Memorandum => "memorandum",
            Self::Measure => "measure",
            Self::Region => "region",
            Self::Month => "month",
        }
    }

    /// The reverse of [`Self::code`].
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|dimension| dimension.code() == code)
    }

    /// Chinese name.
    pub fn zh(self) -> &'static str {
        match self {
            Self::Agency => "单位",
            Self::Memorandum => "备忘录",
            Self::Measure => "措施",
            Self::Region => "区划",
            Self::Month => "月份",
        }
    }
}

/// Reads `by`: one to three dimensions, separated by commas.
///
/// # Errors
/// When one is unknown, given twice, or there are too many.
pub fn dimensions(by: &str) -> Result<Vec<Dimension>> {
    let mut found = Vec::new();
    for code in by.split(',').map(str::trim) {
        let known = || Problem::new(&EVALUATION_DIMENSION_UNKNOWN).with("known", Dimension::ALL.map(Dimension::code).to_vec());
        let dimension = Dimension::from_code(code).ok_or_else(known)?;
        if found.contains(&dimension) || found.len() == DIMENSIONS_MAX {
            return Err(Problem::new(&EVALUATION_DIMENSIONS_REFUSED).with("max", DIMENSIONS_MAX));
        }
        found.push(dimension);
    }
    Ok(found)
}

/// A calendar month in China.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Month(NaiveDate);

impl Month {
    /// Reads `YYYY-MM`.
    ///
    /// # Errors
    /// When it is no month, or one that no directive can be of.
    pub fn parse(text: &str) -> Result<Self> {
        let shaped = text.len() == 7 && text.bytes().enumerate().all(|(at, b)| if at == 4 { b == b'-' } else { b.is_ascii_digit() });
        let number = |from: usize, to: usize| text.get(from..to).and_then(|digits| digits.parse::<u32>().ok());
        let day = || NaiveDate::from_ymd_opt(i32::try_from(number(0, 4)?).ok()?, number(5, 7)?, 1);
        let month = shaped.then(day).flatten().filter(|day| (1900..=2999).contains(&day.year()));
        month.map(Self).ok_or_else(|| Problem::new(&EVALUATION_MONTH_INVALID))
    }

    /// Its first instant: midnight in China (UTC+8).
    pub fn begins(self) -> DateTime<Utc> {
        self.0.and_time(NaiveTime::MIN).and_utc() - Duration::hours(8)
    }

    /// The month after it.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.checked_add_months(Months::new(1)).unwrap_or(self.0))
    }

    /// How many months from this to `last`, both counted.
    fn months_until(self, last: Self) -> i32 {
        (last.0.year() - self.0.year()) * 12 + i32::try_from(last.0.month()).unwrap_or(0) - i32::try_from(self.0.month()).unwrap_or(0) + 1
    }
}

impl std::fmt::Display for Month {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:04}-{:02}", self.0.year(), self.0.month())
    }
}

/// Reads first and last month.
///
/// # Errors
/// When one is no month, they are the wrong way round, or too far apart.
pub fn months(from: &str, to: &str) -> Result<(Month, Month)> {
    let (from, to) = (Month::parse(from)?, Month::parse(to)?);
    if from > to {
        return Err(Problem::new(&EVALUATION_MONTHS_REVERSED));
    }
    if from.months_until(to) > MONTHS_MAX {
        return Err(Problem::new(&EVALUATION_SPAN_TOO_LONG).with("max", MONTHS_MAX));
    }
    Ok((from, to))
}

/// A part of a whole, to four places; none of nothing.
pub fn rate(part: i64, whole: i64) -> Option<f64> {
    (whole > 0).then(|| (part as f64 / whole as f64 * 10_000.0).round() / 10_000.0)
}

/// Days to two places.
pub fn days(exact: Option<f64>) -> Option<f64> {
    exact.map(|days| (days * 100.0).round() / 100.0)
}

/// What is counted of a set of directives that were issued. Directives that were taken back before they were delivered (cancelled, or held
/// while their ground is questioned) could not be answered and are left out everywhere. A day is 24 hours from instant to instant; whether
/// something was late goes by calendar days in China.
#[derive(Debug, Clone, Default, PartialEq, Serialize, ToSchema)]
pub struct Figures {
    /// Directives issued 推送.
    pub issued: i64,
    /// Of those, handed to the agency 送达.
    pub delivered: i64,
    /// Of those issued, accepted or declined 响应.
    pub responded: i64,
    /// Of those issued, accepted 签收, whatever followed.
    pub accepted: i64,
    /// Of those issued, declined 不适用.
    pub declined: i64,
    /// Of those issued, with at least one feedback 反馈.
    pub reported: i64,
    /// `responded` / (`issued` - `released_unanswered`) 响应率; absent when that is nothing.
    pub response_rate: Option<f64>,
    /// `reported` / `accepted` 反馈率; absent when nothing was accepted.
    pub feedback_rate: Option<f64>,
    /// Days from issue to response: the median.
    pub response_days_median: Option<f64>,
    /// Days from issue to response: nine in ten were no slower.
    pub response_days_p90: Option<f64>,
    /// Days from issue to first feedback: the median.
    pub feedback_days_median: Option<f64>,
    /// Days from issue to first feedback: nine in ten were no slower.
    pub feedback_days_p90: Option<f64>,
    /// Answered after the last day to answer.
    pub responded_late: i64,
    /// First feedback given after its last day, as that was before the feedback was given.
    pub reported_late: i64,
    /// Past the last day for what is asked of the agency today.
    pub overdue: i64,
    /// Releases 解除 issued of these directives.
    pub releases: i64,
    /// Of those, releases of what had not been answered and whose last day to answer was not over: there was nothing left to answer, so they do not
    /// count in the response rate.
    pub released_unanswered: i64,
    /// Releases carried out.
    pub releases_completed: i64,
    /// Releases carried out after their last day.
    pub released_late: i64,
    /// Releases not carried out whose last day is over.
    pub release_overdue: i64,
    /// Days from the issue of a release until it was carried out: the median.
    pub release_days_median: Option<f64>,
}

/// A value of a dimension.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct DimensionValue {
    /// Code; of a month, the month.
    pub code: String,
    /// Chinese name, where there is one.
    pub name: Option<String>,
}

/// One line of the comparison. It names the dimensions that were asked for.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct EvaluationRow {
    /// The agency.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agency: Option<DimensionValue>,
    /// The memorandum.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memorandum: Option<DimensionValue>,
    /// The measure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub measure: Option<DimensionValue>,
    /// The division of the list entry.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<DimensionValue>,
    /// The month of issue.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub month: Option<DimensionValue>,
    /// What is counted.
    #[serde(flatten)]
    #[schema(inline)]
    pub figures: Figures,
}

impl EvaluationRow {
    /// Its value of a dimension.
    pub fn value(&self, dimension: Dimension) -> Option<&DimensionValue> {
        match dimension {
            Dimension::Agency => self.agency.as_ref(),
            Dimension::Memorandum => self.memorandum.as_ref(),
            Dimension::Measure => self.measure.as_ref(),
            Dimension::Region => self.region.as_ref(),
            Dimension::Month => self.month.as_ref(),
        }
    }
}

/// The comparison.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Evaluation {
    /// First month.
    pub from: String,
    /// Last month.
    pub to: String,
    /// Dimensions compared by.
    pub by: Vec<Dimension>,
    /// Day on which it was reckoned: what is overdue is overdue on this day.
    pub as_of: NaiveDate,
    /// By the dimensions, in their order.
    pub rows: Vec<EvaluationRow>,
    /// Over all of them.
    pub totals: Figures,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_month_is_read_strictly() {
        assert_eq!(Month::parse("2026-11").unwrap().to_string(), "2026-11");
        for text in
            ["", "2026", "2026-13", "2026-00", "2026-1", "202611", "2026/11", "2026-11-01", " 2026-11", "0000-01", "+026-11", "二〇二六"]
        {
            assert_eq!(Month::parse(text).unwrap_err().code(), "evaluation_month_invalid", "{text}");
        }
    }

    #[test]
    fn a_month_begins_at_midnight_in_china() {
        let month = Month::parse("2026-12").unwrap();
        assert_eq!(month.begins().to_rfc3339(), "2026-11-30T16:00:00+00:00");
        assert_eq!(month.next().to_string(), "2027-01");
        assert_eq!(credence_core::clock::china_date(month.begins()).to_string(), "2026-12-01");
    }

    #[test]
    fn a_period_is_in_order_and_of_five_years_at_most() {
        assert!(months("2026-11", "2026-11").is_ok());
        assert!(months("2022-01", "2026-12").is_ok());
        assert_eq!(months("2021-12", "2026-12").unwrap_err().code(), "evaluation_span_too_long");
        assert_eq!(months("2026-12", "2026-11").unwrap_err().code(), "evaluation_months_reversed");
        assert_eq!(months("2026-12", "x").unwrap_err().code(), "evaluation_month_invalid");
    }

    #[test]
    fn dimensions_are_known_few_and_different() {
        assert_eq!(dimensions("agency, month").unwrap(), [Dimension::Agency, Dimension::Month]);
        for by in ["", "agency,", "subject", "agency;month", "Agency"] {
            assert_eq!(dimensions(by).unwrap_err().code(), "evaluation_dimension_unknown", "{by}");
        }
        for by in ["agency,agency", "agency,memorandum,measure,region"] {
            assert_eq!(dimensions(by).unwrap_err().code(), "evaluation_dimensions_refused", "{by}");
        }
        for dimension in Dimension::ALL {
            assert_eq!(Dimension::from_code(dimension.code()), Some(dimension));
        }
    }

    #[test]
    fn of_nothing_there_is_no_rate() {
        assert_eq!(rate(0, 0), None);
        assert_eq!(rate(0, 3), Some(0.0));
        assert_eq!(rate(2, 3), Some(0.6667));
        assert_eq!(rate(3, 3), Some(1.0));
        assert_eq!(days(None), None);
        assert_eq!(days(Some(1.005_1)), Some(1.01));
    }
}
