//! Batch checks: the same answers as single ones, each once, whatever breaks off.

use super::{PURPOSE, ask, company, courts_report, named, person, person_defaulter, text};
use crate::support::builders::{defaulter, party, registration, resident_id};
use crate::support::{Answer, Caller, TestApp};
use calamine::{Data, Reader};
use credence_core::Role;
use credence_jobs::{Lease, Outcome};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// The batch check once it is completed.
pub(super) fn completed(caller: &Caller, batch: &str) -> Value {
    loop {
        let view = caller.get(&format!("/v1/check-batches/{batch}")).ok();
        if view["state"] == "completed" {
            return view;
        }
        std::thread::yield_now();
    }
}

const BATCH_ROWS: u32 = 250;

/// Subjects of every sort: listed, known and not listed, unknown, and such as cannot be read.
fn many() -> Vec<Value> {
    let other_end = |code: &str| {
        let (body, last) = code.split_at(code.len() - 1);
        format!("{body}{}", if last == "0" { "1" } else { "0" })
    };
    let subject = |row: u32| {
        let k = row / 10 + 1;
        match row % 10 {
            0 => company(k),
            1 => named(company(k), &format!("廊坊市试验{k}商贸有限公司")),
            2 => named(company(k), "别家有限公司"),
            3 => json!({ "kind": "organisation", "uscc": format!(" {} ", party(k).to_lowercase()) }),
            4 => company(100 + k),
            5 => named(company(900 + k), "无人知晓有限公司"),
            6 => json!({ "kind": "organisation", "uscc": other_end(&party(k)), "name": "某公司" }),
            7 => named(person(&resident_id(k)), "李试验"),
            8 if row % 20 == 8 => person(&resident_id(500 + k)),
            8 => named(person(&resident_id(k)), "王试验"),
            _ if row % 20 == 9 => json!({ "kind": "organisation", "name": "某公司" }),
            _ => person(&other_end(&resident_id(k))),
        }
    };
    let numbered = |row: u32| {
        let mut subject = subject(row);
        subject["ref"] = json!(if row == 0 { "=1+1".to_owned() } else { format!("A-{row}") });
        subject
    };
    (0..BATCH_ROWS).map(numbered).collect()
}

/// Twenty-five companies and as many persons on the courts' list, and as many companies that are registered and on none.
fn city(app: &TestApp) {
    let known = (102..=125).fold(registration(101, "廊坊守信一百零一有限公司"), |table, n| {
        table.and(registration(n, &format!("廊坊守信{n}有限公司")))
    });
    app.provider("lf-amr").push("registration", "v1", &known.csv()).ok();
    let companies = (2..=25).fold(defaulter(1), |table, n| table.and(defaulter(n)));
    courts_report(app, &(1..=25).fold(companies, |table, n| table.and(person_defaulter(n))));
}

fn batch_of(subjects: &[Value]) -> Value {
    json!({ "name": "2026年第4季度供应商审查", "matter": "政府采购", "purpose": PURPOSE, "subjects": subjects })
}

/// What a line of the result says, without the check's own id, reckoned from the answer to the same subject asked about alone.
fn expected_line(row: usize, sent: &Value, alone: &Answer) -> Vec<String> {
    let said = |member: &str| sent[member].as_str().unwrap_or_default().to_owned();
    let mut line = vec![(row + 1).to_string(), said("ref")];
    let answer = alone.json();
    if alone.status != 200 {
        line.extend([said("name"), said("uscc"), "未核查".to_owned()]);
        line.extend(std::iter::repeat_n(String::new(), 6));
        return line;
    }
    let each_once = |texts: Vec<String>| {
        let mut seen = BTreeSet::new();
        texts.into_iter().filter(|text| seen.insert(text.clone())).collect::<Vec<_>>().join("；")
    };
    let lists = answer["lists"].as_array().unwrap();
    let of_measures = |read: &dyn Fn(&Value) -> Vec<String>| {
        lists.iter().flat_map(|l| l["measures"].as_array().unwrap()).flat_map(read).collect::<Vec<_>>()
    };
    let is_person = sent["kind"] == "natural_person";
    let fallback = if is_person { "自然人".to_owned() } else { said("name") };
    line.push(answer["subject"]["name"].as_str().map_or(fallback, str::to_owned));
    line.push(answer["subject"]["uscc"].as_str().unwrap_or_default().to_owned());
    line.push(match answer["result"].as_str() {
        Some("black") => "黑名单".to_owned(),
        Some("none") => "无".to_owned(),
        other => panic!("{other:?}"),
    });
    line.push(each_once(lists.iter().map(|l| text(&l["name"])).collect()));
    line.push(each_once(of_measures(&|m| vec![text(&m["name"])])));
    let mut bases: Vec<String> = lists.iter().map(|l| text(&l["legal_basis"])).collect();
    bases.extend(of_measures(&|m| m["legal_basis"].as_array().unwrap().iter().map(text).collect()));
    line.push(each_once(bases));
    line.push(lists.iter().map(|l| format!("{}：无固定期限", text(&l["name"]))).collect::<Vec<_>>().join("；"));
    line.push(if answer["feedback_required"] == true { "是" } else { "否" }.to_owned());
    line.push(answer["feedback_by"].as_str().unwrap_or_default().to_owned());
    line
}

#[test]
fn a_batch_says_of_each_subject_what_a_check_of_it_alone_says() {
    let app = TestApp::new();
    city(&app);
    let approval = app.key("lf-approval", Role::Consumer);
    let subjects = many();
    let keyed = approval.header("Idempotency-Key", "review-1");
    let taken = keyed.post("/v1/check-batches", &batch_of(&subjects));
    assert_eq!(taken.status, 202);
    let location = taken.header("location").to_owned();
    let id = text(&taken.ok()["id"]);
    assert_eq!(location, format!("/v1/check-batches/{id}"));
    assert_eq!(keyed.post("/v1/check-batches", &batch_of(&subjects)).ok()["id"], json!(id), "the same request under the same key");
    keyed.post("/v1/check-batches", &batch_of(&subjects[..249])).problem(422, "idempotency_key_reused");
    let view = completed(&approval, &id);
    assert_eq!((&view["rows_total"], &view["rows_done"]), (&json!(250), &json!(250)));
    assert_eq!((&view["hits"], &view["problems"]), (&json!(125), &json!(50)), "{view}");
    assert_eq!(app.count("SELECT count(*) FROM check_batches"), 1);

    let csv = approval.get(&format!("/v1/check-batches/{id}/result.csv"));
    assert_eq!(csv.header("content-type"), "text/csv; charset=utf-8");
    let sheet = String::from_utf8(csv.bytes).unwrap();
    let sheet = sheet.strip_prefix('\u{feff}').expect("a byte order mark, for spreadsheet programs");
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(sheet.as_bytes());
    let rows: Vec<Vec<String>> = reader.records().map(|r| r.unwrap().iter().map(str::to_owned).collect()).collect();
    assert_eq!(rows.len(), 251);

    // Both files say the same; only in CSV is a cell guarded that a spreadsheet program would reckon.
    let xlsx = approval.get(&format!("/v1/check-batches/{id}/result.xlsx"));
    let mut book: calamine::Xlsx<_> = calamine::Xlsx::new(std::io::Cursor::new(xlsx.bytes)).unwrap();
    let range = book.worksheet_range("核查结果").unwrap();
    let cell = |cell: &Data| match cell {
        Data::String(text) => text.clone(),
        Data::Empty => String::new(),
        other => panic!("{other:?} is not text"),
    };
    let cells: Vec<Vec<String>> = range.rows().map(|row| row.iter().map(cell).collect()).collect();
    assert_eq!((cells[1][1].as_str(), rows[1][1].as_str()), ("=1+1", "'=1+1"));
    let mut unguarded = rows.clone();
    unguarded[1][1] = cells[1][1].clone();
    assert_eq!(cells, unguarded);

    let mut checks = BTreeSet::new();
    for (row, sent) in subjects.iter().enumerate() {
        let mut subject = sent.clone();
        subject.as_object_mut().unwrap().remove("ref");
        let alone = ask(&approval, &subject, "政府采购");
        let line = &cells[row + 1];
        let told: Vec<String> = line[..4].iter().chain(&line[5..12]).cloned().collect();
        assert_eq!(told, expected_line(row, sent, &alone), "{sent}");
        let (check, remark) = (&line[4], &line[12]);
        if alone.status == 200 {
            let answer = alone.json();
            assert_eq!(remark.contains("不符"), answer["subject"]["name_mismatch"] == true, "{sent}: {remark}");
            // Kept like any other check, with the name of the review for its case.
            let kept = approval.get(&format!("/v1/checks/{check}")).ok();
            assert_eq!(kept["case_no"], "2026年第4季度供应商审查");
            for member in ["subject", "result", "lists", "feedback_required", "feedback_by", "matter", "purpose"] {
                assert_eq!(kept[member], answer[member], "{sent}: {member}");
            }
            assert!(checks.insert(check.clone()), "{check} twice");
        } else {
            let code = text(&alone.json()["code"]);
            assert!(check.is_empty() && remark.contains(&format!("（{code}）")), "{sent}: {remark}");
        }
    }
    assert_eq!(checks.len(), 200);
    // What is owed on them is owed like on any other.
    assert_eq!(app.count(&format!("SELECT count(*) FROM checks WHERE batch_id = '{id}' AND feedback_state = 'owed'")), 125);
    let owed = approval.get("/v1/checks?owed=true&limit=200").ok();
    assert_eq!(owed["items"].as_array().unwrap().iter().filter(|c| c["check_batch_id"] == json!(id)).count(), 125);

    // Of another agency it does not exist.
    let stranger = app.key("lf-housing", Role::Consumer);
    for end in ["", "/result.csv", "/result.xlsx"] {
        stranger.get(&format!("/v1/check-batches/{id}{end}")).problem(404, "not_found");
        app.provider("lf-amr").get(&format!("/v1/check-batches/{id}{end}")).problem(403, "forbidden");
        app.anonymous().get(&format!("/v1/check-batches/{id}{end}")).problem(401, "unauthenticated");
    }
    approval.get(&format!("/v1/check-batches/{id}/result.pdf")).problem(404, "not_found");
}

#[test]
fn a_batch_that_is_empty_too_long_or_unreadable_is_refused_whole() {
    const BODY_MAX: usize = 1500;
    let app = TestApp::with(|s| {
        s.dispatch.check_batch_rows_max = 3;
        s.dispatch.check_batch_body_bytes_max = BODY_MAX;
    });
    let approval = app.key("lf-approval", Role::Consumer);
    let subjects = [company(1), company(2), person(&resident_id(1)), company(3)];
    let submit = |body: &Value| approval.post("/v1/check-batches", body);
    submit(&batch_of(&[])).problem(422, "check_batch_empty");
    let long = submit(&batch_of(&subjects)).problem(413, "check_batch_too_many");
    assert_eq!((&long["limit"], &long["rows"]), (&json!(3), &json!(4)));
    let with = |member: &str, value: Value| {
        let mut body = batch_of(&subjects[..3]);
        body[member] = value;
        submit(&body)
    };
    for member in ["name", "purpose"] {
        assert_eq!(with(member, json!(" ")).problem(422, "check_incomplete")["field"], member);
    }
    with("case_no", json!(resident_id(1))).problem(422, "check_text_refused");
    with("matter", json!("买菜")).problem(422, "matter_unknown");
    with("remark", json!("x")).problem(400, "malformed_request");
    let mut marked = company(1);
    marked["ref"] = json!("a\u{7}b");
    let refused = with("subjects", json!([company(1), marked])).problem(422, "check_text_refused");
    assert_eq!((&refused["row"], &refused["field"]), (&json!(2), &json!("ref")));
    let raw = |body: &[u8]| approval.post_bytes("/v1/check-batches", "application/json", body);
    raw(b"{").problem(400, "malformed_request");
    raw(b"\xff\xfe").problem(400, "malformed_request");
    let padded = |to: usize| {
        let mut body = batch_of(&subjects[..3]).to_string().into_bytes();
        assert!(body.len() < to);
        body.resize(to, b' ');
        body
    };
    assert_eq!(raw(&padded(BODY_MAX + 1)).problem(413, "check_batch_body_too_large")["limit_bytes"], BODY_MAX);
    for nothing in ["check_batches", "check_batch_rows", "checks", "jobs"] {
        assert_eq!(app.count(&format!("SELECT count(*) FROM {nothing}")), 0, "{nothing}");
    }
    let taken = raw(&padded(BODY_MAX)).ok();
    assert_eq!((&completed(&approval, &text(&taken["id"]))["rows_done"], app.count("SELECT count(*) FROM checks")), (&json!(3), 3));
}

/// Holds a row of a batch in a transaction of its own: whoever settles that row waits for its end.
fn hold(app: &TestApp, batch: &str, row: u32) -> tokio_postgres::Client {
    app.block_on(async {
        let (client, connection) = tokio_postgres::connect(&app.db_url, tokio_postgres::NoTls).await.unwrap();
        tokio::spawn(connection);
        let take = format!("BEGIN; SELECT 1 FROM check_batch_rows WHERE batch_id = '{batch}' AND row_no = {row} FOR UPDATE");
        client.batch_execute(&take).await.unwrap();
        client
    })
}

fn release(app: &TestApp, held: &tokio_postgres::Client) {
    app.block_on(held.batch_execute("ROLLBACK")).unwrap();
}

/// Whoever waits for a row that is held.
const WAITS: &str =
    "FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE 'UPDATE check_batch_rows%'";

#[test]
fn a_batch_broken_off_in_the_middle_answers_every_row_once() {
    // No worker of the server takes a job: each one here is started, stopped and killed by hand.
    let app = TestApp::with(|s| s.jobs.parallel = 0);
    city(&app);
    let approval = app.key("lf-approval", Role::Consumer);
    let submit = || text(&approval.post("/v1/check-batches", &batch_of(&many())).ok()["id"]);
    let id = submit();
    let rows_done = || app.count(&format!("SELECT rows_done::bigint FROM check_batches WHERE id = '{id}'"));
    let answered = |batch: &str| {
        let row = &app.sql(&format!("SELECT count(*), count(DISTINCT row_no) FROM checks WHERE batch_id = '{batch}'"))[0];
        (row.get::<_, i64>(0), row.get::<_, i64>(1))
    };
    let view = approval.get(&format!("/v1/check-batches/{id}")).ok();
    assert_eq!((&view["state"], &view["rows_done"], &view["finished_at"]), (&json!("queued"), &json!(0), &Value::Null));
    let early = approval.get(&format!("/v1/check-batches/{id}/result.csv")).problem(409, "check_batch_not_completed");
    assert_eq!((&early["rows_done"], &early["rows_total"]), (&json!(0), &json!(250)));

    // The program stops while the second hundred is being written: that hundred is finished, and the rest is left to the next worker.
    let held = hold(&app, &id, 150);
    let mut other = app.app.clone();
    other.settings.jobs.parallel = 1;
    let worker = other.worker();
    let (stop, stopping) = tokio::sync::watch::channel(false);
    let runtime = app.block_on(async { tokio::runtime::Handle::current() });
    let task = runtime.spawn(worker.run(stopping));
    app.until(&format!("SELECT count(*) {WAITS}"));
    assert_eq!((rows_done(), answered(&id)), (100, (80, 80)));
    stop.send(true).unwrap();
    release(&app, &held);
    app.block_on(task).unwrap();
    assert_eq!((rows_done(), answered(&id)), (200, (160, 160)));
    approval.get(&format!("/v1/check-batches/{id}/result.csv")).problem(409, "check_batch_not_completed");

    // The next one loses the database while the last fifty are being written: nothing of them is left.
    let held = hold(&app, &id, 225);
    let worker = app.app.worker();
    let task = runtime.spawn(async move { worker.drain().await });
    app.until(&format!("SELECT count(*) {WAITS}"));
    assert_eq!(app.sql(&format!("SELECT pg_terminate_backend(pid) {WAITS}")).len(), 1);
    let _ = app.block_on(task).unwrap();
    release(&app, &held);
    assert_eq!((rows_done(), answered(&id)), (200, (160, 160)));
    assert_eq!(app.count("SELECT count(*) FROM jobs WHERE kind = 'dispatch.check_batch' AND state = 'waiting'"), 1);

    // A third one comes later and ends it.
    app.at("2026-11-23T03:00:00Z");
    while rows_done() < 250 {
        app.block_on(app.app.worker().drain()).unwrap();
    }
    let whole = |batch: &str| {
        let rows = format!("SELECT count(check_id), count(problem) FROM check_batch_rows WHERE batch_id = '{batch}'");
        let row = &app.sql(&rows)[0];
        assert_eq!((row.get::<_, i64>(0), row.get::<_, i64>(1)), (200, 50), "every row has its check or its problem");
        assert_eq!(answered(batch), (200, 200), "and none has two");
        let view = approval.get(&format!("/v1/check-batches/{batch}")).ok();
        assert_eq!((&view["state"], &view["hits"], &view["problems"]), (&json!("completed"), &json!(125), &json!(50)));
    };
    whole(&id);
    // Of ten rows six find somebody.
    let logged = "SELECT count(*) FROM access_log WHERE action = 'subject.check' AND outcome = 'granted'";
    assert_eq!(app.count(logged), 150, "one entry for each who was found");

    // Three workers at once, whose leases overlapped, do no more than one.
    let second = submit();
    let payload = "SELECT payload FROM jobs WHERE kind = 'dispatch.check_batch' AND state = 'waiting'";
    let payload: Value = app.sql(payload)[0].get(0);
    let handlers = credence_dispatch::jobs::handlers(&app.app.dispatch);
    let handler = handlers.iter().find(|h| h.kind == "dispatch.check_batch").unwrap();
    let work = || (handler.run)(payload.clone(), Lease::in_call(uuid::Uuid::now_v7()));
    let (first_end, second_end, third_end) = app.block_on(async { tokio::join!(work(), work(), work()) });
    for end in [first_end, second_end, third_end] {
        assert_eq!(end.unwrap(), Outcome::Done);
    }
    whole(&second);
    assert_eq!(app.block_on(work()).unwrap(), Outcome::Done, "done again, it does nothing");
    whole(&second);
    assert_eq!(app.count(logged), 300);
}
