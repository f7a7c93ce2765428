//! Redress in the demonstration city: a company, four penalties that the market regulator provided some weeks ago, and what the company made of them. One
//! was repaired, which one agency that had read it has answered and another owes an answer to; of one a mistake was disputed and corrected; one is disputed
//! and waits at its provider; for one repair is applied for without the proof that it needs. Made by the company and the officials through the same
//! services as their requests, whose clocks show the days on which it happened. What is there already, from a start that was stopped, goes on from the
//! state it has.

use super::super::Failure;
use super::super::client::Client;
use super::super::serve::bind;
use super::card::Followed;
use super::joint_action::{Officials, noon};
use super::make_key;
use crate::app::App;
use crate::server::{self, Running};
use chrono::{Datelike, Months, NaiveDate};
use credence_attachments::Attachments;
use credence_audit::access::{Statement, logged};
use credence_core::Actor;
use credence_demo::{City, DemoAgency, Feed, Organisation, Person};
use credence_dispatch::service::messages::MessageFilter;
use credence_redress::Redress;
use credence_redress::model::cases::{self, Applicant, CaseView, NewCase, NewCaseLine, NewPaper};
use credence_redress::model::decisions::{Finding, NewDecision, NewSelfCheck};
use credence_redress::model::lines::{CaseKind, Ground, LineView};
use credence_redress::model::trainings::{NewTraining, TRAINING_EXISTS, TrainingKind};
use credence_redress::service::cases::{Access, Filing};
use credence_redress::service::show::CasesWanted;
use credence_reports::model::Question;
use credence_rulebook::Calendar;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;
use uuid::Uuid;

/// What is told to an agency that received a record which was repaired.
const REPAIRED_TOPIC: &str = "record.repaired";
/// Kind of paper that repair needs beside the commitment.
const PROOF: &str = "proof_of_performance";
/// A document of one empty page, as far as a look at its content goes.
const PAPER: &[u8] = b"%PDF-1.4\n% receipt\n%%EOF\n";
/// Field with the amount of a fine.
const FINE: &str = "CF_NR_FK";
/// Field with the number of a decision.
const NUMBER: &str = "CF_WSH";

// Working days before the day the city is made for, on which it happened.
/// The regulator provided the penalties.
const PROVIDED: usize = 20;
/// Two agencies read the company's file.
const READ: usize = 14;
/// The company was trained.
const TRAINED: usize = 12;
/// It applied for repair.
const FILED: usize = 9;
/// The application was accepted.
const ACCEPTED: usize = 8;
/// Repair was granted, which has to be true everywhere one working day later.
const GRANTED: usize = 4;
/// The dispute that is decided by now was filed, and handed on to the provider on the next working day.
const DISPUTED: usize = 4;
/// The provider accepted it.
const DISPUTE_ACCEPTED: usize = 2;
/// The dispute that waits was filed, and handed on.
const LATELY_DISPUTED: usize = 2;

/// How often is looked for what an agency is told.
const LOOK: Duration = Duration::from_millis(50);
/// So many looks are enough.
const LOOKS: u32 = 200;

/// A penalty of the company.
struct Penalty {
    /// Running number of the decision.
    number: u32,
    /// Decided so many months, and then so many working days, before it was provided.
    before: (u32, usize),
    act: &'static str,
    facts: &'static str,
    basis: &'static str,
    /// The fine in 元, as it was decided, and in 万元, as it was provided.
    fine: (u32, &'static str),
}

/// The one that is repaired.
const REPAIRED: Penalty = Penalty {
    number: 9001,
    before: (5, 1),
    act: "违反《中华人民共和国广告法》第九条",
    facts: "发布的广告使用绝对化用语",
    basis: "《中华人民共和国广告法》第五十七条",
    fine: (5_000, "0.5"),
};
/// The one for which a paper is missing.
const UNPROVEN: Penalty = Penalty {
    number: 9002,
    before: (4, 1),
    act: "违反《中华人民共和国价格法》第十三条",
    facts: "销售商品未按规定明码标价",
    basis: "《中华人民共和国价格法》第四十二条",
    fine: (1_000, "0.1"),
};
/// The one whose fine was provided ten times too high.
const MISTAKEN: Penalty = Penalty {
    number: 9003,
    before: (0, 5),
    act: "违反《中华人民共和国食品安全法》第四十七条",
    facts: "未建立食品安全自查制度",
    basis: "《中华人民共和国食品安全法》第一百二十六条",
    fine: (2_000, "2"),
};
/// What it should be.
const MISTAKEN_FINE: &str = "0.2";
/// The one that is disputed.
const CONTESTED: Penalty = Penalty {
    number: 9004,
    before: (0, 3),
    act: "违反《中华人民共和国产品质量法》第二十七条",
    facts: "销售的产品未标明生产日期",
    basis: "《中华人民共和国产品质量法》第五十四条",
    fine: (800, "0.08"),
};

/// All of them.
const PENALTIES: [Penalty; 4] = [REPAIRED, UNPROVEN, MISTAKEN, CONTESTED];

/// The day so many working days before another; 1 is the one before.
fn before(calendar: &Calendar, day: NaiveDate, working_days: usize) -> NaiveDate {
    let earlier = std::iter::successors(day.pred_opt(), NaiveDate::pred_opt);
    earlier.filter(|day| calendar.is_working_day(*day)).nth(working_days.saturating_sub(1)).unwrap_or(day)
}

/// Files, decides and follows the company's cases. `today` is the day the city is made for.
pub(super) async fn make(
    app: &App,
    city: &City,
    officials: &Officials,
    company: Actor,
    today: NaiveDate,
    data_dir: &Path,
) -> Result<String, Failure> {
    let (Some(organisation), Some(person)) = (city.organisations.first(), city.persons.first()) else {
        return Err("the city has nobody".into());
    };
    let regulator = city.agencies.iter().find(|a| a.kind == "market_regulation").ok_or("the city has no market regulator")?;
    let subject = app.reports.organisation(&organisation.uscc, &Question::default()).await?.id;
    let scene = Scene { app, officials, company, organisation, person, regulator, subject, today };
    let mut records = scene.records().await?;
    let mut past = None;
    if PENALTIES.iter().any(|penalty| !records.contains_key(&scene.number(penalty))) {
        past = Some(scene.provide().await?);
        records = scene.records().await?;
    }
    let record = |penalty: &Penalty| {
        let number = scene.number(penalty);
        records.get(&number).copied().ok_or_else(|| format!("the penalty {number} is not there"))
    };
    let cases = scene.cases().await?;
    let filed = |record: Uuid| cases.get(&record);

    scene.train().await?;
    let repaired = record(&REPAIRED)?;
    scene.repair(repaired, filed(repaired), data_dir).await?;
    let mistaken = record(&MISTAKEN)?;
    scene.correct(mistaken, filed(mistaken)).await?;
    let contested = record(&CONTESTED)?;
    scene.contest(contested, filed(contested)).await?;
    let unproven = record(&UNPROVEN)?;
    if filed(unproven).is_none() {
        let new = scene.repair_of(unproven, "已缴纳罚款，申请信用修复，履行证明另行提交。", Vec::new());
        app.redress.file(&scene.company, subject, new, Filing::Online).await?;
    }
    if let Some(past) = past {
        past.stop().await;
    }
    Ok(format!(
        "  redress: of {} one penalty repaired, one corrected, one disputed, one application that lacks a paper, one training",
        organisation.name
    ))
}

/// Whom it is about, and who acts.
struct Scene<'a> {
    app: &'a App,
    officials: &'a Officials,
    /// The company's account.
    company: Actor,
    organisation: &'a Organisation,
    /// The person who has the account.
    person: &'a Person,
    regulator: &'a DemoAgency,
    subject: Uuid,
    today: NaiveDate,
}

impl Scene<'_> {
    /// The day so many working days ago.
    fn day(&self, working_days: usize) -> NaiveDate {
        before(&self.app.catalog.configuration.get().rulebook.calendar, self.today, working_days)
    }

    /// Redress as it was worked with on a day that is over.
    fn on(&self, day: NaiveDate) -> Redress {
        Redress { clock: noon(day), ..self.app.redress.clone() }
    }

    fn decided_on(&self, penalty: &Penalty) -> NaiveDate {
        let (months, working_days) = penalty.before;
        let provided = self.day(PROVIDED);
        let from = provided.checked_sub_months(Months::new(months)).unwrap_or(provided);
        before(&self.app.catalog.configuration.get().rulebook.calendar, from, working_days)
    }

    fn number(&self, penalty: &Penalty) -> String {
        format!("廊市监处罚〔{}〕{}号", self.decided_on(penalty).year(), penalty.number)
    }

    fn row(&self, penalty: &Penalty) -> Value {
        let decided_on = self.decided_on(penalty);
        let after = |months: u32| decided_on.checked_add_months(Months::new(months)).unwrap_or(decided_on).to_string();
        let (yuan, provided) = penalty.fine;
        json!({
            "行政相对人名称": self.organisation.name_on(decided_on), "行政相对人类别": self.organisation.kind.party(),
            "行政相对人代码_1（统一社会信用代码）": self.organisation.uscc, "法定代表人": self.organisation.legal_rep,
            "行政处罚决定书文号": self.number(penalty), "违法行为类型": penalty.act, "违法事实": penalty.facts, "处罚依据": penalty.basis,
            "处罚类别": "罚款", "处罚内容": format!("罚款人民币{yuan}元"), "罚款金额（万元）": provided,
            "处罚决定日期": decided_on.to_string(), "处罚有效期": after(12), "公示截止期": after(36),
            "处罚机关": self.regulator.name, "处罚机关统一社会信用代码": self.regulator.uscc,
            "数据来源单位": self.regulator.name, "数据来源单位统一社会信用代码": self.regulator.uscc,
        })
    }

    /// Lets the regulator push the penalties as it did some weeks ago: to a server of this program whose records have the clock of that day. The server is
    /// given back, to be stopped when its one connection is gone.
    async fn provide(&self) -> Result<Running, Failure> {
        let key = make_key(self.app, &Actor::system("credence demo"), self.regulator, Feed::PenaltyOrganisation).await?;
        let mut past = self.app.clone();
        past.records.clock = noon(self.day(PROVIDED));
        past.settings.server.workers = 1;
        let running = server::serve(past, bind("127.0.0.1:0")?).map_err(|e| e.to_string())?;
        let url = format!("http://{}", running.address);
        let rows: Vec<Value> = PENALTIES.iter().map(|penalty| self.row(penalty)).collect();
        let body = Value::Array(rows).to_string();
        let received = tokio::task::spawn_blocking(move || {
            let feed = Feed::PenaltyOrganisation;
            let query = [("item", feed.item()), ("feed", feed.version()), ("file_name", "demo.json")];
            Client::new(&url, &key).submit(&query, body.as_bytes(), body.len() as u64)
        })
        .await
        .map_err(|e| e.to_string())??;
        let refused = received.pointer("/batch/counts/refused").and_then(Value::as_i64);
        if refused == Some(0) { Ok(running) } else { Err(format!("the penalties of a company were refused: {received}").into()) }
    }

    /// The company's records of penalties by the numbers of their decisions, whatever became of them.
    async fn records(&self) -> Result<BTreeMap<String, Uuid>, Failure> {
        let mut conn = self.app.db.read().await?;
        let found = credence_records::service::redress::targets(&mut conn, self.subject).await?;
        let penalties = found.into_iter().filter(|target| target.item == Feed::PenaltyOrganisation.item());
        Ok(penalties.filter_map(|target| Some((target.data.get(NUMBER)?.as_str()?.to_owned(), target.record_id))).collect())
    }

    /// The company's latest cases by the records they are about, without those that were withdrawn or have lapsed.
    async fn cases(&self) -> Result<BTreeMap<Uuid, CaseView>, Failure> {
        let wanted = CasesWanted { limit: self.app.settings.query.page_max, ..CasesWanted::default() };
        let mut cases = BTreeMap::new();
        for summary in self.app.redress.own_cases(self.subject, &wanted).await? {
            let case = self.app.redress.own_case(self.subject, summary.id).await?;
            if let Some(record) = case.lines.first().and_then(|line| line.target_id).filter(|_| case.state != "withdrawn") {
                cases.entry(record).or_insert(case);
            }
        }
        Ok(cases)
    }

    async fn train(&self) -> Result<(), Failure> {
        let held_on = self.day(TRAINED);
        let training = NewTraining {
            subject_id: Some(self.subject),
            uscc: None,
            kind: TrainingKind::Training,
            held_on,
            organiser: "廊坊市信用办".to_owned(),
            hours: Some(4.0),
            certificate_no: Some(format!("廊信培〔{}〕17号", held_on.year())),
        };
        match self.on(held_on).record_training(&self.officials.proposer, training).await {
            Err(problem) if problem.code() == TRAINING_EXISTS.code => Ok(()),
            recorded => Ok(recorded.map(drop)?),
        }
    }

    fn case(&self, kind: CaseKind, statement: &str, line: NewCaseLine) -> NewCase {
        NewCase {
            kind,
            statement: statement.to_owned(),
            applicant: Applicant::Subject,
            authorisation: None,
            person: cases::Person {
                name: self.person.name.clone(),
                document_kind: "身份证".to_owned(),
                document_number: self.person.id_number.clone(),
                phone: None,
                email: Some("company@example.org".to_owned()),
            },
            lines: vec![line],
            papers: Vec::new(),
            commitment: None,
        }
    }

    fn repair_of(&self, record: Uuid, statement: &str, papers: Vec<NewPaper>) -> NewCase {
        let commitment = Some("承诺所提交材料真实、合法、有效，今后依法诚信经营。".to_owned());
        NewCase { papers, commitment, ..self.case(CaseKind::Repair, statement, line(record, None, Map::new())) }
    }

    /// The penalty that is repaired: read by two agencies, applied for with all papers, granted, and answered by the first agency.
    async fn repair(&self, record: Uuid, filed: Option<&CaseView>, data_dir: &Path) -> Result<(), Failure> {
        let followed = Followed::read(data_dir)?;
        let kept = |case: &CaseView| followed.as_ref().is_some_and(|followed| followed.case_no == case.case_no);
        let case = match filed {
            Some(case) if case.state == "closed" || kept(case) => case.clone(),
            lost => {
                if let Some(case) = lost {
                    // Stopped before its code was kept: nobody could follow it.
                    let own = Access::Own(self.subject);
                    self.on(self.day(FILED)).withdraw_case(&self.company, own, case.id, "重新提交").await?;
                }
                self.apply(record, data_dir).await?
            }
        };
        let Some(line) = case.lines.first() else { return Ok(()) };
        let mut state = line.state.as_str();
        if state == "filed" {
            self.on(self.day(ACCEPTED)).accept(&self.officials.proposer, line.id).await?;
            state = "accepted";
        }
        if state == "accepted" {
            let granted_on = self.day(GRANTED);
            let decision = NewDecision {
                outcome: "granted".to_owned(),
                reason: "最短公示期已满，已履行处罚决定并公开作出信用承诺，准予修复。".to_owned(),
                decision_no: Some(format!("廊市监信修〔{}〕1号", granted_on.year())),
                ..NewDecision::default()
            };
            self.on(granted_on).decide(&self.officials.decider, line.id, decision).await?;
        }
        self.answer(&self.officials.housing, record).await
    }

    async fn apply(&self, record: Uuid, data_dir: &Path) -> Result<CaseView, Failure> {
        let read_on = self.day(READ);
        self.read(&self.officials.housing, read_on).await?;
        self.read(&self.officials.approval, read_on).await?;
        let filed_on = self.day(FILED);
        let attachments = Attachments { clock: noon(filed_on), ..self.app.attachments.clone() };
        let proof = attachments.put_for_subject(&self.company, self.subject, "缴纳罚款凭证.pdf", PAPER.to_vec()).await?;
        let papers = vec![NewPaper { kind: PROOF.to_owned(), attachment_id: proof.id }];
        let new = self.repair_of(record, "已缴纳罚款并完成整改，申请信用修复。", papers);
        let filed = self.on(filed_on).file(&self.company, self.subject, new, Filing::Online).await?;
        Followed { case_no: filed.case.case_no.clone(), code: filed.code }.save(data_dir)?;
        Ok(filed.case)
    }

    /// Lets an agency read the company's file on a day, which is logged as its request would be.
    async fn read(&self, agency: &Actor, day: NaiveDate) -> Result<(), Failure> {
        let reports = &self.app.reports;
        let purpose = Some("资质审查");
        let viewer = reports.viewer(Some(agency), false, purpose, None).await?;
        let question = Question { limit: self.app.settings.query.page_max, ..Question::default() };
        let statement = Statement { action: "subject.file", purpose, ..Statement::default() };
        logged(&self.app.db, agency, statement, noon(day).now(), async || {
            let head = reports.organisation(&self.organisation.uscc, &question).await?;
            let id = head.id;
            reports.file(head, &viewer, &question).await?;
            Ok((Some(id), ()))
        })
        .await?;
        Ok(())
    }

    /// Lets an agency that received a record say that it has followed its repair, as soon as it is told.
    async fn answer(&self, agency: &Actor, record: Uuid) -> Result<(), Failure> {
        let filter = MessageFilter { topic: Some(REPAIRED_TOPIC.to_owned()), ..MessageFilter::default() };
        for _ in 0..LOOKS {
            let (told, _) = self.app.dispatch.agency_messages(agency, &filter, self.app.settings.query.page_max).await?;
            if let Some(message) = told.into_iter().map(|view| view.message).find(|message| message.about.id == record) {
                if message.acknowledged_at.is_none() {
                    let text = "已删除本单位留存的该处罚信息，资质审查不再使用。";
                    self.app.dispatch.acknowledge_message(agency, message.id, text).await?;
                }
                return Ok(());
            }
            // The workers follow what was decided too; whoever is first tells the agency.
            if self.app.redress.follow().await? == 0 {
                tokio::time::sleep(LOOK).await;
            }
        }
        Ok(())
    }

    /// Files a dispute about an error of a record, and lets the platform hand it on to the provider on the next working day; its line.
    async fn dispute(
        &self,
        record: Uuid,
        filed: Option<&CaseView>,
        statement: &str,
        wanted: Map<String, Value>,
        working_days: usize,
    ) -> Result<LineView, Failure> {
        let case = match filed {
            Some(case) => case.clone(),
            None => {
                let new = self.case(CaseKind::Dispute, statement, line(record, Some(Ground::Error), wanted));
                self.on(self.day(working_days)).file(&self.company, self.subject, new, Filing::Online).await?.case
            }
        };
        let line = case.lines.into_iter().next().ok_or("a case without lines")?;
        if line.state != "filed" {
            return Ok(line);
        }
        let check = NewSelfCheck {
            finding: Finding::Forward,
            reason: "平台展示内容与信息提供单位报送的一致，转请核查。".to_owned(),
            outcome: None,
        };
        self.on(self.day(working_days.saturating_sub(1))).self_check(&self.officials.credit_office, line.id, check).await?;
        Ok(LineView { state: "forwarded".to_owned(), ..line })
    }

    /// The penalty whose fine was provided ten times too high: disputed, and corrected today.
    async fn correct(&self, record: Uuid, filed: Option<&CaseView>) -> Result<(), Failure> {
        let right: Map<String, Value> = [(FINE.to_owned(), Value::from(MISTAKEN_FINE))].into_iter().collect();
        let statement = "罚款金额多报十倍，与处罚决定书不一致，请更正。";
        let line = self.dispute(record, filed, statement, right.clone(), DISPUTED).await?;
        let mut state = line.state.as_str();
        if state == "forwarded" {
            self.on(self.day(DISPUTE_ACCEPTED)).accept(&self.officials.proposer, line.id).await?;
            state = "accepted";
        }
        if state == "accepted" {
            let decision = NewDecision {
                outcome: "corrected".to_owned(),
                reason: "经核对处罚决定书，金额单位换算有误，予以更正。".to_owned(),
                decision_no: Some(format!("廊市监异议〔{}〕1号", self.today.year())),
                changes: Some(right),
                ..NewDecision::default()
            };
            self.app.redress.decide(&self.officials.decider, line.id, decision).await?;
        }
        Ok(())
    }

    /// The penalty that is disputed and waits at its provider, with its mark.
    async fn contest(&self, record: Uuid, filed: Option<&CaseView>) -> Result<(), Failure> {
        let statement = "所售产品已标明生产日期，处罚认定的事实不符，请核查。";
        self.dispute(record, filed, statement, Map::new(), LATELY_DISPUTED).await?;
        Ok(())
    }
}

fn line(record: Uuid, ground: Option<Ground>, wanted: Map<String, Value>) -> NewCaseLine {
    NewCaseLine { record_id: Some(record), entry_id: None, item: None, agency: None, ground, wanted }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn working_days_are_counted_back_over_a_weekend() {
        let calendar = Calendar::new([]);
        let day = |text: &str| text.parse::<NaiveDate>().unwrap();
        let tuesday = day("2026-11-24");
        assert_eq!([1, 2, 3].map(|n| before(&calendar, tuesday, n)), [day("2026-11-23"), day("2026-11-20"), day("2026-11-19")]);
        assert_eq!(before(&calendar, day("2026-11-22"), 1), day("2026-11-20"), "a Sunday is none itself");
    }

    #[test]
    fn it_happened_in_its_order_and_the_effects_are_due_before_today() {
        // Disputes are handed on one working day after they were filed.
        let repair = [PROVIDED, READ, TRAINED, FILED, ACCEPTED, GRANTED, 1].to_vec();
        let disputes = [[DISPUTED, DISPUTED - 1, DISPUTE_ACCEPTED, 0].to_vec(), [LATELY_DISPUTED, LATELY_DISPUTED - 1, 0].to_vec()];
        for in_order in disputes.into_iter().chain([repair]) {
            assert!(in_order.is_sorted_by(|earlier, later| earlier > later), "{in_order:?}");
        }
    }
}
