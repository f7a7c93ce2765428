//! The machines of list entries and of directives against a model of the rules, step by step and for many ways of going on.
//!
//! [`Model`](rules::Model) knows the rules and nothing of the program: its own states, its own counting of working days, its own idea of who may do
//! what. A way is drawn from it, lawful steps and others mixed ([`ways`]), and walked in the real services over the real database. After every step the
//! outcome, the whole state of the subject and what must never be so ([`database`]) have to be as the model says. All ways share one server; each is
//! about a company of its own and begins on a day of its own, so that a way that fails can be walked again, shortened, with the same outcome.
//!
//! [`pure`] looks at every state that the machines can reach.

mod database;
mod pure;
mod rules;
mod ways;

use self::database::{HERE, LATEST_ACTION, LATEST_DIRECTIVE, LATEST_ENTRY, LOGS, RECORD, STATE, UNSEEN, VIOLATIONS};
use self::rules::{Aim, By, Executor, Model, Transition, code};
use self::ways::Rules;
use crate::support::TestApp;
use crate::support::builders::{party, penalty};
use chrono::{Duration, NaiveTime};
use credence_core::actor::Credential;
use credence_core::clock::Clock;
use credence_core::problem::Problem;
use credence_core::{AccountId, Actor, AgencyId, Role, SubjectId, paging};
use credence_dispatch::model::directives::{InboxPosition, NewFeedback};
use credence_lists::model::{NewAnswer, NewDecision, NewEntry, NewExit, NewNotice, NewObjection, NoticeMethod};
use credence_records::service::single;
use proptest::test_runner::Config;
use proptest_state_machine::{StateMachineTest, prop_state_machine};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, NoTls, Statement};
use uuid::Uuid;

const LIST: &str = "serious_illegality";
const ITEM: &str = "administrative_penalty_organisation";
const MEASURES: [&str; 2] = ["government_procurement_limit", "tendering_limit"];
/// Messages of an inbox asked for at once.
const PAGE: i64 = 100;

/// The server of all ways, with a connection of its own for the many small questions.
struct Fixture {
    app: TestApp,
    client: Client,
    state: Statement,
    logs: Statement,
    violations: Statement,
    agencies: BTreeMap<String, Uuid>,
    /// Accounts of the officials, in the order of [`By`].
    officials: [Uuid; 4],
}

fn fixture() -> &'static Fixture {
    static FIXTURE: OnceLock<Fixture> = OnceLock::new();
    FIXTURE.get_or_init(|| {
        // Nothing moves by itself: what follows, follows when a way settles.
        let app = TestApp::with(|s| s.jobs.poll_milliseconds = 3_600_000);
        let (client, state, logs, violations) = app.block_on(async {
            let (client, connection) = tokio_postgres::connect(&app.db_url, NoTls).await.unwrap();
            tokio::spawn(connection);
            let state = client.prepare(STATE).await.unwrap();
            let logs = client.prepare(LOGS).await.unwrap();
            let violations = client.prepare(VIOLATIONS).await.unwrap();
            (client, state, logs, violations)
        });
        let agencies = app.sql("SELECT code, id FROM agencies").iter().map(|row| (row.get(0), row.get(1))).collect();
        let officials = [By::First, By::Second, By::Neighbour, By::Stranger].map(|by| {
            let username = app.account(Role::Approver, Some(by.agency()));
            app.sql(&format!("SELECT id FROM accounts WHERE username = '{username}'"))[0].get(0)
        });
        Fixture { app, client, state, logs, violations, agencies, officials }
    })
}

impl Fixture {
    /// The first column of a row, or no id at all.
    fn id(&self, query: &str, parameters: &[&(dyn ToSql + Sync)]) -> Uuid {
        let row = self.app.block_on(self.client.query_opt(query, parameters)).unwrap();
        row.map_or_else(Uuid::nil, |row| row.get(0))
    }

    fn number(&self, query: &str, parameters: &[&(dyn ToSql + Sync)]) -> i64 {
        self.app.block_on(self.client.query_one(query, parameters)).unwrap().get(0)
    }

    /// Counts of both logs and of steps.
    fn logs(&self, subject: Uuid) -> [i64; 3] {
        let row = self.app.block_on(self.client.query_one(&self.logs, &[&subject])).unwrap();
        [row.get(0), row.get(1), row.get(2)]
    }

    /// Somebody who has logged in, as the identity middleware makes them.
    fn person(&self, account: Uuid, agency: &str, region: &str, roles: &[Role]) -> Actor {
        Actor {
            credential: Credential::Account(AccountId(account)),
            label: format!("{agency} model"),
            agency: Some(AgencyId(self.agencies[agency])),
            region: region.to_owned(),
            roles: roles.to_vec(),
            items: None,
            regions: None,
            subjects: Vec::new(),
        }
    }

    fn official(&self, by: By) -> Actor {
        let region = if by == By::Neighbour { "131022" } else { "131000" };
        let account = self.officials.get(by as usize).copied();
        let person = self.person(account.unwrap_or_default(), by.agency(), region, &[Role::Provider, Role::Approver]);
        match account {
            Some(_) => person,
            None => Actor { credential: Credential::ApiKey(Uuid::from_u128(1)), ..person },
        }
    }

    fn executor(&self, by: Executor) -> Actor {
        self.person(Uuid::from_u128(2), by.code(), "131000", &[Role::Consumer])
    }

    fn office(&self) -> Actor {
        self.person(Uuid::from_u128(3), "lf-credit", "131000", &[Role::CreditOffice])
    }

    /// The account of a company.
    fn company(&self, subject: Uuid) -> Actor {
        let person = self.person(Uuid::from_u128(4), "lf-amr", "", &[Role::Subject]);
        Actor { agency: None, label: "company".to_owned(), subjects: vec![SubjectId(subject)], ..person }
    }
}

/// One company in the program.
struct Case {
    n: u32,
    subject: Uuid,
    record: Uuid,
    /// How far each agency has read its inbox.
    places: BTreeMap<Executor, InboxPosition>,
    /// Counts of the logs as the way began.
    logs: [i64; 3],
    corrections: u32,
}

impl Case {
    fn new(model: &Model) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let n = NEXT.fetch_add(1, Ordering::Relaxed);
        let fx = fixture();
        fx.app.clock.set(model.today.and_time(NaiveTime::MIN).and_utc() + Duration::hours(2));
        let (decided, over) = ((model.today - Duration::days(5)).to_string(), (model.today + Duration::days(360)).to_string());
        let file = penalty(n).set(0, "处罚决定日期", &decided).set(0, "处罚有效期", &over).set(0, "公示截止期", &over);
        fx.app.provider("lf-amr").push(ITEM, "v2", &file.csv()).ok();
        fx.app.settle();
        let row = fx.app.block_on(fx.client.query_one(RECORD, &[&party(n)])).unwrap();
        let (subject, record) = (row.get(0), row.get(1));
        // What other ways left in the inboxes is none of this one's business.
        let here = InboxPosition { xid: fx.number(HERE, &[]), id: i64::MAX };
        let places = BTreeMap::from([(Executor::Approval, here), (Executor::Reform, here)]);
        Self { n, subject, record, places, logs: fx.logs(subject), corrections: 0 }
    }

    fn proposal(&self) -> NewEntry {
        NewEntry {
            list: LIST.to_owned(),
            uscc: Some(party(self.n)),
            subject_id: None,
            facts: "受到较重行政处罚".to_owned(),
            legal_basis: "总局令第44号第九条".to_owned(),
            measures: MEASURES.map(str::to_owned).to_vec(),
            ground_record_id: Some(self.record),
            responsible: Vec::new(),
        }
    }

    /// Takes a step in the program; `model` is how everything has to be afterwards.
    fn act(&mut self, step: Transition, model: &Model) -> Result<(), Problem> {
        let fx = fixture();
        let (app, lists, dispatch, records) = (&fx.app, &fx.app.app.lists, &fx.app.app.dispatch, &fx.app.app.records);
        // No two steps at the same instant, so that their order can be told from the logs.
        app.clock.advance(Duration::seconds(1));
        let today = app.clock.today();
        let (subject, record) = (self.subject, self.record);
        let entry = || fx.id(LATEST_ENTRY, &[&subject]);
        let action = || fx.id(LATEST_ACTION, &[&subject]);
        let directive = |aim: Aim| fx.id(LATEST_DIRECTIVE, &[&subject, &aim.of.code(), &code(&aim.what)]);
        let said = |content: String| NewFeedback { content, ..NewFeedback::default() };
        match step {
            Transition::Propose(by) => app.block_on(lists.propose(&fx.official(by), self.proposal())).map(|_| ()),
            Transition::Notice { by, days_ago } => {
                let served_on = today - Duration::days(days_ago);
                let notice = NewNotice { notice_no: "告1".into(), served_on, method: NoticeMethod::Direct, proof: "回证1".into() };
                app.block_on(lists.notice(&fx.official(by), entry(), notice))
            }
            Transition::Object { by: None, .. } => {
                let objection = NewObjection { text: "不服".into(), received_on: None };
                app.block_on(lists.object(&fx.company(subject), entry(), objection, Some(subject)))
            }
            Transition::Object { by: Some(by), day } => {
                let objection = NewObjection { text: "不服".into(), received_on: Some(today + Duration::days(day)) };
                app.block_on(lists.object(&fx.official(by), entry(), objection, None))
            }
            Transition::Answer { by, upheld } => {
                app.block_on(lists.answer(&fx.official(by), entry(), NewAnswer { upheld, answer: "已核实".into() }))
            }
            Transition::Decide { by, day } => {
                let decision = NewDecision { decision_no: "列1".into(), decided_on: today + Duration::days(day) };
                app.block_on(lists.decide(&fx.official(by), entry(), decision))
            }
            Transition::Publish(by) => app.block_on(lists.publish(&fx.official(by), entry())),
            Transition::Drop(by) => app.block_on(lists.drop_entry(&fx.official(by), entry(), "证据不足")),
            Transition::Exit { by, cause } => {
                let exit = NewExit { cause: cause.to_owned(), reason: "事由".into() };
                app.block_on(lists.exit(&fx.official(by), entry(), exit))
            }
            Transition::Correct => {
                self.corrections += 1;
                let fields = Map::from_iter([("CF_NR".to_owned(), Value::from(format!("罚款贰仟元（更正{}）", self.corrections)))]);
                app.block_on(single::correct(records, &fx.official(By::First), subject, record, fields, "笔误", None)).map(|_| ())
            }
            Transition::Withdraw => {
                app.block_on(single::withdraw(records, &fx.official(By::First), subject, record, "撤销", None)).map(|_| ())
            }
            Transition::ConfirmGround(by) => app.block_on(lists.confirm_ground(&fx.official(by), entry(), "不影响列入")),
            Transition::AdvanceDays(_) | Transition::PassLastDay => {
                app.clock.advance(model.today - today);
                Ok(())
            }
            Transition::Settle => {
                app.settle();
                Ok(())
            }
            Transition::ConfirmAction => app.block_on(dispatch.confirm_action(&fx.office(), action())).map(|_| ()),
            Transition::RefuseAction { reasoned } => {
                let reason = if reasoned { "不宜发起" } else { " " };
                app.block_on(dispatch.refuse_action(&fx.office(), action(), reason)).map(|_| ())
            }
            Transition::Pull(by) => {
                let handed = self.pull(by)?;
                assert_eq!(handed, model.last.handed, "messages that hand something out, on {}", model.today);
                Ok(())
            }
            Transition::Accept(aim) => app.block_on(dispatch.accept_directive(&fx.executor(aim.by), directive(aim), None)).map(|_| ()),
            Transition::Decline { aim, reasoned } => {
                let reason = if reasoned { "无此业务" } else { "" };
                app.block_on(dispatch.decline_directive(&fx.executor(aim.by), directive(aim), reason, None)).map(|_| ())
            }
            Transition::Feed { aim, .. } => {
                let feedback = said(format!("已执行{}", model.last.words));
                app.block_on(dispatch.report_directive(&fx.executor(aim.by), directive(aim), feedback, None)).map(|_| ())
            }
            Transition::Complete(aim) => {
                let feedback = said("已解除".to_owned());
                app.block_on(dispatch.complete_directive(&fx.executor(aim.by), directive(aim), feedback, None)).map(|_| ())
            }
        }
    }

    /// Reads an inbox to its end; how many messages about this company hand something out.
    fn pull(&mut self, by: Executor) -> Result<usize, Problem> {
        let fx = fixture();
        while fx.number(UNSEEN, &[&self.subject]) > 0 {
            std::thread::yield_now();
        }
        let mut handed = 0;
        loop {
            let after = self.places[&by];
            let page = fx.app.block_on(fx.app.app.dispatch.inbox(&fx.executor(by), after, std::time::Duration::ZERO, PAGE))?;
            if page.messages.is_empty() {
                return Ok(handed);
            }
            let directives = page.messages.iter().filter_map(|m| m.directive());
            handed += directives.filter(|m| m.subject.id == self.subject && m.reminder.is_none()).count();
            self.places.insert(by, paging::decode(&page.next)?);
        }
    }
}

/// The program as the thing that is tested.
struct Machines;

impl StateMachineTest for Machines {
    type SystemUnderTest = Case;
    type Reference = Rules;

    fn init_test(model: &Model) -> Case {
        Case::new(model)
    }

    fn apply(mut case: Case, model: &Model, step: Transition) -> Case {
        let done = case.act(step, model);
        if let Err(problem) = &done {
            assert_ne!(problem.code(), "internal", "{step:?} on {}: {:?}", model.today, problem.internal);
        }
        match (done.map_err(|problem| problem.code()), &model.last.expected) {
            (Ok(()), Ok(())) => {}
            (Err(said), Err(codes)) if codes.contains(&said) => {}
            (said, expected) => panic!("{step:?} on {}: {said:?}, and the rules say {expected:?}", model.today),
        }
        case
    }

    fn check_invariants(case: &Case, model: &Model) {
        let fx = fixture();
        let text = |rows: Vec<tokio_postgres::Row>| -> Vec<String> { rows.iter().map(|row| row.get(0)).collect() };
        let lines = text(fx.app.block_on(fx.client.query(&fx.state, &[&case.subject])).unwrap());
        assert_eq!(lines, model.lines(), "the state of the subject on the left, what the rules say on the right");
        let [logged, fed, stepped] = fx.logs(case.subject);
        let since = [logged - case.logs[0], fed - case.logs[1], stepped - case.logs[2]];
        assert_eq!(since, [model.logged, model.logged, model.stepped], "entries of the change log, of the feed, and steps");
        let wrong = text(fx.app.block_on(fx.client.query(&fx.violations, &[&case.subject, &model.last.settled])).unwrap());
        assert_eq!(wrong, Vec::<String>::new());
    }
}

/// Seeds are not kept: a way that failed says itself what it was.
fn many() -> Config {
    Config { cases: 48, failure_persistence: None, max_shrink_iters: 200, ..Config::default() }
}

prop_state_machine! {
    #![proptest_config(many())]

    #[test]
    fn entries_and_directives_do_what_the_rules_say(sequential 20..36 => Machines);
}
