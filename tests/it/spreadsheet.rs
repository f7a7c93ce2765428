//! Files as a spreadsheet program wrote them. `tests/fixtures/penalties.csv` is what the builders make; a spreadsheet program opened it and saved it
//! as XLSX, as XLS and as CSV in GBK (`scripts/spreadsheet-fixtures`). All four have to say the same.

use crate::support::TestApp;
use crate::support::builders::penalties;

const ITEM: &str = "administrative_penalty_organisation";
const ROWS: u32 = 25;

fn fixture(name: &str) -> Vec<u8> {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name);
    std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

#[test]
fn the_fixture_is_what_the_builders_make() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/penalties.csv");
    let made = penalties(1, ROWS).csv();
    if std::env::var_os("CREDENCE_WRITE_FIXTURES").is_some() {
        std::fs::write(&path, &made).unwrap();
    }
    assert!(fixture("penalties.csv") == made, "run scripts/spreadsheet-fixtures");
}

#[test]
fn what_a_spreadsheet_program_saved_says_the_same_in_every_format() {
    for (first, format, encoding) in
        [("penalties.xlsx", "xlsx", None), ("penalties.xls", "xls", None), ("penalties-gbk.csv", "csv", Some("gb18030"))]
    {
        let app = TestApp::new();
        let provider = app.provider("lf-amr");
        let received = provider.push(ITEM, "v2", &fixture(first)).ok();
        let file = &received["batch"]["files"][0];
        assert_eq!((file["format"].as_str(), file["encoding"].as_str()), (Some(format), encoding), "{first}");
        assert_eq!(received["batch"]["counts"]["accepted"], ROWS, "{first}: {}", received["rows"]);
        for again in ["penalties.csv", "penalties.xlsx", "penalties.xls", "penalties-gbk.csv"].into_iter().filter(|name| *name != first) {
            let received = provider.push(ITEM, "v2", &fixture(again)).ok();
            assert_eq!(received["batch"]["counts"]["unchanged"], ROWS, "{first}, then {again}: {}", received["rows"]);
        }
    }
}
