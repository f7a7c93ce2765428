//! Every route of the OpenAPI document meets nobody, every role, and another agency.

use crate::support::builders::{party, penalty, resident_id};
use crate::support::{Answer, Caller, TestApp};
use credence_core::Role;
use serde_json::{Value, json};

/// Who may use a route: everybody, or these roles. A route that is missing here fails the test.
fn allowed(method: &str, path: &str) -> Option<&'static [Role]> {
    use Role::*;
    const EVERYBODY: &[Role] = &[];
    Some(match (method, path) {
        ("post", "/v1/sessions" | "/v1/sessions/refresh" | "/v1/sessions/logout") => EVERYBODY,
        ("get", "/v1/agencies" | "/v1/health/live" | "/v1/health/ready" | "/v1/subjects/{uscc}/file") => EVERYBODY,
        ("get", "/v1/catalog" | "/v1/catalog/{code}" | "/v1/catalog/{code}/schema" | "/v1/catalog/{code}/template.xlsx") => EVERYBODY,
        ("get", "/v1/me") | ("post", "/v1/me/password") => &Role::ALL,
        ("get" | "post", "/v1/accounts")
        | ("post", "/v1/accounts/{account_id}/unlock" | "/v1/accounts/{account_id}/reset-password" | "/v1/accounts/{account_id}/close")
        | ("post", "/v1/api-keys")
        | ("delete", "/v1/api-keys/{key_id}") => &[SecurityAdmin],
        ("post", "/v1/batches" | "/v1/batches/{batch_id}/undo") | ("get", "/v1/batches/{batch_id}/rejects.{format}") => &[Provider],
        ("get", "/v1/batches" | "/v1/batches/{batch_id}" | "/v1/batches/{batch_id}/rows") => &[Provider, CreditOffice, Auditor],
        ("get", "/v1/subjects/{subject_id}/records/{record_id}") => &[Provider],
        ("post", "/v1/subjects/{subject_id}/records/{record_id}/correct" | "/v1/subjects/{subject_id}/records/{record_id}/withdraw") => {
            &[Provider]
        }
        ("post", "/v1/subjects/{subject_id}/events" | "/v1/subject-merges" | "/v1/subject-merges/{merge_id}/unmerge") => &[CreditOffice],
        ("get", "/v1/unmatched-rows") | ("post", "/v1/unmatched-rows/{row_id}/link" | "/v1/unmatched-rows/{row_id}/reject") => {
            &[CreditOffice]
        }
        (
            "post",
            "/v1/subject-accounts"
            | "/v1/subject-accounts/{account_id}/bindings"
            | "/v1/subject-accounts/{account_id}/bindings/{subject_id}/end",
        ) => &[Clerk],
        ("post", "/v1/person-files") => &[Consumer, Clerk],
        ("get", "/v1/me/subjects/{subject_id}/file" | "/v1/me/subjects/{subject_id}/accesses") => &[Subject],
        ("get", "/v1/audit/accesses" | "/v1/audit/changes") => &[Auditor],
        ("get", "/v1/keys" | "/v1/measures" | "/v1/memoranda" | "/v1/typical-cases") => EVERYBODY,
        (
            "get",
            "/v1/lists" | "/v1/lists/{list}" | "/v1/lists/{list}/entries" | "/v1/lists/{list}/entries.csv" | "/v1/lists/{list}/notices",
        ) => EVERYBODY,
        ("get", "/v1/list-entries/{entry_id}" | "/v1/subjects/{uscc}/list-entries") => EVERYBODY,
        ("get", "/v1/list-entries") => &[Provider, Approver, CreditOffice, Auditor],
        (
            "post",
            "/v1/list-entries"
            | "/v1/list-entries/{entry_id}/notice"
            | "/v1/list-entries/{entry_id}/objection"
            | "/v1/list-entries/{entry_id}/answer"
            | "/v1/list-entries/{entry_id}/publish"
            | "/v1/list-entries/{entry_id}/drop"
            | "/v1/list-entries/{entry_id}/exit",
        ) => &[Provider, Approver],
        ("post", "/v1/list-entries/{entry_id}/decide" | "/v1/list-entries/{entry_id}/confirm-ground") => &[Approver],
        ("get", "/v1/me/subjects/{subject_id}/list-entries")
        | ("post", "/v1/me/subjects/{subject_id}/list-entries/{entry_id}/objection") => &[Subject],
        ("get", "/v1/joint-actions") => &[CreditOffice, Auditor],
        ("post", "/v1/joint-actions/{action_id}/confirm" | "/v1/joint-actions/{action_id}/refuse") => &[CreditOffice],
        ("get", "/v1/inbox")
        | (
            "post",
            "/v1/directives/{directive_id}/accept"
            | "/v1/directives/{directive_id}/decline"
            | "/v1/directives/{directive_id}/feedback"
            | "/v1/directives/{directive_id}/complete",
        ) => &[Consumer],
        ("get", "/v1/directives" | "/v1/directives/{directive_id}" | "/v1/joint-action/evaluation" | "/v1/checks") => {
            &[Consumer, CreditOffice, Auditor]
        }
        ("get", "/v1/agency-messages") => &[Provider, Approver, Consumer, CreditOffice, Auditor],
        ("post", "/v1/agency-messages/{message_id}/acknowledge") => &[Provider, Approver, Consumer],
        ("get" | "post", "/v1/webhook-endpoints")
        | (
            "post",
            "/v1/webhook-endpoints/{endpoint_id}/rotate"
            | "/v1/webhook-endpoints/{endpoint_id}/pause"
            | "/v1/webhook-endpoints/{endpoint_id}/resume"
            | "/v1/webhook-endpoints/{endpoint_id}/close"
            | "/v1/webhook-endpoints/{endpoint_id}/replay",
        )
        | ("get", "/v1/webhook-endpoints/{endpoint_id}/messages") => &[SecurityAdmin],
        ("post", "/v1/checks" | "/v1/checks/{check_id}/feedback" | "/v1/check-batches")
        | ("get", "/v1/checks/{check_id}" | "/v1/check-batches/{check_batch_id}" | "/v1/check-batches/{check_batch_id}/result.{format}") => {
            &[Consumer]
        }
        ("post", "/v1/typical-cases") => &[Consumer],
        ("get", "/v1/typical-cases/proposed")
        | ("post", "/v1/typical-cases/{case_id}/publish" | "/v1/typical-cases/{case_id}/refuse" | "/v1/typical-cases/{case_id}/withdraw") => {
            &[CreditOffice]
        }
        ("post", "/v1/attachments") => &[Provider, Approver, Consumer, Clerk],
        ("get", "/v1/attachments/{attachment_id}") => &[Provider, Approver, Consumer, Clerk, CreditOffice, Auditor],
        ("post", "/v1/me/subjects/{subject_id}/attachments") => &[Subject],
        ("get", "/v1/cases/{case_id}/papers/{paper_id}/content") => &[Subject, Clerk, Provider, Approver, CreditOffice],
        (
            "get",
            "/v1/me/subjects/{subject_id}/repair-eligibility"
            | "/v1/me/subjects/{subject_id}/cases"
            | "/v1/me/subjects/{subject_id}/cases/{case_id}",
        )
        | (
            "post",
            "/v1/me/subjects/{subject_id}/cases"
            | "/v1/me/subjects/{subject_id}/cases/{case_id}/papers"
            | "/v1/me/subjects/{subject_id}/cases/{case_id}/withdraw"
            | "/v1/me/subjects/{subject_id}/cases/{case_id}/lines/{line_id}/review",
        ) => &[Subject],
        ("post", "/v1/case-lookups") | ("get", "/v1/repair-commitments") => EVERYBODY,
        (
            "post",
            "/v1/cases"
            | "/v1/cases/{case_id}/papers"
            | "/v1/cases/{case_id}/withdraw"
            | "/v1/cases/{case_id}/lines/{line_id}/review"
            | "/v1/repair-eligibility",
        )
        | ("get", "/v1/cases/{case_id}/receipt") => &[Clerk],
        ("get", "/v1/cases") => &[Clerk, CreditOffice, Auditor],
        ("get", "/v1/cases/{case_id}") => &[Clerk, Provider, Approver, CreditOffice, Auditor],
        ("get", "/v1/case-lines") => &[Provider, Approver, CreditOffice, Auditor],
        ("post", "/v1/case-lines/{line_id}/self-check" | "/v1/rules/diff") => &[CreditOffice],
        ("post", "/v1/case-lines/{line_id}/accept" | "/v1/case-lines/{line_id}/stop" | "/v1/case-lines/{line_id}/resume")
        | ("post", "/v1/repair-trainings") => &[Provider, Approver],
        (
            "post",
            "/v1/case-lines/{line_id}/not-accept"
            | "/v1/case-lines/{line_id}/decide"
            | "/v1/case-lines/{line_id}/decide-review"
            | "/v1/case-lines/{line_id}/extend"
            | "/v1/case-lines/{line_id}/unshield",
        ) => &[Approver],
        ("get", "/v1/repair-trainings/indicator" | "/v1/effects") | ("post", "/v1/effects/verify") => &[CreditOffice, Auditor],
        _ => return None,
    })
}

/// A body that passes the shape, so that what is tested is the permission and not the parser.
fn body(path: &str, ids: &Ids) -> Value {
    let id = uuid::Uuid::nil();
    match path {
        "/v1/sessions" => json!({ "username": "x", "password": "x" }),
        "/v1/sessions/refresh" | "/v1/sessions/logout" => json!({ "refresh_token": "x" }),
        "/v1/accounts" => json!({ "username": "xyz", "display_name": "x", "password": "short", "roles": ["provider"] }),
        "/v1/me/password" => json!({ "current": "x", "new": "x" }),
        "/v1/accounts/{account_id}/reset-password" => json!({ "new_password": "x", "reason": "x" }),
        "/v1/api-keys" => json!({ "agency": "none", "label": "x", "role": "provider" }),
        "/v1/subject-accounts" => {
            json!({ "username": "x", "password": "x", "person_name": "x", "document_kind": "x", "document_number": "x", "subject_id": id, "capacity": "self", "evidence": "x" })
        }
        "/v1/subject-accounts/{account_id}/bindings" => {
            json!({ "document_kind": "身份证", "document_number": resident_id(1), "subject_id": ids.subject, "capacity": "agent", "evidence": "x" })
        }
        "/v1/subject-merges" => json!({ "from_subject_id": id, "into_subject_id": id, "reason": "x" }),
        "/v1/unmatched-rows/{row_id}/link" => json!({ "subject_id": id, "reason": "x" }),
        "/v1/person-files" => json!({ "document_kind": "身份证", "document_number": resident_id(1), "purpose": "x" }),
        "/v1/subjects/{subject_id}/events" => json!({ "kind": "rename", "happened_on": "2026-01-01", "to_value": "x", "basis": "x" }),
        "/v1/list-entries" => json!({ "list": "serious_illegality", "uscc": party(1), "facts": "x", "legal_basis": "x" }),
        "/v1/list-entries/{entry_id}/notice" => json!({ "notice_no": "x", "served_on": "2026-11-23", "method": "direct", "proof": "x" }),
        "/v1/list-entries/{entry_id}/answer" => json!({ "upheld": true, "answer": "x" }),
        "/v1/list-entries/{entry_id}/decide" => json!({ "decision_no": "x", "decided_on": "2026-11-23" }),
        "/v1/list-entries/{entry_id}/exit" => json!({ "cause": "correction", "reason": "x" }),
        "/v1/directives/{directive_id}/feedback" | "/v1/directives/{directive_id}/complete" => {
            json!({ "content": "x", "field_area": "x", "effect": "x", "status": "x" })
        }
        "/v1/agency-messages/{message_id}/acknowledge" => json!({ "text": "x" }),
        "/v1/webhook-endpoints" => json!({ "agency": "none", "url": "http://127.0.0.1/", "scheme": "ed25519", "description": "x" }),
        "/v1/checks" => {
            json!({ "subject": { "kind": "organisation", "uscc": party(1) }, "matter": "nothing", "case_no": "x", "purpose": "x" })
        }
        "/v1/checks/{check_id}/feedback" => json!({ "outcome": "pending", "reason": "x" }),
        "/v1/check-batches" => json!({ "name": "x", "matter": "nothing", "purpose": "x", "subjects": [] }),
        "/v1/typical-cases" => json!({ "feedback_id": id, "title": "x", "body": "x" }),
        "/v1/me/subjects/{subject_id}/cases" | "/v1/cases" => {
            let mut case = json!({
                "kind": "dispute", "statement": "x", "applicant": "subject", "lines": [{ "record_id": id, "ground": "error" }],
                "person": { "name": "x", "document_kind": "身份证", "document_number": resident_id(1) },
            });
            if path == "/v1/cases" {
                case["subject_id"] = json!(id);
            }
            case
        }
        "/v1/case-lookups" => json!({ "case_no": "x", "code": "x" }),
        "/v1/repair-eligibility" => json!({ "subject_id": id, "authorisation": "x" }),
        "/v1/case-lines/{line_id}/self-check" => json!({ "finding": "forward", "reason": "x" }),
        "/v1/case-lines/{line_id}/accept" | "/v1/case-lines/{line_id}/resume" | "/v1/effects/verify" => json!({}),
        "/v1/case-lines/{line_id}/decide" => json!({ "outcome": "rejected", "reason": "x" }),
        "/v1/case-lines/{line_id}/decide-review" => json!({ "outcome": "upheld", "text": "x" }),
        "/v1/case-lines/{line_id}/stop" => json!({ "reason": "鉴定", "note": "x" }),
        "/v1/case-lines/{line_id}/unshield" => json!({ "reason": "x", "completed": false }),
        "/v1/repair-trainings" => json!({ "subject_id": id, "kind": "training", "held_on": "2026-11-20", "organiser": "x" }),
        "/v1/rules/diff" => json!({ "rules": [] }),
        _ if path.ends_with("/papers") => json!({ "papers": [] }),
        _ if path.starts_with("/v1/webhook-endpoints/") => json!({}),
        _ if path.ends_with("/objection") => json!({ "text": "x" }),
        _ if path.ends_with("/correct") => json!({ "fields": {}, "reason": "x" }),
        _ => json!({ "reason": "x" }),
    }
}

struct Ids {
    batch: String,
    subject: String,
    record: String,
}

fn call(caller: &Caller, method: &str, path: &str, ids: &Ids) -> Answer {
    let nil = uuid::Uuid::nil().to_string();
    let url = path
        .replace("{uscc}", &party(1))
        .replace("{code}", "registration")
        .replace("{batch_id}", &ids.batch)
        .replace("{subject_id}", &ids.subject)
        .replace("{record_id}", &ids.record)
        .replace("{format}", "csv")
        .replace("{account_id}", &nil)
        .replace("{key_id}", &nil)
        .replace("{merge_id}", &nil)
        .replace("{row_id}", &nil)
        .replace("{list}", "serious_illegality");
    let nils = [
        "entry_id",
        "action_id",
        "directive_id",
        "endpoint_id",
        "check_id",
        "check_batch_id",
        "case_id",
        "line_id",
        "paper_id",
        "attachment_id",
        "message_id",
    ];
    let url = nils.iter().fold(url, |url, name| url.replace(&format!("{{{name}}}"), &nil));
    assert!(!url.contains('{'), "{url}");
    match (method, path) {
        ("get", "/v1/joint-action/evaluation") => caller.get("/v1/joint-action/evaluation?by=month&from=2026-01&to=2026-11"),
        ("post", "/v1/attachments") => caller.post_bytes("/v1/attachments?file_name=x.pdf", "application/octet-stream", b"x"),
        ("post", "/v1/batches") => caller.post_bytes("/v1/batches?item=honour&feed=v1", "text/csv", b"x"),
        ("get", _) => caller.get(&url),
        ("delete", _) => caller.delete(&url),
        _ => caller.post(&url, &body(path, ids)),
    }
}

#[test]
fn every_route_meets_nobody_every_role_and_another_agency() {
    let app = TestApp::new();
    let owner = app.login_at(Role::Provider, Some("lf-amr"));
    let received = owner.push("administrative_penalty_organisation", "v2", &penalty(1).csv()).ok();
    let view = app.anonymous().get(&format!("/v1/subjects/{}/file", party(1))).ok();
    let ids = Ids {
        batch: received["batch"]["id"].as_str().unwrap().to_owned(),
        subject: view["subject"]["id"].as_str().unwrap().to_owned(),
        record: view["sections"][2]["statements"][0]["record_id"].as_str().unwrap().to_owned(),
    };
    // A subject's account that is bound to somebody else.
    let clerk = app.login(Role::Clerk);
    owner.push("administrative_penalty_organisation", "v2", &penalty(2).csv()).ok();
    let other = app.anonymous().get(&format!("/v1/subjects/{}/file", party(2))).ok()["subject"]["id"].clone();
    let account = json!({ "username": "stranger", "password": crate::support::PASSWORD, "person_name": "x", "document_kind": "身份证", "document_number": resident_id(1), "subject_id": other, "capacity": "agent", "evidence": "x" });
    clerk.post("/v1/subject-accounts", &account).ok();

    let callers: Vec<(Role, Caller)> = Role::ALL
        .into_iter()
        .map(|role| match role {
            Role::Subject => (role, app.log_in("stranger")),
            // Another agency in another county.
            Role::Provider => (role, app.login_at(role, Some("sh-amr"))),
            role => (role, app.login(role)),
        })
        .collect();
    let document = app.anonymous().get("/openapi.json").ok();
    let mut routes = 0;
    for (path, methods) in document["paths"].as_object().unwrap() {
        for method in methods.as_object().unwrap().keys() {
            routes += 1;
            let roles = allowed(method, path).unwrap_or_else(|| panic!("{method} {path} is not in the table of this test"));
            let anonymous = call(&app.anonymous(), method, path, &ids);
            if roles.is_empty() {
                assert!(anonymous.status != 401 || anonymous.json()["code"] != "unauthenticated", "{method} {path}");
                continue;
            }
            anonymous.problem(401, "unauthenticated");
            for (role, caller) in &callers {
                let answer = call(caller, method, path, &ids);
                if roles.contains(role) {
                    assert_ne!(answer.status, 403, "{method} {path} as {}: {}", role.code(), String::from_utf8_lossy(&answer.bytes));
                    assert!(answer.status < 500, "{method} {path} as {}: {}", role.code(), String::from_utf8_lossy(&answer.bytes));
                } else {
                    answer.problem(403, "forbidden");
                }
                // What belongs to one agency or subject does not exist for another.
                let belongs = ["{batch_id}", "{record_id}", "/v1/me/subjects"].iter().any(|part| path.contains(part));
                if belongs && roles.contains(role) && matches!(role, Role::Provider | Role::Subject) {
                    assert_eq!(call(caller, method, path, &ids).status, 404, "{method} {path} as a stranger");
                }
            }
        }
    }
    assert!(routes >= 30, "{routes}");
    assert_eq!(app.count("SELECT count(*) FROM record_versions"), 2, "nobody changed anything");
    assert_eq!(app.count("SELECT count(*) FROM submission_batches WHERE state <> 'open'"), 0);
}

#[test]
fn the_contract_in_docs_is_what_the_program_serves() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("docs/openapi.json");
    let kept = std::fs::read_to_string(path).unwrap();
    assert!(kept == credence_gateway::routes::openapi_text().unwrap(), "docs/openapi.json is out of date: run `make generate`");
    let document: Value = serde_json::from_str(&kept).unwrap();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    // No personal identifier travels in a path or query string (D7).
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            assert!(operation["operationId"].is_string() && operation["tags"].is_array(), "{method} {path}");
            for parameter in operation["parameters"].as_array().into_iter().flatten() {
                let name = parameter["name"].as_str().unwrap();
                assert!(!["document", "id_number", "number", "phone"].iter().any(|bad| name.contains(bad)), "{method} {path}: {name}");
            }
        }
    }
}

#[test]
fn the_api_browser_is_served_from_the_program_itself() {
    let app = TestApp::new();
    let page = app.anonymous().get("/docs/index.html");
    assert_eq!(page.status, 200);
    let text = String::from_utf8(page.bytes).unwrap();
    assert!(text.contains("swagger-ui") && !text.contains("https://"), "{text}");
    assert_eq!(app.anonymous().get("/docs/swagger-ui-bundle.js").status, 200);
}
