//! Comparing agencies, memoranda, measures, regions and months by what became of their directives. It counts and times; it judges nobody.

use super::Dispatch;
use crate::model::evaluation::{
    Dimension, DimensionValue, EVALUATION_BUSY, EVALUATION_FILTER_UNKNOWN, EVALUATION_TOO_LARGE, Evaluation, EvaluationRow, Figures, days,
    dimensions, months, rate,
};
use crate::store::evaluation::{self as store, Asked, Row};
use credence_catalog::Configuration;
use credence_core::problem::{Problem, Result};
use credence_core::{Actor, Permission};
use credence_identity::directory::Snapshot;
use std::collections::HashMap;
use uuid::Uuid;

/// Most lines of an answer; three dimensions over five years can make more than anybody reads.
const ROWS_MAX: usize = 20_000;

/// What somebody asks.
#[derive(Debug, Clone, Default)]
pub struct Question {
    /// Dimensions, separated by commas.
    pub by: String,
    /// First month.
    pub from: String,
    /// Last month.
    pub to: String,
    /// One agency, by code or id.
    pub agency: Option<String>,
    /// One memorandum.
    pub memorandum: Option<String>,
    /// One measure.
    pub measure: Option<String>,
    /// One division with all within it.
    pub region: Option<String>,
}

fn unknown(filter: &str, value: &str) -> Problem {
    Problem::new(&EVALUATION_FILTER_UNKNOWN).with("filter", filter).with("value", value)
}

/// The agency whose directives are counted: any for those who supervise, the own one for who acts. Another's does not exist for it.
fn agency(actor: &Actor, directory: &Snapshot, asked: Option<&str>) -> Result<Option<Uuid>> {
    let found = |said: &str| {
        let by_id = Uuid::parse_str(said).ok().and_then(|id| directory.agency(id));
        by_id.or_else(|| directory.by_code(said)).map(|a| a.id).ok_or_else(|| unknown("agency", said))
    };
    let wanted = asked.map(found).transpose()?;
    if actor.may(Permission::SuperviseJointAction) {
        return Ok(wanted);
    }
    actor.require(Permission::ActOnDirectives)?;
    let own = actor.agency()?.0;
    match (wanted, asked) {
        (Some(other), Some(said)) if other != own => Err(unknown("agency", said)),
        _ => Ok(Some(own)),
    }
}

/// The divisions counted: those asked for, within those that an API key is limited to.
fn regions(actor: &Actor, directory: &Snapshot, asked: Option<&str>) -> Result<Option<Vec<String>>> {
    let wanted = match asked {
        Some(code) => {
            let within = directory.regions_within(&[code.to_owned()]);
            if within.is_empty() {
                return Err(unknown("region", code));
            }
            Some(within)
        }
        None => None,
    };
    Ok(match (wanted, &actor.regions) {
        (Some(wanted), Some(limit)) => Some(wanted.into_iter().filter(|r| limit.contains(r)).collect()),
        (None, Some(limit)) => Some(limit.clone()),
        (wanted, None) => wanted,
    })
}

/// Answers the question as of today.
pub async fn evaluate(dispatch: &Dispatch, actor: &Actor, question: &Question) -> Result<Evaluation> {
    let by = dimensions(&question.by)?;
    let (from, to) = months(&question.from, &question.to)?;
    let (now, today) = (dispatch.clock.now(), dispatch.clock.today());
    let configuration = dispatch.configuration.get();
    let directory = dispatch.directory.get(&dispatch.db, now).await?;
    let agency = agency(actor, &directory, question.agency.as_deref())?;
    let regions = regions(actor, &directory, question.region.as_deref())?;
    if let Some(code) = question.memorandum.as_deref().filter(|code| !configuration.memoranda.contains_key(*code)) {
        return Err(unknown("memorandum", code));
    }
    if let Some(code) = question.measure.as_deref().filter(|code| !configuration.measures.contains_key(*code)) {
        return Err(unknown("measure", code));
    }
    let asked = Asked {
        by: &by,
        from: from.begins(),
        until: to.next().begins(),
        today,
        agency,
        memorandum: question.memorandum.as_deref(),
        measure: question.measure.as_deref(),
        regions: regions.as_deref(),
        // One more than an answer takes, and the total.
        rows_max: i64::try_from(ROWS_MAX).unwrap_or(i64::MAX).saturating_add(2),
    };
    let _place = dispatch.evaluations.try_acquire().map_err(|_| Problem::new(&EVALUATION_BUSY))?;
    let mut conn = dispatch.db.read().await?;
    let lines = store::figures(&mut conn, &asked).await?;
    let region_names = if by.contains(&Dimension::Region) { store::region_names(&mut conn).await? } else { HashMap::new() };
    drop(conn);
    let names = Names { configuration: &configuration, directory: &directory, regions: &region_names };
    let (mut rows, mut totals) = (Vec::with_capacity(lines.len()), Figures::default());
    for line in lines {
        if line.total {
            totals = figures(&line);
        } else {
            rows.push(names.row(line));
        }
    }
    if rows.len() > ROWS_MAX {
        return Err(Problem::new(&EVALUATION_TOO_LARGE).with("max", ROWS_MAX));
    }
    in_order(&mut rows, &by);
    Ok(Evaluation { from: from.to_string(), to: to.to_string(), by, as_of: today, rows, totals })
}

fn figures(line: &Row) -> Figures {
    let accepted = line.responded - line.declined;
    Figures {
        issued: line.issued,
        delivered: line.delivered,
        responded: line.responded,
        accepted,
        declined: line.declined,
        reported: line.reported,
        response_rate: rate(line.responded, line.issued - line.released_unanswered),
        feedback_rate: rate(line.reported, accepted),
        response_days_median: days(line.response_days_median),
        response_days_p90: days(line.response_days_p90),
        feedback_days_median: days(line.feedback_days_median),
        feedback_days_p90: days(line.feedback_days_p90),
        responded_late: line.responded_late,
        reported_late: line.reported_late,
        overdue: line.overdue,
        releases: line.releases,
        released_unanswered: line.released_unanswered,
        releases_completed: line.releases_completed,
        released_late: line.released_late,
        release_overdue: line.release_overdue,
        release_days_median: days(line.release_days_median),
    }
}

/// Where names come from.
struct Names<'a> {
    configuration: &'a Configuration,
    directory: &'a Snapshot,
    regions: &'a HashMap<String, String>,
}

impl Names<'_> {
    fn row(&self, line: Row) -> EvaluationRow {
        let figures = figures(&line);
        let agency = |id: Uuid| match self.directory.agency(id) {
            Some(agency) => DimensionValue { code: agency.code.clone(), name: Some(agency.name.clone()) },
            None => DimensionValue { code: id.to_string(), name: None },
        };
        let memorandum = |code: String| DimensionValue { name: self.configuration.memoranda.get(&code).map(|m| m.body.name.clone()), code };
        let measure = |code: String| DimensionValue { name: self.configuration.measures.get(&code).map(|m| m.body.name.clone()), code };
        let region = |code: String| DimensionValue { name: self.regions.get(&code).cloned(), code };
        EvaluationRow {
            agency: line.agency.map(agency),
            memorandum: line.memorandum.map(memorandum),
            measure: line.measure.map(measure),
            region: line.region.map(region),
            month: line.month.map(|code| DimensionValue { code, name: None }),
            figures,
        }
    }
}

/// Sorts by the codes of the dimensions, the first asked for first.
fn in_order(rows: &mut [EvaluationRow], by: &[Dimension]) {
    rows.sort_by_cached_key(|row| by.iter().map(|d| row.value(*d).map(|v| v.code.clone())).collect::<Vec<_>>());
}

const FIGURE_HEADERS: [&str; 21] = [
    "推送任务数",
    "送达数",
    "响应数",
    "签收数",
    "不适用数",
    "反馈数",
    "响应率",
    "反馈率",
    "响应天数（中位数）",
    "响应天数（90%分位）",
    "首次反馈天数（中位数）",
    "首次反馈天数（90%分位）",
    "超期响应数",
    "超期反馈数",
    "当前超期数",
    "解除任务数",
    "期限内未响应即解除数",
    "解除完成数",
    "超期解除数",
    "解除超期未完成数",
    "解除天数（中位数）",
];

fn cells(figures: &Figures) -> [String; 21] {
    let number = |value: Option<f64>| value.map(|v| v.to_string()).unwrap_or_default();
    let f = figures;
    [
        f.issued.to_string(),
        f.delivered.to_string(),
        f.responded.to_string(),
        f.accepted.to_string(),
        f.declined.to_string(),
        f.reported.to_string(),
        number(f.response_rate),
        number(f.feedback_rate),
        number(f.response_days_median),
        number(f.response_days_p90),
        number(f.feedback_days_median),
        number(f.feedback_days_p90),
        f.responded_late.to_string(),
        f.reported_late.to_string(),
        f.overdue.to_string(),
        f.releases.to_string(),
        f.released_unanswered.to_string(),
        f.releases_completed.to_string(),
        f.released_late.to_string(),
        f.release_overdue.to_string(),
        number(f.release_days_median),
    ]
}

/// The comparison as CSV: a byte order mark, so that spreadsheet programs read the Chinese right, Chinese headers, the lines, and the total
/// (合计) last. What there is none of is an empty cell.
pub fn csv(evaluation: &Evaluation) -> Result<Vec<u8>> {
    let mut writer = csv::Writer::from_writer(vec![0xEF, 0xBB, 0xBF]);
    let mut header = Vec::new();
    for dimension in &evaluation.by {
        if *dimension != Dimension::Month {
            header.push(format!("{}代码", dimension.zh()));
        }
        header.push(dimension.zh().to_owned());
    }
    let keys = header.len();
    header.extend(FIGURE_HEADERS.map(str::to_owned));
    writer.write_record(&header).map_err(Problem::internal)?;
    for row in &evaluation.rows {
        let mut record = Vec::with_capacity(header.len());
        for dimension in &evaluation.by {
            let value = row.value(*dimension);
            record.push(value.map(|v| v.code.clone()).unwrap_or_default());
            if *dimension != Dimension::Month {
                record.push(value.and_then(|v| v.name.clone()).unwrap_or_default());
            }
        }
        record.extend(cells(&row.figures));
        writer.write_record(&record).map_err(Problem::internal)?;
    }
    let mut total = vec![String::new(); keys];
    if let Some(first) = total.first_mut() {
        "合计".clone_into(first);
    }
    total.extend(cells(&evaluation.totals));
    writer.write_record(&total).map_err(Problem::internal)?;
    writer.into_inner().map_err(|e| Problem::internal(e.error()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(agency: &str, month: &str, issued: i64) -> EvaluationRow {
        let value = |code: &str, name: Option<&str>| Some(DimensionValue { code: code.to_owned(), name: name.map(str::to_owned) });
        EvaluationRow {
            agency: value(agency, Some("某局")),
            memorandum: None,
            measure: None,
            region: None,
            month: value(month, None),
            figures: Figures { issued, response_rate: rate(1, issued), ..Figures::default() },
        }
    }

    fn evaluation() -> Evaluation {
        Evaluation {
            from: "2026-11".to_owned(),
            to: "2026-12".to_owned(),
            by: vec![Dimension::Agency, Dimension::Month],
            as_of: "2026-12-31".parse().unwrap(),
            rows: vec![row("b", "2026-11", 1), row("a", "2026-12", 3), row("a", "2026-11", 0)],
            totals: Figures { issued: 4, ..Figures::default() },
        }
    }

    #[test]
    fn rows_follow_the_dimensions_as_they_were_asked() {
        let mut rows = evaluation().rows;
        let codes = |rows: &[EvaluationRow]| -> Vec<String> {
            rows.iter().map(|r| format!("{} {}", r.agency.as_ref().unwrap().code, r.month.as_ref().unwrap().code)).collect()
        };
        in_order(&mut rows, &[Dimension::Agency, Dimension::Month]);
        assert_eq!(codes(&rows), ["a 2026-11", "a 2026-12", "b 2026-11"]);
        in_order(&mut rows, &[Dimension::Month, Dimension::Agency]);
        assert_eq!(codes(&rows), ["a 2026-11", "b 2026-11", "a 2026-12"]);
    }

    #[test]
    fn csv_has_a_mark_chinese_headers_and_a_total() {
        let bytes = csv(&evaluation()).unwrap();
        assert_eq!(&bytes[..3], [0xEF, 0xBB, 0xBF]);
        let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(&bytes[3..]);
        let records: Vec<csv::StringRecord> = reader.records().map(|record| record.unwrap()).collect();
        assert_eq!(records.len(), 5);
        assert_eq!(records[0].iter().take(4).collect::<Vec<_>>(), ["单位代码", "单位", "月份", "推送任务数"]);
        assert_eq!(records[1].iter().take(4).collect::<Vec<_>>(), ["b", "某局", "2026-11", "1"]);
        assert_eq!(records[2].get(9), Some("0.3333"));
        assert_eq!(records[3].get(9), Some(""), "there is no rate of nothing");
        assert_eq!(records[4].iter().take(4).collect::<Vec<_>>(), ["合计", "", "", "4"]);
    }
}
