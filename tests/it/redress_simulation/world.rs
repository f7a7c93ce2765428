//! The city of the simulation: its agencies and officials, the loading of records, and what everybody is shown.

use super::oracle::{KINDS, Record, Subject};
use crate::support::builders::{Table, penalty, resident_id, uscc};
use crate::support::{Caller, PASSWORD, TestApp};
use chrono::{Duration, NaiveDate, NaiveTime};
use credence_core::actor::Credential;
use credence_core::{AccountId, Actor, AgencyId, Role, SubjectId};
use credence_redress::Redress;
use credence_redress::model::cases::Person;
use std::collections::BTreeMap;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, NoTls, Row};
use uuid::Uuid;

/// The catalogue item of all records.
const ITEM: &str = "administrative_penalty_organisation";
/// Rows of one upload: so many are answered in the call.
const ROWS: usize = 1000;

/// An agency that punishes.
pub struct Agency {
    /// Its code.
    pub code: &'static str,
    /// Its name.
    pub name: &'static str,
    /// Number in its unified social credit code.
    number: u32,
    /// Its kind of organ.
    pub sector: &'static str,
}

/// The agencies that punish; one of them is of a sector with a longer least period.
pub const AGENCIES: [Agency; 4] = [
    Agency { code: "lf-amr", name: "廊坊市市场监督管理局", number: 2, sector: "market_regulation" },
    Agency { code: "lf-emergency", name: "廊坊市应急管理局", number: 5, sector: "emergency" },
    Agency { code: "lf-housing", name: "廊坊市住房和城乡建设局", number: 9, sector: "housing" },
    Agency { code: "lf-transport", name: "廊坊市交通运输局", number: 11, sector: "transport" },
];

/// Agencies that read files.
pub const READERS: [&str; 4] = ["lf-reform", "lf-water", "lf-approval", "lf-tax"];

/// What a file shows of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// What the penalty was.
    pub content: String,
    /// Whether it is marked as disputed.
    pub disputed: bool,
    /// What its subject states.
    pub objection: Option<String>,
}

/// The program with everybody who uses it.
pub struct World {
    /// The program.
    pub app: TestApp,
    client: Client,
    anybody: Caller,
    providers: Vec<Caller>,
    readers: Vec<Caller>,
    /// Agency code to id.
    pub agencies: BTreeMap<String, Uuid>,
    /// Of each agency one who handles and three who decide.
    officials: Vec<[Actor; 4]>,
    /// The credit office.
    pub office: Actor,
    /// The clerk at the counter.
    pub clerk: Actor,
    papers: BTreeMap<Uuid, Uuid>,
}

impl World {
    /// Opens the city on a day.
    pub fn open(on: NaiveDate) -> Self {
        // Nothing moves by itself: what follows, follows when the simulation lets it.
        let app = TestApp::with(|s| s.jobs.poll_milliseconds = 3_600_000);
        app.clock.set(morning(on));
        let client = app.block_on(async {
            let (client, connection) = tokio_postgres::connect(&app.db_url, NoTls).await.unwrap();
            tokio::spawn(connection);
            client
        });
        let agencies = app.sql("SELECT code, id FROM agencies").iter().map(|row| (row.get(0), row.get(1))).collect();
        let person = |role: Role, agency: &str| {
            let username = app.account(role, Some(agency));
            app.block_on(async {
                let tokens = app.app.identity.login(&username, PASSWORD.to_owned()).await.unwrap();
                app.app.identity.authenticate(&tokens.access_token).await.unwrap()
            })
        };
        let officials =
            AGENCIES.map(|agency| [Role::Provider, Role::Approver, Role::Approver, Role::Approver].map(|role| person(role, agency.code)));
        let (office, clerk) = (person(Role::CreditOffice, "lf-credit"), person(Role::Clerk, "lf-credit"));
        Self {
            anybody: app.anonymous(),
            providers: AGENCIES.iter().map(|agency| app.provider(agency.code)).collect(),
            readers: READERS.iter().map(|code| app.key(code, Role::Consumer)).collect(),
            officials: officials.into(),
            office,
            clerk,
            client,
            agencies,
            papers: BTreeMap::new(),
            app,
        }
    }

    /// What is simulated.
    pub fn redress(&self) -> &Redress {
        &self.app.app.redress
    }

    /// A second later, so that no two things happen at once.
    pub fn tick(&self) {
        self.app.clock.advance(Duration::seconds(1));
    }

    /// An official of an agency: 0 handles, 1 to 3 decide.
    pub fn official(&self, agency: usize, who: usize) -> &Actor {
        &self.officials[agency][who]
    }

    /// Somebody who acts for a subject.
    pub fn applicant(&self, subject: Uuid) -> Actor {
        Actor {
            credential: Credential::Account(AccountId(Uuid::from_u128(4))),
            label: "applicant".to_owned(),
            agency: None,
            region: String::new(),
            roles: vec![Role::Subject],
            subjects: vec![SubjectId(subject)],
            ..Actor::system("applicant")
        }
    }

    /// Somebody of an agency who acknowledges its messages.
    pub fn reader(&self, agency: Uuid) -> Actor {
        Actor { agency: Some(AgencyId(agency)), label: "reader".to_owned(), ..self.office.clone() }
    }

    /// The person behind every application.
    pub fn person() -> Person {
        Person { name: "张试验".into(), document_kind: "身份证".into(), document_number: resident_id(1), phone: None, email: None }
    }

    /// An attachment of a subject or, without one, of the counter; uploaded once.
    pub fn attachment(&mut self, subject: Option<Uuid>) -> Uuid {
        let key = subject.unwrap_or_default();
        if let Some(id) = self.papers.get(&key) {
            return *id;
        }
        let bytes = b"%PDF-1.4\n% proof\n%%EOF\n".to_vec();
        let attachments = &self.app.app.attachments;
        let stored = self.app.block_on(async {
            match subject {
                Some(subject) => attachments.put_for_subject(&self.applicant(subject), subject, "proof.pdf", bytes).await,
                None => attachments.put(&self.clerk, "proof.pdf", bytes).await,
            }
        });
        let id = stored.unwrap().id;
        self.papers.insert(key, id);
        id
    }

    /// Loads new records as their agencies push them, and notes ids and instants.
    pub fn load(&self, subjects: &mut [Subject], records: &mut [Record]) {
        for agency in 0..AGENCIES.len() {
            let places: Vec<usize> = (0..records.len()).filter(|at| records[*at].agency == agency).collect();
            for chunk in places.chunks(ROWS) {
                self.tick();
                let table = table(chunk.iter().map(|at| (&records[*at], &subjects[records[*at].subject])));
                let received = self.providers[agency].push(ITEM, "v2", &table.csv()).ok();
                // A row may be taken with a remark; none is refused.
                let taken = |how: &str| received["batch"]["counts"][how].as_u64().unwrap();
                let all = taken("accepted") + taken("accepted_with_warnings");
                assert_eq!(all, u64::try_from(chunk.len()).unwrap(), "{}", received["batch"]);
                let batch: Uuid = received["batch"]["id"].as_str().unwrap().parse().unwrap();
                let query = "SELECT data ->> 'CF_WSH', subject_id, record_id, known_from FROM record_versions WHERE batch_id = $1";
                let by_number: BTreeMap<String, usize> = chunk.iter().map(|at| (records[*at].number.clone(), *at)).collect();
                let rows = self.query(query, &[&batch]);
                assert_eq!(rows.len(), chunk.len());
                for row in rows {
                    let record = &mut records[by_number[&row.get::<_, String>(0)]];
                    subjects[record.subject].id = row.get(1);
                    (record.id, record.loaded) = (row.get(2), row.get(3));
                }
            }
        }
    }

    /// Rows of a query.
    pub fn query(&self, query: &str, parameters: &[&(dyn ToSql + Sync)]) -> Vec<Row> {
        self.app.block_on(self.client.query(query, parameters)).unwrap_or_else(|e| panic!("{query}: {e:?}"))
    }

    /// Writes past every guard of the database, as only somebody with its keys could: for what the checks have to notice.
    pub fn forge(&self, statement: &str) {
        let forged = format!("SET session_replication_role = replica; {statement}; SET session_replication_role = origin");
        self.app.block_on(self.client.batch_execute(&forged)).unwrap();
    }

    /// What everybody is shown of a subject.
    pub fn public_file(&self, subject: &Subject) -> BTreeMap<Uuid, Shown> {
        file(&self.anybody, subject, "")
    }

    /// What a reader is shown of a subject.
    pub fn shared_file(&self, subject: &Subject, reader: usize) -> BTreeMap<Uuid, Shown> {
        file(&self.readers[reader], subject, "&purpose=approval")
    }

    /// Lets everything follow that follows by itself.
    pub fn settle(&self) {
        // The feed shows what is older than the oldest running transaction, of other tests too: it is read until nothing is left.
        let behind =
            "SELECT EXISTS (SELECT 1 FROM change_feed f WHERE NOT EXISTS (SELECT 1 FROM feed_readers r WHERE r.reader = 'effects'))
                OR EXISTS (SELECT 1 FROM change_feed f, feed_readers r
                            WHERE r.reader = 'effects' AND (f.xid, f.id) > (r.xid::text::xid8, r.entry_id))";
        while self.query(behind, &[])[0].get(0) {
            if self.app.block_on(self.redress().follow()).unwrap() == 0 {
                std::thread::yield_now();
            }
        }
        self.app.block_on(self.redress().settle()).unwrap();
    }
}

/// The instant at which a day's work begins.
pub fn morning(day: NaiveDate) -> chrono::DateTime<chrono::Utc> {
    day.and_time(NaiveTime::MIN).and_utc() + Duration::hours(1)
}

/// The penalties of a subject that a caller is shown, by record.
fn file(caller: &Caller, subject: &Subject, further: &str) -> BTreeMap<Uuid, Shown> {
    let path = format!("/v1/subjects/{}/file?section=administrative_penalty&limit=200{further}", subject.uscc);
    let file = caller.get(&path).ok();
    let section = &file["sections"][0];
    let statements = section["statements"].as_array().unwrap();
    assert_eq!(section["total"].as_u64(), u64::try_from(statements.len()).ok(), "all on one page, and none counted that is not shown");
    statements
        .iter()
        .map(|statement| {
            let shown = Shown {
                content: statement["data"]["CF_NR"].as_str().unwrap().to_owned(),
                disputed: statement["disputed"].as_bool().unwrap(),
                objection: statement["objection"].as_str().map(str::to_owned),
            };
            (statement["record_id"].as_str().unwrap().parse().unwrap(), shown)
        })
        .collect()
}

/// Records as a department writes them.
fn table<'a>(records: impl Iterator<Item = (&'a Record, &'a Subject)>) -> Table {
    let form = penalty(1);
    let rows = records.map(|(record, subject)| {
        let (kinds, agency) = (KINDS[record.kinds], &AGENCIES[record.agency]);
        let has = |part: &str| kinds.iter().any(|kind| kind.contains(part));
        let when = |there: bool, text: &str| if there { text.to_owned() } else { String::new() };
        let own = uscc("11", "131000", agency.number);
        let cells = BTreeMap::from([
            ("行政相对人名称", format!("廊坊市仿真{}商贸有限公司", record.subject)),
            ("行政相对人代码_1（统一社会信用代码）", subject.uscc.clone()),
            ("行政处罚决定书文号", record.number.clone()),
            ("处罚类别", kinds.join(";")),
            ("处罚内容", record.content()),
            ("罚款金额（万元）", when(has("罚款"), "1.5")),
            ("没收违法所得、没收非法财物的金额（万元）", when(has("没收"), "0.3")),
            ("暂扣或吊销证照名称及编号", when(has("暂扣") || has("吊销"), "经营许可证")),
            ("处罚决定日期", record.decided.to_string()),
            ("处罚有效期", record.sent.to_string()),
            ("公示截止期", record.sent.to_string()),
            ("处罚机关", agency.name.to_owned()),
            ("处罚机关统一社会信用代码", own.clone()),
            ("数据来源单位", agency.name.to_owned()),
            ("数据来源单位统一社会信用代码", own),
        ]);
        let cell = |(header, usual): (&String, &String)| cells.get(header.as_str()).unwrap_or(usual).clone();
        form.header.iter().zip(&form.rows[0]).map(cell).collect()
    });
    Table { header: form.header.clone(), rows: rows.collect() }
}
