//! Files as programs write them, and files that are broken on purpose.

use crate::support::builders::{party, penalties, penalty, person_penalty, resident_id};
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
fn a_computed_amount_is_read_as_the_sheet_shows_it() {
    let app = TestApp::new();
    let table = penalty(1).set(0, "罚款金额（万元）", "0.3");
    let mut book = rust_xlsxwriter::Workbook::new();
    let sheet = book.add_worksheet();
    for (c, (header, value)) in (0u16..).zip(table.header.iter().zip(&table.rows[0])) {
        sheet.write_string(0, c, header).unwrap();
        if header == "罚款金额（万元）" {
            // 0.30000000000000004, as any program computes it.
            sheet.write_number(1, c, 0.1 + 0.2).unwrap();
        } else {
            sheet.write_string(1, c, value).unwrap();
        }
    }
    let received = push(&app, &book.save_to_buffer().unwrap()).ok();
    assert_eq!(received["rows"][0]["verdict"], "accepted", "{received}");
    assert_eq!(push(&app, &table.csv()).ok()["rows"][0]["verdict"], "unchanged", "the sheet's number is the text's");
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
    let unknown = push(&app, &penalty(2).rename("备注", "内部备注").csv()).problem(422, "header_unknown");
    assert_eq!(unknown["columns"], json!(["内部备注"]));
    let ignored = app.provider("lf-amr").post_bytes(
        &format!("/v1/batches?item={ITEM}&feed=v2&ignore=%E5%86%85%E9%83%A8%E5%A4%87%E6%B3%A8"),
        "text/csv",
        &penalty(2).rename("备注", "内部备注").csv(),
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
fn what_may_never_be_collected_is_not_taken_even_to_be_left_out() {
    let app = TestApp::new();
    let provider = app.provider("lf-amr");
    let table = penalty(1).rename("备注", "宗教信仰");
    let ignoring = format!("/v1/batches?item={ITEM}&feed=v2&ignore=%E5%AE%97%E6%95%99%E4%BF%A1%E4%BB%B0");
    for body in [table.csv(), table.gbk(), table.xlsx()] {
        assert_eq!(push(&app, &body).problem(422, "column_prohibited")["columns"], json!(["宗教信仰"]));
        provider.post_bytes(&ignoring, "application/octet-stream", &body).problem(422, "column_prohibited");
    }
    assert_eq!(app.count("SELECT count(*) FROM submission_batches"), 0);
    // A JSON file has no header; the first row that names it refuses the file.
    provider.post_bytes(&ignoring, "application/octet-stream", &table.json()).problem(422, "column_prohibited");
    assert_eq!(app.count("SELECT count(*) FROM record_versions"), 0);
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
    // Cells that belong to no column are one row's fault and not the file's.
    let received = push(&app, surplus.as_bytes()).ok();
    assert_eq!((&received["rows"][0]["verdict"], &received["rows"][0]["issues"][0]["rule"]), (&json!("refused"), &json!("unknown_field")));
}

#[test]
fn a_row_that_does_not_end_is_refused_before_it_fills_the_memory() {
    let app = TestApp::with(|s| s.ingest.row_bytes_max = 100_000);
    let mut text = String::from_utf8(penalty(1).csv()).unwrap();
    let endless = "x".repeat(3 << 20);
    text.push_str(&format!("\"{endless}"));
    push(&app, text.as_bytes()).problem(413, "row_too_long");
    push(&app, format!("[{{\"CF_WSH\": \"{endless}\"}}]").as_bytes()).problem(413, "row_too_long");
}

#[test]
fn sheets_are_held_to_limits_of_their_own() {
    let app = TestApp::with(|s| {
        s.ingest.workbook_unpacked_bytes_max = 20_000;
        s.ingest.xls_bytes_max = 100;
    });
    let mut xls = vec![0xD0, 0xCF, 0x11, 0xE0, 0xA1, 0xB1, 0x1A, 0xE1];
    xls.resize(200, 0);
    push(&app, &xls).problem(413, "file_too_large");
    let mut book = rust_xlsxwriter::Workbook::new();
    let sheet = book.add_worksheet();
    for row in 0..2_000 {
        sheet.write_string(row, 0, format!("第{row}行")).unwrap();
    }
    push(&app, &book.save_to_buffer().unwrap()).problem(413, "file_too_large");
}

#[test]
fn json_rows_with_unknown_or_list_fields() {
    let app = TestApp::new();
    let mut rows: Vec<Value> = serde_json::from_slice(&penalties(1, 2).json()).unwrap();
    rows[0]["处罚类别"] = json!(["罚款", "警告"]);
    rows[0]["罚款金额（万元）"] = json!(0.2);
    rows[1]["门牌颜色"] = json!("蓝");
    let received = push(&app, &serde_json::to_vec(&rows).unwrap()).ok();
    assert_eq!(received["rows"][0]["verdict"], "accepted", "{received}");
    assert_eq!(received["rows"][1]["issues"][0]["rule"], "unknown_field");
    let row = &app.sql("SELECT data->'CF_CFLB' FROM record_versions")[0];
    assert_eq!(row.get::<_, Value>(0), json!(["罚款", "警告"]));
    rows[1]["血型"] = json!("A");
    push(&app, &serde_json::to_vec(&rows).unwrap()).problem(422, "column_prohibited");
}

#[test]
fn issues_never_show_a_personal_number() {
    let app = TestApp::new();
    let bad = person_penalty(1).set(0, "证件号码", "110105194912310021");
    let received = app.provider("lf-amr").push("administrative_penalty_person", "v2", &bad.csv()).ok();
    let issue = &received["rows"][0]["issues"][0];
    assert_eq!((&issue["rule"], &issue["value"]), (&json!("person_document_check_char"), &json!("110105********0021")));
}

#[test]
fn a_personal_number_in_the_wrong_field_never_appears_in_issues() {
    let app = TestApp::new();
    let provider = app.provider("lf-amr");
    let number = resident_id(1);
    let spaced = format!("{} {} {}", &number[..6], &number[6..14], &number[14..]);
    let wide: String =
        number.chars().map(|c| if c.is_ascii_digit() { char::from_u32(u32::from(c) + 0xFEE0).unwrap() } else { c }).collect();
    let never = |received: &Value| {
        let text = received.to_string();
        for form in [&number, &spaced, &wide, &number[6..].to_owned()] {
            assert!(!text.contains(form.as_str()), "{form} in {received}");
        }
    };
    for column in ["行政相对人类别", "处罚类别", "处罚决定日期", "罚款金额（万元）", "处罚机关统一社会信用代码"]
    {
        // The last one would be cut within the number.
        for text in [number.clone(), spaced.clone(), wide.clone(), format!("{}{number}", "长".repeat(50))] {
            let received = push(&app, &penalty(1).set(0, column, &text).csv()).ok();
            assert_eq!(received["rows"][0]["verdict"], "refused", "{column}: {received}");
            never(&received);
        }
    }
    let long = push(&app, &penalty(1).set(0, "处罚类别", &"长".repeat(3000)).csv()).ok();
    assert!(long.to_string().chars().filter(|c| *c == '长').count() <= 4 * 60, "messages quote the beginning only");
    // As the name of a JSON member, and as the status of an older form, which no field of the item holds.
    let mut rows: Vec<Value> = serde_json::from_slice(&penalty(1).json()).unwrap();
    rows[0][number.as_str()] = json!("x");
    let member = push(&app, &serde_json::to_vec(&rows).unwrap()).ok();
    assert_eq!(member["rows"][0]["issues"][0]["rule"], "unknown_field");
    never(&member);
    let older = format!(
        "CF_WSH,CF_CFMC,CF_CFLB1,CF_CFLB2,CF_SY,CF_YJ,CF_XDR_MC,CF_XDR_SHXYM,CF_FR,CF_JG,CF_JDRQ,CF_XZJG,CF_ZT\n\
         廊旧字〔2018〕1号,某案,罚款,警告,事实,依据,廊坊市旧表有限公司,{},张某,罚款贰仟元,2018/05/04,廊坊市市场监督管理局,{number}\n",
        party(1)
    );
    let status = provider.push(ITEM, "v1", older.as_bytes()).ok();
    assert_eq!(status["rows"][0]["issues"][0]["rule"], "state_unknown", "{status}");
    never(&status);
}

/// Rule codes of the first row of a dry run.
fn tried(app: &TestApp, agency: &str, item: &str, feed: &str, body: &[u8]) -> Vec<String> {
    let path = format!("/v1/batches?item={item}&feed={feed}&dry_run=true&encoding=utf-8");
    let received = app.provider(agency).post_bytes(&path, "text/csv", body).ok();
    let issues = received["rows"][0]["issues"].as_array().cloned().unwrap_or_default();
    issues.iter().map(|i| i["rule"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_kind_of_licence_may_be_followed_by_what_it_is() {
    let app = TestApp::new();
    let code = "administrative_licence_organisation";
    let configuration = app.app.catalog.configuration.get();
    let item = &configuration.items[code].item;
    let table = |kind: &str| {
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer.write_record(item.fields.iter().map(|f| f.name.as_str())).unwrap();
        let row = item.fields.iter().map(|f| match f.code.as_str() {
            "XK_XDR_MC" => "廊坊备案有限公司",
            "XK_XKLB" => kind,
            _ => f.examples[0].as_str(),
        });
        writer.write_record(row).unwrap();
        writer.into_inner().unwrap()
    };
    let provider = app.provider("lf-approval");
    let first = provider.push(code, "v2", &table("其他（备案）")).ok();
    assert_ne!(first["rows"][0]["verdict"], "refused", "{first}");
    for same in ["其他(备案)", "其他:备案", "其他：备案", "其它（ 备案 ）"] {
        assert_eq!(provider.push(code, "v2", &table(same)).ok()["rows"][0]["verdict"], "unchanged", "{same}");
    }
    assert_eq!(app.sql("SELECT data->>'XK_XKLB' FROM record_versions")[0].get::<_, String>(0), "其他（备案）");
    for bad in ["其他（）", "普通（备案）", "备案"] {
        assert_eq!(tried(&app, "lf-approval", code, "v2", &table(bad)), ["code_unknown"], "{bad}");
    }
    let with_number = table(&format!("其他（{}）", resident_id(1)));
    assert_eq!(tried(&app, "lf-approval", code, "v2", &with_number), ["personal_number_in_text"]);
}

#[test]
fn a_value_outside_its_period_is_taken_with_a_warning() {
    let app = TestApp::new();
    let amount = "没收违法所得、没收非法财物的金额（万元）";
    let warning = vec!["code_out_of_period"];
    for (kind, decided, expected) in [
        ("通报批评;罚款", "2021-07-14", warning.clone()),
        ("通报批评;罚款", "2021-07-15", vec![]),
        ("没收违法所得、没收非法财物", "2021-07-14", vec![]),
        ("没收违法所得、没收非法财物", "2021-07-15", warning),
    ] {
        let table = penalty(1).set(0, "处罚类别", kind).set(0, amount, "0.1").set(0, "处罚决定日期", decided);
        assert_eq!(tried(&app, "lf-amr", ITEM, "v2", &table.csv()), expected, "{kind} {decided}");
    }
}

#[test]
fn one_column_of_codes_says_whose_each_is_or_is_asked() {
    let app = TestApp::new();
    let (person, organisation) = ("自然人", "法人及非法人组织");
    // An unknown category and a wrong inner check, as in the column for the code alone.
    let inner = credence_core::identifiers::org_code::check_char(b"MA000001").unwrap();
    let body = format!("94131003MA000001{}", if inner == '0' { '1' } else { '0' });
    let doubtful = format!("{body}{}", credence_core::identifiers::uscc::check_char(body.as_bytes()).unwrap());
    // 131099 is in no list of area codes.
    let unknown_area = "13109919500102001";
    let unknown_area = format!("{unknown_area}{}", credence_core::identifiers::person::check_char(unknown_area).unwrap());
    let numbers = (unknown_area, party(1), doubtful);
    let (nobody, known, doubtful) = (numbers.0.as_str(), numbers.1.as_str(), numbers.2.as_str());
    for (of, number, kind, expected) in [
        (person, "11010519491231002X", "", vec![]),
        (person, "11010519491231002x", "身份证", vec![]),
        (person, "130503670401001", "", vec![]),
        (person, nobody, "", vec!["person_area_unknown"]),
        (person, "H12345678", "", vec![]),
        (person, "913826199001010012", "", vec![]),
        (person, "USA123456789012", "", vec![]),
        (person, "E12345678", "护照", vec![]),
        (person, "12345678", "台湾居民来往大陆通行证", vec![]),
        (person, "E12345678", "", vec!["person_document_ambiguous"]),
        (person, "12345678", "", vec!["person_document_ambiguous"]),
        (person, "E12345678", "学生证", vec!["person_document_kind"]),
        (person, "110105194912310021", "", vec!["person_document_check_char"]),
        (organisation, known, "", vec![]),
        (organisation, known, "营业执照", vec![]),
        (organisation, "911100007109254631", "", vec!["uscc_inner_check"]),
        (organisation, doubtful, "", vec!["uscc_inner_check", "uscc_category", "uscc_doubtful"]),
        (organisation, "320382000007600", "", vec!["subject_unmatched"]),
        (organisation, "320404000009558", "", vec!["code_ambiguous", "subject_unmatched"]),
        (organisation, "11010519491231002X", "", vec!["uscc_check_char"]),
    ] {
        let row = format!(
            "姓名/名称,类型,证件号码,证件类型,执行法院,案号,被执行人的履行情况,失信行为具体情形,立案时间,发布时间\n\
             某某,{of},{number},{kind},廊坊市中级人民法院,（2026）冀10执1号,全部未履行,违反财产报告制度,2026-10-08,2026年11月20日\n"
        );
        assert_eq!(tried(&app, "lf-court", "judgment_defaulter", "v1", row.as_bytes()), expected, "{of} {number} {kind}");
    }
}

#[test]
fn a_person_is_one_subject_whatever_the_document_is_called() {
    let app = TestApp::new();
    for (n, kind) in [(1, "身份证"), (2, "港澳台居民居住证")] {
        let table = person_penalty(n).set(0, "证件类型", kind).set(0, "证件号码", "810000199001010019");
        let received = app.provider("lf-amr").push("administrative_penalty_person", "v2", &table.csv()).ok();
        assert_eq!(received["rows"][0]["verdict"], "accepted", "{received}");
    }
    assert_eq!(app.count("SELECT count(*) FROM subjects"), 1);
    assert_eq!(app.count("SELECT count(*) FROM subject_identifiers WHERE scheme = 'hmt_residence_permit'"), 1);
}
