//! The rows of the files.

use crate::city::{City, DemoAgency, Organisation, OrganisationKind, Person, between};
use crate::defects::{Defected, Defects, Spoiler};
use crate::feed::Feed;
use crate::rng::SplitMix64;
use crate::words::{self, COMMITMENTS, DEFAULTS, HONOURS, KIND_MARKS, LICENCES, Licence, OFFENCES, Offence, PERSON_OFFENCES, REGION_MARKS};
use chrono::{Datelike, Days, Months, NaiveDate, Weekday};

/// The city's own code; organs with another region serve a county.
const CITY: &str = "131000";
/// The end of what has none.
const OPEN_END: NaiveDate = crate::codes::ymd(2099, 12, 31);

/// What a cell is to hold.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Empty,
    Text(String),
    Day(NaiveDate),
    /// An amount in yuan, written in 万元.
    Yuan(u64),
}

impl Value {
    fn or_empty(text: &str) -> Self {
        if text.is_empty() { Self::Empty } else { text.into() }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<NaiveDate> for Value {
    fn from(day: NaiveDate) -> Self {
        Self::Day(day)
    }
}

/// A row before mistakes are put in.
pub(crate) struct Draft<'a> {
    /// Whom it is about, when that is an organisation.
    pub organisation: Option<&'a Organisation>,
    /// One value per column.
    pub values: Vec<Value>,
}

/// Writes `rows` rows of a feed as CSV in UTF-8 with a header, as one organ would deliver them on `today`, and tells what was put in.
///
/// A county's organ writes about its county's organisations. Registration has one row per organisation in their order, so at most as many
/// as there are; the other feeds write nothing when the city has nobody they could be about. A-grade taxpayers do not repeat within a year.
/// Files of one organ with different seeds (modulo 10,000) share no decision number, up to a million rows each.
#[expect(clippy::too_many_arguments, reason = "a file is described by all of these, and a struct for one caller would only move them")]
pub fn write_csv(
    city: &City,
    feed: Feed,
    agency: &DemoAgency,
    rows: usize,
    seed: u64,
    today: NaiveDate,
    defects: Defects,
    out: impl std::io::Write,
) -> std::io::Result<Defected> {
    let columns = feed.columns();
    let mut source = Source::new(city, feed, agency, seed, today, defects);
    let mut csv = csv::Writer::from_writer(out);
    csv.write_record(columns.iter().map(|c| c.header))?;
    for row in 0..rows {
        let Some(draft) = source.draft(row) else { break };
        csv.write_record(source.spoiler.cells(&columns, draft))?;
    }
    csv.flush()?;
    Ok(source.spoiler.done)
}

/// What decision numbers of an organ begin with: its division and its trade.
pub(crate) fn mark(agency: &DemoAgency) -> String {
    let kind = words::look_up(KIND_MARKS, &agency.kind);
    format!("{}{}", words::look_up(REGION_MARKS, &agency.region), if kind.is_empty() { "政" } else { kind })
}

/// The working days before `today`, weekends left out: `back` = 0 is today itself, or the Friday before.
fn weekday_before(today: NaiveDate, back: u64) -> NaiveDate {
    let earlier = |day: NaiveDate| day.checked_sub_days(Days::new(1)).unwrap_or(day);
    let mut day = on_weekday(today);
    for _ in 0..back {
        day = on_weekday(earlier(day));
    }
    day
}

/// The day itself, or the Friday before a weekend.
pub(crate) fn on_weekday(day: NaiveDate) -> NaiveDate {
    let back = match day.weekday() {
        Weekday::Sat => 1,
        Weekday::Sun => 2,
        _ => 0,
    };
    day.checked_sub_days(Days::new(back)).unwrap_or(day)
}

fn days_before(day: NaiveDate, days: u64) -> NaiveDate {
    day.checked_sub_days(Days::new(days)).unwrap_or(day)
}

/// So many calendar months later, the last day of a shorter month.
pub(crate) fn months_after(day: NaiveDate, months: u32) -> NaiveDate {
    day.checked_add_months(Months::new(months)).unwrap_or(day)
}

struct Source<'a> {
    city: &'a City,
    feed: Feed,
    agency: &'a DemoAgency,
    today: NaiveDate,
    /// Organisations the rows may be about.
    pool: Vec<&'a Organisation>,
    offences: Vec<Offence>,
    licences: Vec<Licence>,
    honours: Vec<&'static str>,
    mark: String,
    /// First running number of this file.
    first: u64,
    rng: SplitMix64,
    spoiler: Spoiler,
}

impl<'a> Source<'a> {
    fn new(city: &'a City, feed: Feed, agency: &'a DemoAgency, seed: u64, today: NaiveDate, defects: Defects) -> Self {
        let name = format!("{} {}", feed.item(), agency.code);
        let fits = |o: &&Organisation| match feed {
            Feed::AbnormalOperation | Feed::AGradeTaxpayer => o.kind == OrganisationKind::Company,
            _ => true,
        };
        let fitting: Vec<&Organisation> = city.organisations.iter().filter(fits).collect();
        let local: Vec<&Organisation> = fitting.iter().copied().filter(|o| o.region == agency.region).collect();
        let pool = if agency.region == CITY || local.is_empty() || feed == Feed::Registration { fitting } else { local };
        let offences = if feed == Feed::PenaltyPerson { PERSON_OFFENCES } else { OFFENCES };
        let kind = agency.kind.as_str();
        Self {
            city,
            feed,
            agency,
            today,
            pool,
            offences: words::of_kind(offences, kind, |o| o.kind),
            // The approval bureau gives every kind of licence.
            licences: if kind == "administrative_approval" { LICENCES.to_vec() } else { words::of_kind(LICENCES, kind, |l| l.kind) },
            honours: words::of_kind(HONOURS, kind, |honour| honour.0).into_iter().map(|(_, name)| name).collect(),
            mark: mark(agency),
            first: (seed % 10_000) * 1_000_000 + 1,
            rng: SplitMix64::named(seed, &name),
            spoiler: Spoiler::new(feed, defects, SplitMix64::named(seed, &format!("{name} defects"))),
        }
    }

    fn draft(&mut self, row: usize) -> Option<Draft<'a>> {
        let number = self.first + u64::try_from(row).unwrap_or_default();
        match self.feed {
            Feed::Registration => self.registration(row),
            Feed::PenaltyOrganisation => self.penalty_organisation(number),
            Feed::LicenceOrganisation => self.licence(number),
            Feed::PenaltyPerson => self.penalty_person(number),
            Feed::JudgmentDefaulter => self.judgment(number),
            Feed::AbnormalOperation => self.abnormal_operation(),
            Feed::AGradeTaxpayer => self.a_grade(row),
            Feed::Honour => self.honour(number),
            Feed::CreditCommitment => self.commitment(number),
        }
    }

    fn organisation(&mut self) -> Option<&'a Organisation> {
        self.pool.get(self.rng.index(self.pool.len())).copied()
    }

    fn person(&mut self) -> Option<&'a Person> {
        self.city.persons.get(self.rng.index(self.city.persons.len()))
    }

    /// A day of decision: history, late, or within the last six working days.
    fn decided(&mut self, founded: Option<NaiveDate>) -> NaiveDate {
        let five_years_ago = self.today.checked_sub_months(Months::new(60)).unwrap_or(self.today);
        // Drawn in every case, so that a file with late rows is otherwise the same.
        let history = between(&mut self.rng, five_years_ago.max(founded.unwrap_or(five_years_ago)), days_before(self.today, 15));
        let back = self.rng.below(7);
        let delay = 15 + self.rng.below(165);
        if self.spoiler.backlog(&mut self.rng) {
            on_weekday(history)
        } else if self.spoiler.late() {
            on_weekday(days_before(self.today, delay))
        } else {
            weekday_before(self.today, back)
        }
    }

    fn registration(&mut self, row: usize) -> Option<Draft<'a>> {
        let org = self.city.organisations.get(row)?;
        let kind = match org.kind {
            OrganisationKind::LawFirm => "",
            OrganisationKind::SocialGroup => "civil_affairs",
            _ => "administrative_approval",
        };
        let registrar = self.city.agencies.iter().find(|a| a.region == org.region && a.kind == kind);
        let registrar = registrar.or_else(|| self.city.agencies.iter().find(|a| a.region == CITY && a.kind == kind));
        let (office, office_code) = registrar.map_or(("河北省司法厅", ""), |a| (a.name.as_str(), a.uscc.as_str()));
        let values = vec![
            org.name.as_str().into(),
            org.uscc.as_str().into(),
            org.est_date.into(),
            org.kind.entity_type().into(),
            if org.capital == 0 { Value::Empty } else { format!("{}万人民币", org.capital).into() },
            org.scope.as_str().into(),
            org.region.as_str().into(),
            org.legal_rep.as_str().into(),
            Value::or_empty(&org.reg_no),
            org.address.as_str().into(),
            office.into(),
            Value::or_empty(office_code),
            org.standing.as_str().into(),
            org.renamed_on.unwrap_or(org.est_date).into(),
        ];
        Some(Draft { organisation: Some(org), values })
    }

    /// The columns about the party, as it was called on the day.
    fn party(&mut self, org: &Organisation, day: NaiveDate) -> Vec<Value> {
        let old_codes = self.rng.below(100) < 30;
        let papers = self.rng.below(100) < 10;
        let legacy = |text: &str| if old_codes { Value::or_empty(text) } else { Value::Empty };
        let tax = if org.kind.category() == "91" { format!("{}{}", org.region, org.org_code()) } else { String::new() };
        vec![
            org.name_on(day).into(),
            org.kind.party().into(),
            org.uscc.as_str().into(),
            legacy(&org.reg_no),
            legacy(org.org_code()),
            legacy(&tax),
            Value::Empty,
            Value::Empty,
            org.legal_rep.as_str().into(),
            if papers { "身份证".into() } else { Value::Empty },
            if papers { org.legal_rep_id.as_str().into() } else { Value::Empty },
        ]
    }

    fn penalty_organisation(&mut self, number: u64) -> Option<Draft<'a>> {
        let org = self.organisation()?;
        let day = self.decided(Some(org.est_date));
        let mut values = self.party(org, day);
        values.extend(self.penalty(number, day, true));
        Some(Draft { organisation: Some(org), values })
    }

    fn penalty_person(&mut self, number: u64) -> Option<Draft<'a>> {
        let person = self.person()?;
        let day = self.decided(None);
        let mut values: Vec<Value> = vec![person.name.as_str().into(), "自然人".into(), "身份证".into(), person.id_number.as_str().into()];
        values.extend(self.penalty(number, day, false));
        Some(Draft { organisation: None, values })
    }

    /// The columns about the penalty.
    fn penalty(&mut self, number: u64, day: NaiveDate, heavy: bool) -> Vec<Value> {
        let offence = self.rng.one(&self.offences);
        let [from, to] = offence.fine;
        // Small fines are more common than large ones.
        let fine = 100 * (from + self.rng.below(to - from + 1).min(self.rng.below(to - from + 1)));
        let gains = 10 * (1 + self.rng.below(3_000));
        let found = days_before(day, 20 + self.rng.below(60));
        let licence_no = 10_000 + self.rng.below(90_000);
        let draw = self.rng.below(100);
        let fined = format!("罚款人民币{fine}元");
        let (kinds, content, fine, gains, licence) = match draw {
            0..10 => ("警告;罚款", format!("警告，{fined}"), Some(fine), None, None),
            10..20 if heavy => ("罚款;没收违法所得", format!("没收违法所得人民币{gains}元，{fined}"), Some(fine), Some(gains), None),
            20..26 => ("警告", "警告".to_owned(), None, None, None),
            26..28 if heavy => ("责令停产停业;罚款", format!("责令停产停业整顿，{fined}"), Some(fine), None, None),
            28 if heavy => ("吊销许可证件", "吊销许可证件".to_owned(), None, None, Some(format!("经营许可证，冀许字第{licence_no}号"))),
            _ => ("罚款", fined, Some(fine), None, None),
        };
        let amount = |yuan: Option<u64>| yuan.map_or(Value::Empty, Value::Yuan);
        let (year, month) = (found.year(), found.month());
        let publicity = if kinds == "警告" { 3 } else { 36 };
        vec![
            format!("{}罚决〔{}〕{number}号", self.mark, day.year()).into(),
            offence.act.into(),
            format!("{year}年{month}月执法检查发现，当事人{}。", offence.fact).into(),
            offence.basis.into(),
            kinds.into(),
            content.into(),
            amount(fine),
            amount(gains),
            licence.map_or(Value::Empty, Value::Text),
            day.into(),
            months_after(day, 12).into(),
            months_after(day, publicity).into(),
            self.agency.name.as_str().into(),
            self.agency.uscc.as_str().into(),
            self.agency.name.as_str().into(),
            self.agency.uscc.as_str().into(),
            Value::Empty,
        ]
    }

    fn licence(&mut self, number: u64) -> Option<Draft<'a>> {
        let org = self.organisation()?;
        let day = self.decided(Some(org.est_date));
        let licence = self.rng.one(&self.licences);
        let years = self.rng.one(&[3, 3, 5, 5, 5, 0]);
        let certified = self.rng.below(100) < 85;
        let last = if years == 0 { OPEN_END } else { days_before(months_after(day, 12 * years), 1) };
        let mut values = self.party(org, day);
        values.extend([
            licence.title.into(),
            format!("{}许决〔{}〕{number}号", self.mark, day.year()).into(),
            licence.category.into(),
            if certified { licence.certificate.into() } else { Value::Empty },
            if certified { format!("{}{}{number}", licence.mark, self.agency.region).into() } else { Value::Empty },
            licence.content.into(),
            day.into(),
            day.into(),
            last.into(),
            self.agency.name.as_str().into(),
            self.agency.uscc.as_str().into(),
            if last < self.today { "2".into() } else { "1".into() },
            self.agency.name.as_str().into(),
            self.agency.uscc.as_str().into(),
            Value::Empty,
        ]);
        Some(Draft { organisation: Some(org), values })
    }

    fn judgment(&mut self, number: u64) -> Option<Draft<'a>> {
        let organisation = self.rng.below(100) < 60;
        let (org, person) = if organisation { (Some(self.organisation()?), None) } else { (None, Some(self.person()?)) };
        let listed = self.decided(org.map(|o| o.est_date));
        let filed = days_before(listed, 60 + self.rng.below(300));
        let judged = filed.year() - i32::from(self.rng.below(2) == 0);
        let owed = 10_000 * (1 + self.rng.below(300));
        let paid = owed / 10_000 * 1_000 * self.rng.below(9);
        let part = self.rng.below(100) < 30 && paid > 0;
        // Courts still hold older codes of organisations.
        let code_form = self.rng.below(100);
        let code = match (org, person) {
            (Some(org), _) if code_form < 7 => org.org_code(),
            (Some(org), _) if code_form < 10 && !org.reg_no.is_empty() && org.kind != OrganisationKind::Cooperative => org.reg_no.as_str(),
            (Some(org), _) => org.uscc.as_str(),
            (None, person) => person.map_or("", |p| p.id_number.as_str()),
        };
        let court = self.court_mark();
        let values = vec![
            org.map_or_else(|| person.map_or("", |p| p.name.as_str()), |o| o.name_on(listed)).into(),
            if organisation { "法人及非法人组织".into() } else { "自然人".into() },
            code.into(),
            Value::Empty,
            org.map_or(Value::Empty, |o| o.legal_rep.as_str().into()),
            person.map_or(Value::Empty, |p| if p.male() { "男".into() } else { "女".into() }),
            person.map_or(Value::Empty, |p| p.age(self.today).to_string().into()),
            self.agency.name.as_str().into(),
            "河北".into(),
            format!("（{}）{court}执{number}号", filed.year()).into(),
            format!("（{judged}）{court}民初{}号", 100 + self.rng.below(9_000)).into(),
            self.agency.name.as_str().into(),
            format!("支付{}{owed}元及利息", self.rng.one(&["货款", "借款本金", "工程款", "租金", "劳动报酬"])).into(),
            if part { "部分未履行".into() } else { "全部未履行".into() },
            if part { format!("{paid}元").into() } else { Value::Empty },
            if part { format!("{}元", owed - paid).into() } else { Value::Empty },
            self.rng.one(DEFAULTS).into(),
            filed.into(),
            listed.into(),
            number.to_string().into(),
        ];
        Some(Draft { organisation: org, values })
    }

    /// 冀10 for the city's court, 冀1022 for one of a county.
    fn court_mark(&self) -> String {
        let division = self.agency.region.get(2..).unwrap_or_default();
        format!("冀{}", division.strip_suffix("00").unwrap_or(division))
    }

    fn abnormal_operation(&mut self) -> Option<Draft<'a>> {
        let org = self.organisation()?;
        let listed = self.decided(Some(org.est_date));
        let reason = self.rng.one(&[
            "未按规定期限公示年度报告",
            "未按规定期限公示年度报告",
            "未按规定期限公示年度报告",
            "通过登记的住所或者经营场所无法联系",
            "通过登记的住所或者经营场所无法联系",
            "未按责令期限公示有关信息",
            "公示信息隐瞒真实情况、弄虚作假",
        ]);
        let removed = listed.checked_add_days(Days::new(10 + self.rng.below(400))).filter(|day| *day <= self.today);
        let cured = self.rng.below(100) < 60;
        let removed = removed.filter(|_| cured).map(on_weekday);
        let why = match reason {
            "未按规定期限公示年度报告" => "已补报未报年份的年度报告并公示",
            "通过登记的住所或者经营场所无法联系" => "依法办理住所变更登记后可重新取得联系",
            _ => "已履行公示义务或更正公示信息",
        };
        let office = self.agency.name.as_str();
        let values = vec![
            org.name_on(listed).into(),
            org.uscc.as_str().into(),
            Value::or_empty(&org.reg_no),
            org.legal_rep.as_str().into(),
            reason.into(),
            listed.into(),
            office.into(),
            removed.map_or(Value::Empty, |_| why.into()),
            removed.map_or(Value::Empty, Value::Day),
            removed.map_or(Value::Empty, |_| office.into()),
        ];
        Some(Draft { organisation: Some(org), values })
    }

    fn a_grade(&mut self, row: usize) -> Option<Draft<'a>> {
        let companies = self.pool.len();
        let org = self.pool.get(row.checked_rem(companies)?).copied()?;
        let years_back = i32::try_from(row / companies).ok()?;
        let year = self.today.year().checked_sub(1)?.checked_sub(years_back)?;
        let day = NaiveDate::from_ymd_opt(year, 12, 31).unwrap_or(self.today);
        let own_number = self.rng.below(100) < 80;
        let values = vec![
            org.name_on(day).into(),
            org.uscc.as_str().into(),
            if own_number { org.uscc.as_str().into() } else { Value::Empty },
            year.to_string().into(),
        ];
        Some(Draft { organisation: Some(org), values })
    }

    fn honour(&mut self, number: u64) -> Option<Draft<'a>> {
        let org = self.organisation()?;
        let day = self.decided(Some(org.est_date));
        let last = if self.rng.below(100) < 50 { months_after(day, 36).into() } else { Value::Empty };
        let values = vec![
            org.name_on(day).into(),
            org.uscc.as_str().into(),
            self.rng.one(&self.honours).into(),
            if self.agency.region == CITY { "市级".into() } else { "县级".into() },
            self.agency.name.as_str().into(),
            self.agency.uscc.as_str().into(),
            day.into(),
            format!("{}字〔{}〕{number}号", self.mark, day.year()).into(),
            last,
            Value::Empty,
        ];
        Some(Draft { organisation: Some(org), values })
    }

    fn commitment(&mut self, number: u64) -> Option<Draft<'a>> {
        let org = self.organisation()?;
        let day = self.decided(Some(org.est_date));
        let (matter, promise, breach) = self.rng.one(COMMITMENTS);
        let kind = match matter {
            "信用修复" => "信用修复型",
            "办理道路运输经营许可" => "容缺受理型",
            "申请政府补助资金" | "参加政府采购活动" => "主动型",
            _ => self.rng.one(&["证明事项告知承诺", "审批替代型"]),
        };
        let settled = day.checked_add_days(Days::new(30 + self.rng.below(60))).filter(|settled| *settled <= self.today).map(on_weekday);
        let breaks = self.rng.below(100) < 5;
        let broken = settled.filter(|_| breaks);
        let office = self.agency.name.as_str();
        let ended = self.rng.below(100) < 40;
        let values = vec![
            org.name_on(day).into(),
            org.uscc.as_str().into(),
            format!("CN-{}-{number:08}", day.year()).into(),
            kind.into(),
            matter.into(),
            promise.into(),
            day.into(),
            if ended { months_after(day, 12).into() } else { Value::Empty },
            office.into(),
            self.agency.uscc.as_str().into(),
            if self.rng.below(100) < 30 { org.legal_rep.as_str().into() } else { Value::Empty },
            match (settled, broken) {
                (_, Some(_)) => "未履行".into(),
                (Some(_), None) => "已履行".into(),
                (None, None) => "履行中".into(),
            },
            broken.map_or(Value::Empty, |_| breach.into()),
            broken.map_or(Value::Empty, |_| office.into()),
            broken.map_or(Value::Empty, Value::Day),
            office.into(),
        ];
        Some(Draft { organisation: Some(org), values })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codes::ymd;
    use std::collections::HashSet;

    const TODAY: NaiveDate = ymd(2026, 11, 23);

    fn agency<'a>(city: &'a City, kind: &str) -> &'a DemoAgency {
        city.agencies.iter().find(|a| a.kind == kind).unwrap()
    }

    fn provider(feed: Feed) -> &'static str {
        match feed {
            Feed::Registration => "administrative_approval",
            Feed::JudgmentDefaulter => "court",
            Feed::AGradeTaxpayer => "tax",
            _ => "market_regulation",
        }
    }

    fn file(city: &City, feed: Feed, rows: usize, seed: u64, defects: Defects) -> (Vec<u8>, Defected) {
        let mut out = Vec::new();
        let done = write_csv(city, feed, agency(city, provider(feed)), rows, seed, TODAY, defects, &mut out).unwrap();
        (out, done)
    }

    /// The column with this header, and the header's length checked against every row by the reader.
    fn column(bytes: &[u8], header: &str) -> Vec<String> {
        let mut csv = csv::Reader::from_reader(bytes);
        let at = csv.headers().unwrap().iter().position(|h| h == header).unwrap();
        csv.records().map(|record| record.unwrap()[at].to_owned()).collect()
    }

    fn days(bytes: &[u8], header: &str) -> Vec<NaiveDate> {
        column(bytes, header).iter().map(|text| NaiveDate::parse_from_str(text, "%Y/%m/%d").unwrap()).collect()
    }

    #[test]
    fn a_seed_is_a_file() {
        let city = City::generate(1, 400);
        for feed in Feed::ALL {
            let (bytes, done) = file(&city, feed, 300, 5, Defects::measured());
            assert_eq!((bytes.clone(), done), file(&city, feed, 300, 5, Defects::measured()), "{feed:?}");
            assert_eq!(done.rows, 300);
            assert_eq!(column(&bytes, feed.headers()[0]).len(), 300, "{feed:?}");
            if feed != Feed::Registration {
                assert_ne!(bytes, file(&city, feed, 300, 6, Defects::measured()).0, "{feed:?}");
            }
        }
    }

    #[test]
    fn clean_files_fill_what_is_required() {
        let city = City::generate(2, 300);
        for feed in Feed::ALL {
            let (bytes, done) = file(&city, feed, 300, 9, Defects::none());
            assert_eq!(Defected { rows: 0, backlog: 0, ..done }, Defected::default(), "{feed:?}");
            for header in feed.columns().iter().filter(|c| c.required).map(|c| c.header) {
                assert!(column(&bytes, header).iter().all(|text| !text.is_empty()), "{feed:?} {header}");
            }
        }
    }

    #[test]
    fn registration_goes_through_the_organisations_in_order() {
        let city = City::generate(3, 50);
        let (bytes, done) = file(&city, Feed::Registration, 1_000, 1, Defects::none());
        assert_eq!(done.rows, 50);
        let codes: Vec<String> = city.organisations.iter().map(|o| o.uscc.clone()).collect();
        assert_eq!(column(&bytes, "统一社会信用代码"), codes);
        let none = City { organisations: Vec::new(), ..city };
        assert_eq!(file(&none, Feed::AGradeTaxpayer, 10, 1, Defects::none()).1.rows, 0);
    }

    #[test]
    fn half_of_the_decisions_are_fresh_and_all_in_their_time() {
        let city = City::generate(4, 500);
        let (bytes, done) = file(&city, Feed::PenaltyOrganisation, 2_000, 1, Defects::none());
        assert!((850..1_150).contains(&done.backlog), "{done:?}");
        let decided = days(&bytes, "处罚决定日期");
        let until = days(&bytes, "公示截止期");
        assert!(decided.iter().all(|day| *day <= TODAY && *day >= ymd(2021, 11, 20) && *day == on_weekday(*day)));
        assert!(decided.iter().zip(&until).all(|(day, until)| until > day));
        let fresh = decided.iter().filter(|day| **day >= ymd(2026, 11, 13)).count();
        assert_eq!(u64::try_from(fresh).unwrap(), 2_000 - done.backlog);
        let numbers: HashSet<String> = column(&bytes, "行政处罚决定书文号").into_iter().collect();
        assert_eq!(numbers.len(), 2_000);
    }

    #[test]
    fn the_name_is_that_of_the_day() {
        let city = City::generate(5, 300);
        let (bytes, _) = file(&city, Feed::PenaltyOrganisation, 20_000, 1, Defects::none());
        let names = column(&bytes, "行政相对人名称");
        let codes = column(&bytes, "行政相对人代码_1（统一社会信用代码）");
        let mut former = 0;
        for ((name, code), day) in names.iter().zip(&codes).zip(days(&bytes, "处罚决定日期")) {
            let org = city.organisations.iter().find(|o| o.uscc == *code).unwrap();
            assert_eq!(name, org.name_on(day));
            former += usize::from(org.former_name.as_ref() == Some(name));
        }
        assert!(former > 0);
    }

    #[test]
    fn what_goes_with_a_kind_of_penalty_is_there() {
        let city = City::generate(6, 300);
        let (bytes, _) = file(&city, Feed::PenaltyOrganisation, 3_000, 1, Defects::none());
        for (part, header) in
            [("罚款", "罚款金额（万元）"), ("没收", "没收违法所得、没收非法财物的金额（万元）"), ("吊销", "暂扣或吊销证照名称及编号")]
        {
            let kinds = column(&bytes, "处罚类别");
            assert!(kinds.iter().any(|kind| kind.contains(part)));
            assert!(kinds.iter().zip(column(&bytes, header)).all(|(kind, text)| kind.contains(part) != text.is_empty()), "{header}");
        }
    }

    #[test]
    fn defects_come_at_their_rates_and_spoil_nothing_else() {
        let city = City::generate(7, 2_000);
        let rates = Defects { bad_check: 2_000, wrong_inner: 2_000, lower_case: 2_000, yuan: 5_000, ..Defects::measured() };
        let (bytes, done) = file(&city, Feed::PenaltyOrganisation, 20_000, 1, rates);
        let near = |count: u64, expected: u64| count > expected / 3 && count < expected * 3;
        for (count, expected) in [
            (done.bad_check, 40),
            (done.wrong_inner, 40),
            (done.lower_case, 40),
            (done.legacy_number, 50),
            (done.other_date, 2_000),
            (done.missing_required, 40),
            (done.full_width, 20),
            (done.unknown_code, 20),
            (done.yuan, 90),
            (done.other_name, 60),
            (done.placeholder, 4_000),
            (done.late, 400),
        ] {
            assert!(near(count, expected), "{expected}: {done:?}");
        }
        assert!(done.other_brackets > 50);
        let lengths = column(&bytes, "行政相对人代码_1（统一社会信用代码）");
        assert_eq!(u64::try_from(lengths.iter().filter(|code| code.chars().count() == 15).count()).unwrap(), done.legacy_number);
        let amounts = column(&bytes, "罚款金额（万元）");
        assert!(amounts.iter().any(|amount| amount.ends_with('元')));
        assert!(column(&bytes, "行政相对人名称").iter().any(|name| name.contains('(')));
        // The clean file of the same seed has the same penalties.
        let (clean, _) = file(&city, Feed::PenaltyOrganisation, 20_000, 1, Defects::none());
        assert_eq!(column(&clean, "违法行为类型").len(), 20_000);
        let same = column(&clean, "处罚内容").iter().zip(column(&bytes, "处罚内容")).filter(|(a, b)| **a == *b).count();
        assert!(same > 19_900, "{same}");
    }

    #[test]
    fn the_organ_of_a_county_writes_about_its_county() {
        let city = City::generate(8, 500);
        let organ = city.agencies.iter().find(|a| a.region == "131081").unwrap();
        let mut out = Vec::new();
        write_csv(&city, Feed::LicenceOrganisation, organ, 100, 1, TODAY, Defects::none(), &mut out).unwrap();
        let codes = column(&out, "行政相对人代码_1（统一社会信用代码）");
        assert!(codes.iter().all(|code| city.organisations.iter().any(|o| o.uscc == *code && o.region == "131081")));
        assert!(column(&out, "行政许可决定文书号").iter().all(|number| number.starts_with("霸市监许决")));
    }
}
