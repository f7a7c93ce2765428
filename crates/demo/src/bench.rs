//! Rows for benchmarks: as many as wanted, fast, in flat memory. What row `n` says follows from the seed and `n`, so a file may be made in
//! parts.

use crate::city::{self, OrganisationKind, Wording};
use crate::codes::{self, Family};
use crate::defects::ten_thousands;
use crate::feed::Feed;
use crate::rng::SplitMix64;
use crate::rows::{mark, months_after, on_weekday};
use crate::words::{self, DEFAULTS, OFFENCES, REGIONS, Region};
use chrono::{Datelike, Days, NaiveDate};
use std::fmt::Write as _;

/// Bytes gathered before they are written out.
const BLOCK: usize = 1 << 16;
/// Days of five years.
const DAYS: u64 = 1_826;

/// Subject `k`, so far as everything about it follows from `k`.
struct Subject {
    kind: OrganisationKind,
    region: Region,
    k: u64,
    rng: SplitMix64,
}

impl Subject {
    fn new(k: u64) -> Self {
        let mut rng = SplitMix64::named(k, "bench subject");
        let kind = if rng.below(4) == 0 { OrganisationKind::IndividualBusiness } else { OrganisationKind::Company };
        Self { kind, region: rng.one(REGIONS), k, rng }
    }

    fn push_uscc(&self, out: &mut String) {
        codes::push_uscc(out, self.kind.category(), self.region.code, Family::Bench, self.k);
    }

    fn push_name(&mut self, out: &mut String) {
        Wording::draw(self.kind, &self.region, false, &mut self.rng).push(out);
    }
}

/// The USCC of the `k`-th organisation of the files for benchmarks; they repeat after 887 million.
pub fn bench_uscc(k: u64) -> String {
    let mut out = String::with_capacity(18);
    Subject::new(k).push_uscc(&mut out);
    out
}

/// The name of the `k`-th organisation of the files for benchmarks. Namesakes occur.
pub fn bench_name(k: u64) -> String {
    let mut out = String::with_capacity(64);
    Subject::new(k).push_name(&mut out);
    out
}

/// What an organ writes, ready to be copied.
struct Organ {
    /// Decision number up to the year.
    mark: String,
    /// Offence, facts and legal basis, each set with a comma before and after.
    offences: Vec<(String, [u64; 2])>,
    /// Organ and source, to the end of the line.
    end: String,
}

fn organs() -> Vec<Organ> {
    city::agencies()
        .iter()
        .filter_map(|agency| {
            let own: Vec<_> = OFFENCES.iter().filter(|o| o.kind == agency.kind).collect();
            let text = |o: &&words::Offence| {
                let fact =
                    format!("经执法人员现场检查并调取有关资料查明，当事人{}。上述事实有现场检查笔录、询问笔录、现场照片、营业执照复印件等证据证实，事实清楚、证据充分", o.fact);
                (format!(",{},{fact}。,{},", o.act, o.basis), o.fine)
            };
            (!own.is_empty()).then(|| Organ {
                mark: format!("{}罚决〔", mark(agency)),
                offences: own.iter().map(text).collect(),
                end: format!(",{0},{1},{0},{1},\n", agency.name, agency.uscc),
            })
        })
        .collect()
}

/// Year, and the three dates as cells.
fn dates(today: NaiveDate) -> Vec<(i32, String)> {
    (0..DAYS)
        .filter_map(|back| today.checked_sub_days(Days::new(back)))
        .filter(|day| *day == on_weekday(*day))
        .map(|day| {
            let cell = |day: NaiveDate| day.format("%Y/%m/%d").to_string();
            (day.year(), format!("{},{},{}", cell(day), cell(months_after(day, 12)), cell(months_after(day, 36))))
        })
        .collect()
}

/// Writes `rows` rows of `administrative_penalty_organisation` (form v2, all 28 columns, some 800 bytes a row, no defects) after a header.
///
/// Decision numbers run from `first`. Subjects are drawn from organisations 0 to `subjects` - 1, see [`bench_uscc`]; decisions lie within
/// the five years before `today`.
pub fn write_penalties_for_bench(
    first: u64,
    rows: u64,
    subjects: u64,
    seed: u64,
    today: NaiveDate,
    mut out: impl std::io::Write,
) -> std::io::Result<()> {
    let (organs, dates) = (organs(), dates(today));
    let mut block = String::with_capacity(BLOCK + 4_096);
    let mut code = String::with_capacity(18);
    block.push_str(&Feed::PenaltyOrganisation.headers().join(","));
    block.push('\n');
    for number in first..first.saturating_add(rows) {
        let mut rng = SplitMix64::keyed(seed, number);
        let subject = Subject::new(rng.below(subjects));
        if let (Some(organ), Some(date)) = (organs.get(rng.index(organs.len())), dates.get(rng.index(dates.len()))) {
            push_row(&mut block, &mut code, number, subject, organ, date, &mut rng);
        }
        if block.len() >= BLOCK {
            out.write_all(block.as_bytes())?;
            block.clear();
        }
    }
    out.write_all(block.as_bytes())?;
    out.flush()
}

/// Appends a row; `code` is room to work in.
fn push_row(
    line: &mut String,
    code: &mut String,
    number: u64,
    mut subject: Subject,
    organ: &Organ,
    (year, dates): &(i32, String),
    rng: &mut SplitMix64,
) {
    code.clear();
    subject.push_uscc(code);
    let org_code = code.get(8..17).unwrap_or_default();
    subject.push_name(line);
    line.push(',');
    line.push_str(subject.kind.party());
    line.push(',');
    line.push_str(code);
    line.push(',');
    let class = if subject.kind == OrganisationKind::Company { '0' } else { '6' };
    codes::push_registration_no(line, subject.region.code, class, subject.k);
    for part in [",", org_code, ",", subject.region.code, org_code, ",,,"] {
        line.push_str(part);
    }
    words::push_person_name(line, &mut subject.rng);
    let _ = write!(line, ",,,{}{year}〕{number}号", organ.mark);
    if let Some((texts, [from, to])) = organ.offences.get(rng.index(organ.offences.len())) {
        line.push_str(texts);
        let fine = 100 * (from + rng.below(to - from + 1));
        let warned = rng.below(5) == 0;
        line.push_str(if warned { "警告;罚款,警告，" } else { "罚款," });
        let _ = write!(line, "罚款人民币{fine}元,{},,,", ten_thousands(fine));
    }
    line.push_str(dates);
    line.push_str(&organ.end);
}

/// Writes `rows` rows of `judgment_defaulter` (form v1, all 20 columns, no defects) after a header, row `k` about organisation `k`, see
/// [`bench_uscc`]: so many subjects come onto the list.
pub fn write_defaulters_for_bench(rows: u64, mut out: impl std::io::Write) -> std::io::Result<()> {
    let court = city::agencies().into_iter().find(|agency| agency.kind == "court").map(|agency| agency.name).unwrap_or_default();
    let mut block = String::with_capacity(BLOCK + 4_096);
    block.push_str(&Feed::JudgmentDefaulter.headers().join(","));
    block.push('\n');
    for k in 0..rows {
        let mut subject = Subject::new(k);
        subject.push_name(&mut block);
        block.push_str(",法人及非法人组织,");
        subject.push_uscc(&mut block);
        block.push_str(",,");
        words::push_person_name(&mut block, &mut subject.rng);
        let owed = 10_000 * (1 + subject.rng.below(300));
        let default = subject.rng.one(DEFAULTS);
        let _ = writeln!(
            block,
            ",,,{court},河北,（2025）冀10执{k}号,（2024）冀10民初{k}号,{court},支付货款{owed}元及利息,全部未履行,,,{default},2025-03-03,2025-06-02,{k}"
        );
        if block.len() >= BLOCK {
            out.write_all(block.as_bytes())?;
            block.clear();
        }
    }
    out.write_all(block.as_bytes())?;
    out.flush()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codes::ymd;
    use credence_core::identifiers::uscc::{Uscc, UsccRules};
    use credence_core::identifiers::{OrganisationCode, RegistrationNumber};
    use std::collections::{HashMap, HashSet};

    const TODAY: NaiveDate = ymd(2026, 11, 23);

    fn file(first: u64, rows: u64, subjects: u64, seed: u64) -> String {
        let mut out = Vec::new();
        write_penalties_for_bench(first, rows, subjects, seed, TODAY, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn codes_follow_from_the_number_alone_and_pass() {
        let mut seen = HashSet::new();
        for k in (0..3_000).chain([999_999, 10_000_000, 499_999_999, 887_503_680]) {
            let code = bench_uscc(k);
            let (uscc, warnings) = Uscc::parse(&code, &UsccRules::default()).unwrap();
            assert!(uscc.as_str() == code && warnings.is_empty() && uscc.area().starts_with("1310"), "{k} {code}");
            assert!(seen.insert(code), "{k}");
        }
    }

    #[test]
    fn a_seed_is_a_file_and_parts_make_the_whole() {
        let whole = file(1, 500, 50, 3);
        assert_eq!(whole, file(1, 500, 50, 3));
        assert_ne!(whole, file(1, 500, 50, 4));
        let rest = file(201, 300, 50, 3);
        let (header, rest) = rest.split_once('\n').unwrap();
        assert_eq!(whole, format!("{}{rest}", file(1, 200, 50, 3)));
        assert_eq!(header.split(',').count(), 28);
    }

    #[test]
    fn rows_are_whole_and_sound() {
        let text = file(1_000, 2_000, 40, 1);
        let mut csv = csv::Reader::from_reader(text.as_bytes());
        assert_eq!(csv.headers().unwrap(), &csv::StringRecord::from(Feed::PenaltyOrganisation.headers()));
        let codes: HashMap<String, u64> = (0..40).map(|k| (bench_uscc(k), k)).collect();
        let mut numbers = HashSet::new();
        let mut rows = 0;
        for record in csv.records() {
            let record = record.unwrap();
            rows += 1;
            let cell = |name: &str| &record[Feed::PenaltyOrganisation.headers().iter().position(|h| *h == name).unwrap()];
            let k = codes[&record[2]];
            assert_eq!(&record[0], bench_name(k));
            assert!(RegistrationNumber::parse(&record[3]).is_ok() && record[3].len() == 15);
            assert!(OrganisationCode::parse(&record[4]).is_ok());
            assert_eq!(record[5].len(), 15);
            assert!(Uscc::parse(cell("处罚机关统一社会信用代码"), &UsccRules::default()).is_ok());
            assert!(numbers.insert(cell("行政处罚决定书文号").to_owned()));
            let day = |name: &str| NaiveDate::parse_from_str(cell(name), "%Y/%m/%d").unwrap();
            assert!(day("处罚决定日期") <= TODAY && day("公示截止期") > day("处罚决定日期"));
            for header in Feed::PenaltyOrganisation.columns().iter().filter(|c| c.required).map(|c| c.header) {
                assert!(!cell(header).is_empty(), "{header}");
            }
            assert!(cell("罚款金额（万元）").parse::<f64>().is_ok());
        }
        assert_eq!(rows, 2_000);
        assert!((600..1_000).contains(&(text.len() / rows)), "{}", text.len() / rows);
    }

    #[test]
    fn every_defaulter_is_another_organisation() {
        let mut out = Vec::new();
        write_defaulters_for_bench(500, &mut out).unwrap();
        let mut csv = csv::Reader::from_reader(out.as_slice());
        assert_eq!(csv.headers().unwrap(), &csv::StringRecord::from(Feed::JudgmentDefaulter.headers()));
        let rows: Vec<csv::StringRecord> = csv.records().map(Result::unwrap).collect();
        assert_eq!(rows.iter().map(|row| row[2].to_owned()).collect::<HashSet<_>>().len(), 500);
        for (k, row) in (0u64..).zip(&rows) {
            assert_eq!((&row[0], &row[2]), (bench_name(k).as_str(), bench_uscc(k).as_str()));
            for (at, column) in Feed::JudgmentDefaulter.columns().iter().enumerate() {
                assert!(!column.required || !row[at].is_empty(), "{}", column.header);
            }
            let day = |at: usize| NaiveDate::parse_from_str(&row[at], "%Y-%m-%d").unwrap();
            assert!(day(17) < day(18) && DEFAULTS.iter().any(|default| *default == &row[16]), "{row:?}");
        }
    }
}
