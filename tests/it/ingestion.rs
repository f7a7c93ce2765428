//! Rows and their verdicts: what could be lost, doubled, guessed or let through.

use crate::support::TestApp;
use crate::support::builders::{self, penalties, penalty, person_penalty};
use serde_json::{Value, json};

const ITEM: &str = "administrative_penalty_organisation";

fn verdicts(received: &Value) -> Vec<&str> {
    received["rows"].as_array().unwrap().iter().map(|r| r["verdict"].as_str().unwrap()).collect()
}

fn rules(row: &Value) -> Vec<&str> {
    row["issues"].as_array().map(|list| list.iter().map(|i| i["rule"].as_str().unwrap()).collect()).unwrap_or_default()
}

/// Pushes one changed penalty as a dry run and returns its only row.
fn tried(app: &TestApp, column: &str, value: &str) -> Value {
    let body = penalty(1).set(0, column, value).csv();
    let provider = app.provider("lf-amr");
    let answer = provider.post_bytes(&format!("/v1/batches?item={ITEM}&feed=v2&dry_run=true"), "text/csv", &body).ok();
    answer["rows"][0].clone()
}

#[test]
fn every_row_of_a_mixed_file_gets_its_verdict_and_the_counts_add_up() {
    let app = TestApp::new();
    let provider = app.provider("lf-amr");
    let table = penalties(1, 4)
        .set(1, "行政相对人代码_1（统一社会信用代码）", "91440101MA5Z0005E")
        .set(2, "处罚决定日期", "2026年11月2日")
        .set(3, "罚款金额（万元）", "");
    let received = provider.push(ITEM, "v2", &table.csv()).ok();
    assert_eq!(verdicts(&received), ["accepted", "refused", "accepted", "refused"]);
    assert_eq!(rules(&received["rows"][1]), ["uscc_length"]);
    assert_eq!(rules(&received["rows"][3]), ["required_if"]);
    let counts = &received["batch"]["counts"];
    assert_eq!((counts["accepted"].as_i64(), counts["refused"].as_i64(), counts["late"].as_i64()), (Some(2), Some(2), Some(1)));
    assert_eq!(app.count("SELECT count(*) FROM record_versions"), 2);
    assert_eq!(app.count("SELECT count(*) FROM quarantined_rows"), 2);
    // The record of the late row says by which rule it is late.
    let late = app.sql("SELECT late_rule FROM record_versions WHERE late");
    assert_eq!(late[0].get::<_, String>(0), "feed.sgs.deadline_wd@1");
}

#[test]
fn timeliness_turns_on_the_working_day_after_the_deadline() {
    let app = TestApp::new();
    let provider = app.provider("lf-amr");
    // Decided 2025-09-26: the seventh working day after it is 2025-10-13, because of National Day.
    for (n, instant, late) in [(1, "2025-10-13T15:59:59Z", 0), (2, "2025-10-13T16:00:00Z", 1)] {
        app.at(instant);
        let body = penalty(n).set(0, "处罚决定日期", "2025-09-26").csv();
        let received = provider.push(ITEM, "v2", &body).ok();
        assert_eq!(received["batch"]["counts"]["late"], late, "{instant}");
    }
}

#[test]
fn the_same_file_and_the_same_row_take_effect_once() {
    let app = TestApp::new();
    let provider = app.provider("lf-amr");
    let body = penalties(1, 3).csv();
    let first = provider.push(ITEM, "v2", &body).ok();
    let again = provider.push(ITEM, "v2", &body).ok();
    assert_eq!((again["same_file"].as_bool(), &again["batch"]["id"]), (Some(true), &first["batch"]["id"]));
    // Another file with two of the rows, one changed, one twice.
    let other = penalties(2, 2).set(0, "处罚内容", "罚款叁仟元").and(penalty(3)).csv();
    let received = provider.push(ITEM, "v2", &other).ok();
    assert_eq!(verdicts(&received), ["new_version", "unchanged", "unchanged"]);
    assert_eq!(app.count("SELECT count(*) FROM record_versions"), 4);
    assert_eq!(app.count("SELECT count(*) FROM record_versions WHERE known_to IS NULL"), 3);
    // Two versions of one statement in one file: the later row is the present version.
    let both = penalty(9).and(penalty(9).set(0, "处罚内容", "罚款壹万元")).csv();
    assert_eq!(verdicts(&provider.push(ITEM, "v2", &both).ok()), ["accepted", "new_version"]);
    let present = app.sql("SELECT data->>'CF_NR' FROM record_versions WHERE known_to IS NULL AND data->>'CF_WSH' LIKE '%〕9号'");
    assert_eq!((present.len(), present[0].get::<_, String>(0)), (1, "罚款壹万元".to_owned()));
}

#[test]
fn brackets_of_the_document_number_do_not_make_another_record() {
    let app = TestApp::new();
    let provider = app.provider("lf-amr");
    provider.push(ITEM, "v2", &penalty(1).csv()).ok();
    let received = provider.push(ITEM, "v2", &penalty(1).set(0, "行政处罚决定书文号", "廊市监处罚[2026]1号").csv()).ok();
    assert_eq!(verdicts(&received), ["new_version"]);
}

#[test]
fn an_idempotency_key_gives_the_same_answer_and_refuses_another_request() {
    let app = TestApp::new();
    let provider = app.provider("lf-amr").header("Idempotency-Key", "\"8e03978e-40d5-43dd-bc93-6894a57f9324\"");
    let first = provider.push(ITEM, "v2", &penalty(1).csv()).ok();
    let again = provider.push(ITEM, "v2", &penalty(1).csv()).ok();
    assert_eq!(first, again);
    provider.push(ITEM, "v2", &penalty(2).csv()).problem(422, "idempotency_key_reused");
    assert_eq!(app.count("SELECT count(*) FROM submission_batches"), 1);
    app.provider("lf-amr").header("Idempotency-Key", "汉").push(ITEM, "v2", &penalty(3).csv()).problem(400, "bad_idempotency_key");
}

#[test]
fn a_dry_run_tells_the_same_and_stores_nothing() {
    let app = TestApp::new();
    let provider = app.provider("lf-amr");
    provider.push(ITEM, "v2", &penalty(1).csv()).ok();
    let tables = [
        "record_versions",
        "subjects",
        "subject_names",
        "subject_identifiers",
        "submission_batches",
        "batch_files",
        "quarantined_rows",
        "change_feed",
        "jobs",
    ];
    let counts = || tables.map(|t| app.count(&format!("SELECT count(*) FROM {t}")));
    let before = counts();
    let table = penalties(1, 4).set(1, "处罚类别", "打板子").set(2, "行政相对人名称", "别的名字有限公司").set(0, "处罚内容", "改");
    let dry = provider.post_bytes(&format!("/v1/batches?item={ITEM}&feed=v2&dry_run=true"), "text/csv", &table.csv()).ok();
    assert_eq!(counts(), before);
    assert_eq!(
        std::fs::read_dir(app.dir.path().join("spool")).unwrap().count(),
        0,
        "neither the loaded file nor the tried one stays in the spool"
    );
    let real = provider.push(ITEM, "v2", &table.csv()).ok();
    assert_eq!(dry["rows"], real["rows"]);
    assert_eq!(verdicts(&real), ["new_version", "refused", "accepted", "accepted"]);
}

#[test]
fn refused_rows_come_back_and_land_in_the_same_batch_once() {
    let app = TestApp::new();
    let provider = app.provider("lf-amr");
    let table = penalties(1, 5).set(1, "处罚类别", "打板子").set(3, "处罚决定日期", "2026-02-30");
    let batch = provider.push(ITEM, "v2", &table.csv()).ok()["batch"]["id"].as_str().unwrap().to_owned();

    let csv_bytes = provider.get(&format!("/v1/batches/{batch}/rejects.csv"));
    assert_eq!(csv_bytes.status, 200);
    let text = String::from_utf8(csv_bytes.bytes).unwrap();
    assert!(
        text.starts_with('\u{feff}')
            && text.contains("打板子")
            && text.contains("[code_unknown] 处罚类别")
            && text.contains("[date_format]"),
        "{text}"
    );
    assert!(!text.contains(&builders::party(1)), "only bad rows");

    // Still wrong: refused again, in the same batch.
    let still = provider.push(ITEM, "v2", text.as_bytes()).ok();
    assert_eq!((still["batch"]["id"].as_str(), verdicts(&still)), (Some(batch.as_str()), vec!["refused", "refused"]));
    assert_eq!(still["batch"]["in_quarantine"], 2);

    // Mended: both land, with their old row numbers.
    let mended = text.replace("打板子", "警告").replace("2026-02-30", "2026-11-17");
    let landed = provider.push(ITEM, "v2", mended.as_bytes()).ok();
    assert_eq!(verdicts(&landed), ["accepted", "accepted"]);
    assert_eq!(landed["rows"].as_array().unwrap().iter().map(|r| r["row"].as_u64().unwrap()).collect::<Vec<_>>(), [2, 4]);
    assert_eq!((&landed["batch"]["in_quarantine"], &landed["batch"]["counts"]["refused"]), (&json!(0), &json!(0)));
    assert_eq!(landed["batch"]["counts"]["accepted"], 5);
    assert_eq!(provider.push(ITEM, "v2", mended.as_bytes()).ok()["same_file"], true);
    assert_eq!(app.count("SELECT count(*) FROM record_versions"), 5);

    // A number twice, or none, is nobody's row.
    let lines: Vec<&str> = mended.lines().collect();
    let twice = format!("{}\n{}\n{}\n", lines[0], lines[1], lines[1]);
    provider.push(ITEM, "v2", twice.as_bytes()).problem(422, "mixed_batches");
    let none = mended.replacen(",2,", ",,", 1);
    provider.push(ITEM, "v2", none.as_bytes()).problem(422, "mixed_batches");

    // The sheet says the same, and comes back the same way.
    let sheet = provider.get(&format!("/v1/batches/{batch}/rejects.xlsx"));
    assert!(sheet.bytes.starts_with(b"PK"));

    // Nobody else gets the rows, nor can push into the batch.
    app.provider("ga-amr").get(&format!("/v1/batches/{batch}/rejects.csv")).problem(404, "not_found");
    let foreign = mended.replace("警告", "罚款");
    app.provider("ga-amr").push(ITEM, "v2", foreign.as_bytes()).problem(422, "mixed_batches");
    app.provider("lf-amr")
        .push(ITEM, "v2", mended.replacen(&batch, &uuid::Uuid::now_v7().to_string(), 1).as_bytes())
        .problem(422, "mixed_batches");
}

#[test]
fn rejects_as_a_sheet_are_read_back() {
    let app = TestApp::new();
    let provider = app.provider("lf-amr");
    let batch =
        provider.push(ITEM, "v2", &penalties(1, 2).set(1, "处罚类别", "打板子").csv()).ok()["batch"]["id"].as_str().unwrap().to_owned();
    let sheet = provider.get(&format!("/v1/batches/{batch}/rejects.xlsx")).bytes;
    let again = provider.push(ITEM, "v2", &sheet).ok();
    assert_eq!((again["batch"]["id"].as_str(), verdicts(&again)), (Some(batch.as_str()), vec!["refused"]));
}

#[test]
fn undoing_a_batch_takes_every_record_back_to_what_it_said_before() {
    let app = TestApp::new();
    let provider = app.provider("lf-amr");
    provider.push(ITEM, "v2", &penalties(1, 2).csv()).ok();
    app.at("2026-11-24T02:00:00Z");
    let second = penalties(1, 4).set(0, "处罚内容", "错").set(3, "处罚内容", "也错").csv();
    let batch = provider.push(ITEM, "v2", &second).ok()["batch"]["id"].as_str().unwrap().to_owned();
    // Row 4 is changed again since: that change is not the batch's to undo.
    app.at("2026-11-25T02:00:00Z");
    provider.push(ITEM, "v2", &penalty(4).csv()).ok();

    app.at("2026-11-26T02:00:00Z");
    provider.post(&format!("/v1/batches/{batch}/undo"), &json!({ "reason": " " })).problem(422, "reason_missing");
    app.provider("ga-amr").post(&format!("/v1/batches/{batch}/undo"), &json!({ "reason": "x" })).problem(404, "not_found");
    assert_eq!(provider.post(&format!("/v1/batches/{batch}/undo"), &json!({ "reason": "来源系统错误" })).status, 202);
    assert_eq!(provider.settled(&batch)["state"], "undone");

    let present = |n: u32| {
        app.sql(&format!(
            "SELECT state, data->>'CF_NR', change FROM record_versions WHERE known_to IS NULL AND data->>'CF_WSH' LIKE '%〕{n}号'"
        ))
    };
    let of = |n: u32| {
        let rows = present(n);
        assert_eq!(rows.len(), 1, "record {n}");
        (rows[0].get::<_, String>(0), rows[0].get::<_, String>(1), rows[0].get::<_, String>(2))
    };
    let expect = |a: &str, b: &str, c: &str| (a.to_owned(), b.to_owned(), c.to_owned());
    assert_eq!(of(1), expect("active", "罚款贰仟元", "undone"));
    assert_eq!(of(2), expect("active", "罚款贰仟元", "loaded"), "it was unchanged by the batch");
    assert_eq!(of(3), expect("withdrawn", "罚款贰仟元", "undone"));
    assert_eq!(of(4), expect("active", "罚款贰仟元", "loaded"));

    // What was said on each day can still be told.
    let file = |day: &str| {
        app.login(credence_core::Role::Auditor)
            .get(&format!("/v1/subjects/{}/file?known_at={day}T12:00:00Z&section=administrative_penalty", builders::party(1)))
            .ok()
    };
    assert_eq!(file("2026-11-23")["sections"][0]["statements"][0]["data"]["CF_NR"], "罚款贰仟元");
    assert_eq!(file("2026-11-24")["sections"][0]["statements"][0]["data"]["CF_NR"], "错");
    // Undone is undone; pushing the same file again is a new batch and works.
    provider.post(&format!("/v1/batches/{batch}/undo"), &json!({ "reason": "x" })).problem(409, "batch_not_open");
    let repushed = provider.push(ITEM, "v2", &second).ok();
    assert_eq!(
        (repushed["same_file"].as_bool(), verdicts(&repushed)),
        (Some(false), vec!["new_version", "unchanged", "new_version", "new_version"])
    );
}

#[test]
fn each_fault_of_a_row_is_named_by_its_rule() {
    let app = TestApp::new();
    for (column, value, rule) in [
        ("行政相对人代码_1（统一社会信用代码）", "91110000710925462Y", "uscc_check_char"),
        ("行政相对人代码_1（统一社会信用代码）", "000000000000000000", "uscc_placeholder"),
        ("行政相对人代码_1（统一社会信用代码）", "320404000009558", "uscc_legacy_number"),
        ("行政相对人代码_1（统一社会信用代码）", "9111000071O925462X", "uscc_format"),
        ("行政相对人名称", "无", "required"),
        ("行政相对人类别", "自然人", "code_unknown"),
        ("处罚决定日期", "2026-11-24", "date_in_future"),
        ("处罚决定日期", "26/11/01", "date_format"),
        ("公示截止期", "2026-11-01", "publicity_before_decision"),
        ("罚款金额（万元）", "2000元", "decimal_unit"),
        ("罚款金额（万元）", "-1", "decimal_negative"),
        ("罚款金额（万元）", "两千", "decimal_format"),
        ("罚款金额（万元）", "0.1234567", "decimal_digits"),
        ("罚款金额（万元）", "/", "required_if"),
        ("处罚类别", "罚款;吊销许可证件", "required_if"),
        ("行政处罚决定书文号", "\u{7}", "text_control_char"),
    ] {
        let row = tried(&app, column, value);
        assert_eq!((row["verdict"].as_str(), rules(&row)), (Some("refused"), vec![rule]), "{column} = {value}: {row}");
    }
    let long = "长".repeat(4001);
    assert_eq!(rules(&tried(&app, "处罚内容", &long)), ["text_too_long"]);
}

#[test]
fn what_is_odd_but_lawful_is_taken_with_a_warning() {
    let app = TestApp::new();
    let code = "行政相对人代码_1（统一社会信用代码）";
    for (column, value, expected) in [
        (code, "911100007109254631", vec!["uscc_inner_check"]),
        (code, "９１１１００００７１０９２５４６２Ｘ", vec![]),
        (code, "91110000 710925462x", vec![]),
        ("处罚决定日期", "46345", vec![]),
        ("罚款金额（万元）", "123456", vec!["amount_unit_suspect"]),
        ("违法事实", "当事人李某（身份证号11010519491231002X）无证经营", vec!["personal_number_in_text"]),
        ("备注", "暂无", vec![]),
    ] {
        let row = tried(&app, column, value);
        let verdict = if expected.is_empty() { "accepted" } else { "accepted_with_warnings" };
        assert_eq!((row["verdict"].as_str(), rules(&row)), (Some(verdict), expected), "{column} = {value}: {row}");
    }
    // Two things odd about one code, an unknown category and a wrong inner check: quarantine.
    let inner = credence_core::identifiers::org_code::check_char(b"MA000001").unwrap();
    let wrong = if inner == '0' { '1' } else { '0' };
    let body = format!("94131003MA000001{wrong}");
    let doubtful = format!("{body}{}", credence_core::identifiers::uscc::check_char(body.as_bytes()).unwrap());
    assert_eq!(rules(&tried(&app, code, &doubtful)), ["uscc_inner_check", "uscc_category", "uscc_doubtful"]);
}

#[test]
fn a_personal_number_in_a_text_never_rests_in_the_clear() {
    let app = TestApp::new();
    let provider = app.provider("lf-amr");
    provider
        .push(ITEM, "v2", &penalty(1).set(0, "违法事实", &format!("当事人（身份证号{}）无证经营", builders::resident_id(6))).csv())
        .ok();
    provider.push("administrative_penalty_person", "v2", &person_penalty(7).csv()).ok();
    provider.push("administrative_penalty_person", "v2", &person_penalty(8).set(0, "处罚类别", "打板子").csv()).ok();
    let numbers = [builders::resident_id(6), builders::resident_id(7), builders::resident_id(8)];
    let tables = app.sql("SELECT relname::text FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace");
    for table in tables {
        let table: String = table.get(0);
        for number in &numbers {
            let hits = app.count(&format!("SELECT count(*) FROM \"{table}\" t WHERE t::text LIKE '%{number}%'"));
            assert_eq!(hits, 0, "{number} rests in {table}");
        }
    }
}

#[test]
fn status_one_means_opposite_things_in_the_two_forms() {
    let app = TestApp::new();
    let provider = app.provider("lf-amr");
    let v1 = |n: u32, state: &str| {
        format!(
            "CF_WSH,CF_CFMC,CF_CFLB1,CF_CFLB2,CF_SY,CF_YJ,CF_XDR_MC,CF_XDR_SHXYM,CF_FR,CF_JG,CF_JDRQ,CF_XZJG,CF_ZT\n\
             廊旧字〔2026〕{n}号,某案,罚款,警告,事实,依据,廊坊市旧表有限公司,{},张某,罚款贰仟元,2026/05/04,廊坊市市场监督管理局,{state}\n",
            builders::party(n)
        )
    };
    provider.post_bytes(&format!("/v1/batches?item={ITEM}"), "text/csv", v1(1, "0").as_bytes()).problem(400, "feed_missing");
    for (n, state, kept) in [(1, "0", "active"), (2, "1", "withdrawn"), (3, "2", "disputed"), (4, "3", "unclear")] {
        let received = provider.push(ITEM, "v1", v1(n, state).as_bytes()).ok();
        assert_ne!(verdicts(&received), ["refused"], "{received}");
        let row = &app.sql(&format!("SELECT state, data->'CF_CFLB' FROM record_versions WHERE data->>'CF_WSH' LIKE '%〕{n}号'"))[0];
        assert_eq!(row.get::<_, String>(0), kept, "state {state}");
        assert_eq!(row.get::<_, Value>(1), json!(["罚款", "警告"]), "two columns of the old form feed one field");
    }
    assert_eq!(rules(&provider.push(ITEM, "v1", v1(5, "7").as_bytes()).ok()["rows"][0]), ["state_unknown"]);
    // The public sees the active and the disputed one, the latter with its mark.
    let total = |n: u32| {
        app.anonymous().get(&format!("/v1/subjects/{}/file?section=administrative_penalty", builders::party(n))).ok()["sections"][0].clone()
    };
    assert_eq!([1, 2, 3, 4].map(|n| total(n)["total"].as_i64().unwrap()), [1, 0, 1, 0]);
    assert_eq!(total(3)["statements"][0]["disputed"], true);
}

#[test]
fn an_example_row_left_in_the_template_is_refused() {
    let app = TestApp::new();
    let template = app.anonymous().get(&format!("/v1/catalog/{ITEM}/template.xlsx"));
    assert_eq!(template.status, 200);
    let received = app.provider("lf-amr").push(ITEM, "v2", &template.bytes).ok();
    assert_eq!(verdicts(&received), ["refused", "refused"]);
    assert_eq!(rules(&received["rows"][0]), ["example_row"]);
}

#[test]
fn larger_files_become_a_job_and_every_row_is_accounted_for() {
    let app = TestApp::with(|s| s.ingest.chunk_rows = 400);
    let provider = app.provider("lf-amr");
    let table = penalties(1, 1500).set(700, "处罚类别", "打板子");
    let answer = provider.push(ITEM, "v2", &table.csv());
    assert_eq!(answer.status, 202);
    let batch = answer.ok()["batch"]["id"].as_str().unwrap().to_owned();
    let settled = provider.settled(&batch);
    let file = &settled["files"][0];
    assert_eq!((&file["state"], &file["rows_total"], &file["rows_done"]), (&json!("completed"), &json!(1500), &json!(1500)));
    assert_eq!((&settled["counts"]["accepted"], &settled["in_quarantine"]), (&json!(1499), &json!(1)));
    let refused = provider.get(&format!("/v1/batches/{batch}/rows?verdict=refused")).ok();
    assert_eq!((refused["rows"][0]["row"].as_u64(), rules(&refused["rows"][0])), (Some(701), vec!["code_unknown"]));
    let mut seen = 0;
    let mut cursor = String::new();
    loop {
        let page = provider.get(&format!("/v1/batches/{batch}/rows?limit=200{cursor}")).ok();
        seen += page["rows"].as_array().unwrap().len();
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(seen, 1500);
    provider.get(&format!("/v1/batches/{batch}/rows?cursor=forged")).problem(400, "bad_cursor");
    provider.get(&format!("/v1/batches/{batch}/rows?limit=0")).problem(400, "bad_limit");
}

#[test]
fn only_who_owes_the_data_may_push_it() {
    let app = TestApp::new();
    let court_rows = "姓名/名称,类型,证件号码\n".as_bytes();
    app.provider("lf-amr").push("judgment_defaulter", "v1", court_rows).problem(403, "not_a_provider");
    app.anonymous().push(ITEM, "v2", &penalty(1).csv()).problem(401, "unauthenticated");
    app.key("lf-amr", credence_core::Role::Consumer).push(ITEM, "v2", &penalty(1).csv()).problem(403, "forbidden");
    let scoped = app.scoped_key("lf-amr", credence_core::Role::Provider, Some(vec!["honour".into()]), None);
    scoped.push(ITEM, "v2", &penalty(1).csv()).problem(403, "key_scope");
    app.provider("lf-amr").push("no_such_item", "v1", b"a,b\n1,2\n").problem(422, "item_unknown");
    app.provider("lf-amr").push(ITEM, "v9", &penalty(1).csv()).problem(422, "feed_unknown");
    // A key for one county refuses rows that another organ decided.
    let regional = app.scoped_key("lf-amr", credence_core::Role::Provider, None, Some(vec!["131022".into()]));
    assert_eq!(rules(&regional.push(ITEM, "v2", &penalty(1).csv()).ok()["rows"][0]), ["out_of_region"]);
    let county = penalty(2).set(0, "处罚机关统一社会信用代码", &builders::uscc("11", "131022", 6));
    assert_eq!(verdicts(&regional.push(ITEM, "v2", &county.csv()).ok()), ["accepted"]);
}

#[test]
fn nothing_is_stored_under_an_item_that_is_not_in_force_that_day() {
    let app = TestApp::new();
    app.at("2018-12-31T15:59:59Z");
    let body = penalty(1).set(0, "处罚决定日期", "2018-12-20").csv();
    app.provider("lf-amr").push(ITEM, "v2", &body).problem(422, "item_not_in_force");
    app.at("2018-12-31T16:00:00Z");
    let received = app.provider("lf-amr").push(ITEM, "v2", &body).ok();
    assert_eq!(verdicts(&received), ["accepted"]);
}
