//! The evaluation, held against a slow one that is reckoned here from plain rows; and typical cases, which tell of nobody.

use crate::directives::{Authority, act, confirm, list_defaulters, said, take, take_back, text};
use crate::support::builders::{Table, party, registration, resident_id};
use crate::support::{Answer, Caller, PASSWORD, TestApp};
use chrono::{DateTime, Duration, NaiveDate, Utc};
use credence_core::{Actor, Role};
use credence_identity::model::NewAccount;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

const PATH: &str = "/v1/joint-action/evaluation";
const DIMENSIONS: [&str; 5] = ["agency", "memorandum", "measure", "region", "month"];
/// Figures that add up over rows.
const COUNTS: [&str; 14] = [
    "issued",
    "delivered",
    "responded",
    "accepted",
    "declined",
    "reported",
    "responded_late",
    "reported_late",
    "overdue",
    "releases",
    "released_unanswered",
    "releases_completed",
    "released_late",
    "release_overdue",
];
/// Every figure, in the order of the columns of the CSV form.
const FIGURES: [&str; 21] = [
    "issued",
    "delivered",
    "responded",
    "accepted",
    "declined",
    "reported",
    "response_rate",
    "feedback_rate",
    "response_days_median",
    "response_days_p90",
    "feedback_days_median",
    "feedback_days_p90",
    "responded_late",
    "reported_late",
    "overdue",
    "releases",
    "released_unanswered",
    "releases_completed",
    "released_late",
    "release_overdue",
    "release_days_median",
];

/// An agency at work: what it has, what it accepted and what it is to lift.
struct Agency {
    caller: Caller,
    cursor: Option<String>,
    open: Vec<String>,
    taken: Vec<String>,
    lifting: Vec<String>,
}

/// Takes the first `n` out of a list, or all that there are.
fn first(of: &mut Vec<String>, n: usize) -> Vec<String> {
    let n = n.min(of.len());
    of.drain(..n).collect()
}

impl Agency {
    fn new(app: &TestApp, code: &str) -> Self {
        Self { caller: app.key(code, Role::Consumer), cursor: None, open: Vec::new(), taken: Vec::new(), lifting: Vec::new() }
    }

    fn receives(&mut self, n: usize) {
        let mut left = n;
        while left > 0 {
            let (messages, next) = take(&self.caller, self.cursor.as_deref(), 1);
            self.cursor = Some(next);
            let message = &messages[0];
            // Reminders come in between, when the server looked for them.
            left -= usize::from(message["topic"] != "directive.reminder");
            let id = text(&message["id"]);
            match message["topic"].as_str() {
                Some("directive.execute") if message["directive"]["state"] == "delivered" => self.open.push(id),
                Some("directive.release") => {
                    let lifted = text(&message["directive"]["releases"]);
                    self.open.retain(|of| *of != lifted);
                    self.taken.retain(|of| *of != lifted);
                    self.lifting.push(id);
                }
                _ => {}
            }
        }
    }

    /// Takes the first `n` through a step; what was released without the agency having read it yet is refused.
    fn step(&self, directives: Vec<String>, step: &str, body: &Value) -> Vec<String> {
        let one = |directive: &String| {
            let answer = act(&self.caller, directive, step, body);
            let done = answer.status < 300;
            if !done {
                answer.problem(409, "directive_released");
            }
            done
        };
        directives.into_iter().filter(one).collect()
    }

    fn accepts(&mut self, n: usize) {
        let chosen = first(&mut self.open, n);
        let done = self.step(chosen, "accept", &json!({}));
        self.taken.extend(done);
    }

    fn declines(&mut self, n: usize) {
        let chosen = first(&mut self.open, n);
        self.step(chosen, "decline", &json!({ "reason": "不在本单位职责内" }));
    }

    fn reports(&mut self, n: usize) {
        let chosen = first(&mut self.taken, n);
        self.step(chosen, "feedback", &said("已落实"));
    }

    fn lifts(&mut self, n: usize) {
        let chosen = first(&mut self.lifting, n);
        self.step(chosen, "complete", &said("已解除"));
    }
}

fn company(n: u32) -> String {
    format!("廊坊市试验{n}商贸有限公司")
}

/// Registers companies, numbered from `from`, in a county.
fn registered(app: &TestApp, from: u32, count: u32, area: &str) {
    let row = |n: u32| {
        let mut table = registration(n, &company(n));
        table.header.push("行政区划代码".to_owned());
        table.rows[0].push(area.to_owned());
        table
    };
    let table: Table = (from + 1..from + count).fold(row(from), |table, n| table.and(row(n)));
    app.provider("lf-amr").push("registration", "v1", &table.csv()).ok();
}

/// Some 350 directives in every state, put out and answered in four months and around midnights in China; the clock is at 2027-01-05 afterwards.
fn history(app: &TestApp) {
    let authority = Authority::new(app);
    let court = app.provider("lf-court");
    let agency = |code: &str| Agency::new(app, code);
    let (mut housing, mut approval, mut reform) = (agency("lf-housing"), agency("lf-approval"), agency("lf-reform"));
    let (mut transport, mut water, mut amr) = (agency("lf-transport"), agency("lf-water"), agency("lf-amr"));
    let (mut guan, mut sanhe) = (agency("ga-amr"), agency("sh-amr"));

    let entries = authority.noticed(app, 101..=104, &json!([]));
    list_defaulters(app, 1, 8);
    app.at("2026-11-23T08:00:00Z");
    housing.receives(10);
    housing.accepts(4);
    housing.declines(2);
    housing.reports(2);
    approval.receives(16);
    approval.accepts(8);
    app.at("2026-11-25T01:30:00Z");
    reform.receives(12);
    reform.accepts(6);
    reform.declines(1);
    transport.receives(16);
    transport.declines(3);
    transport.accepts(3);
    water.receives(4);
    water.accepts(1);
    amr.receives(8);
    amr.accepts(8);
    amr.reports(8);

    // Half past eleven in the evening of 30 November in China, the last day to answer what was put out on the 23rd.
    app.at("2026-11-30T15:30:00Z");
    registered(app, 9, 6, "131022");
    list_defaulters(app, 9, 6);
    housing.accepts(2);
    // Half past midnight: the same day in Greenwich, the next month in China, and late.
    app.at("2026-11-30T16:30:00Z");
    registered(app, 15, 6, "131082");
    list_defaulters(app, 15, 6);
    housing.accepts(2);
    approval.declines(3);

    app.at("2026-12-01T02:00:00Z");
    authority.publish(app, &entries);
    let office = app.login(Role::CreditOffice);
    confirm(&office, &entries[0]);
    confirm(&office, &entries[3]);
    let refused = text(&office.get(&format!("/v1/joint-actions?entry_id={}", entries[2])).ok()["items"][0]["id"]);
    office.post(&format!("/v1/joint-actions/{refused}/refuse"), &json!({ "reason": "不宜联合惩戒" })).ok();
    water.receives(18);
    approval.receives(26);
    guan.receives(6);

    // One ground is corrected, which holds what was not delivered; four entries end.
    app.at("2026-12-04T03:00:00Z");
    let record = app.sql(&format!("SELECT subject_id::text, ground_record_id::text FROM list_entries WHERE id = '{}'", entries[0]));
    let (subject, record) = (record[0].get::<_, String>(0), record[0].get::<_, String>(1));
    let correction = json!({ "fields": { "CF_NR": "罚款贰仟元整" }, "reason": "笔误" });
    authority.official(app).post(&format!("/v1/subjects/{subject}/records/{record}/correct"), &correction).ok();
    let repair = json!({ "cause": "repair", "reason": "信用修复" });
    authority.chief(app).post(&format!("/v1/list-entries/{}/exit", entries[3]), &repair).ok();
    for n in [2, 9, 15] {
        take_back(app, &court, n);
    }
    app.settle();

    app.at("2026-12-07T01:00:00Z");
    water.receives(4);
    water.lifts(2);
    approval.receives(7);
    approval.lifts(3);
    // The releases were due on 9 December: late by ten minutes.
    app.at("2026-12-09T16:10:00Z");
    approval.lifts(2);
    app.at("2026-12-15T03:00:00Z");
    guan.accepts(2);
    guan.reports(1);
    sanhe.receives(4);
    sanhe.accepts(2);
    sanhe.declines(1);
    housing.receives(6);
    housing.reports(4);
    transport.reports(2);
    reform.reports(3);
    amr.receives(4);
    amr.accepts(2);

    // The last second of the year, and the first.
    app.at("2026-12-31T15:59:59Z");
    list_defaulters(app, 21, 4);
    app.at("2026-12-31T16:00:00Z");
    list_defaulters(app, 25, 4);
    app.at("2027-01-05T06:00:00Z");
    housing.reports(1);
    amr.receives(6);
    amr.accepts(3);
    housing.receives(4);
    housing.accepts(4);

    let found: BTreeSet<(String, String)> =
        app.sql("SELECT DISTINCT kind, state FROM directives").iter().map(|row| (row.get(0), row.get(1))).collect();
    let execute = ["proposed", "issued", "delivered", "accepted", "declined", "reported", "held", "cancelled", "released"];
    let release = ["issued", "delivered", "completed"];
    let of = |kind: &str, states: &[&str]| states.iter().map(|state| (kind.to_owned(), (*state).to_owned())).collect::<BTreeSet<_>>();
    assert_eq!(found, &of("execute", &execute) | &of("release", &release));
}

/// A release as its row says it.
struct Release {
    state: String,
    due: Option<NaiveDate>,
    issued_at: Option<DateTime<Utc>>,
    ended_at: Option<DateTime<Utc>>,
}

/// A directive as its row says it.
struct Directive {
    /// By dimension.
    keys: BTreeMap<&'static str, String>,
    agency: Uuid,
    due_on: Option<NaiveDate>,
    respond_by: Option<NaiveDate>,
    first_feedback_by: Option<NaiveDate>,
    state: String,
    issued_at: DateTime<Utc>,
    delivered_at: Option<DateTime<Utc>>,
    responded_at: Option<DateTime<Utc>>,
    reason: Option<String>,
    first_feedback_at: Option<DateTime<Utc>>,
    ended_at: Option<DateTime<Utc>>,
    release: Option<Release>,
}

/// A day in China.
fn day(at: DateTime<Utc>) -> NaiveDate {
    (at + Duration::hours(8)).date_naive()
}

/// Plain rows, and names by dimension and code.
struct Rows {
    directives: Vec<Directive>,
    names: BTreeMap<(&'static str, String), String>,
    /// The division that each belongs to.
    parents: BTreeMap<String, Option<String>>,
}

impl Rows {
    fn read(app: &TestApp) -> Self {
        let mut names = BTreeMap::new();
        let mut agencies = BTreeMap::new();
        for row in app.sql("SELECT id, code, name FROM agencies") {
            agencies.insert(row.get::<_, Uuid>(0), row.get::<_, String>(1));
            names.insert(("agency", row.get(1)), row.get(2));
        }
        let mut parents = BTreeMap::new();
        for row in app.sql("SELECT code, name, parent_code FROM regions") {
            names.insert(("region", row.get(0)), row.get(1));
            parents.insert(row.get(0), row.get(2));
        }
        let regions: BTreeMap<Uuid, String> =
            app.sql("SELECT id, region FROM joint_actions").iter().map(|row| (row.get(0), row.get(1))).collect();
        let mut releases = BTreeMap::new();
        for row in app.sql("SELECT releases, state, feedback_by, issued_at, ended_at FROM directives WHERE kind = 'release'") {
            let release = Release { state: row.get(1), due: row.get(2), issued_at: row.get(3), ended_at: row.get(4) };
            releases.insert(row.get::<_, Uuid>(0), release);
        }
        let mut directives = Vec::new();
        let query = "SELECT id, action_id, agency_id, memorandum, measure, due_on, respond_by, issued_at, delivered_at, responded_at, response_reason,
                            first_feedback_at, ended_at, first_feedback_by, state
                       FROM directives WHERE kind = 'execute' AND state <> 'proposed' AND state <> 'held' AND state <> 'cancelled'";
        for row in app.sql(query) {
            let (agency, issued_at): (Uuid, DateTime<Utc>) = (row.get(2), row.get(7));
            let keys = BTreeMap::from([
                ("agency", agencies[&agency].clone()),
                ("memorandum", row.get(3)),
                ("measure", row.get(4)),
                ("region", regions[&row.get::<_, Uuid>(1)].clone()),
                ("month", day(issued_at).format("%Y-%m").to_string()),
            ]);
            directives.push(Directive {
                keys,
                agency,
                due_on: row.get(5),
                respond_by: row.get(6),
                issued_at,
                delivered_at: row.get(8),
                responded_at: row.get(9),
                reason: row.get(10),
                first_feedback_at: row.get(11),
                ended_at: row.get(12),
                first_feedback_by: row.get(13),
                state: row.get(14),
                release: releases.remove(&row.get::<_, Uuid>(0)),
            });
        }
        Self { directives, names, parents }
    }

    /// Whether a division is another or lies within it.
    fn within(&self, region: &str, of: &str) -> bool {
        region == of || self.parents[region].as_deref().is_some_and(|parent| self.within(parent, of))
    }
}

/// A figure as it should be, before it is rounded.
#[derive(Debug, Clone, Copy)]
enum Figure {
    Count(usize),
    Rate(usize, usize),
    Days(Option<f64>),
}

impl Figure {
    /// Whether this is what was answered: counts exactly, the rest to the places that are shown.
    fn is(self, shown: &Value) -> bool {
        let close = |exact: f64, places: f64| {
            shown.as_f64().is_some_and(|shown| {
                (shown - exact).abs() <= 0.5 / places + 1e-9 && (shown * places - (shown * places).round()).abs() < 1e-6
            })
        };
        match self {
            Self::Count(n) => shown.as_u64() == u64::try_from(n).ok() && shown.is_u64(),
            Self::Rate(_, 0) | Self::Days(None) => shown.is_null(),
            Self::Rate(part, whole) => close(part as f64 / whole as f64, 10_000.0),
            Self::Days(Some(days)) => close(days, 100.0),
        }
    }
}

/// Days from one instant to another.
fn days(from: DateTime<Utc>, to: DateTime<Utc>) -> f64 {
    (to - from).num_microseconds().unwrap() as f64 / 86_400_000_000.0
}

/// The value a share of the way up: between two neighbours where it falls between them.
fn quantile(mut values: Vec<f64>, share: f64) -> Figure {
    values.sort_by(f64::total_cmp);
    if values.is_empty() {
        return Figure::Days(None);
    }
    let place = share * (values.len() - 1) as f64;
    let (below, above) = (values[place.floor() as usize], values[place.ceil() as usize]);
    Figure::Days(Some(below + (above - below) * place.fract()))
}

/// What became of some directives by a day, one by one.
fn reckon(directives: &[&Directive], today: NaiveDate) -> BTreeMap<&'static str, Figure> {
    let count = |is: &dyn Fn(&Directive) -> bool| directives.iter().filter(|d| is(d)).count();
    let lifted = |is: &dyn Fn(&Release) -> bool| count(&|d: &Directive| d.release.as_ref().is_some_and(is));
    let (responded, issued) = (count(&|d| d.responded_at.is_some()), directives.len());
    let accepted = count(&|d| d.responded_at.is_some() && d.reason.is_none());
    let reported = count(&|d| d.first_feedback_at.is_some());
    let in_time = |d: &Directive| d.ended_at.is_some_and(|at| day(at) <= d.respond_by.unwrap());
    let unanswered = count(&|d| d.state == "released" && d.responded_at.is_none() && in_time(d));
    let response: Vec<f64> = directives.iter().filter_map(|d| Some(days(d.issued_at, d.responded_at?))).collect();
    let feedback: Vec<f64> = directives.iter().filter_map(|d| Some(days(d.issued_at, d.first_feedback_at?))).collect();
    let releases = directives.iter().filter_map(|d| d.release.as_ref()).filter(|r| r.state == "completed");
    let release: Vec<f64> = releases.filter_map(|r| Some(days(r.issued_at?, r.ended_at?))).collect();
    BTreeMap::from([
        ("issued", Figure::Count(issued)),
        ("delivered", Figure::Count(count(&|d| d.delivered_at.is_some()))),
        ("responded", Figure::Count(responded)),
        ("accepted", Figure::Count(accepted)),
        ("declined", Figure::Count(count(&|d| d.reason.is_some()))),
        ("reported", Figure::Count(reported)),
        ("response_rate", Figure::Rate(responded, issued - unanswered)),
        ("feedback_rate", Figure::Rate(reported, accepted)),
        ("response_days_median", quantile(response.clone(), 0.5)),
        ("response_days_p90", quantile(response, 0.9)),
        ("feedback_days_median", quantile(feedback.clone(), 0.5)),
        ("feedback_days_p90", quantile(feedback, 0.9)),
        ("responded_late", Figure::Count(count(&|d| d.responded_at.is_some_and(|at| day(at) > d.respond_by.unwrap())))),
        ("reported_late", Figure::Count(count(&|d| d.first_feedback_at.is_some_and(|at| day(at) > d.first_feedback_by.unwrap())))),
        ("released_unanswered", Figure::Count(unanswered)),
        ("overdue", Figure::Count(count(&|d| d.ended_at.is_none() && d.due_on.is_some_and(|due| today > due)))),
        ("releases", Figure::Count(lifted(&|_| true))),
        ("releases_completed", Figure::Count(lifted(&|r| r.state == "completed"))),
        ("released_late", Figure::Count(lifted(&|r| r.state == "completed" && day(r.ended_at.unwrap()) > r.due.unwrap()))),
        ("release_overdue", Figure::Count(lifted(&|r| r.state != "completed" && today > r.due.unwrap()))),
        ("release_days_median", quantile(release, 0.5)),
    ])
}

/// What is asked besides the dimensions.
struct Filter<'a> {
    from: &'a str,
    to: &'a str,
    query: String,
    keeps: Box<dyn Fn(&Directive) -> bool + 'a>,
}

impl<'a> Filter<'a> {
    fn new(from: &'a str, to: &'a str, query: &str, keeps: impl Fn(&Directive) -> bool + 'a) -> Self {
        Self { from, to, query: query.to_owned(), keeps: Box::new(keeps) }
    }

    fn path(&self, by: &[&str]) -> String {
        format!("{PATH}?by={}&from={}&to={}{}", by.join(","), self.from, self.to, self.query)
    }

    fn takes(&self, directive: &Directive) -> bool {
        // Months as they are written are in the order of time.
        (self.from..=self.to).contains(&directive.keys["month"].as_str()) && (self.keeps)(directive)
    }
}

/// Holds an answer against what the rows say; the answer.
fn compare(caller: &Caller, rows: &Rows, by: &[&'static str], filter: &Filter<'_>, today: &str) -> Value {
    let path = filter.path(by);
    let shown = caller.get(&path).ok();
    let today_is: NaiveDate = today.parse().unwrap();
    let mut groups: BTreeMap<Vec<&str>, Vec<&Directive>> = BTreeMap::new();
    let mut all = Vec::new();
    for directive in rows.directives.iter().filter(|d| filter.takes(d)) {
        groups.entry(by.iter().map(|dimension| directive.keys[dimension].as_str()).collect()).or_default().push(directive);
        all.push(directive);
    }
    let agrees = |expected: &BTreeMap<&str, Figure>, shown: &Value, of: &str| {
        for (name, figure) in expected {
            assert!(figure.is(&shown[name]), "{path} {of}: {name} is {figure:?}, shown {}", shown[name]);
        }
    };
    assert_eq!(
        (&shown["from"], &shown["to"], &shown["as_of"], &shown["by"]),
        (&json!(filter.from), &json!(filter.to), &json!(today), &json!(by))
    );
    let found = shown["rows"].as_array().unwrap();
    // The groups come in the order of their keys, and so do the rows.
    assert_eq!(found.len(), groups.len(), "{path}");
    for (row, (keys, directives)) in found.iter().zip(&groups) {
        for (dimension, code) in by.iter().zip(keys) {
            assert_eq!(row[dimension]["code"], *code, "{path}");
            let name = rows.names.get(&(*dimension, (*code).to_owned()));
            match *dimension {
                "month" => assert!(row[dimension]["name"].is_null()),
                "agency" | "region" => assert_eq!(row[dimension]["name"].as_str(), name.map(String::as_str)),
                _ => assert!(row[dimension]["name"].as_str().is_some_and(|name| name.chars().count() > 3), "{row}"),
            }
        }
        assert_eq!(row.as_object().unwrap().len(), by.len() + FIGURES.len(), "no other dimension: {row}");
        agrees(&reckon(directives, today_is), row, &keys.join(" "));
    }
    agrees(&reckon(&all, today_is), &shown["totals"], "in all");
    coherent(&shown);
    shown
}

/// What is true of every answer: rows add up, and no part is more than its whole.
fn coherent(answer: &Value) {
    let (rows, totals) = (answer["rows"].as_array().unwrap(), &answer["totals"]);
    let figure = |of: &Value, name: &str| of[name].as_u64().unwrap();
    for name in COUNTS {
        assert_eq!(rows.iter().map(|row| figure(row, name)).sum::<u64>(), figure(totals, name), "{name}");
    }
    for of in rows.iter().chain([totals]) {
        assert_eq!(figure(of, "accepted") + figure(of, "declined"), figure(of, "responded"));
        for (part, whole) in [
            ("responded", "delivered"),
            ("delivered", "issued"),
            ("reported", "accepted"),
            ("responded_late", "responded"),
            ("reported_late", "reported"),
            ("released_unanswered", "releases"),
            ("overdue", "issued"),
            ("releases", "delivered"),
            ("releases_completed", "releases"),
            ("released_late", "releases_completed"),
            ("release_overdue", "releases"),
        ] {
            assert!(figure(of, part) <= figure(of, whole), "{part} {whole}: {of}");
        }
    }
}

/// Every choice of one to three dimensions, in every order.
fn choices() -> Vec<Vec<&'static str>> {
    let mut found: Vec<Vec<&'static str>> = vec![Vec::new()];
    let mut begin = 0;
    for _ in 0..3 {
        let end = found.len();
        for at in begin..end {
            for dimension in DIMENSIONS {
                if !found[at].contains(&dimension) {
                    let mut longer = found[at].clone();
                    longer.push(dimension);
                    found.push(longer);
                }
            }
        }
        begin = end;
    }
    found.split_off(1)
}

/// Holds the CSV form of an answer against its JSON form.
fn same_as_csv(caller: &Caller, path: &str, answer: &Value) {
    let file = caller.get(&format!("{path}&format=csv"));
    assert_eq!((file.status, file.header("content-type")), (200, "text/csv; charset=utf-8"));
    let name = format!("joint-action-{}-{}.csv", answer["from"].as_str().unwrap(), answer["to"].as_str().unwrap());
    assert_eq!(file.header("content-disposition"), format!("attachment; filename=\"{name}\""));
    assert_eq!(file.bytes[..3], [0xEF, 0xBB, 0xBF], "a spreadsheet program has to see that this is UTF-8");
    let mut reader = csv::Reader::from_reader(&file.bytes[3..]);
    let by: Vec<&str> = answer["by"].as_array().unwrap().iter().map(|d| d.as_str().unwrap()).collect();
    let keys: usize = by.iter().map(|dimension| if *dimension == "month" { 1 } else { 2 }).sum();
    let header = reader.headers().unwrap().clone();
    assert_eq!(header.len(), keys + FIGURES.len());
    assert_eq!(header.iter().collect::<BTreeSet<_>>().len(), header.len());
    assert!(header.iter().all(|h| !h.is_ascii()));
    let lines: Vec<csv::StringRecord> = reader.records().map(|line| line.unwrap()).collect();
    let rows = answer["rows"].as_array().unwrap();
    assert_eq!(lines.len(), rows.len() + 1);
    let of: Vec<&Value> = rows.iter().chain([&answer["totals"]]).collect();
    for (line, row) in lines.iter().zip(&of) {
        for (cell, figure) in line.iter().skip(keys).zip(FIGURES) {
            match &row[figure] {
                Value::Null => assert_eq!(cell, "", "{figure}"),
                number => assert_eq!(cell.parse::<f64>().unwrap(), number.as_f64().unwrap(), "{figure}"),
            }
        }
    }
    for (line, row) in lines.iter().zip(rows) {
        let mut expected = Vec::new();
        for dimension in &by {
            expected.push(text(&row[dimension]["code"]));
            if *dimension != "month" {
                expected.push(row[dimension]["name"].as_str().unwrap_or_default().to_owned());
            }
        }
        assert_eq!(line.iter().take(keys).collect::<Vec<_>>(), expected);
    }
    let total: Vec<&str> = lines[rows.len()].iter().take(keys).collect();
    assert!(total[0] == "合计" && total[1..].iter().all(|cell| cell.is_empty()), "{total:?}");
}

#[test]
fn an_evaluation_says_what_the_rows_say_however_it_is_asked() {
    let app = TestApp::new();
    history(&app);
    let whole = || Filter::new("2026-11", "2027-01", "", |_| true);
    for (instant, today) in [("2027-01-05T06:00:00Z", "2027-01-05"), ("2027-03-01T16:00:00Z", "2027-03-02")] {
        app.at(instant);
        let office = app.login(Role::CreditOffice);
        let rows = Rows::read(&app);
        assert!(rows.directives.len() > 250);
        for dimension in DIMENSIONS {
            let values: BTreeSet<&str> = rows.directives.iter().map(|d| d.keys[dimension].as_str()).collect();
            assert!(values.len() > 1, "{dimension}: {values:?}");
        }
        for by in choices() {
            let shown = compare(&office, &rows, &by, &whole(), today);
            for name in FIGURES {
                // Nothing is compared that does not occur.
                assert!(shown["totals"][name].as_f64().is_some_and(|figure| figure > 0.0), "{name}");
            }
            same_as_csv(&office, &whole().path(&by), &shown);
        }
        let housing: Uuid = app.sql("SELECT id FROM agencies WHERE code = 'lf-housing'")[0].get(0);
        let plain = &rows;
        let within = |of: &'static str| move |d: &Directive| plain.within(&d.keys["region"], of);
        let is = |dimension: &'static str, value: &'static str| move |d: &Directive| d.keys[dimension] == value;
        for filter in [
            Filter::new("2026-11", "2026-11", "", |_| true),
            Filter::new("2026-12", "2026-12", "", |_| true),
            Filter::new("2027-01", "2027-01", "", |_| true),
            Filter::new("2026-12", "2031-11", "", |_| true),
            Filter::new("1900-01", "1904-12", "", |_| true),
            Filter::new("2026-11", "2027-01", "&agency=lf-amr", is("agency", "lf-amr")),
            Filter::new("2026-11", "2027-01", &format!("&agency={housing}"), move |d| d.agency == housing),
            Filter::new("2026-11", "2027-01", "&agency=lf-tax", |_| false),
            Filter::new("2026-11", "2027-01", "&memorandum=illegal_enterprise_sanctions", is("memorandum", "illegal_enterprise_sanctions")),
            Filter::new("2026-11", "2027-01", "&memorandum=a_grade_taxpayer_incentives", |_| false),
            Filter::new("2026-11", "2027-01", "&measure=fiscal_funds_limit", is("measure", "fiscal_funds_limit")),
            Filter::new("2026-11", "2027-01", "&region=131000", within("131000")),
            Filter::new("2026-11", "2027-01", "&region=131022", within("131022")),
            Filter::new("2026-11", "2027-01", "&region=131023", within("131023")),
            Filter::new(
                "2026-12",
                "2026-12",
                "&agency=lf-reform&measure=tendering_limit&region=131082&memorandum=judgment_defaulter_sanctions",
                |d| d.keys["agency"] == "lf-reform" && d.keys["measure"] == "tendering_limit" && d.keys["region"] == "131082",
            ),
        ] {
            for by in
                [vec!["agency"], vec!["memorandum"], vec!["measure"], vec!["region"], vec!["month"], vec!["month", "region", "agency"]]
            {
                let shown = compare(&office, &rows, &by, &filter, today);
                same_as_csv(&office, &filter.path(&by), &shown);
            }
        }
    }
}

#[test]
fn an_agency_is_told_of_its_own_directives_and_of_no_others() {
    let app = TestApp::new();
    history(&app);
    let (office, auditor) = (app.login(Role::CreditOffice), app.login(Role::Auditor));
    let question = format!("{PATH}?by=agency,measure&from=2026-11&to=2027-01");
    let mut issued = 0;
    for code in ["lf-amr", "lf-approval", "lf-housing", "lf-reform", "lf-transport", "lf-water", "ga-amr", "sh-amr", "lf-tax"] {
        let own = app.key(code, Role::Consumer);
        let id: Uuid = app.sql(&format!("SELECT id FROM agencies WHERE code = '{code}'"))[0].get(0);
        let told = own.get(&question).ok();
        assert!(told["rows"].as_array().unwrap().iter().all(|row| row["agency"]["code"] == code));
        issued += told["totals"]["issued"].as_u64().unwrap();
        for (caller, query) in [
            (&office, format!("&agency={code}")),
            (&auditor, format!("&agency={id}")),
            (&own, format!("&agency={code}")),
            (&own, format!("&agency={id}")),
        ] {
            assert_eq!(caller.get(&format!("{question}{query}")).ok(), told);
        }
        // Another agency is as unknown to it as none at all.
        let other = if code == "lf-amr" { "ga-amr" } else { "lf-amr" };
        let other_id: Uuid = app.sql(&format!("SELECT id FROM agencies WHERE code = '{other}'"))[0].get(0);
        let shape = |value: &str| {
            let mut problem = own.get(&format!("{question}&agency={value}")).problem(422, "evaluation_filter_unknown");
            assert_eq!((&problem["filter"], &problem["value"]), (&json!("agency"), &json!(value)));
            for key in ["request_id", "value"] {
                problem[key] = Value::Null;
            }
            problem
        };
        assert_eq!((shape(other), shape(&other_id.to_string())), (shape("nobody"), shape(&Uuid::nil().to_string())));
    }
    assert_eq!(office.get(&question).ok()["totals"]["issued"], issued);
    assert_eq!(auditor.get(&question).ok(), office.get(&question).ok());

    // A key that is limited to a county counts that county only.
    let limited = app.scoped_key("lf-amr", Role::Consumer, None, Some(vec!["131022".to_owned()]));
    let of_the_county = office.get(&format!("{question}&agency=lf-amr&region=131022")).ok();
    assert!(of_the_county["totals"]["issued"].as_u64().is_some_and(|n| n > 0));
    for query in ["", "&region=131022", "&region=131000"] {
        assert_eq!(limited.get(&format!("{question}{query}")).ok(), of_the_county, "{query}");
    }
    let elsewhere = limited.get(&format!("{question}&region=131082")).ok();
    assert_eq!(
        (&elsewhere["rows"], &elsewhere["totals"]["issued"], &elsewhere["totals"]["response_rate"]),
        (&json!([]), &json!(0), &Value::Null)
    );
}

#[test]
fn an_evaluation_refuses_each_wrong_parameter_with_its_own_code() {
    let app = TestApp::new();
    let office = app.login(Role::CreditOffice);
    let ask = |query: &str| office.get(&format!("{PATH}?{query}"));
    let sound = "by=agency&from=2026-11&to=2026-11";
    assert_eq!(ask(sound).ok()["rows"], json!([]));
    for query in [
        "from=2026-11&to=2026-11",
        "by=agency&to=2026-11",
        "by=agency&from=2026-11",
        "by=agency&from=2026-11&to=2026-11&order=month",
        "by=agency&by=month&from=2026-11&to=2026-11",
    ] {
        ask(query).problem(400, "malformed_request");
    }
    for by in ["", "agency,", "subject", "Agency", "agency;month", "agency%00", "1%20OR%201=1"] {
        let problem = ask(&format!("by={by}&from=2026-11&to=2026-11")).problem(422, "evaluation_dimension_unknown");
        assert_eq!(problem["known"], json!(DIMENSIONS));
    }
    for by in ["month,month", "agency,memorandum,measure,region", "agency,measure,agency"] {
        assert_eq!(ask(&format!("by={by}&from=2026-11&to=2026-11")).problem(422, "evaluation_dimensions_refused")["max"], 3);
    }
    for month in ["", "2026", "2026-13", "2026-00", "2026-1", "2026-11-01", "+026-11", "1899-12", "3000-01", "%E4%BA%8C%E3%80%87"] {
        ask(&format!("by=month&from={month}&to=2026-11")).problem(400, "evaluation_month_invalid");
        ask(&format!("by=month&from=2026-11&to={month}")).problem(400, "evaluation_month_invalid");
    }
    ask("by=month&from=2026-12&to=2026-11").problem(422, "evaluation_months_reversed");
    ask("by=month&from=2021-12&to=2026-11").ok();
    assert_eq!(ask("by=month&from=2021-11&to=2026-11").problem(422, "evaluation_span_too_long")["max"], 60);
    for (filter, value) in [
        ("agency", "nobody"),
        ("agency", "00000000-0000-0000-0000-000000000000"),
        ("agency", ""),
        ("memorandum", "nothing"),
        ("memorandum", "%00"),
        ("measure", "nothing"),
        ("region", "999999"),
        ("region", "1310"),
    ] {
        let problem = ask(&format!("{sound}&{filter}={value}")).problem(422, "evaluation_filter_unknown");
        assert_eq!(problem["filter"], filter);
    }
    for format in ["xlsx", "", "CSV"] {
        ask(&format!("{sound}&format={format}")).problem(400, "evaluation_format_unknown");
    }
    ask(&format!("{sound}&format=json")).ok();
    let path = format!("{PATH}?{sound}");
    app.anonymous().get(&path).problem(401, "unauthenticated");
    for role in [Role::Provider, Role::Approver, Role::Clerk, Role::SecurityAdmin, Role::PlatformAdmin] {
        app.login(role).get(&path).problem(403, "forbidden");
    }
}

/// What the approval office did about an organisation on the list of serious violations.
struct Deed {
    entry: String,
    subject: String,
    directive: String,
    feedback: String,
}

/// Lists organisations, confirms, and lets the approval office report on each; the clock is at 2026-12-01 afterwards.
fn deeds(app: &TestApp, authority: &Authority, approval: &Caller, count: u32, responsible: &Value) -> Vec<Deed> {
    let entries = authority.listed(app, 1..=count, responsible);
    let office = app.login(Role::CreditOffice);
    for entry in &entries {
        confirm(&office, entry);
    }
    let (messages, _) = take(approval, None, entries.len());
    let deed = |message: &Value| {
        let directive = text(&message["id"]);
        act(approval, &directive, "accept", &json!({})).ok();
        let feedback = text(&act(approval, &directive, "feedback", &said("取消其政府采购项目供应商资格")).ok()["feedback_id"]);
        Deed { entry: text(&message["entry"]["id"]), subject: text(&message["subject"]["id"]), directive, feedback }
    };
    messages.iter().map(deed).collect()
}

fn proposal(deed: &Deed, title: &str, body: &str) -> Value {
    json!({ "feedback_id": deed.feedback, "title": title, "body": body })
}

fn propose(caller: &Caller, deed: &Deed) -> String {
    text(&caller.post("/v1/typical-cases", &proposal(deed, "严把供应商资格关", "审核时核查名单，依法取消资格。")).ok()["case_id"])
}

fn review(caller: &Caller, case: &str, step: &str, body: &Value) -> Answer {
    caller.post(&format!("/v1/typical-cases/{case}/{step}"), body)
}

fn public(app: &TestApp, query: &str) -> Vec<Value> {
    app.anonymous().get(&format!("/v1/typical-cases?limit=200{query}")).ok()["cases"].as_array().unwrap().clone()
}

#[test]
fn a_case_names_nobody_from_its_proposal_on() {
    let app = TestApp::new();
    let (code, name, document) = (party(1), company(1), resident_id(7));
    let mut registered = registration(1, &name);
    registered.header.push("法定代表人".to_owned());
    registered.rows[0].push("赵立新".to_owned());
    app.provider("lf-amr").push("registration", "v1", &registered.csv()).ok();
    let responsible = json!([
        { "name": "钱多多", "capacity": "principal", "document_kind": "身份证", "document_number": resident_id(8) },
        { "name": "Ren\u{e9}", "capacity": "controller" },
    ]);
    let approval = app.key("lf-approval", Role::Consumer);
    let deed = deeds(&app, &Authority::new(&app), &approval, 1, &responsible).remove(0);

    let spaced = format!("{} {}", &code[..8], &code[8..]);
    let body = format!(
        "{name}（统一社会信用代码{code}）法定代表人张试验，此前为赵立新，负责人钱多多；联系电话13812345678，证件{document}、{}。\r\n\
         另写作廊坊市试验１商贸有限公司，代码 {spaced}，组织机构代码{}。",
        resident_id(8),
        &code[8..17]
    );
    let covered = |number: &str| format!("{}********{}", &number[..6], &number[14..]);
    let expected = format!(
        "某企业（统一社会信用代码9113****）法定代表人张某，此前为赵某，负责人钱某；联系电话138****5678，证件{}、{}。\n\
         另写作某企业，代码 9113****，组织机构代码{}****。",
        covered(&document),
        covered(&resident_id(8)),
        &code[8..12]
    );
    let proposed = approval.post("/v1/typical-cases", &proposal(&deed, &format!("对{name}取消资格"), &body));
    assert_eq!(proposed.status, 201);
    let proposed = proposed.ok();
    assert_eq!((proposed["title"].as_str(), proposed["body"].as_str()), (Some("对某企业取消资格"), Some(expected.as_str())));
    assert_eq!(
        (&proposed["state"], &proposed["kind"], &proposed["agency"]),
        (&json!("proposed"), &json!("sanction"), &json!("廊坊市行政审批局"))
    );
    assert_eq!((&proposed["measure"], &proposed["ground_corrected"]), (&json!("限制参加政府采购活动"), &json!(false)));

    let office = app.login(Role::CreditOffice);
    let names =
        [name.as_str(), "试验", &code, &code[8..17], "赵立新", "钱多多", "13812345678", &document, &resident_id(8)].map(str::to_owned);
    let tells_of = |bytes: &[u8], more: &[&String]| -> Vec<String> {
        let shown = String::from_utf8_lossy(bytes).into_owned();
        names.iter().chain(more.iter().copied()).filter(|word| shown.contains(word.as_str())).cloned().collect()
    };
    // Who reviews reads what will be published.
    let waiting = office.get("/v1/typical-cases/proposed");
    assert_eq!(tells_of(&waiting.bytes, &[]), Vec::<String>::new());
    let waiting = waiting.ok();
    assert_eq!((waiting["cases"].as_array().unwrap().len(), &waiting["cases"][0]), (1, &proposed));
    assert_eq!(public(&app, ""), Vec::<Value>::new());

    let case = text(&proposed["case_id"]);
    // What is said at a review is kept with numbers covered.
    let published = review(&office, &case, "publish", &json!({ "reason": "同意发布，已电话13812345678核实" })).ok();
    assert_eq!((&published["state"], &published["review_reason"]), (&json!("published"), &json!("同意发布，已电话138****5678核实")));
    let answer = app.anonymous().get("/v1/typical-cases");
    let told = tells_of(&answer.bytes, &[&deed.subject, &deed.entry, &deed.directive, &deed.feedback, &case]);
    assert_eq!(told, Vec::<String>::new());
    let cases = answer.ok();
    assert_eq!(
        cases["cases"],
        json!([{ "title": "对某企业取消资格", "body": expected, "kind": "sanction", "agency": "廊坊市行政审批局", "measure": "限制参加政府采购活动",
            "published_at": published["published_at"] }])
    );
    // Nothing is kept either that could be told later.
    let kept = app.sql(
        "SELECT t::text FROM typical_cases t UNION ALL SELECT a.detail::text FROM audit_entries a WHERE a.action LIKE 'typical_case.%'",
    );
    assert_eq!(kept.len(), 3);
    for row in &kept {
        assert_eq!(tells_of(row.get::<_, String>(0).as_bytes(), &[]), Vec::<String>::new());
    }
    // A name that cannot be covered where it stands is refused: the accent is a character of its own.
    review(&office, &case, "withdraw", &json!({ "reason": "重写" })).ok();
    let refused = approval.post("/v1/typical-cases", &proposal(&deed, "取消资格", "其实际控制人为Rene\u{301}。"));
    assert_eq!(refused.problem(422, "case_names_somebody")["field"], "body");
}

#[test]
fn a_case_takes_its_steps_in_order_and_never_by_its_proposer() {
    let app = TestApp::new();
    let max = app.app.settings.dispatch.text_chars_max;
    let approval = app.key("lf-approval", Role::Consumer);
    let deeds = deeds(&app, &Authority::new(&app), &approval, 2, &json!([]));
    let (office, other) = (app.login(Role::CreditOffice), app.key("lf-reform", Role::Consumer));
    let count = || app.count("SELECT count(*) FROM typical_cases");

    let post = |caller: &Caller, body: &Value| caller.post("/v1/typical-cases", body);
    let sound = proposal(&deeds[0], "严把供应商资格关", "审核时核查名单，依法取消资格。");
    post(&app.anonymous(), &sound).problem(401, "unauthenticated");
    post(&office, &sound).problem(403, "forbidden");
    post(&app.provider("lf-approval"), &sound).problem(403, "forbidden");
    post(&other, &sound).problem(404, "case_feedback_not_found");
    let unknown = json!({ "feedback_id": Uuid::nil(), "title": "x", "body": "x" });
    post(&approval, &unknown).problem(404, "case_feedback_not_found");
    let long = "长".repeat(max + 1);
    for (title, body, code, field) in [
        ("", "正文", "case_text_missing", "title"),
        (" \n ", "正文", "case_text_missing", "title"),
        ("标题", "", "case_text_missing", "body"),
        (long.as_str(), "正文", "case_text_too_long", "title"),
        ("标题", long.as_str(), "case_text_too_long", "body"),
        ("标\n题", "正文", "case_text_unseen", "title"),
        ("标题", "正\u{7}文", "case_text_unseen", "body"),
        ("标题", "正\u{200b}文", "case_text_unseen", "body"),
        ("标题", "正\u{202e}文", "case_text_unseen", "body"),
        ("标\u{0}题", "正文", "case_text_unseen", "title"),
    ] {
        let problem = post(&approval, &proposal(&deeds[0], title, body)).problem(422, code);
        assert_eq!(problem["field"], field);
    }
    post(&approval, &json!({ "feedback_id": deeds[0].feedback, "title": "x" })).problem(400, "malformed_request");
    assert_eq!(count(), 0);
    // As long as a text may be.
    let longest = "长".repeat(max);
    let case = text(&post(&approval, &proposal(&deeds[0], "标题", &longest)).ok()["case_id"]);
    post(&approval, &sound).problem(409, "case_exists");

    for step in ["publish", "refuse", "withdraw"] {
        let body = json!({ "reason": "x" });
        review(&app.anonymous(), &case, step, &body).problem(401, "unauthenticated");
        review(&approval, &case, step, &body).problem(403, "forbidden");
        review(&app.login(Role::Auditor), &case, step, &body).problem(403, "forbidden");
        review(&office, &Uuid::nil().to_string(), step, &body).problem(404, "case_not_found");
        review(&office, "1", step, &body).problem(404, "not_found");
    }
    assert_eq!(review(&office, &case, "withdraw", &json!({ "reason": "x" })).problem(409, "case_not_published")["state"], "proposed");
    for step in ["refuse", "withdraw"] {
        review(&office, &case, step, &json!({})).problem(400, "malformed_request");
        assert_eq!(review(&office, &case, step, &json!({ "reason": " " })).problem(422, "case_text_missing")["field"], "reason");
        review(&office, &case, step, &json!({ "reason": long })).problem(422, "case_text_too_long");
        review(&office, &case, step, &json!({ "reason": "一\u{0}" })).problem(422, "case_text_unseen");
    }
    assert_eq!(review(&office, &case, "refuse", &json!({ "reason": "过长" })).ok()["state"], "refused");
    for step in ["publish", "refuse"] {
        assert_eq!(review(&office, &case, step, &json!({ "reason": "x" })).problem(409, "case_not_proposed")["state"], "refused");
    }

    // Refused, it may be told anew.
    let case = propose(&approval, &deeds[0]);
    assert_eq!(review(&office, &case, "publish", &json!({})).ok()["state"], "published");
    post(&approval, &sound).problem(409, "case_exists");
    for step in ["publish", "refuse"] {
        assert_eq!(review(&office, &case, step, &json!({ "reason": "x" })).problem(409, "case_not_proposed")["state"], "published");
    }
    assert_eq!(public(&app, "").len(), 1);
    let withdrawn = review(&office, &case, "withdraw", &json!({ "reason": "不再适宜" })).ok();
    assert_eq!((&withdrawn["state"], &withdrawn["review_reason"]), (&json!("withdrawn"), &json!("不再适宜")));
    assert_eq!(public(&app, ""), Vec::<Value>::new());
    assert_eq!(review(&office, &case, "withdraw", &json!({ "reason": "x" })).problem(409, "case_not_published")["state"], "withdrawn");

    // Whoever holds both roles reviews no case of their own, but others'.
    let roles = vec![Role::Consumer, Role::CreditOffice];
    let new = NewAccount {
        username: "both".into(),
        display_name: "both".into(),
        password: PASSWORD.into(),
        agency: Some("lf-approval".into()),
        roles,
    };
    app.block_on(app.app.identity.open_account(&Actor::system("test"), new)).unwrap();
    let both = app.log_in("both");
    let own = propose(&both, &deeds[1]);
    for step in ["publish", "refuse", "withdraw"] {
        review(&both, &own, step, &json!({ "reason": "x" })).problem(403, "case_of_ones_own");
    }
    review(&office, &own, "publish", &json!({})).ok();
    review(&both, &own, "withdraw", &json!({ "reason": "x" })).problem(403, "case_of_ones_own");
    let anothers = propose(&approval, &deeds[0]);
    review(&both, &anothers, "publish", &json!({})).ok();
    assert_eq!(public(&app, "").len(), 2);
    assert_eq!(count(), 4);
    assert!(
        app.sql_refused(&format!("UPDATE typical_cases SET reviewed_by_id = proposed_by_id WHERE id = '{own}'"))
            .contains("typical_cases_two_people")
    );
}

#[test]
fn of_proposals_and_of_reviews_at_once_one_wins() {
    let app = TestApp::new();
    let approval = app.key("lf-approval", Role::Consumer);
    let deeds = deeds(&app, &Authority::new(&app), &approval, 6, &json!([]));
    let reviewers: Vec<Caller> = (0..4).map(|_| app.login(Role::CreditOffice)).collect();
    let at_once = |work: &(dyn Fn(usize) -> Answer + Sync)| -> Vec<Answer> {
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|at| scope.spawn(move || work(at))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        })
    };
    let one_of = |answers: Vec<Answer>, status: u16, refused: &str| -> Value {
        let (won, lost): (Vec<Answer>, Vec<Answer>) = answers.into_iter().partition(|answer| answer.status == status);
        assert_eq!((won.len(), lost.len()), (1, 3));
        for answer in lost {
            answer.problem(409, refused);
        }
        won.into_iter().next().unwrap().ok()
    };
    for deed in &deeds {
        let body = proposal(deed, "严把供应商资格关", "审核时核查名单，依法取消资格。");
        let proposed = one_of(at_once(&|_| approval.post("/v1/typical-cases", &body)), 201, "case_exists");
        let case = text(&proposed["case_id"]);
        let steps = ["publish", "refuse"];
        let reviewed =
            one_of(at_once(&|at| review(&reviewers[at], &case, steps[at % 2], &json!({ "reason": "已审" }))), 200, "case_not_proposed");
        let state: String = app.sql(&format!("SELECT state FROM typical_cases WHERE id = '{case}'"))[0].get(0);
        assert_eq!(reviewed["state"], state);
    }
    assert_eq!(app.count("SELECT count(*) FROM typical_cases"), 6);
    assert_eq!(app.count("SELECT count(*) FROM audit_entries WHERE action IN ('typical_case.publish', 'typical_case.refuse')"), 6);

    // The same proposal under one key is one proposal.
    let open = app.sql("SELECT id::text FROM typical_cases WHERE state = 'published'");
    for row in &open {
        review(&reviewers[0], &row.get::<_, String>(0), "withdraw", &json!({ "reason": "重写" })).ok();
    }
    let body = proposal(&deeds[0], "标题", "正文");
    let keyed = approval.header("Idempotency-Key", "case-1");
    let answers = at_once(&|_| keyed.post("/v1/typical-cases", &body));
    assert!(answers.iter().all(|answer| answer.status == 201));
    let cases: BTreeSet<String> = answers.into_iter().map(|answer| text(&answer.ok()["case_id"])).collect();
    assert_eq!(cases.len(), 1);
    assert_eq!(app.count("SELECT count(*) FROM typical_cases"), 7);
    keyed.post("/v1/typical-cases", &proposal(&deeds[0], "标题", "另一正文")).problem(422, "idempotency_key_reused");
}

#[test]
fn a_case_leaves_the_public_with_an_entry_that_was_wrong_and_stays_with_one_that_was_left_rightly() {
    let app = TestApp::new();
    let authority = Authority::new(&app);
    let approval = app.key("lf-approval", Role::Consumer);
    let deeds = deeds(&app, &authority, &approval, 4, &json!([]));
    let office = app.login(Role::CreditOffice);
    let (official, chief) = (authority.official(&app), authority.chief(&app));
    let cases: Vec<String> = deeds[..3].iter().map(|deed| propose(&approval, deed)).collect();
    // One waits for its review, two are published, of the last nothing is told yet.
    for case in &cases[..2] {
        review(&office, case, "publish", &json!({})).ok();
    }
    assert_eq!(public(&app, "").len(), 2);
    let exit = |caller: &Caller, deed: &Deed, cause: &str| {
        let path = format!("/v1/list-entries/{}/exit", deed.entry);
        caller.post(&path, &json!({ "cause": cause, "reason": "经核实" })).ok();
    };
    exit(&chief, &deeds[1], "repair");
    assert_eq!(public(&app, "").len(), 2, "what was done was done rightly");
    for deed in [&deeds[0], &deeds[2], &deeds[3]] {
        exit(&official, deed, "correction");
    }
    assert_eq!(public(&app, "").len(), 1);
    assert_eq!(public(&app, "&kind=sanction").len(), 1);
    let of_state = |state: &str| office.get(&format!("/v1/typical-cases/proposed?state={state}")).ok()["cases"].as_array().unwrap().clone();
    let corrected: Vec<(String, bool)> =
        of_state("published").iter().map(|c| (text(&c["case_id"]), c["ground_corrected"].as_bool().unwrap())).collect();
    assert_eq!(corrected, [(cases[0].clone(), true), (cases[1].clone(), false)]);
    review(&office, &cases[2], "publish", &json!({})).problem(409, "case_ground_corrected");
    approval.post("/v1/typical-cases", &proposal(&deeds[3], "标题", "正文")).problem(409, "case_ground_corrected");
    // It can be put in order all the same.
    review(&office, &cases[0], "withdraw", &json!({ "reason": "条目更正" })).ok();
    review(&office, &cases[2], "refuse", &json!({ "reason": "条目更正" })).ok();
    assert_eq!((of_state("withdrawn").len(), of_state("refused").len(), of_state("proposed").len()), (1, 1, 0));
}

#[test]
fn published_cases_are_read_page_by_page_newest_first() {
    let app = TestApp::new();
    let approval = app.key("lf-approval", Role::Consumer);
    let deeds = deeds(&app, &Authority::new(&app), &approval, 5, &json!([]));
    let office = app.login(Role::CreditOffice);
    // Two at one instant, the others later.
    for (at, deed) in deeds.iter().enumerate() {
        app.at(["2026-12-01T02:00:01Z", "2026-12-01T02:00:01Z", "2026-12-01T02:00:02Z", "2026-12-01T02:00:03Z", "2026-12-01T02:00:04Z"][at]);
        let body = proposal(deed, &format!("案例{at}"), "审核时核查名单，依法取消资格。");
        let case = text(&approval.post("/v1/typical-cases", &body).ok()["case_id"]);
        review(&office, &case, "publish", &json!({})).ok();
    }
    let titles = |cases: &[Value]| cases.iter().map(|case| text(&case["title"])).collect::<Vec<_>>();
    let all = titles(&public(&app, ""));
    assert_eq!(all, ["案例4", "案例3", "案例2", "案例1", "案例0"]);
    for limit in [1, 2, 5] {
        let (mut found, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = app.anonymous().get(&format!("/v1/typical-cases?limit={limit}{cursor}")).ok();
            found.extend(titles(page["cases"].as_array().unwrap()));
            match page["next"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        assert_eq!(found, all, "{limit}");
    }
    assert_eq!(public(&app, "&kind=sanction").len(), 5);
    assert_eq!(public(&app, "&kind=incentive"), Vec::<Value>::new());
    let answer = app.anonymous().get("/v1/typical-cases");
    let unchanged = app.anonymous().header("If-None-Match", answer.header("etag")).get("/v1/typical-cases");
    assert_eq!((unchanged.status, unchanged.bytes.len()), (304, 0));

    let anybody = app.anonymous();
    let problem = anybody.get("/v1/typical-cases?kind=x").problem(422, "case_filter_unknown");
    assert_eq!((&problem["filter"], &problem["known"]), (&json!("kind"), &json!(["incentive", "sanction"])));
    // {"xid":1}
    for cursor in ["x", "eyJ4aWQiOjF9"] {
        anybody.get(&format!("/v1/typical-cases?cursor={cursor}")).problem(400, "bad_cursor");
        office.get(&format!("/v1/typical-cases/proposed?cursor={cursor}")).problem(400, "bad_cursor");
    }
    anybody.get("/v1/typical-cases?limit=0").problem(400, "bad_limit");
    anybody.get("/v1/typical-cases?subject=x").problem(400, "malformed_request");
    assert_eq!(office.get("/v1/typical-cases/proposed?state=x").problem(422, "case_filter_unknown")["filter"], "state");
    approval.get("/v1/typical-cases/proposed").problem(403, "forbidden");
    anybody.get("/v1/typical-cases/proposed").problem(401, "unauthenticated");
}
