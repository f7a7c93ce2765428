//! Files as programs write them, and files that are broken on purpose.

use crate::support::builders::{penalties, penalty, person_penalty};
use crate::support::{Answer, TestApp};
use serde_json::{Value, json};
use std::io::Write;

const ITEM: &str = "administrative_penalty_organisation";

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn push(app: &TestApp, body: &[u8]) -> Answer {
    app.provider("lf-amr").push(ITEM, "v2", body)
}

#[test]
fn one_table_in_every_format_is_one_set_of_records() {
    let app = TestApp::new();
    let table = penalties(1, 3);
    let mut bom = vec![0xEF, 0xBB, 0xBF];
    bom.extend(table.csv());
    let utf8_text = String::from_utf8(table.csv()).unwrap();
    let cases: Vec<(&str, Vec<u8>, &str, Option<&str>)> = vec![
        ("csv", table.csv(), "csv", Some("utf-8")),
        ("csv with a byte order mark", bom, "csv", Some("utf-8")),
        ("gbk", table.gbk(), "csv", Some("gb18030")),
        ("tabs", utf8_text.replace(',', "\t").into_bytes(), "csv", Some("utf-8")),
        ("crlf", utf8_text.replace('\n', "\r\n").into_bytes(), "csv", Some("utf-8")),
        ("gzip", gzip(&table.csv()), "csv", Some("utf-8")),
        ("gzipped gbk", gzip(&table.gbk()), "csv", Some("gb18030")),
        ("xlsx", table.xlsx(), "xlsx", None),
        ("json", table.json(), "json", Some("utf-8")),
        ("ndjson", table.ndjson(), "ndjson", Some("utf-8")),
    ];
    for (at, (what, body, format, encoding)) in cases.into_iter().enumerate() {
        let received = push(&app, &body).ok();
        let file = &received["batch"]["files"][0];
        assert_eq!((file["format"].as_str(), file["encoding"].as_str()), (Some(format), encoding), "{what}");
        let expected = if at == 0 { "accepted" } else { "unchanged" };
        let verdicts: Vec<&str> = received["rows"].as_array().unwrap().iter().map(|r| r["verdict"].as_str().unwrap()).collect();
        assert_eq!(verdicts, [expected; 3], "{what}: {received}");
    }
}

#[test]
fn multipart_is_the_same_as_the_bare_body() {
    let app = TestApp::new();
    let mut body = b"--xyz\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.csv\"\r\nContent-Type: text/csv\r\n\r\n".to_vec();
    body.extend(penalty(1).csv());
    body.extend(b"\r\n--xyz--\r\n");
    let provider = app.provider("lf-amr");
    let path = format!("/v1/batches?item={ITEM}&feed=v2");
    let received = provider.post_bytes(&path, "multipart/form-data; boundary=xyz", &body).ok();
    assert_eq!((&received["batch"]["files"][0]["file_name"], &received["batch"]["counts"]["accepted"]), (&json!("a.csv"), &json!(1)));
    provider.post_bytes(&path, "multipart/form-data; boundary=xyz", b"--xyz--\r\n").problem(400, "malformed_request");
}

#[test]
fn a_sheet_with_a_title_real_dates_and_numbers_is_read() {
    let app = TestApp::new();
    let table = penalty(1);
    let mut book = rust_xlsxwriter::Workbook::new();
    let sheet = book.add_worksheet();
    sheet.merge_range(0, 0, 0, 5, "廊坊市行政处罚信息公示表", &rust_xlsxwriter::Format::new()).unwrap();
    let date = rust_xlsxwriter::Format::new().set_num_format("yyyy/m/d");
    for (c, (header, value)) in (0u16..).zip(table.header.iter().zip(&table.rows[0])) {
        sheet.write_string(1, c, header).unwrap();
        match header.as_str() {
            "处罚决定日期" => drop(
                sheet.write_datetime_with_format(2, c, rust_xlsxwriter::ExcelDateTime::from_ymd(2026, 11, 18).unwrap(), &date).unwrap(),
            ),
            "罚款金额（万元）" => drop(sheet.write_number(2, c, 0.2).unwrap()),
            _ => drop(sheet.write_string(2, c, value).unwrap()),
        }
    }
    let received = push(&app, &book.save_to_buffer().unwrap()).ok();
    assert_eq!(received["rows"][0]["verdict"], "accepted", "{received}");
    assert_eq!(push(&app, &table.csv()).ok()["rows"][0]["verdict"], "unchanged", "the sheet's date and number are the text's");
}

#[test]
fn a_code_that_a_spreadsheet_rounded_is_refused_even_when_it_passes_the_check() {
    let app = TestApp::new();
    let code = "行政相对人代码_1（统一社会信用代码）";
    // 911310251095003000 and its like: what a spreadsheet makes of eighteen digits typed as a number.
    let rounded = (0u64..10_000)
        .map(|n| 911_310_251_095_000_000 + n * 1000)
        .find(|n| credence_core::identifiers::Uscc::parse(&n.to_string(), &credence_core::identifiers::uscc::UsccRules::default()).is_ok());
    let table = penalty(1);
    let mut book = rust_xlsxwriter::Workbook::new();
    let sheet = book.add_worksheet();
    for (c, (header, value)) in (0u16..).zip(table.header.iter().zip(&table.rows[0])) {
        sheet.write_string(0, c, header).unwrap();
        if header == code {
            sheet.write_number(1, c, rounded.unwrap() as f64).unwrap();
        } else {
            sheet.write_string(1, c, value).unwrap();
        }
    }
    let received = push(&app, &book.save_to_buffer().unwrap()).ok();
    assert_eq!(received["rows"][0]["issues"][0]["rule"], "digits_lost", "{received}");
    let scientific = push(&app, &penalty(2).set(0, code, "9.11310251095003E+017").csv()).ok();
    assert_eq!(scientific["rows"][0]["issues"][0]["rule"], "digits_lost", "{scientific}");
    // A JSON number is exact.
    let mut rows: Vec<Value> = serde_json::from_slice(&penalty(3).json()).unwrap();
    rows[0][code] = serde_json::from_str("911100001000054748").unwrap();
    assert_eq!(push(&app, &serde_json::to_vec(&rows).unwrap()).ok()["rows"][0]["verdict"], "accepted");
}

#[test]
fn headers_are_known_by_code_name_and_their_variants() {
    let app = TestApp::new();
    let table = penalty(1)
        .rename("行政相对人代码_1（统一社会信用代码）", "行政相对人代码_1 (统一社会信用代码)")
        .rename("行政处罚决定书文号", "CF_WSH")
        .rename("罚款金额（万元）", "罚款金额(万元)")
        .rename("处罚内容", "*处罚内容 ");
    assert_eq!(push(&app, &table.csv()).ok()["rows"][0]["verdict"], "accepted");
    let unknown = push(&app, &penalty(2).rename("备注", "宗教信仰").csv()).problem(422, "header_unknown");
    assert_eq!(unknown["columns"], json!(["宗教信仰"]));
    let ignored = app.provider("lf-amr").post_bytes(
        &format!("/v1/batches?item={ITEM}&feed=v2&ignore=%E5%AE%97%E6%95%99%E4%BF%A1%E4%BB%B0"),
        "text/csv",
        &penalty(2).rename("备注", "宗教信仰").csv(),
    );
    assert_eq!(ignored.ok()["rows"][0]["verdict"], "accepted");
    assert_eq!(push(&app, &penalty(3).rename("备注", "CF_NR").csv()).problem(422, "header_ambiguous")["column"], "CF_NR");
    let mut narrow = penalty(4);
    narrow.header.truncate(5);
    narrow.rows[0].truncate(5);
    assert!(push(&app, &narrow.csv()).problem(422, "header_missing")["columns"].as_array().unwrap().contains(&json!("处罚决定日期")));
    push(&app, "甲,乙\n1,2\n".as_bytes()).problem(422, "header_not_found");
}

#[test]
fn an_encoding_is_proved_or_asked_for_but_never_guessed() {
    let app = TestApp::new();
    let provider = app.provider("lf-amr");
    // All-ASCII headers and one word that reads in both encodings: 「浜屽崄」 in GB18030, 「二十」 in UTF-8.
    let codes = "CF_XDR_MC,CF_WSH\n二十,1\n";
    let undecidable = provider.push(ITEM, "v2", codes.as_bytes()).problem(422, "encoding_undecidable");
    assert_eq!(undecidable["samples"]["utf-8"][1], "二十,1");
    assert_eq!(undecidable["samples"]["gb18030"][1], "浜屽崄,1");
    provider
        .post_bytes(&format!("/v1/batches?item={ITEM}&feed=v2&encoding=utf-8"), "text/csv", codes.as_bytes())
        .problem(422, "header_missing");
    provider
        .post_bytes(&format!("/v1/batches?item={ITEM}&feed=v2&encoding=latin1"), "text/csv", codes.as_bytes())
        .problem(400, "encoding_unknown");
    // A byte that fits neither is refused with its place; no replacement character is ever stored.
    let mut broken = penalty(1).csv();
    broken.extend([0xFF, 0xFF, b'\n']);
    let invalid = provider.push(ITEM, "v2", &broken).problem(422, "encoding_invalid");
    assert_eq!(invalid["utf8_error_at"].as_u64(), Some(broken.len() as u64 - 3));
    let stated = provider.post_bytes(&format!("/v1/batches?item={ITEM}&feed=v2&encoding=utf-8"), "text/csv", &penalty(1).gbk());
    stated.problem(422, "file_corrupt");
    assert_eq!(app.count("SELECT count(*) FROM submission_batches"), 0);
}

#[test]
fn every_limit_is_enforced_with_its_own_problem_and_stores_nothing() {
    let app = TestApp::with(|s| {
        s.ingest.body_bytes_max = 200_000;
        s.ingest.rows_max = 20;
        s.ingest.columns_max = 30;
        s.ingest.cell_chars_max = 5000;
        s.ingest.compression_ratio_max = 20;
        s.ingest.decompressed_bytes_max = 3 << 20;
    });
    push(&app, &vec![b'a'; 200_001]).problem(413, "file_too_large");
    assert_eq!(push(&app, &penalties(1, 21).csv()).problem(413, "too_many_rows")["limit"], 20);
    assert_eq!(push(&app, &penalty(1).set(0, "备注", &"x".repeat(5001)).csv()).problem(413, "cell_too_long")["row"], 1);
    push(&app, &gzip(&vec![b'a'; 2 << 20])).problem(413, "compression_ratio");
    let wide = (0..31).map(|n| format!("列{n}")).collect::<Vec<_>>().join(",");
    let mut wide_known = penalty(1);
    wide_known.header.extend((0..20).map(|_| "备注".to_owned()));
    wide_known.rows[0].extend((0..20).map(|_| String::new()));
    push(&app, &wide_known.csv()).problem(413, "too_many_columns");
    push(&app, wide.as_bytes()).problem(422, "header_not_found");
    assert_eq!(app.count("SELECT count(*) FROM submission_batches"), 0);
    assert_eq!(app.count("SELECT count(*) FROM change_feed WHERE topic LIKE 'batch%'"), 0);
    let left = std::fs::read_dir(app.dir.path().join("spool")).unwrap().count();
    assert_eq!(left, 0, "a refused upload leaves nothing in the spool");
}

#[test]
fn what_unpacks_to_more_than_allowed_is_refused() {
    let app = TestApp::with(|s| {
        s.ingest.compression_ratio_max = u64::MAX;
        s.ingest.decompressed_bytes_max = 1 << 20;
    });
    assert_eq!(push(&app, &gzip(&vec![b'a'; 2 << 20])).problem(413, "file_too_large")["limit_bytes"], 1 << 20);
}

#[test]
fn an_agency_cannot_queue_without_end() {
    let app = TestApp::with(|s| {
        s.ingest.open_batches_per_agency_max = 0;
    });
    push(&app, &penalty(1).csv()).problem(429, "too_many_batches");
}

#[test]
fn broken_files_are_told_apart() {
    let app = TestApp::new();
    push(&app, b"").problem(422, "empty_file");
    push(&app, &penalties(1, 1).csv()[..penalty(1).csv().iter().position(|b| *b == b'\n').unwrap() + 1]).problem(422, "empty_file");
    push(&app, b"%PDF-1.7\n\x00\x01").problem(415, "format_unknown");
    push(&app, b"PK\x03\x04 this is no zip").problem(422, "file_corrupt");
    push(&app, &gzip(&penalty(1).csv())[..40]).problem(422, "file_corrupt");
    push(&app, b"[{\"CF_WSH\": \"1\"").problem(422, "file_corrupt");
    push(&app, b"[1, 2]").problem(422, "file_corrupt");
    push(&app, b"[{\"CF_WSH\": {\"a\": 1}}]").problem(422, "too_deep");
    let deep = format!("[{{\"CF_WSH\": {}1{}}}]", "[".repeat(500), "]".repeat(500));
    push(&app, deep.as_bytes()).problem(422, "file_corrupt");
    let mut surplus = String::from_utf8(penalty(1).csv()).unwrap();
    surplus.truncate(surplus.trim_end().len());
    surplus.push_str(",x,y\n");
    push(&app, surplus.as_bytes()).problem(422, "file_corrupt");
}

#[test]
fn json_rows_with_unknown_or_list_fields() {
    let app = TestApp::new();
    let mut rows: Vec<Value> = serde_json::from_slice(&penalties(1, 2).json()).unwrap();
    rows[0]["处罚类别"] = json!(["罚款", "警告"]);
    rows[0]["罚款金额（万元）"] = json!(0.2);
    rows[1]["血型"] = json!("A");
    let received = push(&app, &serde_json::to_vec(&rows).unwrap()).ok();
    assert_eq!(received["rows"][0]["verdict"], "accepted", "{received}");
    assert_eq!(received["rows"][1]["issues"][0]["rule"], "unknown_field");
    let row = &app.sql("SELECT data->'CF_CFLB' FROM record_versions")[0];
    assert_eq!(row.get::<_, Value>(0), json!(["罚款", "警告"]));
}

#[test]
fn issues_never_show_a_personal_number() {
    let app = TestApp::new();
    let bad = person_penalty(1).set(0, "证件号码", "110105194912310021");
    let received = app.provider("lf-amr").push("administrative_penalty_person", "v2", &bad.csv()).ok();
    let issue = &received["rows"][0]["issues"][0];
    assert_eq!((&issue["rule"], &issue["value"]), (&json!("person_document_check_char"), &json!("110105********0021")));
}
