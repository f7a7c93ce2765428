//! The catalogue: what may be held is data, and what may never be held cannot become data.

use crate::support::TestApp;
use credence_catalog::Folder;
use credence_core::Actor;
use credence_gateway::shipped::Files;

const NEW_ITEM: &str = r#"
code = "water_arrears"
name = "用水欠费公示"
name_en = "Water arrears"
heading = "合同履行信息"
section = "other"
nature = "adverse"
subject_kinds = ["legal_entity", "other_organisation"]
provider_kinds = ["market_regulation"]
disclosure = "public"
coverage = "廊坊市"
update_cycle = "每月"
behaviour = "拖欠"
channel = "报送"
legal_basis = ["《城市供水条例》"]
state = "published"
effective_from = 2026-01-01
[[feeds]]
version = "v1"
[[fields]]
code = "NAME"
name = "单位名称"
name_en = "Name"
type = "text"
required = true
role = "subject_name"
examples = ["甲", "乙"]
[[fields]]
code = "CODE"
name = "信用代码"
name_en = "Code"
type = "uscc"
required = true
role = "subject_uscc"
examples = ["", ""]
[[fields]]
code = "PERIOD"
name = "欠费期间"
name_en = "Period"
type = "text"
required = true
key = true
examples = ["2026-01", "2026-02"]
"#;

fn apply(app: &TestApp, files: &[(&str, &str)]) -> credence_core::problem::Result<credence_catalog::Applied> {
    let folder = Folder::read(files.iter().copied());
    let now = app.app.clock.now();
    app.block_on(app.app.db.write(async |tx| credence_catalog::apply(tx, &Actor::system("test"), &folder, now).await))
}

#[test]
fn an_item_added_at_run_time_is_ingested_without_a_line_of_code() {
    let app = TestApp::new();
    let provider = app.provider("lf-amr");
    let rows = format!("单位名称,信用代码,欠费期间\n廊坊市欠费有限公司,{},2026-10\n", crate::support::builders::party(1));
    provider.push("water_arrears", "v1", rows.as_bytes()).problem(422, "item_unknown");
    let applied = apply(&app, &[("catalog/water.toml", NEW_ITEM)]).unwrap();
    assert_eq!(applied.added, ["catalog_item water_arrears"]);
    assert_eq!(provider.push("water_arrears", "v1", rows.as_bytes()).ok()["batch"]["counts"]["accepted"], 1);
    let file = app.anonymous().get(&format!("/v1/subjects/{}/file?section=other", crate::support::builders::party(1))).ok();
    assert_eq!(file["sections"][0]["statements"][0]["data"]["PERIOD"], "2026-10");
    // Applied again, nothing changes; retired, nothing more is stored under it.
    assert_eq!(apply(&app, &[("catalog/water.toml", NEW_ITEM)]).unwrap().unchanged, 1);
    apply(&app, &[("catalog/water.toml", &NEW_ITEM.replace("published", "retired"))]).unwrap();
    provider.push("water_arrears", "v1", rows.replace("2026-10", "2026-11").as_bytes()).problem(422, "item_not_in_force");
    assert_eq!(app.count("SELECT count(*) FROM config_documents WHERE code = 'water_arrears'"), 2);
}

#[test]
fn what_may_never_be_collected_is_refused_as_an_item() {
    let app = TestApp::new();
    let about_persons = NEW_ITEM
        .replace("[\"legal_entity\", \"other_organisation\"]", "[\"natural_person\"]")
        .replace("disclosure = \"public\"", "disclosure = \"gov_shared\"");
    for term in ["宗教信仰", "血型", "指纹", "基因", "病史"] {
        let item = about_persons.replace("欠费期间", term);
        let problem = apply(&app, &[("catalog/x.toml", &item)]).unwrap_err();
        assert!(problem.details["faults"].to_string().contains(term), "{term}: {problem}");
    }
    // Wherever something is called so, in any writing.
    for item in [
        about_persons.replace("name = \"欠费期间\"", "name = \"欠费期间\"\nheaders = [\"血　型\"]"),
        about_persons.replace("Water arrears", "Blood types"),
        about_persons.replace("code = \"PERIOD\"", "code = \"BLOOD_TYPE\""),
        about_persons.replace("\"v1\"\n", "\"v1\"\n[[feeds.columns]]\ncode = \"XX\"\nname = \"既往病史\"\nto = \"PERIOD\"\n"),
    ] {
        let problem = apply(&app, &[("catalog/x.toml", &item)]).unwrap_err();
        assert!(problem.details["faults"].to_string().contains("may never be collected"), "{problem}: {item}");
    }
    // A law that forbids names what it forbids; organisations have no religion.
    let shipped = Files::shipped().folder();
    let law = about_persons.replace("《城市供水条例》", "《禁止归集宗教信仰的规定》");
    for item in [law, NEW_ITEM.replace("欠费期间", "疾病预防控制期间")] {
        let faults = Folder::read([("catalog/x.toml", item.as_str())]).faults_beside(&shipped.documents);
        assert_eq!(faults, Vec::<String>::new(), "{item}");
    }
    assert!(
        apply(&app, &[("catalog/x.toml", &NEW_ITEM.replace("[\"《城市供水条例》\"]", "[]"))]).unwrap_err().details["faults"]
            .to_string()
            .contains("legal_basis")
    );
    assert!(
        apply(&app, &[("catalog/x.toml", &NEW_ITEM.replace("nature =", "natur ="))]).unwrap_err().details["faults"]
            .to_string()
            .contains("natur")
    );
    assert_eq!(app.count("SELECT count(*) FROM config_documents WHERE code = 'water_arrears'"), 0);
}

#[test]
fn what_needs_written_consent_is_refused_without_a_field_for_its_reference() {
    let app = TestApp::new();
    let income = NEW_ITEM
        .replace("[\"legal_entity\", \"other_organisation\"]", "[\"natural_person\"]")
        .replace("disclosure = \"public\"", "disclosure = \"authorised\"")
        .replace("欠费期间", "收入");
    let faults = |item: &str| apply(&app, &[("catalog/x.toml", item)]).unwrap_err().details["faults"].to_string();
    assert!(faults(&income).contains("needs the person's written consent"));
    let consented = income.replace("state = \"published\"", "written_consent = true\nstate = \"published\"");
    assert!(faults(&consented).contains("consent = true"));
    let reference = |required: bool| {
        let field = "[[fields]]\ncode = \"CONSENT\"\nname = \"同意书编号\"\nname_en = \"Reference\"\ntype = \"text\"\nconsent = true";
        format!("{consented}{field}\nrequired = {required}\nexamples = [\"\", \"\"]\n")
    };
    assert!(faults(&reference(false)).contains("consent = true"), "a reference that may be left out is none");
    assert_eq!(apply(&app, &[("catalog/x.toml", &reference(true))]).unwrap().added, ["catalog_item water_arrears"]);
}

#[test]
fn a_rule_decided_by_keeps_its_value_under_its_version() {
    let app = TestApp::new();
    let rule = |value: u32, version: u32| {
        format!(
            "[[rules]]\nid = \"feed.sgs.deadline_wd\"\nversion = {version}\neffective_from = 2027-01-01\nvalue = {value}\nlegal_basis = \"x\"\nverified = true\n"
        )
    };
    apply(&app, &[("rules/feeds.toml", &rule(5, 2))]).unwrap();
    let problem = apply(&app, &[("rules/feeds.toml", &rule(6, 2))]).unwrap_err();
    assert!(problem.details["faults"].to_string().contains("raise its version"), "{problem}");
}

#[test]
fn the_shipped_configuration_has_no_fault_and_every_item_has_schema_and_template() {
    assert_eq!(Files::shipped().folder().faults(), Vec::<String>::new());
    let app = TestApp::new();
    let list = app.anonymous().get("/v1/catalog").ok();
    let items = list["items"].as_array().unwrap();
    assert!(items.len() >= 10, "{}", items.len());
    for item in items {
        let code = item["code"].as_str().unwrap();
        assert_eq!(item["in_force"], true, "{code}");
        let schema = app.anonymous().get(&format!("/v1/catalog/{code}/schema")).ok();
        assert_eq!(schema["additionalProperties"], false);
        let view = app.anonymous().get(&format!("/v1/catalog/{code}")).ok();
        assert_eq!(schema["properties"].as_object().unwrap().len(), view["fields"].as_array().unwrap().len());
        for field in view["fields"].as_array().unwrap() {
            if field["type"] == "person_document" {
                assert_eq!(field["disclosure"], "sealed", "{code}.{}", field["code"]);
            }
        }
        let sheet = app.anonymous().get(&format!("/v1/catalog/{code}/template.xlsx"));
        use calamine::Reader;
        let mut book: calamine::Xlsx<_> = calamine::Xlsx::new(std::io::Cursor::new(sheet.bytes)).unwrap();
        let data = book.worksheet_range("数据").unwrap();
        assert_eq!((data.height(), data.width()), (3, view["fields"].as_array().unwrap().len()), "{code}: header and two examples");
        assert!(book.worksheet_range("填报说明").unwrap().height() > view["fields"].as_array().unwrap().len());
    }
    app.anonymous().get("/v1/catalog/none").problem(404, "not_found");
    let tag = app.anonymous().get("/v1/catalog");
    assert_eq!(app.anonymous().header("If-None-Match", tag.header("etag")).get("/v1/catalog").status, 304);
}

#[test]
fn every_example_row_of_the_catalogue_would_be_sound_but_for_being_an_example() {
    // The examples teach by being right: with one free text changed, both rows of every template pass.
    let app = TestApp::new();
    let list = app.anonymous().get("/v1/catalog").ok();
    for item in list["items"].as_array().unwrap() {
        let code = item["code"].as_str().unwrap();
        let view = app.anonymous().get(&format!("/v1/catalog/{code}")).ok();
        let configuration = app.app.catalog.configuration.get();
        let full = &configuration.items[code].item;
        let agency = full.provider_kinds.iter().find_map(|kind| match kind.as_str() {
            "court" => Some("lf-court"),
            "tax" => Some("lf-tax"),
            _ => None,
        });
        let names: Vec<&str> = full.fields.iter().map(|f| f.name.as_str()).collect();
        let mut table = csv::Writer::from_writer(Vec::new());
        table.write_record(&names).unwrap();
        for example in 0..2 {
            let changed = full.fields.iter().map(|f| match f.role {
                Some(credence_catalog::model::Role::SubjectName) => format!("{}甲", f.examples[example]),
                _ => f.examples[example].clone(),
            });
            table.write_record(changed).unwrap();
        }
        let feed = view["feeds"][0].as_str().unwrap();
        let answer = app.provider(agency.unwrap_or("lf-amr")).push(code, feed, &table.into_inner().unwrap()).ok();
        let refused: Vec<_> = answer["rows"].as_array().unwrap().iter().filter(|r| r["verdict"] == "refused").collect();
        assert_eq!(refused, Vec::<&serde_json::Value>::new(), "{code}");
    }
}
