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

const NEW_LIST: &str = r#"
code = "water_dishonesty"
name = "供水用水严重失信主体名单"
name_en = "Serious dishonesty about water"
kind = "serious_dishonesty"
keeping = "native"
state = "active"
effective_from = 2026-01-01
subject_kinds = ["legal_entity"]
authority_kinds = ["water"]
legal_basis = ["《城市供水条例》"]
verified = false
disclosure = "public"
[native]
ground_items = ["administrative_penalty_organisation"]
objection_rule = "list.notice_objection_days"
review_rule = "list.ground_review_wd"
exit_conditions = "缴清欠费"
exit_procedure = "向水利部门提出"
remedies = "行政复议、行政诉讼"
"#;

const NEW_MEASURE: &str = r#"
code = "tap_limit"
name = "限制用水"
name_en = "Tap limit"
heading = "限制市场或行业准入"
class = 1
direction = "sanction"
content = "限制用水量"
legal_basis = ["《城市供水条例》"]
department_kinds = ["water", "housing"]
matters = ["TENDERING"]
mandatory = true
continuing = false
state = "active"
verified = false
effective_from = 2026-01-01
"#;

const NEW_MEMORANDUM: &str = r#"
code = "water_sanctions"
name = "供水用水联合惩戒"
name_en = "Sanctions about water"
lead_kinds = ["water"]
lists = ["water_dishonesty"]
objects = "列入名单的单位"
automatic = false
reach = "lineage"
legal_basis = ["《城市供水条例》"]
state = "active"
verified = false
effective_from = 2026-01-01
[[measures]]
measure = "tap_limit"
department_kinds = ["water"]
"#;

const LIST_FILE: &str = "lists/water_dishonesty.toml";
const MEASURE_FILE: &str = "measures/tap_limit.toml";
const MEMORANDUM_FILE: &str = "memoranda/water_sanctions.toml";

#[test]
fn a_list_its_measures_and_their_memorandum_are_added_without_a_line_of_code() {
    let app = TestApp::new();
    // Of a memorandum alone it is not known what it names.
    let problem = apply(&app, &[(MEMORANDUM_FILE, NEW_MEMORANDUM)]).unwrap_err();
    assert_eq!(problem.code(), "bad_config");
    for unknown in ["there is no list water_dishonesty", "there is no measure tap_limit"] {
        assert!(problem.details["faults"].to_string().contains(unknown), "{problem}");
    }
    let whole = [(LIST_FILE, NEW_LIST), (MEASURE_FILE, NEW_MEASURE), (MEMORANDUM_FILE, NEW_MEMORANDUM)];
    let applied = apply(&app, &whole).unwrap();
    assert_eq!(applied.added, ["list water_dishonesty", "measure tap_limit", "memorandum water_sanctions"]);
    let configuration = app.block_on(app.app.catalog.configuration.fresh(&app.app.db)).unwrap();
    let (before, day) = ("2025-12-31".parse().unwrap(), "2026-01-01".parse().unwrap());
    assert!(configuration.list("water_dishonesty", before).is_none());
    assert_eq!(configuration.list("water_dishonesty", day).unwrap().version, 1);
    let memorandum = configuration.memoranda_of("water_dishonesty", day).next().unwrap();
    assert_eq!(memorandum.body.measures[0].measure, "tap_limit");
    assert_eq!(configuration.memoranda_of("water_dishonesty", before).count(), 0);
    // Whatever writing the file has, what touches a matter is compared by its one value.
    assert_eq!(configuration.matter(" TENDERING ").as_deref(), Some("工程招投标"));
    assert_eq!(configuration.matter("抽签"), None);
    assert_eq!(configuration.measure("tap_limit", day).unwrap().body.matters, ["工程招投标"]);
    // Held beside, each is enough for the other; retired, it brings nothing more.
    assert_eq!(apply(&app, &[(MEMORANDUM_FILE, NEW_MEMORANDUM)]).unwrap().unchanged, 1);
    apply(&app, &[(MEMORANDUM_FILE, &NEW_MEMORANDUM.replace("\"active\"", "\"retired\""))]).unwrap();
    let configuration = app.block_on(app.app.catalog.configuration.fresh(&app.app.db)).unwrap();
    assert_eq!(configuration.memoranda_of("water_dishonesty", day).count(), 0);
    assert_eq!(configuration.memoranda["water_sanctions"].version, 2, "it can still be told what it said");
}

#[test]
fn nothing_is_listed_and_no_right_taken_without_a_law() {
    let app = TestApp::new();
    let law = "legal_basis = [\"《城市供水条例》\"]";
    for none in ["", "legal_basis = []", "legal_basis = [\" \"]", "legal_basis = [\"待核实\"]"] {
        let faults = |file: &str, text: &str| {
            assert!(text.contains(law), "{text}");
            let text = text.replace(law, none);
            apply(&app, &[(file, text.as_str())]).unwrap_err().details["faults"].to_string()
        };
        let measure = faults(MEASURE_FILE, NEW_MEASURE);
        assert!(measure.contains(MEASURE_FILE) && measure.contains("a class-1 measure takes rights"), "{measure}");
        // Asleep or not: what takes a right states the law first.
        let measure = faults(MEASURE_FILE, &NEW_MEASURE.replace("\"active\"", "\"unverified\""));
        assert!(measure.contains("a class-1 measure takes rights"), "{measure}");
        let list = faults(LIST_FILE, NEW_LIST);
        assert!(list.contains(LIST_FILE) && list.contains("a list without a legal basis may not be kept"), "{list}");
        let memorandum = faults(MEMORANDUM_FILE, NEW_MEMORANDUM);
        assert!(memorandum.contains("a memorandum without a basis"), "{memorandum}");
    }
    assert_eq!(app.count("SELECT count(*) FROM config_documents WHERE code IN ('tap_limit', 'water_dishonesty', 'water_sanctions')"), 0);
}

#[test]
fn what_must_not_be_brought_about_is_refused_as_configuration() {
    let shipped = Files::shipped().folder();
    let faults = |files: &[(&str, String)]| {
        let files: Vec<(&str, &str)> = files.iter().map(|(file, text)| (*file, text.as_str())).collect();
        Folder::read(files).faults_beside(&shipped.documents).join("\n")
    };
    let memorandum = |list: &str, measure: &str| {
        let text = NEW_MEMORANDUM.replace("water_dishonesty", list).replace("tap_limit", measure);
        [(MEMORANDUM_FILE, text.replace("department_kinds = [\"water\"]\n", ""))]
    };
    assert_eq!(faults(&memorandum("serious_illegality", "key_supervision")), "");
    for (list, measure, says) in [
        ("focus_watch", "key_supervision", "for monitoring only"),
        ("city_commendation", "key_supervision", "of the direction sanction"),
        ("serious_illegality", "fewer_inspections", "of the direction incentive"),
        ("serious_illegality", "industry_entry_limit", "is unverified"),
    ] {
        let found = faults(&memorandum(list, measure));
        assert!(found.contains(says), "{list} {measure}: {found}");
    }
    for (from, to, says) in [
        ("\"serious_dishonesty\"", "\"judgment_default\"", "listed by the courts"),
        ("list.notice_objection_days", "list.no_such_days", "there is no rule list.no_such_days"),
        ("list.notice_objection_days", "list.scjg_serious.max_months", "with the unit working_day"),
        ("administrative_penalty_organisation", "no_such_item", "there is no catalogue item no_such_item"),
    ] {
        let found = faults(&[(LIST_FILE, NEW_LIST.replace(from, to))]);
        assert!(found.contains(says), "{to}: {found}");
    }
    let found = faults(&[(MEASURE_FILE, NEW_MEASURE.replace("TENDERING", "抽签"))]);
    assert!(found.contains("抽签 is not in the code set matter"), "{found}");
}

#[test]
fn the_shipped_lists_bring_what_the_agencies_of_the_city_do() {
    let app = TestApp::new();
    let configuration = app.app.catalog.configuration.get();
    let day = "2026-11-24".parse().unwrap();
    for list in configuration.lists.values().filter(|list| list.body.in_force(day)) {
        let code = list.body.code.as_str();
        let memoranda: Vec<_> = configuration.memoranda_of(code, day).collect();
        let automatic: Vec<&str> = memoranda.iter().filter(|m| m.body.automatic).map(|m| m.body.code.as_str()).collect();
        match code {
            "judgment_defaulter" => assert_eq!(automatic, ["judgment_defaulter_sanctions"], "the courts have decided already"),
            _ => assert_eq!(automatic, Vec::<&str>::new(), "{code}: the credit office confirms"),
        }
        for taken in memoranda.iter().flat_map(|m| &m.body.measures) {
            let measure = configuration.measure(&taken.measure, day).unwrap_or_else(|| panic!("{code}: {} is in force", taken.measure));
            assert!(!taken.kinds(&measure.body).is_empty());
        }
    }
    let kinds: std::collections::BTreeSet<&str> = configuration
        .memoranda_of("serious_illegality", day)
        .flat_map(|m| &m.body.measures)
        .filter_map(|taken| Some(taken.kinds(&configuration.measures.get(&taken.measure)?.body)))
        .flatten()
        .map(String::as_str)
        .collect();
    for kind in ["administrative_approval", "tax", "emergency", "development_reform", "housing", "transport", "natural_resources"] {
        assert!(kinds.contains(kind), "{kind}: {kinds:?}");
    }
    assert_eq!(configuration.memoranda_of("focus_watch", day).count(), 0);
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
