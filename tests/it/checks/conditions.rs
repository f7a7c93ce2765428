//! Entries in every condition there is, drawn by dice, against the plainest reading of the files.

use super::{ask, company, text};
use crate::support::builders::{party, penalties};
use crate::support::{Caller, TestApp};
use credence_core::Role;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// The same numbers in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^= z >> 31;
        usize::try_from(z % u64::try_from(sides).unwrap()).unwrap()
    }

    fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.roll(of.len())]
    }
}

/// A list as its file states it.
struct List {
    code: &'static str,
    kind: &'static str,
    keeping: &'static str,
    colour: &'static str,
    memorandum: Option<&'static str>,
}

static LISTS: [List; 7] = [
    List {
        code: "serious_illegality",
        kind: "serious_dishonesty",
        keeping: "native",
        colour: "black",
        memorandum: Some("illegal_enterprise_sanctions"),
    },
    List {
        code: "major_tax_violation",
        kind: "serious_dishonesty",
        keeping: "native",
        colour: "black",
        memorandum: Some("major_tax_violation_sanctions"),
    },
    List {
        code: "judgment_defaulter",
        kind: "judgment_default",
        keeping: "mirror",
        colour: "black",
        memorandum: Some("judgment_defaulter_sanctions"),
    },
    List { code: "abnormal_operation", kind: "abnormal_operation", keeping: "mirror", colour: "abnormal", memorandum: None },
    List {
        code: "city_commendation",
        kind: "commendation",
        keeping: "native",
        colour: "red",
        memorandum: Some("city_commendation_incentives"),
    },
    List {
        code: "a_grade_taxpayer",
        kind: "commendation",
        keeping: "mirror",
        colour: "red",
        memorandum: Some("a_grade_taxpayer_incentives"),
    },
    List { code: "focus_watch", kind: "watch", keeping: "native", colour: "focus", memorandum: None },
];

/// An entry that may be in any condition whatever.
struct Condition {
    id: uuid::Uuid,
    list: &'static List,
    state: &'static str,
    authority: &'static str,
    region: &'static str,
    measures: Vec<String>,
    /// The version under it is the present one of its record.
    current: bool,
    questioned: bool,
    listed_on: &'static str,
    expires_on: Option<&'static str>,
    /// State and memorandum of its joint actions.
    actions: Vec<(&'static str, &'static str)>,
}

/// Files of a folder of the configuration by their codes, read without the program.
fn files(folder: &str) -> BTreeMap<String, Value> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("config").join(folder);
    let read = |path: std::path::PathBuf| credence_rulebook::toml_json::document(&std::fs::read_to_string(path).unwrap()).unwrap();
    let documents = std::fs::read_dir(folder).unwrap().map(|entry| read(entry.unwrap().path()));
    documents.map(|document| (text(&document["code"]), document)).collect()
}

fn holds(list: &Value, wanted: &str) -> bool {
    list.as_array().unwrap().iter().any(|text| text == wanted)
}

/// Draws an entry on a list.
fn draw(dice: &mut Dice, list: &'static List, memoranda: &BTreeMap<String, Value>) -> Condition {
    let native = list.keeping == "native";
    let state = match (dice.roll(3), native) {
        (0, true) => dice.pick(&["draft", "noticed", "objection_review", "decided", "exited", "dropped"]),
        (0, false) => "exited",
        _ => "listed",
    };
    let named: Vec<String> = list
        .memorandum
        .map_or_else(Vec::new, |code| memoranda[code]["measures"].as_array().unwrap().iter().map(|line| text(&line["measure"])).collect());
    let mut measures: Vec<String> = named.iter().filter(|_| dice.roll(3) > 0).cloned().collect();
    if measures.is_empty() && list.kind == "serious_dishonesty" {
        measures.push(named[0].clone());
    }
    let mut actions: Vec<(&str, &str)> = Vec::new();
    if let Some(memorandum) = list.memorandum {
        match dice.roll(8) {
            0 => {}
            1 => actions.push((dice.pick(&["proposed", "held", "refused", "ended"]), memorandum)),
            _ => actions.push(("started", memorandum)),
        }
    }
    // A memorandum that does not name the list brings nothing, whoever started it.
    if dice.roll(6) == 0 {
        actions.push(("started", "work_safety_sanctions"));
    }
    Condition {
        id: uuid::Uuid::now_v7(),
        list,
        state,
        authority: dice.pick(&["lf-amr", "ga-amr", "sh-amr", "lf-court", "lf-tax"]),
        region: dice.pick(&["131000", "131000", "131022", "131082"]),
        measures,
        current: dice.roll(6) > 0,
        questioned: dice.roll(6) == 0,
        listed_on: dice.pick(&["2026-11-02", "2026-11-02", "2026-11-09", "2026-11-16"]),
        expires_on: dice.pick(&[None, None, Some("2026-11-23"), Some("2026-11-24"), Some("2026-11-25")]),
        actions,
    }
}

/// The statements that bring an entry about, past the procedure.
fn written(subject: &str, made: &Condition) -> String {
    let Condition { id, list: List { code, kind, keeping, .. }, state, authority, region, listed_on, .. } = made;
    let measures = made.measures.join(",");
    let version = if made.current { "v.known_to IS NULL" } else { "v.known_to IS NOT NULL" };
    let ground = if made.questioned { "'questioned', '2026-12-01'" } else { "'sound', NULL" };
    let expires = made.expires_on.map_or_else(|| "NULL".to_owned(), |day| format!("'{day}'"));
    let method = if *kind == "commendation" { "announcement" } else { "direct" };
    let procedure = if *keeping == "native" {
        format!(
            "gen_random_uuid(), '告1', '2026-10-08', '{method}', '回证1', 'x@1', '2026-10-15', '列1', '2026-10-16', gen_random_uuid(), '2026-10-16T02:00:00Z'"
        )
    } else {
        ["NULL"; 11].join(", ")
    };
    let exit = if *state == "exited" { "'repair', 'x', '2026-11-20', now()" } else { "NULL, NULL, NULL, NULL" };
    let mut statements = format!(
        "INSERT INTO list_entries (subject_id, id, list, list_version, kind, keeping, state, agency_id, region, facts, legal_basis, measures,
             ground_record_id, ground_version_id, ground_document, ground_state, ground_review_by, proposed_at, listed_on, listed_at, expires_on,
             proposed_by, notice_no, notice_served_on, notice_method, notice_proof, notice_rule, objection_until, decision_no, decided_on,
             decided_by, decided_at, exit_cause, exit_reason, exited_on, exited_at)
         SELECT '{subject}', '{id}', '{code}', 1, '{kind}', '{keeping}', '{state}', a.id, '{region}', 'x', 'x', '{{{measures}}}',
             v.record_id, v.id, 'x', {ground}, '2026-10-08T02:00:00Z', '{listed_on}', now(), {expires}, {procedure}, {exit}
           FROM agencies a, record_versions v WHERE a.code = '{authority}' AND v.subject_id = '{subject}' AND {version};\n"
    );
    for (state, memorandum) in &made.actions {
        let started = if matches!(*state, "started" | "held") { "now(), 'x'" } else { "NULL, NULL" };
        let refused = if *state == "refused" { "'x'" } else { "NULL" };
        let ended = if *state == "ended" { "now(), 'repair'" } else { "NULL, NULL" };
        statements += &format!(
            "INSERT INTO joint_actions (subject_id, id, entry_id, list, memorandum, memorandum_version, region, state, automatic, proposed_at,
                 started_at, started_by, refused_reason, ended_at, end_cause)
             VALUES ('{subject}', gen_random_uuid(), '{id}', '{code}', '{memorandum}', 1, '{region}', '{state}', false, now(), {started}, {refused}, {ended});\n"
        );
    }
    statements
}

/// Whether one of two divisions lies in the other: the city holds its counties.
fn in_line(one: &str, other: &str) -> bool {
    one == other || one == "131000" || other == "131000"
}

/// What an agency is to be told of an entry for a matter, in the plainest words: nothing at all, or whether it is under review, and its measures.
fn expected_of(
    made: &Condition,
    (kind, region): (&str, &str),
    authority_region: &str,
    matter: &str,
    (memoranda, measures): (&BTreeMap<String, Value>, &BTreeMap<String, Value>),
) -> Option<(bool, Vec<String>)> {
    if made.state != "listed" || made.expires_on.is_some_and(|last| last < "2026-11-24") {
        return None;
    }
    if made.list.kind == "watch" && !in_line(region, authority_region) {
        return None;
    }
    if made.questioned || !made.current {
        return Some((true, Vec::new()));
    }
    let mut brought = Vec::new();
    for (state, memorandum) in &made.actions {
        let memorandum = &memoranda[*memorandum];
        assert_eq!(memorandum["reach"], "lineage");
        let started = *state == "started" && memorandum["state"] == "active" && holds(&memorandum["lists"], made.list.code);
        if !started || !in_line(region, made.region) {
            continue;
        }
        for line in memorandum["measures"].as_array().unwrap() {
            let code = text(&line["measure"]);
            let measure = &measures[&code];
            let kinds = if line["department_kinds"].is_array() { &line["department_kinds"] } else { &measure["department_kinds"] };
            // Of what is decided here the subject has to have been told beforehand.
            let told = made.list.keeping == "mirror" || made.measures.contains(&code);
            if measure["state"] == "active" && holds(kinds, kind) && holds(&measure["matters"], matter) && told {
                brought.push(code);
            }
        }
    }
    Some((false, brought))
}

#[test]
fn whatever_the_entries_the_answer_agrees_with_the_plainest_reading_of_the_files() {
    const SUBJECTS: u32 = 100;
    const QUESTIONS: [(&str, &str); 20] = [
        ("lf-approval", "政府采购"),
        ("lf-approval", "行政许可审批"),
        ("lf-approval", "告知承诺办理"),
        ("lf-approval", "登记注册"),
        ("lf-approval", "任职资格审查"),
        ("lf-approval", "海关通关"),
        ("lf-amr", "检查抽查"),
        ("lf-amr", "评优评先"),
        ("ga-amr", "评优评先"),
        ("ga-amr", "登记注册"),
        ("sh-amr", "评优评先"),
        ("sh-amr", "检查抽查"),
        ("lf-housing", "工程招投标"),
        ("lf-housing", "公共资源交易"),
        ("lf-reform", "财政资金申报"),
        ("lf-tax", "检查抽查"),
        ("lf-tax", "办税服务"),
        ("lf-emergency", "检查抽查"),
        ("lf-transport", "高消费限制"),
        ("lf-water", "工程招投标"),
    ];
    // The lists do not follow by themselves: what is written here stays as it is.
    let app = TestApp::with(|s| s.jobs.poll_milliseconds = 3_600_000);
    let provider = app.provider("lf-amr");
    let mut table = penalties(1, SUBJECTS);
    provider.push("administrative_penalty_organisation", "v2", &table.csv()).ok();
    app.at("2026-11-24T02:00:00Z");
    for row in 0..table.rows.len() {
        table = table.set(row, "处罚内容", "罚款叁仟元");
    }
    let received = provider.push("administrative_penalty_organisation", "v2", &table.csv()).ok();
    assert_eq!(received["batch"]["counts"]["new_version"], SUBJECTS, "{received}");
    app.settle();

    let (memoranda, measures) = (files("memoranda"), files("measures"));
    let agencies = crate::support::agencies();
    let agency = |code: &str| agencies.iter().find(|a| a.code == code).unwrap();
    let codes: BTreeSet<&str> = QUESTIONS.iter().map(|(agency, _)| *agency).collect();
    let callers: BTreeMap<&str, Caller> = codes.into_iter().map(|code| (code, app.key(code, Role::Consumer))).collect();
    let rows = app.sql("SELECT value, subject_id::text FROM subject_identifiers WHERE scheme = 'uscc'");
    let subjects: BTreeMap<String, String> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();

    let mut dice = Dice(20_261_124);
    let mut statements = "SET session_replication_role = replica;\n".to_owned();
    let mut conditions: Vec<Vec<Condition>> = Vec::new();
    for n in 1..=SUBJECTS {
        let mut entries = Vec::new();
        for list in &LISTS {
            if dice.roll(2) == 0 {
                entries.push(draw(&mut dice, list, &memoranda));
            }
        }
        statements.extend(entries.iter().map(|made| written(&subjects[&party(n)], made)));
        conditions.push(entries);
    }
    app.block_on(async {
        let (client, connection) = tokio_postgres::connect(&app.db_url, tokio_postgres::NoTls).await.unwrap();
        tokio::spawn(connection);
        client.batch_execute(&statements).await.unwrap();
    });
    let entries: usize = conditions.iter().map(Vec::len).sum();
    assert_eq!(app.count("SELECT count(*) FROM list_entries"), i64::try_from(entries).unwrap());

    let (mut hits, mut of_several, mut reviewed, mut mixed) = (0, 0, 0, 0);
    for (n, entries) in (1..=SUBJECTS).zip(&conditions) {
        for _ in 0..4 {
            let (asking, matter) = dice.pick(&QUESTIONS);
            let asking_agency = agency(asking);
            let expected = |made: &Condition| {
                let of = &agency(made.authority).region;
                expected_of(made, (asking_agency.kind.as_str(), asking_agency.region.as_str()), of, matter, (&memoranda, &measures))
            };
            let visible: Vec<(&Condition, (bool, Vec<String>))> = entries.iter().filter_map(|made| Some((made, expected(made)?))).collect();
            let wanted: BTreeMap<String, (bool, Vec<String>)> =
                visible.iter().map(|(made, told)| (made.id.to_string(), told.clone())).collect();
            let answer = ask(&callers[asking], &company(n), matter).ok();
            let list = |entry: &Value| {
                let codes: Vec<String> = entry["measures"].as_array().unwrap().iter().map(|m| text(&m["code"])).collect();
                (text(&entry["entry_id"]), (entry["under_review"].as_bool().unwrap(), codes))
            };
            let found: BTreeMap<String, (bool, Vec<String>)> = answer["lists"].as_array().unwrap().iter().map(list).collect();
            assert_eq!(found, wanted, "{n} {asking} {matter}: {answer}");
            assert_eq!(answer["lists"].as_array().unwrap().len(), wanted.len(), "each once: {answer}");
            let colours: BTreeSet<&str> = visible.iter().map(|(made, _)| made.list.colour).collect();
            let result = match colours.len() {
                0 => "none",
                1 => colours.first().copied().unwrap(),
                _ => "mixed",
            };
            assert_eq!(answer["result"], result, "{n} {asking} {matter}: {answer}");
            let brings = wanted.values().filter(|(_, codes)| !codes.is_empty()).count();
            assert_eq!(answer["feedback_required"], brings > 0, "{n} {asking} {matter}: {answer}");
            hits += usize::from(brings > 0);
            of_several += usize::from(brings > 1);
            reviewed += usize::from(wanted.values().any(|(review, _)| *review));
            mixed += usize::from(result == "mixed");
        }
    }
    // The draw met what it was made to meet.
    assert!(hits >= 60 && of_several >= 5 && reviewed >= 60 && mixed >= 60, "{hits} {of_several} {reviewed} {mixed}");
}
